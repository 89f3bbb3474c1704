//! How the commands of this crate begin and end.

use std::process::ExitCode;

/// Runs a command on a runtime of its own and leaves without waiting for what it has left running.
pub fn run_command(command: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::from(2);
        }
    };
    let code = runtime.block_on(command);
    // a task of fluss-rs may go round without end when its cluster is gone
    runtime.shutdown_background();
    code
}
