//! What planning costs: a table of FILES files (10,000), 20 of them a manifest, over 64 buckets, from
//! local disk. Every figure is the best and the median of ROUNDS (9), in milliseconds.
//!
//! | row | what is measured |
//! |---|---|
//! | crate | all manifests read by the `paimon` crate, as every plan without a cache does |
//! | cold | the first plan of a process |
//! | warm | the snapshot that the plan before read |
//! | next | a snapshot of one more commit, 20 files, that nobody has planned yet |

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, dead_code)]

use std::sync::Arc;
use std::time::Instant;

use paimon_scan::PlanCache;

#[path = "../../../../paimon-scan/tests/lake/forge.rs"]
mod forge;
#[path = "../../../../paimon-scan/tests/lake/oracle.rs"]
mod oracle;
#[path = "../../../../paimon-scan/tests/lake/provider.rs"]
mod provider;

use forge::{Forge, Forged, Forging};

/// Files of one manifest.
const MANIFEST: usize = 20;
const BUCKETS: usize = 64;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn report(table: &str, row: &str, mut millis: Vec<f64>) {
    millis.sort_by(f64::total_cmp);
    println!("{table:14} {row:6} {:9.2} {:9.2}", millis[0], millis[millis.len() / 2]);
}

#[tokio::main]
async fn main() {
    println!("{:14} {:6} {:>9} {:>9}", "table", "", "best", "median");
    for (name, buckets) in [
        ("append_plain", 1),
        ("append_plain", BUCKETS),
        ("pk_overlap", BUCKETS),
        ("pk_dv", BUCKETS),
    ] {
        Box::pin(measure(name, buckets)).await;
    }
}

async fn measure(name: &str, buckets: usize) {
    let (files, rounds) = (number("FILES", 10_000), number("ROUNDS", 9));
    let mut forge = Forge::of(name, PlanCache::default()).await;
    let new = |forge: &mut Forge, at: usize| -> Forged {
        let file = forge.file(at, (at % buckets) as i32);
        match name {
            "pk_dv" => Forged { hidden: at.is_multiple_of(10).then_some(1), ..file.at_level(5) },
            _ => file,
        }
    };
    let all: Vec<Forged> = (0..files).map(|at| new(&mut forge, at)).collect();
    let mut before = forge.commit(&Forging::default(), all, false, MANIFEST).await;
    let label = format!("{}/{buckets}", name);
    let [mut anew, mut cold, mut warm, mut next] = [const { Vec::new() }; 4];
    let opened = forge.catalog.clone();
    for _ in 0..rounds {
        let table = forge.table().await;
        let start = Instant::now();
        table.plan_anew(None).await.unwrap();
        anew.push(start.elapsed().as_secs_f64() * 1e3);

        let cache = Arc::new(PlanCache::default());
        forge.catalog = opened.clone().with_cache(&cache);
        let table = forge.table().await;
        let start = Instant::now();
        let plan = table.plan(None).await.unwrap();
        cold.push(start.elapsed().as_secs_f64() * 1e3);
        let planned: usize = plan.buckets.iter().map(|bucket| bucket.files.len()).sum();
        assert_eq!(planned, before.files.len());

        let start = Instant::now();
        table.plan(None).await.unwrap();
        warm.push(start.elapsed().as_secs_f64() * 1e3);

        let mut files = before.files.clone();
        files.extend((0..MANIFEST).map(|at| new(&mut forge, at)));
        before = forge.commit(&before, files, false, MANIFEST).await;
        let start = Instant::now();
        let plan = table.plan(None).await.unwrap();
        next.push(start.elapsed().as_secs_f64() * 1e3);
        assert_eq!(plan.snapshot_id, Some(before.id));
    }
    let bytes = {
        let cache = Arc::new(PlanCache::default());
        forge.catalog = opened.with_cache(&cache);
        forge.table().await.plan(None).await.unwrap();
        cache.bytes()
    };
    report(&label, "crate", anew);
    report(&label, "cold", cold);
    report(&label, "warm", warm);
    report(&label, "next", next);
    println!("{label:14} {} bytes kept a file", bytes / before.files.len());
}
