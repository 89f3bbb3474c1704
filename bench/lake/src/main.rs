//! What reading the lake half costs, next to DataFusion on the bare Parquet files: CPU seconds of one process.
//!
//! One set of Parquet files, as Paimon would write TPC-H's `lineitem`, is read as several lake tables that differ in
//! what hides their rows. Contenders take turns in every round, each running the same aggregate of three columns.
//!
//! In reading order: [`data`] (the files), [`vectors`] (what hides rows), [`contender`] and [`crate_reader`] (who reads), [`measure`].
//!
//! Environment: `ROWS` (default 6000000), `FILES` (default 4), `ROUNDS` (default 7), `PARTITIONS` (default 1),
//! `CONTENDERS` (comma-separated names; all), `DIRECTORY` (where the files are kept; a temporary one).

mod contender;
mod crate_reader;
mod data;
mod measure;
mod vectors;

use std::error::Error;
use std::path::Path;

use contender::Contender;
use measure::Measured;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let (rows, files) = (number("ROWS", 6_000_000)?, number("FILES", 4)?.max(1));
    let rounds = number("ROUNDS", 7)?;
    let partitions = number("PARTITIONS", 1)?.max(1) as usize;
    let temporary = tempfile::tempdir()?;
    let directory = std::env::var("DIRECTORY").map_or(temporary.path().to_owned(), Into::into);
    let data = data::Data::write(&directory, rows, files)?;
    // as many threads as the product's own runtime has here
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut contenders = runtime.block_on(contenders(&data, &directory, partitions))?;
    choose(&mut contenders)?;
    let mut measured: Vec<Measured> = contenders.into_iter().map(Measured::new).collect();
    // the first round warms caches and checks, and does not count
    for round in 0..=rounds {
        for measured in &mut measured {
            let cost = measure::cost(|| runtime.block_on(measured.contender.read()))?;
            if round > 0 {
                measured.add(cost);
            }
        }
    }
    measure::print(&measured, rows);
    Ok(())
}

async fn contenders(
    data: &data::Data,
    directory: &Path,
    partitions: usize,
) -> Result<Vec<Contender>> {
    let mut all = vec![Contender::bare(data, partitions).await?];
    all.push(Contender::lake("append", data, data.files(), partitions).await?);
    if all[0].expected != all[1].expected {
        return Err(format!("{} and {}", all[0].expected, all[1].expected).into());
    }
    let parts = data.files().into_iter().flat_map(|file| file.sliced(2)).collect();
    all.push(Contender::lake("parts", data, parts, partitions).await?);
    for hidden in vectors::Hidden::ALL {
        let files = vectors::write(data, hidden, directory)?;
        all.push(Contender::lake(hidden.name(), data, files, partitions).await?);
    }
    // a fifth of the rows superseded, and all of them by a second run of equal length
    for (first, again, by_crate, step) in [
        ("dirty-first", "dirty-again", "dirty-crate", 5),
        ("runs2-first", "runs2-again", "runs2-crate", 1),
    ] {
        let files = data.superseded(directory, step)?;
        let ours = [
            Contender::dirty(first, data, files.clone(), false).await?,
            Contender::dirty(again, data, files.clone(), true).await?,
            Contender::crate_reader(by_crate, data, &files).await?,
        ];
        for contender in ours {
            if contender.expected != all[0].expected {
                let (name, expected) = (contender.name, &all[0].expected);
                return Err(format!("{name}: {expected} and {}", contender.expected).into());
            }
            all.push(contender);
        }
    }
    Ok(all)
}

fn choose(contenders: &mut Vec<Contender>) -> Result<()> {
    let Ok(names) = std::env::var("CONTENDERS") else { return Ok(()) };
    let names: Vec<&str> = names.split(',').collect();
    for name in &names {
        if !contenders.iter().any(|contender| contender.name == *name) {
            let all: Vec<&str> = contenders.iter().map(|contender| contender.name).collect();
            return Err(format!("CONTENDERS: '{name}' is none of {}", all.join(", ")).into());
        }
    }
    contenders.retain(|contender| names.contains(&contender.name));
    Ok(())
}

fn number(name: &str, default: u64) -> Result<u64> {
    std::env::var(name)
        .map_or(Ok(default), |text| text.parse())
        .map_err(|e| format!("{name}: {e}").into())
}
