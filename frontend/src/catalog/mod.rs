//! The catalogs and views that users created.
//!
//! * [`store`]: where they are kept
//!
//! A [`Catalogs`] turns them into what union-read reads from. There is always the catalog
//! [`DEFAULT_CATALOG`], which holds no tables: a session starts there, as in StarRocks.

pub mod store;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use union_read::catalog::Origin;
use union_read::source::Connections;

pub use store::Definition;
use store::Store;
pub use store::views::{IN_QUERY, View, ViewName};

use crate::{Error, Result};

/// The catalog that is always there and has no tables.
pub const DEFAULT_CATALOG: &str = "default_catalog";

/// StarRocks' limit on the length of a catalog's name.
const NAME_CHARS_MAX: usize = 1023;

/// `CREATE EXTERNAL CATALOG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateCatalog {
    /// The catalog's name.
    pub name: String,
    /// No error when there is one already.
    pub if_not_exists: bool,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// `PROPERTIES (…)`, secrets included.
    pub properties: BTreeMap<String, String>,
}

/// All catalogs of this server and the connections to what they stand for.
#[derive(Debug)]
pub struct Catalogs {
    store: Store,
    connections: Arc<Connections>,
}

impl Catalogs {
    /// Opens the catalogs kept in `data_dir`.
    pub fn open(data_dir: &Path) -> Result<Self> {
        Ok(Self { store: Store::open(data_dir)?, connections: Arc::default() })
    }

    /// Lets statements use these connections.
    #[must_use]
    pub fn with_connections(mut self, connections: Connections) -> Self {
        self.connections = Arc::new(connections);
        self
    }

    /// The connections that statements of this server share.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// Names, types and comments for `SHOW CATALOGS`, the default one first.
    pub fn list(&self) -> Result<Vec<(String, String, Option<String>)>> {
        let mut all = vec![(DEFAULT_CATALOG.to_string(), "Internal".to_string(), None)];
        for catalog in self.store.list()? {
            let kind = catalog.properties.get("type").cloned().unwrap_or_default();
            all.push((catalog.name, capitalised(&kind), catalog.comment));
        }
        Ok(all)
    }

    /// The definition of a catalog that a user created.
    pub fn definition(&self, name: &str) -> Result<Definition> {
        self.store.get(name)?.ok_or_else(|| unknown(name))
    }

    /// Whether there is such a catalog.
    pub fn exists(&self, name: &str) -> Result<bool> {
        Ok(name == DEFAULT_CATALOG || self.store.get(name)?.is_some())
    }

    /// What a catalog reads from; `None` for the default one.
    pub fn origin(&self, name: &str) -> Result<Option<Origin>> {
        if name == DEFAULT_CATALOG {
            return Ok(None);
        }
        Ok(Some(Origin::from_properties(&self.definition(name)?.properties)?))
    }

    /// `CREATE EXTERNAL CATALOG`. Does not connect: the cluster may come up later.
    pub fn create(&self, create: CreateCatalog) -> Result<()> {
        check_name(&create.name)?;
        Origin::from_properties(&create.properties)?;
        let CreateCatalog { name, if_not_exists, comment, properties } = create;
        let definition = Definition { name, comment, properties };
        let created = definition.name != DEFAULT_CATALOG && self.store.insert(&definition)?;
        if created || if_not_exists {
            return Ok(());
        }
        Err(Error::Exists(format!("Catalog '{}' already exists", definition.name)))
    }

    /// One view.
    pub fn view(&self, at: &ViewName) -> Result<Option<View>> {
        self.store.view(at)
    }

    /// The views of a database, by name.
    pub fn views(&self, catalog: &str, database: &str) -> Result<Vec<View>> {
        self.store.views(catalog, database)
    }

    /// The names of the views of a database, sorted.
    pub fn view_names(&self, catalog: &str, database: &str) -> Result<Vec<String>> {
        self.store.view_names(catalog, database)
    }

    /// Keeps a view, one of `max` at the most; `false` when there is one of its name that it does not replace.
    ///
    /// # Errors
    /// `TooLarge` where there are too many.
    pub fn keep_view(&self, view: &View, replaces: bool, max: usize) -> Result<bool> {
        self.store.keep_view(view, replaces, max)
    }

    /// Forgets a view; `false` when there is none.
    pub fn remove_view(&self, at: &ViewName) -> Result<bool> {
        self.store.remove_view(at)
    }

    /// `DROP CATALOG`, with its views. Statements that run over it end as they would have.
    pub fn remove(&self, name: &str, if_exists: bool) -> Result<()> {
        if name == DEFAULT_CATALOG {
            return Err(Error::Unsupported(format!("Catalog '{name}' cannot be dropped")));
        }
        if self.store.remove(name)? || if_exists { Ok(()) } else { Err(unknown(name)) }
    }
}

fn unknown(name: &str) -> Error {
    Error::UnknownDatabase(format!("Unknown catalog '{name}'"))
}

fn check_name(name: &str) -> Result<()> {
    let right = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= NAME_CHARS_MAX;
    if right {
        return Ok(());
    }
    Err(Error::WrongValue(format!(
        "'{name}' is no name for a catalog: letters, digits and _, a letter first"
    )))
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// `CREATE EXTERNAL CATALOG …` as `SHOW CREATE CATALOG` prints it, secrets masked.
pub fn create_statement(catalog: &Definition) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let properties: Vec<String> = catalog
        .properties
        .iter()
        .map(|(key, value)| format!("{} = {}", quoted(key), quoted(masked(key, value))))
        .collect();
    let comment = catalog.comment.as_deref();
    let comment = comment.map_or_else(String::new, |c| format!("\nCOMMENT {}", quoted(c)));
    format!(
        "CREATE EXTERNAL CATALOG `{}`{comment}\nPROPERTIES (\n  {}\n)",
        catalog.name,
        properties.join(",\n  ")
    )
}

/// The value of a property, or stars for one that may be a secret.
pub fn masked<'a>(key: &str, value: &'a str) -> &'a str {
    let key = key.to_lowercase();
    let secret = ["password", "secret", "key", "token", "credential", "jaas"];
    if secret.iter().any(|word| key.contains(word)) { "******" } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(name: &str, properties: &[(&str, &str)]) -> CreateCatalog {
        CreateCatalog {
            name: name.into(),
            if_not_exists: false,
            comment: None,
            properties: properties.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        }
    }

    #[test]
    fn create_show_drop() {
        let dir = tempfile::tempdir().unwrap();
        let catalogs = Catalogs::open(dir.path()).unwrap();
        let fluss = [
            ("type", "fluss"),
            ("bootstrap.servers", "h:1"),
            ("table.datalake.paimon.s3.secret-key", "hidden"),
        ];
        catalogs.create(create("c", &fluss)).unwrap();
        assert!(matches!(catalogs.create(create("c", &fluss)), Err(Error::Exists(_))));
        let text = create_statement(&catalogs.definition("c").unwrap());
        assert!(
            text.contains("\"bootstrap.servers\" = \"h:1\"") && !text.contains("hidden"),
            "{text}"
        );
        assert_eq!(catalogs.list().unwrap()[1].1, "Fluss");
        let lake = [("type", "paimon"), ("warehouse", "s3://b/w"), ("s3.secret-key", "hidden")];
        catalogs.create(create("lake", &lake)).unwrap();
        let text = create_statement(&catalogs.definition("lake").unwrap());
        assert!(text.contains("s3://b/w") && !text.contains("hidden"), "{text}");
        assert!(matches!(catalogs.origin("lake"), Ok(Some(Origin::Paimon(_)))));
        catalogs.remove("c", false).unwrap();
        assert!(matches!(catalogs.origin("c"), Err(Error::UnknownDatabase(_))));
        catalogs.remove("c", true).unwrap();
    }

    #[test]
    fn wrong_definitions_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let catalogs = Catalogs::open(dir.path()).unwrap();
        for (name, properties, told) in [
            ("1c", &[("type", "fluss"), ("bootstrap.servers", "h:1")][..], "no name"),
            ("c", &[("type", "hive")][..], "hive"),
            ("c", &[("type", "paimon")][..], "warehouse must be set"),
            ("c", &[("type", "paimon"), ("warehouse", "gs://b/w")][..], "gs"),
            ("c", &[("bootstrap.servers", "h:1")][..], "type must be set"),
            ("c", &[("type", "fluss")][..], "bootstrap.servers must be set"),
            ("c", &[("type", "fluss"), ("bootstrap.servers", "h:1"), ("x", "y")][..], "'x'"),
        ] {
            let error = catalogs.create(create(name, properties)).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}
