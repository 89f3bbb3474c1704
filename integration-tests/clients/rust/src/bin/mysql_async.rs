//! mysql_async: texts as texts, prepared statements in binary.

use chrono::{Datelike, Timelike};
use clients::{Answer, Cell, Client, Failure, Login, Parameter, hexadecimal, trimmed};
use mysql_async::consts::ColumnType;
use mysql_async::prelude::{Protocol, Queryable};
use mysql_async::{
    BinaryProtocol, Column, Compression, Conn, Error, OptsBuilder, Params, QueryResult, Row,
    SslOpts, Value,
};

/// The number of the character set of bytes.
const BINARY: u16 = 63;

struct MySqlAsync;

impl Client for MySqlAsync {
    type Connection = Conn;

    async fn connect(&self, host: &str, login: &Login) -> Result<Conn, Failure> {
        if login.native {
            return Err(Failure::Unsupported("takes what the server offers"));
        }
        // the certificate of a test is nobody's
        let tls = login.tls.then(|| SslOpts::default().with_danger_accept_invalid_certs(true));
        let options = OptsBuilder::default()
            .ip_or_hostname(host)
            .tcp_port(login.port)
            .user(Some("root"))
            .pass(Some(&login.password).filter(|password| !password.is_empty()))
            .db_name(login.database.as_ref())
            .prefer_socket(false)
            .ssl_opts(tls)
            .compression(login.compress.then(Compression::default));
        Conn::new(options).await.map_err(failure)
    }

    async fn query(&self, connection: &mut Conn, sql: &str) -> Answer {
        let result = connection.query_iter(sql).await.map_err(failure)?;
        rows(result).await
    }

    async fn several(&self, connection: &mut Conn, sql: &str) -> Answer {
        self.query(connection, sql).await
    }

    async fn prepared(
        &self,
        connection: &mut Conn,
        sql: &str,
        executions: &[Vec<Parameter>],
    ) -> Answer {
        let statement = connection.prep(sql).await.map_err(failure)?;
        let mut all = vec![];
        for parameters in executions {
            let values = Params::Positional(parameters.iter().map(value).collect());
            let result = connection.exec_iter(&statement, values).await.map_err(failure)?;
            all.extend(rows::<BinaryProtocol>(result).await?);
        }
        connection.close(statement).await.map_err(failure)?;
        Ok(all)
    }

    async fn ping(&self, connection: &mut Conn) -> Result<(), Failure> {
        connection.ping().await.map_err(failure)
    }

    async fn reset(&self, connection: &mut Conn) -> Result<(), Failure> {
        match connection.reset().await.map_err(failure)? {
            true => Ok(()),
            false => Err(Failure::broken("it does not reset a server of this version")),
        }
    }

    async fn close(&self, connection: Conn) -> Result<(), Failure> {
        connection.disconnect().await.map_err(failure)
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Server(told) => Failure::Server(told.code, told.message),
        other => Failure::broken(other),
    }
}

async fn rows<P: Protocol>(mut result: QueryResult<'_, '_, P>) -> Answer {
    let mut all = vec![];
    while !result.is_empty() {
        let rows: Vec<Row> = result.collect().await.map_err(failure)?;
        all.extend(rows.into_iter().map(row));
    }
    Ok(all)
}

fn row(row: Row) -> Vec<Cell> {
    let columns = row.columns();
    row.unwrap().into_iter().zip(columns.iter()).map(|(value, of)| cell(value, of)).collect()
}

fn cell(value: Value, column: &Column) -> Cell {
    Some(match value {
        Value::NULL => return None,
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Date(year, month, day, ..)
            if column.column_type() == ColumnType::MYSQL_TYPE_DATE =>
        {
            format!("{year:04}-{month:02}-{day:02}")
        }
        Value::Date(year, month, day, hour, minute, second, micros) => trimmed(&format!(
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}"
        )),
        Value::Time(_, _, hours, minutes, seconds, micros) => {
            trimmed(&format!("{hours:02}:{minutes:02}:{seconds:02}.{micros:06}"))
        }
        Value::Bytes(bytes) => text(bytes, column),
    })
}

fn text(bytes: Vec<u8>, column: &Column) -> String {
    use ColumnType::{MYSQL_TYPE_DATETIME, MYSQL_TYPE_TIME, MYSQL_TYPE_VAR_STRING};
    let kind = column.column_type();
    if kind == MYSQL_TYPE_VAR_STRING && column.character_set() == BINARY {
        return hexadecimal(&bytes);
    }
    let text = String::from_utf8(bytes).expect("texts are UTF-8");
    match kind {
        MYSQL_TYPE_DATETIME | MYSQL_TYPE_TIME => trimmed(&text),
        _ => text,
    }
}

fn value(parameter: &Parameter) -> Value {
    match parameter {
        Parameter::Null => Value::NULL,
        Parameter::Int(number) => Value::Int(*number),
        Parameter::Double(number) => Value::Double(*number),
        Parameter::Text(text) | Parameter::Decimal(text) => Value::Bytes(text.clone().into_bytes()),
        Parameter::Date(day) => date(day.and_time(chrono::NaiveTime::MIN)),
        Parameter::Timestamp(time) => date(*time),
    }
}

fn date(time: chrono::NaiveDateTime) -> Value {
    let small = |number: u32| u8::try_from(number).expect("parts of a time are small");
    Value::Date(
        u16::try_from(time.year()).expect("a year of MySQL"),
        small(time.month()),
        small(time.day()),
        small(time.hour()),
        small(time.minute()),
        small(time.second()),
        time.nanosecond() / 1000,
    )
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    clients::main(MySqlAsync).await;
}
