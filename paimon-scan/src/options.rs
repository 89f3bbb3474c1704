//! Where a lake is: Paimon catalog options, checked once and carried to every process that opens files.

mod file_io_store;
pub(crate) mod storage;

use std::collections::BTreeMap;
use std::fmt;

use prost::Message;

use crate::error::{LakeError, Result};
use storage::Storage;

/// Paimon's catalog options (`metastore`, `warehouse`, `s3.*`, …). `Debug` masks secrets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LakeOptions {
    options: BTreeMap<String, String>,
}

/// How options travel between our processes.
#[derive(Message)]
struct Wire {
    #[prost(btree_map = "string, string", tag = "1")]
    options: BTreeMap<String, String>,
}

/// Parts of option names whose values are never shown.
const SECRET: [&str; 4] = ["key", "secret", "password", "token"];

impl LakeOptions {
    /// Takes catalog options as Paimon and Fluss name them.
    ///
    /// # Errors
    /// `Option` for a missing warehouse, a metastore other than `filesystem`, a storage scheme or storage
    /// option that is not known.
    pub fn new<K, V>(options: impl IntoIterator<Item = (K, V)>) -> Result<Self>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let options: BTreeMap<String, String> =
            options.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let this = Self { options };
        if let Some(metastore) = this.get("metastore")
            && metastore != "filesystem"
        {
            return Err(LakeError::option(
                "metastore",
                format!("{metastore:?} is not supported, only \"filesystem\" is"),
            ));
        }
        if this.get("warehouse").is_none_or(str::is_empty) {
            return Err(LakeError::option("warehouse", "is missing"));
        }
        Storage::of(this.warehouse(), &this)?;
        Ok(this)
    }

    /// What the names of options begin with that reach the storage of `warehouse`; none for local files
    /// and for what is not known.
    pub fn prefixes_of_storage(warehouse: &str) -> &'static [&'static str] {
        storage::prefixes(warehouse)
    }

    /// Root of the lake, as configured.
    pub fn warehouse(&self) -> &str {
        self.get("warehouse").unwrap_or_default()
    }

    /// The value of one option.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    /// All options in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Encodes the options, secrets included: only for connections between our own processes.
    pub fn to_bytes(&self) -> Vec<u8> {
        Wire { options: self.options.clone() }.encode_to_vec()
    }

    /// Decodes and checks what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// `Corrupt` for other bytes, and those of [`Self::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wire = Wire::decode(bytes)
            .map_err(|error| LakeError::corrupt(format!("lake options on the wire: {error}")))?;
        Self::new(wire.options)
    }
}

impl fmt::Debug for LakeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.options.iter().map(|(key, value)| {
            let lower = key.to_ascii_lowercase();
            let secret = SECRET.iter().any(|part| lower.contains(part));
            (key, if secret { "***" } else { value.as_str() })
        });
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
