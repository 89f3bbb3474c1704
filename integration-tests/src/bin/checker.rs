//! The exactly-once checker as a command, against any cluster; and the replay of what it found.
//!
//! Ends with 0 when every answer was right and every error said retry, with 1 otherwise, with 2 when it could not run.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use integration_tests::checker::replay::replay;
use integration_tests::checker::{self, Options};
use integration_tests::{Credentials, Result, run_command, writer_process};

/// Writes into tables of its own in Fluss, reads them through Millrace, and judges every answer.
///
/// `CHECKER_FLUSS_USER` and `CHECKER_FLUSS_PASSWORD` log in to Fluss (with `--sasl`), `CHECKER_MYSQL_PASSWORD` to
/// Millrace.
#[derive(Parser)]
#[command(version, name = "checker")]
struct Arguments {
    /// host:port of Fluss.
    #[arg(long, required_unless_present = "replay")]
    bootstrap: Option<String>,
    /// Log in to Fluss with SASL PLAIN; user and password come from the environment.
    #[arg(long)]
    sasl: bool,
    /// host:port of Millrace.
    #[arg(long, default_value = "127.0.0.1:9030", value_parser = address)]
    mysql: (String, u16),
    /// Who logs in to Millrace.
    #[arg(long, default_value = "root")]
    user: String,
    /// Millrace's catalog over that Fluss.
    #[arg(long, default_value = "fluss")]
    catalog: String,
    /// A database in Fluss; the tables accounts, orders and events in it must not be there yet.
    #[arg(long, default_value = "checker")]
    database: String,
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Sessions that ask.
    #[arg(long, default_value_t = 4)]
    readers: usize,
    /// Decides what is written and asked. Default: by the clock.
    #[arg(long)]
    seed: Option<u64>,
    /// Where wrong answers are written down.
    #[arg(long, default_value = "checker-violations")]
    evidence: PathBuf,
    /// Take rows to write from the standard input: what the checker's own writers are.
    #[arg(long, hide = true, value_name = "DATABASE.TABLE")]
    write: Option<String>,
    /// Judge a wrong answer again that was written down; needs no cluster.
    #[arg(long, value_name = "DIRECTORY")]
    replay: Option<PathBuf>,
}

fn main() -> ExitCode {
    run_command(command())
}

async fn command() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match (&arguments.replay, &arguments.write) {
        (Some(directory), _) => again(directory),
        (None, Some(table)) => write(&arguments, table).await,
        (None, None) => run(&arguments).await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("checker: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool> {
    let options = options(arguments)?;
    println!("seed {}, {} minutes, {} sessions", options.seed, arguments.minutes, options.readers);
    let report = checker::run(&options).await?;
    for error in report.errors.iter().chain(&report.write_errors) {
        println!("error: {error}");
    }
    for violation in report.violations.iter().chain(&report.lost_upstream) {
        println!("violation: {violation}");
    }
    println!("{}", report.line());
    if report.checked == 0 {
        println!("nothing was checked");
    }
    let is_right = report.violations.is_empty() && report.lost_upstream.is_empty();
    Ok(is_right && report.others == 0 && report.checked > 0)
}

fn options(arguments: &Arguments) -> Result<Options> {
    let misuse = |what: &str| integration_tests::LabError::Misuse(what.to_owned());
    let minutes = Duration::try_from_secs_f64(arguments.minutes * 60.0)
        .map_err(|error| misuse(&format!("--minutes: {error}")))?;
    let sasl = match arguments.sasl {
        false => None,
        true => {
            let variable = |name: &str| {
                std::env::var(name).map_err(|_| misuse(&format!("--sasl needs {name}")))
            };
            let user = variable(writer_process::USER)?;
            Some(Credentials { user, password: variable(writer_process::PASSWORD)? })
        }
    };
    Ok(Options {
        bootstrap: arguments.bootstrap.clone().unwrap_or_default(),
        sasl,
        mysql: arguments.mysql.clone(),
        user: arguments.user.clone(),
        password: std::env::var("CHECKER_MYSQL_PASSWORD").ok(),
        catalog: arguments.catalog.clone(),
        database: arguments.database.clone(),
        duration: minutes,
        readers: arguments.readers,
        seed: arguments.seed.unwrap_or_else(clock),
        evidence: arguments.evidence.clone(),
        ..Options::default()
    })
}

async fn write(arguments: &Arguments, table: &str) -> Result<bool> {
    let options = options(arguments)?;
    writer_process::serve(&options.bootstrap, options.sasl.as_ref(), table).await?;
    Ok(true)
}

/// Judges again; whether the answer is right, which it was not.
fn again(directory: &Path) -> Result<bool> {
    let replayed = replay(directory)?;
    println!("{}", replayed.kept);
    for record in &replayed.records {
        println!("log: {record}");
    }
    match &replayed.wrong {
        Some(what) => println!("wrong: {what}"),
        None => println!("right: the judge has changed since this was written"),
    }
    Ok(replayed.wrong.is_none())
}

fn address(text: &str) -> std::result::Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or("expected HOST:PORT")?;
    let port = port.parse().map_err(|_| format!("'{port}' is no port"))?;
    Ok((host.to_owned(), port))
}

/// A seed that differs from run to run.
fn clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs() % 1_000_000)
}
