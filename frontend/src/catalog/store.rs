//! Catalogs and [`views`] on disk: one SQLite file in `data_dir`, so that they survive a restart.

pub mod views;

use std::collections::BTreeMap;
use std::path::Path;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Error, Result};

/// A catalog as its creator described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The name, case-sensitive.
    pub name: String,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// `PROPERTIES (…)`, secrets included: show them through [`super::masked`] only.
    pub properties: BTreeMap<String, String>,
}

/// The file `catalogs.sqlite`.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS catalogs (
        name TEXT PRIMARY KEY NOT NULL,
        comment TEXT,
        properties TEXT NOT NULL
    ) STRICT;";

/// What this server writes: 1 had no views.
const VERSION: i64 = 2;

impl Store {
    /// Opens the file in `data_dir`, creating both where they are missing.
    ///
    /// The file holds credentials: it is made readable by its owner alone.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("catalogs.sqlite");
        let failed = |e: &dyn std::fmt::Display| {
            Error::Internal(format!("catalogs cannot be kept in {}: {e}", path.display()))
        };
        std::fs::create_dir_all(data_dir).map_err(|e| failed(&e))?;
        let connection = Connection::open(&path).map_err(|e| failed(&e))?;
        owner_only(&path).map_err(|e| failed(&e))?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(|e| failed(&e))?;
        let version: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|e| failed(&e))?;
        if version > VERSION {
            return Err(failed(&format!("its version {version} is newer than this server's")));
        }
        connection.execute_batch(SCHEMA).map_err(|e| failed(&e))?;
        connection.execute_batch(views::SCHEMA).map_err(|e| failed(&e))?;
        connection.pragma_update(None, "user_version", VERSION).map_err(|e| failed(&e))?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// All catalogs, by name.
    pub fn list(&self) -> Result<Vec<Definition>> {
        let connection = self.connection.lock();
        let mut statement = connection
            .prepare_cached("SELECT name, comment, properties FROM catalogs ORDER BY name")
            .map_err(broken)?;
        let rows = statement.query_map([], definition).map_err(broken)?;
        rows.map(|row| row.map_err(broken)).collect()
    }

    /// One catalog.
    pub fn get(&self, name: &str) -> Result<Option<Definition>> {
        let connection = self.connection.lock();
        let mut statement = connection
            .prepare_cached("SELECT name, comment, properties FROM catalogs WHERE name = ?1")
            .map_err(broken)?;
        statement.query_row([name], definition).optional().map_err(broken)
    }

    /// Keeps a new catalog; `false` when there is one of that name.
    pub fn insert(&self, catalog: &Definition) -> Result<bool> {
        let properties = serde_json::to_string(&catalog.properties)
            .map_err(|e| Error::Internal(format!("properties cannot be kept: {e}")))?;
        let inserted = self
            .connection
            .lock()
            .execute(
                "INSERT OR IGNORE INTO catalogs (name, comment, properties) VALUES (?1, ?2, ?3)",
                params![catalog.name, catalog.comment, properties],
            )
            .map_err(broken)?;
        Ok(inserted == 1)
    }

    /// Forgets a catalog and its views; `false` when there is none.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction().map_err(broken)?;
        let removed =
            transaction.execute("DELETE FROM catalogs WHERE name = ?1", [name]).map_err(broken)?;
        transaction.execute("DELETE FROM views WHERE catalog = ?1", [name]).map_err(broken)?;
        transaction.commit().map_err(broken)?;
        Ok(removed == 1)
    }
}

fn definition(row: &rusqlite::Row<'_>) -> rusqlite::Result<Definition> {
    let json: String = row.get(2)?;
    let properties = serde_json::from_str(&json).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(e))
    })?;
    Ok(Definition { name: row.get(0)?, comment: row.get(1)?, properties })
}

fn broken(error: rusqlite::Error) -> Error {
    Error::Internal(format!("the file of catalogs cannot be used: {error}"))
}

#[cfg(unix)]
fn owner_only(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn owner_only(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogs_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Definition {
            name: "c".into(),
            comment: Some("it's".into()),
            properties: [("type".to_string(), "fluss".to_string())].into(),
        };
        {
            let store = Store::open(dir.path()).unwrap();
            assert!(store.insert(&catalog).unwrap());
            assert!(!store.insert(&catalog).unwrap());
        }
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.list().unwrap(), std::slice::from_ref(&catalog));
        assert_eq!(store.get("c").unwrap(), Some(catalog));
        assert_eq!(store.get("C").unwrap(), None);
        assert!(store.remove("c").unwrap());
        assert!(!store.remove("c").unwrap());
    }

    /// SQLite says the same of a full disk as of a file that may not grow.
    #[test]
    fn a_full_disk_is_an_error_and_loses_no_catalog() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let catalog = |name: String| Definition {
            name,
            comment: Some("x".repeat(1000)),
            properties: [("type".to_string(), "fluss".to_string())].into(),
        };
        let pages: i64 = store
            .connection
            .lock()
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        let limit = |pages: i64| {
            store.connection.lock().pragma_update(None, "max_page_count", pages).unwrap();
        };
        limit(pages + 4);
        let mut kept = vec![];
        let error = loop {
            let catalog = catalog(format!("c{:03}", kept.len()));
            match store.insert(&catalog) {
                Ok(is_new) => assert!(is_new),
                Err(error) => break error,
            }
            kept.push(catalog);
            assert!(kept.len() < 1000, "the disk is never full");
        };
        assert!(error.to_string().contains("full"), "{error}");
        assert!(!kept.is_empty());
        assert_eq!(store.list().unwrap(), kept);
        limit(pages + 1000);
        let late = catalog("d".into());
        assert!(store.insert(&late).unwrap());
        kept.push(late);
        drop(store);
        assert_eq!(Store::open(dir.path()).unwrap().list().unwrap(), kept);
    }
}
