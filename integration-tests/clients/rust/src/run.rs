//! All checks with one client.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::{Answer, Client, Failure, Login, Parameter};

/// The longest that another connection looks for a statement to kill.
const KILLED_WITHIN: Duration = Duration::from_secs(10);

/// Runs a client with the arguments HOST PORT DATABASE LOCKED_PORT PASSWORD QUERIES.
pub async fn main<C: Client>(client: C) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, database, locked_port, password, queries] = &arguments[..] else {
        panic!("HOST PORT DATABASE LOCKED_PORT PASSWORD QUERIES");
    };
    let text = std::fs::read_to_string(queries).expect("the queries can be read");
    let login = Login {
        port: port.parse().expect("a port"),
        password: String::new(),
        database: Some(database.clone()),
        tls: false,
        native: false,
        compress: false,
    };
    let run = Run {
        client,
        host: host.clone(),
        database: database.clone(),
        login,
        locked: (locked_port.parse().expect("a port"), password.clone()),
        checks: serde_json::from_str(&text).expect("the queries are JSON"),
    };
    run.all().await;
}

struct Run<C> {
    client: C,
    host: String,
    database: String,
    login: Login,
    /// Port and password of the server that wants a password.
    locked: (u16, String),
    checks: Json,
}

impl<C: Client> Run<C> {
    async fn all(&self) {
        let mut connection = self.connected(&self.login).await.expect("the server is there");
        for check in self.group("queries") {
            say(text(check, "name"), self.one(&mut connection, check).await);
        }
        for check in self.group("prepared") {
            let given = check["parameters"].as_array().expect("parameters");
            let parameters = given.iter().map(parameter).collect();
            let sql = text(check, "sql");
            let answer = self.client.prepared(&mut connection, sql, &[parameters]).await;
            say(text(check, "name"), answer);
        }
        for check in self.group("errors") {
            let name = text(check, "name");
            say(name, self.one(&mut connection, check).await);
            say(&format!("after {name}"), self.query(&mut connection, "SELECT 1").await);
        }
        self.session(connection).await;
        self.logins().await;
    }

    async fn session(&self, mut connection: C::Connection) {
        let c = &mut connection;
        say("ping", self.client.ping(c).await.map(|()| vec![]));
        say("use", self.used().await);
        say("several statements", self.client.several(c, "SELECT 1; SELECT 'two'; SELECT 3").await);
        let ids = [vec![Parameter::Int(1)], vec![Parameter::Int(4)]];
        let by_id = "SELECT id FROM types WHERE id = ?";
        say("prepared twice", self.client.prepared(c, by_id, &ids).await);
        let wrong = "SELECT * FROM nothing WHERE id = ?";
        say("prepare an error", self.client.prepared(c, wrong, &ids[..1]).await);
        let failed = self.query(c, "SELECT * FROM nothing").await;
        assert!(failed.is_err(), "there is a table 'nothing'");
        say("warnings", self.query(c, "SHOW COUNT(*) WARNINGS").await);
        say("compressed", self.compressed().await);
        for name in ["cursor", "empty cursor", "cursor left in the middle"] {
            say(name, Err(Failure::Unsupported("asks for no cursor")));
        }
        say("kill query", self.killed(c).await);
        say("after kill query", self.query(c, "SELECT 1").await);
        say("query timeout", Err(Failure::Unsupported("no timeout that cancels")));
        say("reset", self.reset(c).await);
        say("reconnect", self.again(connection).await);
    }

    async fn connected(&self, login: &Login) -> Result<C::Connection, Failure> {
        self.client.connect(&self.host, login).await
    }

    async fn used(&self) -> Answer {
        let login = Login { database: None, ..self.login.clone() };
        let mut connection = self.connected(&login).await?;
        self.query(&mut connection, &format!("USE {}", self.database)).await?;
        let rows = self.query(&mut connection, "SELECT database()").await?;
        self.client.close(connection).await?;
        Ok(rows)
    }

    async fn compressed(&self) -> Answer {
        let login = Login { compress: true, ..self.login.clone() };
        let mut connection = self.connected(&login).await?;
        let rows = self.query(&mut connection, "SELECT * FROM types ORDER BY id").await?;
        self.client.close(connection).await?;
        Ok(rows)
    }

    async fn reset(&self, connection: &mut C::Connection) -> Answer {
        self.query(connection, "SET time_zone = '+03:00'").await?;
        self.client.reset(connection).await?;
        self.query(connection, "SELECT @@time_zone").await
    }

    async fn again(&self, connection: C::Connection) -> Answer {
        self.client.close(connection).await?;
        let mut connection = self.connected(&self.login).await?;
        let rows = self.query(&mut connection, "SELECT 1").await?;
        self.client.close(connection).await?;
        Ok(rows)
    }

    /// Kills the slow query as soon as another connection sees it run.
    async fn killed(&self, connection: &mut C::Connection) -> Answer {
        // other clients may ask the same at this time
        let label = format!("count(*) AS of_{}", std::process::id());
        let slow = text(&self.checks, "slow").replace("count(*)", &label);
        let mut killer = self.connected(&self.login).await?;
        let killing = async {
            let until = Instant::now() + KILLED_WITHIN;
            while Instant::now() < until {
                let running = self.query(&mut killer, "SHOW FULL PROCESSLIST").await?;
                let found = running.iter().find(|row| row[7].as_deref() == Some(&slow));
                if let Some(id) = found.and_then(|row| row[0].as_deref()) {
                    return self.query(&mut killer, &format!("KILL QUERY {id}")).await;
                }
            }
            Ok(vec![])
        };
        let (answer, killing) = tokio::join!(self.query(connection, &slow), killing);
        killing?;
        answer
    }

    async fn logins(&self) {
        let (port, password) = self.locked.clone();
        let right = Login { port, password, database: None, ..self.login.clone() };
        let wrong = Login { password: "wrong".into(), ..right.clone() };
        say("plain login", self.login(right.clone()).await);
        say("TLS login", self.login(Login { tls: true, ..right.clone() }).await);
        say("native password", self.login(Login { native: true, ..right.clone() }).await);
        say("wrong password", self.login(wrong.clone()).await);
        say("wrong password, TLS", self.login(Login { tls: true, ..wrong }).await);
        let none = Login { password: String::new(), ..right.clone() };
        say("no password", self.login(none).await);
        let nowhere = Login { database: Some("nowhere.nothing".into()), ..right };
        say("unknown database at login", self.login(nowhere).await);
    }

    async fn login(&self, login: Login) -> Answer {
        let mut connection = self.connected(&login).await?;
        let rows = self.query(&mut connection, "SELECT 1").await?;
        self.client.close(connection).await?;
        Ok(rows)
    }

    async fn one(&self, connection: &mut C::Connection, check: &Json) -> Answer {
        if let Some(before) = check["set"].as_str() {
            self.query(connection, before).await?;
        }
        let answer = self.query(connection, text(check, "sql")).await;
        if let Some(after) = check["then"].as_str() {
            self.query(connection, after).await?;
        }
        answer
    }

    async fn query(&self, connection: &mut C::Connection, sql: &str) -> Answer {
        let sql = sql.replace("{slow}", text(&self.checks, "slow"));
        self.client.query(connection, &sql.replace("{database}", &self.database)).await
    }

    fn group(&self, name: &str) -> impl Iterator<Item = &Json> {
        self.checks[name].as_array().into_iter().flatten()
    }
}

fn text<'a>(check: &'a Json, key: &str) -> &'a str {
    check[key].as_str().unwrap_or_else(|| panic!("no {key} in {check}"))
}

fn parameter(given: &Json) -> Parameter {
    let (kind, value) = given.as_object().and_then(|one| one.iter().next()).expect("a parameter");
    let text = value.as_str().unwrap_or_default();
    match kind.as_str() {
        "null" => Parameter::Null,
        "int" => Parameter::Int(text.parse().expect("a whole number")),
        "double" => Parameter::Double(text.parse().expect("a number")),
        "decimal" => Parameter::Decimal(text.into()),
        "date" => Parameter::Date(text.parse().expect("a day")),
        "timestamp" => Parameter::Timestamp(text.replace(' ', "T").parse().expect("a time")),
        _ => Parameter::Text(text.into()),
    }
}

fn say(name: &str, answer: Answer) {
    let mut line = json!({"check": name});
    match answer {
        Ok(rows) => line["rows"] = json!(rows),
        Err(Failure::Server(number, told)) => {
            line["error"] = json!(number);
            line["text"] = json!(told);
        }
        Err(Failure::Unsupported(why)) => line["skipped"] = json!(why),
        Err(Failure::Broken(why)) => line["broken"] = json!(why),
    }
    println!("{line}");
}
