//! Shows what `docs/upstream/paimon-crate-commit-kind.md` says: one word in a snapshot, which changes nothing of what it
//! holds, and the paimon crate 0.4.0 does not read the table any more.
//!
//! `cargo run -p paimon-scan --example commit_kind`

use std::error::Error;
use std::path::Path;

use paimon::catalog::{Catalog, Identifier};
use paimon::{CatalogOptions, FileSystemCatalog, Options};

const TABLE: &str = "append_plain";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/warehouse/lake.db").join(TABLE);
    let table = folder.path().join("lake.db").join(TABLE);
    copy(&from, &table)?;
    println!("as it was written: {} splits", plan(folder.path()).await?);
    let snapshots = table.join("snapshot");
    let latest = std::fs::read_to_string(snapshots.join("LATEST"))?;
    let snapshot = snapshots.join(format!("snapshot-{}", latest.trim()));
    let text = std::fs::read_to_string(&snapshot)?;
    let changed = text.replace("\"APPEND\"", "\"REWRITE\"");
    if changed == text {
        return Err("its latest snapshot is no APPEND".into());
    }
    std::fs::write(&snapshot, changed)?;
    match plan(folder.path()).await {
        Err(error) => println!("as a REWRITE: {error}"),
        Ok(splits) => return Err(format!("as a REWRITE: {splits} splits").into()),
    }
    Ok(())
}

async fn plan(warehouse: &Path) -> Result<usize, Box<dyn Error>> {
    let mut options = Options::new();
    options.set(CatalogOptions::WAREHOUSE, warehouse.display().to_string());
    let catalog = FileSystemCatalog::new(options)?;
    let table = catalog.get_table(&Identifier::new("lake", TABLE)).await?;
    Ok(table.new_read_builder().new_scan().plan().await?.splits().len())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
