//! The client against each server in turns, and what the servers' processes used meanwhile.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// What is promised, microseconds of CPU for each row.
const PROMISE: f64 = 0.8;
const SQL: &str = "SELECT * FROM bench.lineitem";
const FORMATS: [&str; 2] = ["text", "binary"];

/// A server that is there.
struct Server {
    name: &'static str,
    port: String,
    pid: u32,
}

/// What one statement cost.
struct Cost {
    cpu: Duration,
    wall: Duration,
}

/// What the client told: rows, bytes, checksum.
type Told = String;

/// Our server, which ends with this process.
struct Ours(Child);

impl Drop for Ours {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures all and fails where a promise is not kept.
pub fn run() -> Result<()> {
    let rows: usize = number("ROWS", 1_000_000)?;
    let rounds: usize = number("ROUNDS", 7)?;
    let (_ours, mut servers) = start(rows)?;
    if let (Ok(port), Ok(pid)) = (std::env::var("MARIADB_PORT"), std::env::var("MARIADB_PID")) {
        servers.push(Server { name: "mariadb", port, pid: pid.parse()? });
    }
    same_rows(&servers, rows)?;
    println!(
        "{:<8} {:<8} {:>10} {:>10} {:>10} {:>12}",
        "rows as", "server", "µs/row", "least", "most", "rows/s"
    );
    let mut kept = true;
    for format in FORMATS {
        let mut costs: Vec<Vec<Cost>> = servers.iter().map(|_| vec![]).collect();
        for _ in 0..rounds {
            for (server, costs) in servers.iter().zip(&mut costs) {
                costs.push(cost(server, format)?);
            }
        }
        for (server, costs) in servers.iter().zip(&costs) {
            let per_row = print(server, format, costs, rows);
            kept &= server.name != "ours" || per_row <= PROMISE;
        }
    }
    if kept { Ok(()) } else { Err(format!("more than {PROMISE} µs of CPU for a row").into()) }
}

fn number<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    name: &str,
    default: T,
) -> Result<T> {
    Ok(std::env::var(name).map(|text| text.parse()).unwrap_or(Ok(default))?)
}

fn start(rows: usize) -> Result<(Ours, Vec<Server>)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", &rows.to_string()]).stdout(Stdio::piped());
    let mut ours = Ours(command.spawn()?);
    let mut port = String::new();
    let out = ours.0.stdout.take().ok_or("the server has no output")?;
    BufReader::new(out).read_line(&mut port)?;
    let server = Server { name: "ours", port: port.trim().into(), pid: ours.0.id() };
    Ok((ours, vec![server]))
}

/// All servers send the same text rows, byte for byte, and as many binary ones.
fn same_rows(servers: &[Server], rows: usize) -> Result<()> {
    for format in FORMATS {
        let told: Vec<Told> =
            servers.iter().map(|server| client(server, format, true)).collect::<Result<_>>()?;
        if told.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(format!("other {format} rows: {told:?}").into());
        }
        let count = told[0].split(' ').next().unwrap_or_default();
        if count.parse() != Ok(rows) {
            return Err(format!("{rows} rows were to come: {told:?}").into());
        }
    }
    Ok(())
}

fn client(server: &Server, format: &str, check: bool) -> Result<Told> {
    let program = std::env::var("CLIENT")?;
    let mut command = Command::new(program);
    command.args([&server.port, "root", format, SQL]).env_remove("CHECK");
    if check {
        command.env("CHECK", "1");
    }
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stdout).trim().to_string();
    if output.status.success() {
        return Ok(told);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} {format}: {errors}", server.name).into())
}

fn cost(server: &Server, format: &str) -> Result<Cost> {
    let (cpu, started) = (used(server.pid)?, Instant::now());
    client(server, format, false)?;
    Ok(Cost { wall: started.elapsed(), cpu: used(server.pid)? - cpu })
}

/// CPU time of a process, threads that have ended included.
fn used(pid: u32) -> Result<Duration> {
    /// Of all that Linux runs on (`man 5 proc`, USER_HZ).
    const TICKS_A_SECOND: u64 = 100;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // the name before the last parenthesis may hold anything
    let (_, fields) = stat.rsplit_once(')').ok_or("no status of a process")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_A_SECOND))
}

/// Prints the median and the spread; the median, in microseconds for a row.
fn print(server: &Server, format: &str, costs: &[Cost], rows: usize) -> f64 {
    let sorted = |of: fn(&Cost) -> Duration| {
        let mut all: Vec<f64> = costs.iter().map(|cost| of(cost).as_secs_f64()).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let cpu: Vec<f64> = sorted(|cost| cost.cpu).iter().map(|s| s * 1e6 / rows as f64).collect();
    let wall = sorted(|cost| cost.wall);
    let (least, most) = (cpu.first().unwrap_or(&f64::NAN), cpu.last().unwrap_or(&f64::NAN));
    let median = |all: &[f64]| all.get(all.len() / 2).copied().unwrap_or(f64::NAN);
    let (of_cpu, a_second) = (median(&cpu), rows as f64 / median(&wall));
    println!(
        "{format:<8} {:<8} {of_cpu:>10.3} {least:>10.3} {most:>10.3} {a_second:>12.0}",
        server.name
    );
    of_cpu
}
