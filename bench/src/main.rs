//! What reading the stream half costs: rows a second, and CPU seconds per million rows.
//!
//! A log table and a primary-key table (its change log) per codec, on a real Fluss server in processes of its own, so
//! that the CPU time of this process is the client's alone. Contenders take turns in every round:
//!
//! * `ours`: `FlussClient::scan_log` to Arrow batches
//! * `fluss-rs`: its Arrow batch scanner; of a change log its record scanner, which it has instead of Arrow batches,
//!   without a look at the records (`records`) and with every value of them read (`values`)
//! * `floor`: decompression and Arrow decode of the same bytes by Arrow's own reader, fetched before
//! * `wire`: the same as they come from one socket that blocks, on one thread, with nothing else between: what any client
//!   must pay
//!
//! In reading order: [`server`], [`table`] (what is read), [`floor`], [`ours`], [`theirs`], [`measure`].
//!
//! Environment: `ROWS` (of a log; default 1000000), `ROUNDS` (default 7), `CODECS`, `CONTENDERS` (comma-separated, of
//! those above), `BOOTSTRAP` (a cluster that is there, instead of one of its own).

mod floor;
mod measure;
mod ours;
mod server;
mod table;
mod theirs;

use std::error::Error;

use measure::{Case, Contender, Measured};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// What reads both of them: the number of rows and the sum of their first column, so that nobody reads less.
type Read = (u64, i64);

fn main() -> Result<()> {
    let rows = number("ROWS", 1_000_000)?;
    let rounds = number("ROUNDS", 7)?;
    // as many threads as the product's own runtime has here
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (_server, bootstrap) = match std::env::var("BOOTSTRAP") {
        Ok(bootstrap) => (None, bootstrap),
        Err(_) => {
            let server = server::Server::start()?;
            let bootstrap = server.bootstrap.clone();
            (Some(server), bootstrap)
        }
    };
    let client = ours::client(&bootstrap)?;
    measure::print_head();
    for kind in table::Kind::ALL {
        for codec in chosen("CODECS", &table::CODECS)? {
            let table = table::Table { kind, codec };
            runtime.block_on(table.write(&bootstrap, rows))?;
            for columns in [1, table::COLUMNS] {
                let case = Case { table, columns };
                let measured = run(&runtime, &client, &bootstrap, case, rounds)?;
                measure::print(case, &measured);
            }
        }
    }
    Ok(())
}

/// All contenders of one case, in turns.
fn run(
    runtime: &tokio::runtime::Runtime,
    client: &std::sync::Arc<fluss_scan::FlussClient>,
    bootstrap: &str,
    case: Case,
    rounds: u64,
) -> Result<Vec<Measured>> {
    let scan = runtime.block_on(ours::scan(client, case))?;
    let mut wire = floor::Wire::connect(bootstrap, &scan)?;
    let bytes = wire.fetch()?;
    let all = table::Kind::ALL.iter().flat_map(|kind| Contender::of(*kind)).map(|c| c.name());
    let chosen = chosen("CONTENDERS", &all.collect::<Vec<_>>())?;
    let of_kind = Contender::of(case.table.kind).iter().copied();
    let contenders: Vec<Contender> = of_kind.filter(|c| chosen.contains(&c.name())).collect();
    let mut measured: Vec<Measured> = contenders.iter().map(|c| Measured::new(*c)).collect();
    let expected = floor::decode(&bytes, wire.schema())?;
    // the first round warms caches and checks, and does not count
    for round in 0..=rounds {
        for measured in &mut measured {
            let contender = measured.contender;
            let (read, cost) = measure::cost(|| match contender {
                Contender::Ours => runtime.block_on(ours::read(client, scan.clone())),
                Contender::Records => {
                    runtime.block_on(theirs::records(bootstrap, case, expected.0, false))
                }
                Contender::Values => {
                    runtime.block_on(theirs::records(bootstrap, case, expected.0, true))
                }
                Contender::Batches => {
                    runtime.block_on(theirs::batches(bootstrap, case, expected.0))
                }
                Contender::Floor => floor::decode(&bytes, wire.schema()),
                Contender::Wire => wire.read(),
            })?;
            // whoever does not look at values has no sum of them
            if read.0 != expected.0 || (read.1 != expected.1 && contender != Contender::Records) {
                let name = contender.name();
                return Err(format!("{case}: {name} read {read:?}, not {expected:?}").into());
            }
            if round > 0 {
                measured.add(read.0, cost);
            }
        }
    }
    Ok(measured)
}

fn number(name: &str, default: u64) -> Result<u64> {
    std::env::var(name)
        .map_or(Ok(default), |text| text.parse())
        .map_err(|e| format!("{name}: {e}").into())
}

/// Those of `all` that an environment variable names; without it, all.
/// The chosen ones of all that there are; all of them where none is chosen.
fn chosen<'a>(name: &str, all: &[&'a str]) -> Result<Vec<&'a str>> {
    let Ok(names) = std::env::var(name) else { return Ok(all.to_vec()) };
    let one = |wanted: &str| {
        let found = all.iter().find(|one| **one == wanted).copied();
        found.ok_or_else(|| format!("{name}: '{wanted}' is none of {}", all.join(", ")).into())
    };
    names.split(',').map(one).collect()
}
