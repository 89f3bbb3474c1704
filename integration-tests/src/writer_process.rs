//! A writer in a process of its own, which can be ended for sure.
//!
//! A writer of `fluss-rs` 1.0.0 whose rows cannot be sent goes on to send them after it was dropped, without end, and
//! without giving its thread back: two of them take all threads of a runtime, and what they send comes at any time. A
//! process is killed.

use std::io::{BufRead, Write};
use std::process::Stdio;
use std::time::Duration;

use fluss::metadata::TablePath;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::cluster::{Credentials, connect};
use crate::deployment::sibling;
use crate::error::{IoContext, LabError, Result};
use crate::value::Value;
use crate::writer::Writer;

/// The program that is such a process when it is called with `--write TABLE`.
const PROGRAM: &str = "checker";
/// Where it finds who logs in.
pub const USER: &str = "CHECKER_FLUSS_USER";
/// Where it finds the password.
pub const PASSWORD: &str = "CHECKER_FLUSS_PASSWORD";
/// The longest wait for an answer of it.
const PATIENCE: Duration = Duration::from_secs(25);

/// Our end of it; the process is killed when this is dropped.
pub struct WriterProcess {
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    columns: usize,
}

impl WriterProcess {
    /// Starts it and opens a table.
    ///
    /// # Errors
    /// The program is not built, or the table cannot be opened.
    pub async fn open(
        bootstrap: &str,
        sasl: Option<&Credentials>,
        table: &TablePath,
    ) -> Result<Self> {
        let mut command = Command::new(sibling(PROGRAM)?);
        command.args(["--bootstrap", bootstrap, "--write"]).arg(format!(
            "{}.{}",
            table.database(),
            table.table()
        ));
        if let Some(sasl) = sasl {
            command.arg("--sasl").env(USER, &sasl.user).env(PASSWORD, &sasl.password);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .doing(|| "start a writer".into())?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(LabError::Setup("a writer has no pipes".into()));
        };
        let answers = BufReader::new(answers).lines();
        let mut this = Self { _child: child, orders, answers, columns: 0 };
        let columns = this.answer().await?;
        this.columns =
            columns.parse().map_err(|_| LabError::Setup(format!("a writer said '{columns}'")))?;
        Ok(this)
    }

    /// How many columns the table had when it was opened.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// As [`Writer::write`]; an error comes with the next flush at the latest.
    pub async fn write(&mut self, row: &[Value]) -> Result<()> {
        self.order('u', row).await
    }

    /// As [`Writer::delete`]; an error comes with the next flush at the latest.
    pub async fn delete(&mut self, row: &[Value]) -> Result<()> {
        self.order('d', row).await
    }

    /// As [`Writer::flush`].
    pub async fn flush(&mut self) -> Result<()> {
        self.order('f', &[]).await?;
        self.answer().await.map(drop)
    }

    async fn order(&mut self, verb: char, row: &[Value]) -> Result<()> {
        let mut line = String::from(verb);
        for value in row {
            match value {
                Value::Int(value) => line.push_str(&format!(" i{value}")),
                Value::BigInt(value) => line.push_str(&format!(" l{value}")),
                other => return Err(LabError::Misuse(format!("{other:?} is no INT or BIGINT"))),
            }
        }
        line.push('\n');
        self.orders.write_all(line.as_bytes()).await.doing(|| "write to a writer".into())
    }

    async fn answer(&mut self) -> Result<String> {
        let line = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        let line = line.map_err(|_| LabError::Timeout {
            condition: "an answer of a writer".into(),
            limit: PATIENCE,
            seen: "none".into(),
        })?;
        let line = line.doing(|| "read from a writer".into())?;
        let line = line.ok_or_else(|| LabError::Setup("a writer has ended".into()))?;
        match line.split_once(' ') {
            Some(("ok", rest)) => Ok(rest.to_owned()),
            _ => Err(LabError::Misuse(format!("a writer failed: {line}"))),
        }
    }
}

/// Is such a process: takes orders until they end or one fails.
///
/// # Errors
/// The table cannot be opened.
pub async fn serve(bootstrap: &str, sasl: Option<&Credentials>, table: &str) -> Result<()> {
    let (database, table) = table
        .split_once('.')
        .ok_or_else(|| LabError::Misuse(format!("'{table}' is not DATABASE.TABLE")))?;
    let opened = async {
        let connection = connect(bootstrap, sasl).await?;
        Writer::over(connection, &TablePath::new(database, table)).await
    };
    let mut writer = match opened.await {
        Ok(writer) => writer,
        Err(error) => return tell(&format!("error {}", one_line(&error))),
    };
    tell(&format!("ok {}", writer.columns()))?;
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        if let Err(error) = obey(&mut writer, &order).await {
            return tell(&format!("error {}", one_line(&error)));
        }
    }
    Ok(())
}

/// The lines of our input, read by a thread that ends the process when they end, whatever the runtime is at.
fn orders() -> tokio::sync::mpsc::Receiver<String> {
    let (orders, received) = tokio::sync::mpsc::channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(|line| line.ok()) {
            if orders.blocking_send(line).is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
    received
}

async fn obey(writer: &mut Writer, order: &str) -> Result<()> {
    let mut words = order.split(' ');
    let verb = words.next().unwrap_or_default();
    let row: Option<Vec<Value>> = words.map(value).collect();
    let row = row.ok_or_else(|| LabError::Misuse(format!("'{order}' is no order")))?;
    match verb {
        "u" => writer.write(&row).await,
        "d" => writer.delete(&row).await,
        "f" => {
            writer.flush().await?;
            tell("ok flushed")
        }
        _ => Err(LabError::Misuse(format!("'{order}' is no order"))),
    }
}

fn value(word: &str) -> Option<Value> {
    match word.split_at_checked(1)? {
        ("i", number) => number.parse().ok().map(Value::Int),
        ("l", number) => number.parse().ok().map(Value::BigInt),
        _ => None,
    }
}

fn one_line(error: &LabError) -> String {
    error.to_string().replace('\n', " ")
}

fn tell(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).doing(|| "answer".into())
}
