//! Lakes on an object store, and snapshots that expire while they are read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use integration_tests::{Deployment, Rows, package_directory};
use parking_lot::Mutex;

use crate::s3::S3;
use crate::union_read::millrace;

/// Tables that Java wrote.
pub fn warehouse() -> PathBuf {
    package_directory().join("../paimon-scan/tests/warehouse")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(std::fs::copy(&from, &to).unwrap()),
        }
    }
}

pub async fn read(millrace: &Deployment, sql: &str) -> mysql_async::Result<Rows> {
    let mut rows = millrace.sql(sql).await?;
    rows.sort();
    Ok(rows)
}

pub async fn create_catalog(millrace: &Deployment, name: &str, properties: &str) {
    let sql = format!("CREATE EXTERNAL CATALOG {name} PROPERTIES ({properties})");
    millrace.sql(&sql).await.unwrap();
}

#[tokio::test]
async fn a_lake_on_s3_is_read_as_the_same_files_on_disk() {
    let (_, millrace) = millrace().await;
    let s3 = S3::serve(warehouse()).await;
    create_catalog(millrace, "on_s3", &s3.properties()).await;
    let local = warehouse().canonicalize().unwrap();
    let local = format!("\"type\" = \"paimon\", \"warehouse\" = \"file://{}\"", local.display());
    create_catalog(millrace, "on_disk", &local).await;
    for table in ["append_partitioned", "pk_overlap", "pk_dv", "pk_dv64", "evolution"] {
        let sql = |catalog| format!("SELECT * FROM {catalog}.lake.{table}");
        let expected = read(millrace, &sql("on_disk")).await.unwrap();
        assert!(!expected.is_empty());
        assert_eq!(read(millrace, &sql("on_s3")).await.unwrap(), expected, "{table}");
    }
    let shown = format!("{:?}", millrace.sql("SHOW CREATE CATALOG on_s3").await.unwrap());
    assert!(shown.contains("reader") || shown.contains("******"), "{shown}");
    assert!(!shown.contains("not-to-be-seen"), "{shown}");
    let gone = millrace.sql("SELECT * FROM on_s3.lake.nothing").await.unwrap_err().to_string();
    assert!(gone.contains("lake.nothing") && !gone.contains("not-to-be-seen"), "{gone}");
}

/// Tables of every kind that Java wrote, and what they hold.
pub fn matrix() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let archive = warehouse().join("../matrix/1.4.2.tar.xz");
    let mut tar = std::process::Command::new("tar");
    tar.arg("-xJf").arg(archive).arg("-C").arg(folder.path());
    assert!(tar.status().unwrap().success());
    folder
}

/// Every merge engine, file format and evolution that Java wrote, through frontend and backends. That the rows are
/// Java's is held by `paimon-scan`'s own tests; here they are counted.
#[tokio::test]
async fn tables_of_every_kind_are_read_by_backends() {
    let (_, millrace) = millrace().await;
    let folder = matrix();
    let s3 = S3::serve(folder.path().join("warehouse")).await;
    create_catalog(millrace, "matrix", &s3.properties()).await;
    let (mut read, mut wrong) = (BTreeSet::new(), Vec::new());
    for entry in std::fs::read_dir(folder.path().join("expected")).unwrap() {
        let path = entry.unwrap().path();
        let table = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let rows = std::fs::read_to_string(&path).unwrap().lines().count() - 1;
        // shown with several versions of a key by Java
        if table == "vectors_later_overlapping" {
            continue;
        }
        match millrace.sql(&format!("SELECT * FROM matrix.lake.`{table}`")).await {
            Ok(found) if found.len() == rows => drop(read.insert(table)),
            Ok(found) => wrong.push(format!("{table}: {} rows in place of {rows}", found.len())),
            Err(error) => {
                let error = error.to_string();
                let is_named = error.contains(&table) || error.contains("sequence number");
                if !is_named {
                    wrong.push(format!("{table}: {error}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let of = |part: &str| read.iter().filter(|table| table.contains(part)).count();
    for part in ["partial", "agg", "first_row", "_orc", "_avro", "_dv", "dynamic"] {
        assert!(of(part) > 0, "no {part} in {read:?}");
    }
    assert!(read.len() > 80, "{read:?}");
}

/// A table of which `BEFORE` is the latest snapshot, until `expire` leaves `AFTER` alone.
struct Expiring {
    folder: PathBuf,
    /// Data files of the older snapshot that the newer one does not have.
    dropped: Vec<String>,
}

const TABLE: &str = "lake.db/pk_compacted";
/// Between them are a compaction, which replaces files, and new rows.
const BEFORE: i64 = 4;
const AFTER: i64 = 7;

impl Expiring {
    fn snapshot(&self, id: i64) -> PathBuf {
        self.folder.join(TABLE).join(format!("snapshot/snapshot-{id}"))
    }

    fn point_to(&self, id: i64) {
        for hint in ["LATEST", "EARLIEST"] {
            let hint = self.folder.join(TABLE).join("snapshot").join(hint);
            std::fs::write(hint, id.to_string()).unwrap();
        }
    }

    /// Only `BEFORE` is there.
    fn reset(&self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        copy(&warehouse().join(TABLE), &self.folder.join(TABLE));
        for id in (1..10).filter(|id| *id != BEFORE) {
            let _ = std::fs::remove_file(self.snapshot(id));
        }
        self.point_to(BEFORE);
    }

    /// What a commit and an expiry at once leave behind; without `successor`, a damaged lake.
    fn expire(&self, successor: bool) {
        if successor {
            let name = format!("snapshot/snapshot-{AFTER}");
            std::fs::copy(warehouse().join(TABLE).join(name), self.snapshot(AFTER)).unwrap();
            self.point_to(AFTER);
            let _ = std::fs::remove_file(self.snapshot(BEFORE));
        }
        for file in &self.dropped {
            let _ = std::fs::remove_file(self.folder.join(file));
        }
    }
}

/// Data files that a statement asks for.
pub async fn asked(s3: &S3, millrace: &Deployment, sql: &str) -> (BTreeSet<String>, Rows) {
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let log = Arc::clone(&asked);
    s3.before_read(move |key| {
        if key.contains("/bucket-") {
            log.lock().insert(key.to_owned());
        }
    });
    let rows = read(millrace, sql).await.unwrap();
    s3.before_read(|_| ());
    let asked = asked.lock().clone();
    (asked, rows)
}

/// Whichever read it is that finds the files gone: the answer is one snapshot's or an error that says that
/// it may be asked again, never fewer rows.
#[tokio::test]
async fn a_snapshot_that_expires_while_it_is_read_costs_no_rows() {
    let (_, millrace) = millrace().await;
    let folder = tempfile::tempdir().unwrap();
    let mut table = Expiring { folder: folder.path().to_owned(), dropped: Vec::new() };
    table.reset();
    let s3 = S3::serve(table.folder.clone()).await;
    create_catalog(millrace, "expiring", &s3.properties()).await;
    let sql = "SELECT * FROM expiring.lake.pk_compacted";
    let (old, before) = asked(&s3, millrace, sql).await;
    table.expire(true);
    let (new, after) = asked(&s3, millrace, sql).await;
    table.dropped = old.difference(&new).cloned().collect();
    assert!(!table.dropped.is_empty(), "{old:?} {new:?}");
    assert!(!before.is_empty() && !after.is_empty() && before != after);

    let table = Arc::new(table);
    let (mut replanned, mut reads) = (0, 0);
    for at in 0.. {
        table.reset();
        let counter = Arc::new(Mutex::new(0));
        let (seen, expiring) = (Arc::clone(&counter), Arc::clone(&table));
        s3.before_read(move |key| {
            if key.contains("/bucket-") {
                let mut seen = seen.lock();
                if *seen == at {
                    expiring.expire(true);
                }
                *seen += 1;
            }
        });
        match read(millrace, sql).await {
            Ok(rows) if rows == after => replanned += 1,
            Ok(rows) => assert!(rows == before, "expired at read {at}: {rows:?}"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("again"), "expired at read {at}: {error}");
            }
        }
        s3.before_read(|_| ());
        reads = *counter.lock();
        if reads <= at {
            break;
        }
    }
    assert!(reads > 0 && replanned > 0, "{reads} reads, {replanned} planned anew");

    // without a newer snapshot there is nothing to plan anew: an error, and the server goes on
    table.reset();
    table.expire(false);
    let error = read(millrace, sql).await.unwrap_err().to_string();
    assert!(error.contains("again"), "{error}");
    table.reset();
    assert_eq!(read(millrace, sql).await.unwrap(), before);
}
