//! Flink's own batch union read, as a second opinion.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::artifacts::{ClassPath, Jvm};
use crate::cluster::Cluster;
use crate::error::{IoContext, LabError, Result};

/// Exit status of the oracle when its time was up.
const OUT_OF_TIME: i32 = 124;

/// Time the JVM gets beyond its own limit before it is killed.
const GRACE: Duration = Duration::from_secs(20);

/// Line after the rows of each statement.
const END: &str = "\\.";

/// Rows as text, sorted; NULL is `\N`. The texts are those of [`Value`](crate::Value)'s `Display`.
pub type Rows = Vec<Vec<String>>;

impl Cluster {
    /// Runs a SELECT in Flink's batch mode. Unqualified tables are those of `database`. The first answer of a JVM
    /// takes 10 s and more.
    pub async fn oracle(&self, database: &str, sql: &str, limit: Duration) -> Result<Rows> {
        Ok(self.oracle_all(database, &[sql], limit).await?.pop().unwrap_or_default())
    }

    /// Runs several SELECTs in one JVM, which is much quicker than one by one. `limit` is for all of them. An INSERT
    /// gives no rows: what it writes comes from the Java client, of which `fluss-rs` is not a copy.
    pub async fn oracle_all(
        &self,
        database: &str,
        statements: &[&str],
        limit: Duration,
    ) -> Result<Vec<Rows>> {
        let jvm = Jvm {
            class_path: ClassPath::Oracle,
            heap_mb: 1024,
            main: "Oracle",
            args: self.oracle_args(database, statements, limit),
        };
        let mut command = Command::from(self.artifacts().command(&jvm, self.directory()));
        let answer = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(limit + GRACE, answer)
            .await
            .map_err(|_| LabError::OracleTimeout(limit))?
            .doing(|| "start Flink".into())?;
        match output.status.code() {
            Some(0) => parse(&String::from_utf8_lossy(&output.stdout), statements.len()),
            Some(OUT_OF_TIME) => Err(LabError::OracleTimeout(limit)),
            _ => Err(LabError::Oracle(failure(&String::from_utf8_lossy(&output.stderr)))),
        }
    }

    fn oracle_args(&self, database: &str, statements: &[&str], limit: Duration) -> Vec<String> {
        let mut args = vec![limit.as_secs().max(1).to_string(), database.to_owned()];
        args.extend(statements.iter().map(|sql| (*sql).to_owned()));
        args.push("--".to_owned());
        args.push("type=fluss".to_owned());
        args.push(format!("bootstrap.servers={}", self.bootstrap()));
        if let Some(sasl) = self.credentials() {
            args.push("client.security.protocol=SASL".to_owned());
            args.push("client.security.sasl.mechanism=PLAIN".to_owned());
            args.push(format!("client.security.sasl.username={}", sasl.user));
            args.push(format!("client.security.sasl.password={}", sasl.password));
        }
        args
    }
}

fn parse(text: &str, statements: usize) -> Result<Vec<Rows>> {
    let mut answers = Vec::new();
    let mut rows = Rows::new();
    for line in text.lines() {
        if line == END {
            rows.sort();
            answers.push(std::mem::take(&mut rows));
        } else {
            rows.push(line.split('\t').map(str::to_owned).collect());
        }
    }
    if answers.len() == statements && rows.is_empty() {
        Ok(answers)
    } else {
        Err(LabError::Oracle(format!("{} answers to {statements} statements", answers.len())))
    }
}

/// The causes in a Java stack trace, without the frames and the log.
fn failure(stderr: &str) -> String {
    let causes: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("Exception") || line.starts_with("Caused by"))
        .collect();
    if causes.is_empty() { stderr.to_owned() } else { causes.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::{failure, parse};

    #[test]
    fn answers_are_split_and_sorted() {
        let answers = parse("2\tb\n1\t\\N\n\\.\n\\.\n", 2).unwrap();
        assert_eq!(answers, [vec![vec!["1", "\\N"], vec!["2", "b"]], vec![]]);
        assert!(parse("1\n", 1).is_err(), "an answer cut short is no answer");
    }

    #[test]
    fn a_failure_names_its_causes() {
        let trace = "12:00 INFO x\nException in thread \"main\" A: b\n\tat C\nCaused by: D: e\n";
        assert_eq!(failure(trace), "Exception in thread \"main\" A: b\nCaused by: D: e");
        assert_eq!(failure("no memory"), "no memory");
    }
}
