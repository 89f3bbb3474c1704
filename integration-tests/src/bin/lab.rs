//! The laboratory from the command line: a cluster in the foreground, and a writer that keeps it busy.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use integration_tests::chaos::{self, ledger};
use integration_tests::{
    Cluster, ClusterOptions, Credentials, LabError, Result, demo, run_command, show,
};
use tokio::signal::unix::{SignalKind, signal};

/// A real Fluss cluster on this machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cluster, print where it is, run until Ctrl-C or SIGTERM, then end all of it.
    Up {
        /// Number of tablet servers.
        #[arg(long, default_value_t = 1)]
        tablets: usize,
        /// Directory for its data (absent or empty; kept). Default: a temporary one, removed in the end.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Start without the tiering job.
        #[arg(long)]
        no_tiering: bool,
        /// Make clients log in: USER:PASSWORD.
        #[arg(long, value_parser = credentials)]
        sasl: Option<Credentials>,
        /// A further line of every server's configuration, NAME=VALUE; wins over the laboratory's own.
        #[arg(long = "server-option", value_parser = server_option)]
        server_options: Vec<(String, String)>,
    },
    /// The demo: a cluster, a frontend and two backends, a writer, and three queries every second.
    Demo {
        /// End after so many seconds.
        #[arg(long)]
        seconds: Option<u64>,
    },
    /// Kill and freeze servers and change tables while every answer is judged; adds a line to the ledger.
    Chaos {
        /// How long.
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Decides what is done, written and asked. Default: by the clock.
        #[arg(long)]
        seed: Option<u64>,
        /// Sessions that ask.
        #[arg(long, default_value_t = 4)]
        readers: usize,
        /// Only kill processes.
        #[arg(long)]
        kills_only: bool,
        /// Where wrong answers are written down.
        #[arg(long, default_value = "chaos-violations")]
        evidence: PathBuf,
        /// Leave the ledger alone.
        #[arg(long)]
        no_ledger: bool,
    },
    /// Keep writing into shop.orders (primary key) and shop.clicks (log) until Ctrl-C or SIGTERM.
    DemoWriter {
        /// host:port of the cluster.
        #[arg(long)]
        bootstrap: String,
        /// Rows a second.
        #[arg(long, default_value_t = 200)]
        rate: u32,
        /// Log in with USER:PASSWORD.
        #[arg(long, value_parser = credentials)]
        sasl: Option<Credentials>,
    },
}

fn main() -> ExitCode {
    run_command(command())
}

async fn command() -> ExitCode {
    let run = run(Arguments::parse().command);
    let outcome = tokio::select! {
        outcome = run => outcome,
        // dropping `run` ends what it started
        () = interrupted() => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Up { tablets, dir, no_tiering, sasl, server_options } => {
            let options = ClusterOptions {
                tablet_servers: tablets,
                tiering: !no_tiering,
                sasl,
                directory: dir,
                server_options,
                ..ClusterOptions::default()
            };
            eprintln!("lab: starting");
            let cluster = Cluster::start(options).await?;
            println!("bootstrap.servers={}", cluster.bootstrap());
            println!("warehouse={}", cluster.warehouse().display());
            println!("directory={}", cluster.directory().display());
            eprintln!("lab: ready; Ctrl-C ends it");
            watch(&cluster).await
        }
        Command::Demo { seconds } => show::run(seconds).await,
        Command::Chaos { minutes, seed, readers, kills_only, evidence, no_ledger } => {
            let duration = std::time::Duration::try_from_secs_f64(minutes * 60.0)
                .map_err(|error| LabError::Misuse(format!("--minutes: {error}")))?;
            let seed =
                seed.unwrap_or_else(|| chrono::Utc::now().timestamp().unsigned_abs() % 100_000);
            let options = chaos::Options { duration, seed, readers, kills_only, evidence };
            wreak(&options, !no_ledger).await
        }
        Command::DemoWriter { bootstrap, rate, sasl } => {
            println!("writing {rate} rows a second into shop.orders and shop.clicks");
            demo::write(&bootstrap, sasl.as_ref(), rate).await
        }
    }
}

/// One run of chaos: told, written into the ledger, an error if something did not hold.
async fn wreak(options: &chaos::Options, is_kept: bool) -> Result<()> {
    println!("seed {}, {:?}", options.seed, options.duration);
    let outcome = chaos::run(options).await?;
    let report = &outcome.report;
    for error in report.errors.iter().chain(&report.write_errors) {
        println!("error: {error}");
    }
    for violation in report.violations.iter().chain(&report.lost_upstream) {
        println!("violation: {violation}");
    }
    println!("{:?}", report.kinds);
    println!("{:?}", outcome.faults);
    println!("{}", report.line());
    if is_kept {
        ledger::append(&ledger::path(), outcome.entry(options.seed, commit()))?;
    }
    match &outcome.broken()[..] {
        [] => {
            println!("held");
            Ok(())
        }
        broken => Err(LabError::Misuse(format!("did not hold: {}", broken.join("; ")))),
    }
}

/// The commit that runs; with `+` if there are changes after it.
fn commit() -> String {
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git")
            .args(args)
            .current_dir(integration_tests::package_directory())
            .output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(head) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".into() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", ".", ":!../docs"]);
    let is_clean = changed.is_some_and(|changed| changed.is_empty());
    if is_clean { head } else { format!("{head}+") }
}

/// Returns when a process of the cluster has ended by itself.
async fn watch(cluster: &Cluster) -> Result<()> {
    let mut ticks = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        ticks.tick().await;
        cluster.check()?;
    }
}

async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // without handlers the signals end the process, and the watchdog does the rest
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn credentials(text: &str) -> std::result::Result<Credentials, String> {
    let (user, password) = text.split_once(':').ok_or("expected USER:PASSWORD")?;
    Ok(Credentials { user: user.to_owned(), password: password.to_owned() })
}

fn server_option(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
