//! Where a lake is: Paimon catalog options, checked once and carried to every process that opens files.
//!
//! Those of a catalog behind a REST server name no storage. What opens the files of one of its tables are options of
//! the table ([`LakeOptions::for_table`]): the catalog's, what the server adds to them, and the name under which
//! credentials are asked for.

mod file_io_store;
mod rest;
mod s3;
pub(crate) mod storage;

use std::collections::BTreeMap;
use std::fmt;

use prost::Message;

use crate::error::{LakeError, Result};
pub(crate) use rest::ServedTable;
use storage::Storage;

/// Paimon's catalog options (`metastore`, `warehouse`, `s3.*`, …), of a catalog or of one table of a REST server.
/// `Debug` masks secrets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LakeOptions {
    options: BTreeMap<String, String>,
    table: Option<ServedTable>,
}

/// How options travel between our processes.
#[derive(Message)]
struct Wire {
    #[prost(btree_map = "string, string", tag = "1")]
    options: BTreeMap<String, String>,
    #[prost(message, optional, tag = "2")]
    table: Option<ServedTable>,
}

/// Parts of option names whose values are never shown.
const SECRET: [&str; 4] = ["key", "secret", "password", "token"];

impl LakeOptions {
    /// Takes catalog options as Paimon and Fluss name them.
    ///
    /// # Errors
    /// `Option` for a missing warehouse, a metastore other than `filesystem` and `rest`, a storage scheme or storage
    /// option that is not known, and a REST server that cannot be asked with these options.
    pub fn new<K, V>(options: impl IntoIterator<Item = (K, V)>) -> Result<Self>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let options: BTreeMap<String, String> =
            options.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let this = Self { options, table: None };
        this.check()?;
        Ok(this)
    }

    fn check(&self) -> Result<()> {
        if self.warehouse().is_empty() {
            return Err(LakeError::option("warehouse", "is missing"));
        }
        match self.get("metastore") {
            None | Some("filesystem") => Storage::of(self.warehouse(), self).map(drop),
            Some("rest") => rest::check(self),
            Some(other) => Err(LakeError::option(
                "metastore",
                format!("{other:?} is not supported, only \"filesystem\" and \"rest\" are"),
            )),
        }
    }

    /// Whether a REST server names the tables.
    pub fn is_rest(&self) -> bool {
        self.get("metastore") == Some("rest")
    }

    /// The names of options besides `metastore` and `warehouse` that a catalog understands; none for the file system's.
    pub fn known_of_metastore(metastore: &str) -> &'static [&'static str] {
        if metastore == "rest" { &rest::KNOWN } else { &[] }
    }

    /// What the names of options begin with that reach any storage: a REST server tells only later where tables are.
    pub fn prefixes_of_storages() -> Vec<&'static str> {
        storage::all_prefixes().collect()
    }

    /// What the names of options begin with that reach the storage of `warehouse`; none for local files
    /// and for what is not known.
    pub fn prefixes_of_storage(warehouse: &str) -> &'static [&'static str] {
        storage::prefixes(warehouse)
    }

    /// Root of the lake, as configured; for a REST server the name of the catalog there.
    pub fn warehouse(&self) -> &str {
        self.get("warehouse").unwrap_or_default()
    }

    /// The one table that the options open files of.
    pub(crate) fn table(&self) -> Option<&ServedTable> {
        self.table.as_ref()
    }

    /// A path in the storage that the options open.
    pub(crate) fn root(&self) -> &str {
        self.table.as_ref().map_or(self.warehouse(), |table| &table.location)
    }

    /// The value of one option.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    /// All options in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Options whose values are never shown.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(key, _)| is_secret(key) && *key != "token.provider")
    }

    /// Encodes the options, secrets included: only for connections between our own processes.
    pub fn to_bytes(&self) -> Vec<u8> {
        Wire { options: self.options.clone(), table: self.table.clone() }.encode_to_vec()
    }

    /// Decodes and checks what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// `Corrupt` for other bytes, and those of [`Self::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wire = Wire::decode(bytes)
            .map_err(|error| LakeError::corrupt(format!("lake options on the wire: {error}")))?;
        let this = Self { options: wire.options, table: wire.table };
        this.check()?;
        Ok(this)
    }
}

fn is_secret(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    SECRET.iter().any(|part| lower.contains(part))
}

impl fmt::Debug for LakeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // of a table of a server, what it adds is not shown at all
        let shown =
            self.iter().map(|(key, value)| (key, if is_secret(key) { "***" } else { value }));
        f.debug_map().entries(shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3() -> LakeOptions {
        LakeOptions::new([
            ("warehouse", "s3://bucket/lake"),
            ("s3.endpoint", "http://127.0.0.1:9000"),
            ("s3.access-key", "AKID"),
            ("s3.secret-key", "very secret"),
        ])
        .unwrap()
    }

    #[test]
    fn secrets_are_masked_and_survive_the_wire() {
        let options = s3();
        let shown = format!("{options:?}");
        assert!(!shown.contains("AKID") && !shown.contains("very secret"), "{shown}");
        assert!(shown.contains("s3://bucket/lake"));
        assert_eq!(LakeOptions::from_bytes(&options.to_bytes()).unwrap(), options);
        assert!(LakeOptions::from_bytes(b"\xff\xff").is_err());
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let cases: [(&[(&str, &str)], &str); 6] = [
            (&[("warehouse", "/w"), ("metastore", "hive")], "metastore"),
            (&[("metastore", "filesystem")], "warehouse"),
            (&[("warehouse", "gs://bucket/x")], "gs"),
            (&[("warehouse", "relative/path")], "warehouse"),
            (&[("warehouse", "s3://b/x"), ("s3.sse.type", "kms")], "s3.sse.type"),
            (&[("warehouse", "s3:///x")], "s3:///x"),
        ];
        for (options, named) in cases {
            let error = LakeOptions::new(options.iter().copied()).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
