//! What rows cost on their way to a MySQL client: CPU of the server per row, next to a MariaDB with the same table.
//!
//! `lineitem` of TPC-H, sixteen columns, as text and as binary rows, to a client in C that reads and discards. Ours is the path of the
//! frontend behind its queries: batches that are there, encoded and written by `mysql-protocol`, through a socket.
//!
//! * `bench-wire serve ROWS`: serves `lineitem` (any statement answers with it) and prints the port
//! * `bench-wire load ROWS`: prints it as `LOAD DATA` reads it
//! * `bench-wire`: runs the client against both servers in turns, and prints what they cost. Environment: `ROWS` (default 1000000),
//!   `ROUNDS` (default 7), `CLIENT` (the program), `MARIADB_PORT` and `MARIADB_PID` (where there is one).
//!
//! In reading order: [`table`], [`serve`], [`measure`]. `run` builds and starts all of it.

mod measure;
mod serve;
mod table;

use std::error::Error;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", rows] => serve::run(rows.parse()?),
        ["load", rows] => table::print(rows.parse()?),
        [] => measure::run(),
        _ => Err(format!("arguments that are not known: {arguments:?}").into()),
    }
}
