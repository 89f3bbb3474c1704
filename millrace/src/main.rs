//! `millrace standalone | frontend | backend [--config FILE] [--set KEY=VALUE]…`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use millrace::config::Config;
use millrace::role::{self, Role};

/// One SQL table over the stream and the lake.
#[derive(Debug, Parser)]
#[command(name = "millrace", version)]
struct Arguments {
    /// What this process is.
    role: Role,
    /// A TOML file; see conf/frontend.toml and conf/backend.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One key, over file and environment: section.key=value.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Plans recurse, and an unoptimised build of DataFusion needs much stack for it.
const STACK_BYTES: usize = 16 << 20;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config: Config = match bootstrap::config::load(arguments.config.as_deref(), &arguments.set)
    {
        Ok(config) => config,
        Err(error) => return failed(&error.to_string()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let ended = runtime.block_on(async {
        // in a task, so that it has a worker's stack
        tokio::spawn(role::run(arguments.role, config)).await
    });
    runtime.shutdown_background();
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(error: &str) -> ExitCode {
    eprintln!("millrace: {error}");
    ExitCode::FAILURE
}
