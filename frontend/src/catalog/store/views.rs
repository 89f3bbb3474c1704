//! Views on disk, in the file of the catalogs.

use std::io::Cursor;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, params};

use super::{Store, broken};
use crate::{Error, Result};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS views (
        catalog TEXT NOT NULL,
        database TEXT NOT NULL,
        key TEXT NOT NULL,
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        columns BLOB NOT NULL,
        comment TEXT,
        from_catalog TEXT NOT NULL,
        from_database TEXT,
        sql_mode TEXT NOT NULL,
        PRIMARY KEY (catalog, database, key)
    ) STRICT;";

const SELECT: &str = "
    SELECT catalog, database, name, text, columns, comment, from_catalog, from_database, sql_mode
    FROM views WHERE catalog = ?1 AND database = ?2";

/// Field metadata: how the query of a view labels a column, whatever the view calls it.
pub const IN_QUERY: &str = "millrace.in_query";

/// Where a view is.
#[derive(Debug, Clone)]
pub struct ViewName {
    /// Its catalog.
    pub catalog: String,
    /// Its database.
    pub database: String,
    /// Its own name, as it was written; it is found in any case, as names without quotes are lowered in queries.
    pub name: String,
}

impl ViewName {
    fn key(&self) -> String {
        self.name.to_lowercase()
    }
}

impl PartialEq for ViewName {
    fn eq(&self, other: &Self) -> bool {
        (&self.catalog, &self.database, self.key())
            == (&other.catalog, &other.database, other.key())
    }
}

impl Eq for ViewName {}

impl std::hash::Hash for ViewName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.catalog, &self.database, self.key()).hash(state);
    }
}

impl std::fmt::Display for ViewName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.database, self.name)
    }
}

/// A query that is kept under the name of a table, with everything of its creation that decides what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Where it is.
    pub name: ViewName,
    /// The query as it was written.
    pub text: String,
    /// Its columns, fixed when it was created.
    pub columns: SchemaRef,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// The catalog that names without one are in.
    pub from_catalog: String,
    /// The database that names without one are in.
    pub from_database: Option<String>,
    /// `sql_mode`, which decides how some operators are read.
    pub sql_mode: String,
}

impl Store {
    /// One view.
    pub fn view(&self, at: &ViewName) -> Result<Option<View>> {
        let connection = self.connection.lock();
        let mut statement =
            connection.prepare_cached(&format!("{SELECT} AND key = ?3")).map_err(broken)?;
        let at = params![at.catalog, at.database, at.key()];
        statement.query_row(at, view).optional().map_err(broken)
    }

    /// All views of a database, by name.
    pub fn views(&self, catalog: &str, database: &str) -> Result<Vec<View>> {
        let connection = self.connection.lock();
        let mut statement =
            connection.prepare_cached(&format!("{SELECT} ORDER BY name")).map_err(broken)?;
        let rows = statement.query_map([catalog, database], view).map_err(broken)?;
        rows.map(|row| row.map_err(broken)).collect()
    }

    /// The names of all views of a database, sorted.
    pub fn view_names(&self, catalog: &str, database: &str) -> Result<Vec<String>> {
        const NAMES: &str =
            "SELECT name FROM views WHERE catalog = ?1 AND database = ?2 ORDER BY name";
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(NAMES).map_err(broken)?;
        let rows = statement.query_map([catalog, database], |row| row.get(0)).map_err(broken)?;
        rows.map(|row| row.map_err(broken)).collect()
    }

    /// Keeps a view, in place of one of its name where it `replaces`; `false` when there is one and it does not.
    ///
    /// # Errors
    /// `TooLarge` where there are `max` views already.
    pub fn keep_view(&self, view: &View, replaces: bool, max: usize) -> Result<bool> {
        let columns = encoded(&view.columns).map_err(Error::internal)?;
        let at = &view.name;
        let mut connection = self.connection.lock();
        let transaction = connection.transaction().map_err(broken)?;
        let place = params![at.catalog, at.database, at.key()];
        const OF_PLACE: &str = "FROM views WHERE catalog = ?1 AND database = ?2 AND key = ?3";
        if replaces {
            transaction.execute(&format!("DELETE {OF_PLACE}"), place).map_err(broken)?;
        } else {
            let there: i64 = transaction
                .query_row(&format!("SELECT count(*) {OF_PLACE}"), place, |row| row.get(0))
                .map_err(broken)?;
            if there > 0 {
                return Ok(false);
            }
        }
        let count: i64 = transaction
            .query_row("SELECT count(*) FROM views", [], |row| row.get(0))
            .map_err(broken)?;
        if usize::try_from(count).unwrap_or(usize::MAX) >= max {
            return Err(Error::TooLarge(format!("more than {max} views (frontend.views_max)")));
        }
        transaction
            .execute(
                "INSERT INTO views (catalog, database, key, name, text, columns, comment, from_catalog, from_database, sql_mode)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    at.catalog,
                    at.database,
                    at.key(),
                    at.name,
                    view.text,
                    columns,
                    view.comment,
                    view.from_catalog,
                    view.from_database,
                    view.sql_mode
                ],
            )
            .map_err(broken)?;
        transaction.commit().map_err(broken)?;
        Ok(true)
    }

    /// Forgets a view; `false` when there is none.
    pub fn remove_view(&self, at: &ViewName) -> Result<bool> {
        let removed = self
            .connection
            .lock()
            .execute(
                "DELETE FROM views WHERE catalog = ?1 AND database = ?2 AND key = ?3",
                params![at.catalog, at.database, at.key()],
            )
            .map_err(broken)?;
        Ok(removed == 1)
    }
}

fn view(row: &Row<'_>) -> rusqlite::Result<View> {
    let columns: Vec<u8> = row.get(4)?;
    let damaged = |e| rusqlite::Error::FromSqlConversionFailure(4, Type::Blob, Box::new(e));
    Ok(View {
        name: ViewName { catalog: row.get(0)?, database: row.get(1)?, name: row.get(2)? },
        text: row.get(3)?,
        columns: decoded(&columns).map_err(damaged)?,
        comment: row.get(5)?,
        from_catalog: row.get(6)?,
        from_database: row.get(7)?,
        sql_mode: row.get(8)?,
    })
}

/// A schema as Arrow's own bytes: a stream without batches.
fn encoded(schema: &SchemaRef) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(vec![], schema)?;
    writer.finish()?;
    writer.into_inner()
}

fn decoded(bytes: &[u8]) -> Result<SchemaRef, ArrowError> {
    Ok(Arc::clone(&StreamReader::try_new(Cursor::new(bytes), None)?.schema()))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn at(name: &str) -> ViewName {
        ViewName { catalog: "c".into(), database: "d".into(), name: name.into() }
    }

    fn view(name: &str) -> View {
        let field = Field::new("A", DataType::Decimal128(10, 2), true)
            .with_metadata([("k".to_string(), "v".to_string())].into());
        View {
            name: at(name),
            text: "SELECT 'it''s'".into(),
            columns: Arc::new(Schema::new(vec![field])),
            comment: Some("x".into()),
            from_catalog: "c".into(),
            from_database: None,
            sql_mode: "ANSI".into(),
        }
    }

    #[test]
    fn views_survive_a_restart_and_are_found_in_any_case() {
        let dir = tempfile::tempdir().unwrap();
        {
            let store = Store::open(dir.path()).unwrap();
            assert!(store.keep_view(&view("V"), false, 1).unwrap());
            assert!(!store.keep_view(&view("v"), false, 1).unwrap());
        }
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.view(&at("v")).unwrap(), Some(view("V")));
        assert_eq!(store.views("c", "d").unwrap(), [view("V")]);
        assert_eq!(store.view_names("c", "d").unwrap(), ["V"]);
        assert!(store.view_names("c", "e").unwrap().is_empty());
        assert!(store.remove_view(&at("v")).unwrap());
        assert!(!store.remove_view(&at("v")).unwrap());
    }

    #[test]
    fn one_is_replaced_and_no_more_are_kept_than_may_be() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert!(store.keep_view(&view("v"), true, 1).unwrap());
        let other = View { text: "SELECT 2".into(), ..view("V") };
        assert!(store.keep_view(&other, true, 1).unwrap());
        assert_eq!(store.views("c", "d").unwrap(), [other.clone()]);
        assert!(matches!(store.keep_view(&view("w"), true, 1), Err(Error::TooLarge(_))));
        assert_eq!(store.views("c", "d").unwrap(), [other]);
    }

    #[test]
    fn views_go_with_their_catalog() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let catalog = super::super::Definition {
            name: "c".into(),
            comment: None,
            properties: [("type".to_string(), "fluss".to_string())].into(),
        };
        store.insert(&catalog).unwrap();
        store.keep_view(&view("v"), false, 9).unwrap();
        let elsewhere = ViewName { catalog: "other".into(), ..at("v") };
        store.keep_view(&View { name: elsewhere.clone(), ..view("v") }, false, 9).unwrap();
        assert!(store.remove("c").unwrap());
        assert_eq!(store.view(&at("v")).unwrap(), None);
        assert!(store.view(&elsewhere).unwrap().is_some());
    }
}
