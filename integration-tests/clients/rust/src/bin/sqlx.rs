//! sqlx: what is asked is prepared, whether it has parameters or not; several statements in one text are asked as texts.

use chrono::{NaiveDate, NaiveDateTime};
use clients::{Answer, Cell, Client, Failure, Login, Parameter, hexadecimal, trimmed};
use sqlx::mysql::{
    MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlRow, MySqlSslMode,
};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Decode, Error, MySql, Row};
use sqlx::{TypeInfo, ValueRef};

struct Sqlx;

impl Client for Sqlx {
    type Connection = MySqlConnection;

    async fn connect(&self, host: &str, login: &Login) -> Result<MySqlConnection, Failure> {
        if login.native {
            return Err(Failure::Unsupported("takes what the server offers"));
        }
        if login.compress {
            return Err(Failure::Unsupported("does not compress"));
        }
        let tls = if login.tls { MySqlSslMode::Required } else { MySqlSslMode::Disabled };
        let mut options =
            MySqlConnectOptions::new().host(host).port(login.port).username("root").ssl_mode(tls);
        // an empty one would be given as a password
        if !login.password.is_empty() {
            options = options.password(&login.password);
        }
        if let Some(database) = &login.database {
            options = options.database(database);
        }
        options.connect().await.map_err(failure)
    }

    async fn query(&self, connection: &mut MySqlConnection, sql: &str) -> Answer {
        self.prepared(connection, sql, &[vec![]]).await
    }

    async fn several(&self, connection: &mut MySqlConnection, sql: &str) -> Answer {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await;
        rows.map_err(failure)?.iter().map(row).collect()
    }

    async fn prepared(
        &self,
        connection: &mut MySqlConnection,
        sql: &str,
        executions: &[Vec<Parameter>],
    ) -> Answer {
        let mut all = vec![];
        for parameters in executions {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for parameter in parameters {
                query = match parameter.clone() {
                    Parameter::Null => query.bind(None::<String>),
                    Parameter::Int(number) => query.bind(number),
                    Parameter::Double(number) => query.bind(number),
                    Parameter::Text(text) | Parameter::Decimal(text) => query.bind(text),
                    Parameter::Date(day) => query.bind(day),
                    Parameter::Timestamp(time) => query.bind(time),
                };
            }
            let rows = query.fetch_all(&mut *connection).await.map_err(failure)?;
            for each in &rows {
                all.push(row(each)?);
            }
        }
        Ok(all)
    }

    async fn ping(&self, connection: &mut MySqlConnection) -> Result<(), Failure> {
        connection.ping().await.map_err(failure)
    }

    async fn reset(&self, _: &mut MySqlConnection) -> Result<(), Failure> {
        Err(Failure::Unsupported("resets no session"))
    }

    async fn close(&self, connection: MySqlConnection) -> Result<(), Failure> {
        connection.close().await.map_err(failure)
    }
}

fn failure(error: Error) -> Failure {
    let told = error.as_database_error().and_then(|e| e.try_downcast_ref::<MySqlDatabaseError>());
    match told {
        Some(told) => Failure::Server(told.number(), told.message().to_string()),
        None => Failure::broken(error),
    }
}

fn row(row: &MySqlRow) -> Result<Vec<Cell>, Failure> {
    row.columns().iter().map(|column| cell(row, column.ordinal())).collect()
}

fn cell(row: &MySqlRow, at: usize) -> Result<Cell, Failure> {
    let value = row.try_get_raw(at).map_err(failure)?;
    if value.is_null() {
        return Ok(None);
    }
    let kind = value.type_info().name().to_string();
    Ok(Some(match kind.as_str() {
        "BOOLEAN" => i8::from(get::<bool>(row, at)?).to_string(),
        "FLOAT" => get::<f32>(row, at)?.to_string(),
        "DOUBLE" => get::<f64>(row, at)?.to_string(),
        "DATE" => get::<NaiveDate>(row, at)?.to_string(),
        "TIME" => trimmed(&get::<chrono::NaiveTime>(row, at)?.format("%H:%M:%S%.6f").to_string()),
        "DATETIME" => {
            let time = get::<NaiveDateTime>(row, at)?;
            trimmed(&time.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
        }
        "VARBINARY" => hexadecimal(&get::<Vec<u8>>(row, at)?),
        "VARCHAR" => get::<String>(row, at)?,
        // its own type for decimal numbers holds fewer digits
        "DECIMAL" => row.try_get_unchecked(at).map_err(failure)?,
        unsigned if unsigned.ends_with("UNSIGNED") => get::<u64>(row, at)?.to_string(),
        "TINYINT" | "SMALLINT" | "INT" | "BIGINT" => get::<i64>(row, at)?.to_string(),
        other => return Err(Failure::Broken(format!("a column of type {other}"))),
    }))
}

fn get<'r, T: Decode<'r, MySql> + sqlx::Type<MySql>>(
    row: &'r MySqlRow,
    at: usize,
) -> Result<T, Failure> {
    row.try_get(at).map_err(failure)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    clients::main(Sqlx).await;
}
