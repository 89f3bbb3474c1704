//! From a path in Paimon's metadata to an object store and a path inside it.
//!
//! Stores are registered in the engine's `RuntimeEnv` under a URL of ours: the local file system as
//! DataFusion names it, others as `s3-<hash of its options>://bucket`, so that one bucket reached with two
//! sets of credentials or endpoints is two stores. The number of stores is bounded by the number of
//! configured catalogs and the buckets they name.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::datasource::object_store::ObjectStoreUrl;
use object_store::ObjectStore;
use object_store::path::Path;

use crate::error::{LakeError, Result};
use crate::options::s3::{self, S3Options};
use crate::options::{LakeOptions, file_io_store};

/// Options that Paimon's own reader of metadata needs to find what we find without them.
pub(crate) fn defaults(options: &LakeOptions) -> Result<Option<(&'static str, &'static str)>> {
    Ok(match Storage::of(options.root(), options)? {
        Storage::S3 { options, .. } if options.get("region").is_none() => {
            Some(("s3.region", s3::REGION))
        }
        _ => None,
    })
}

/// The same for the files of `path` under `properties`.
pub(crate) fn default_of(
    path: &str,
    properties: &BTreeMap<String, String>,
) -> Option<(&'static str, &'static str)> {
    let is_region =
        |name: &String| s3::PREFIXES.iter().any(|p| name.strip_prefix(p) == Some("region"));
    let on_s3 = path.starts_with("s3://") || path.starts_with("s3a://");
    (on_s3 && !properties.keys().any(is_region)).then_some(("s3.region", s3::REGION))
}

/// What the names of options of any storage begin with.
pub(super) fn all_prefixes() -> impl Iterator<Item = &'static str> {
    let others = [Scheme::Oss, Scheme::Hdfs].into_iter().flat_map(Scheme::prefixes);
    s3::PREFIXES.iter().chain(others).copied()
}

/// Whether an option of a storage is understood.
pub(crate) fn is_known(name: &str) -> bool {
    s3::is_known(name)
        || [Scheme::Oss, Scheme::Hdfs].into_iter().any(|scheme| {
            let key = scheme.prefixes().iter().find_map(|prefix| name.strip_prefix(prefix));
            key.is_some_and(|key| scheme.known().contains(&key))
        })
}

/// See [`LakeOptions::prefixes_of_storage`].
pub(super) fn prefixes(warehouse: &str) -> &'static [&'static str] {
    match warehouse.split_once("://").map(|(scheme, _)| scheme) {
        Some("s3" | "s3a") => &s3::PREFIXES,
        Some(other) => Scheme::of(other).map_or(&[], Scheme::prefixes),
        None => &[],
    }
}

/// A store, not opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Storage {
    Local,
    S3 {
        bucket: String,
        options: S3Options,
    },
    /// A storage that is read through Paimon's own file access.
    Paimon {
        scheme: Scheme,
        authority: String,
        options: PaimonOptions,
    },
    /// A storage that a REST server hands out credentials for, table by table.
    Granted {
        scheme: String,
        authority: String,
        options: Box<LakeOptions>,
    },
}

/// Storages without a store of DataFusion's, and the options of each that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    /// Alibaba Cloud's object store.
    Oss,
    /// Hadoop's file system; only in builds with the feature `hdfs`.
    Hdfs,
}

impl Scheme {
    fn of(name: &str) -> Option<Self> {
        match name {
            "oss" => Some(Self::Oss),
            "hdfs" if cfg!(feature = "hdfs") => Some(Self::Hdfs),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Oss => "oss",
            Self::Hdfs => "hdfs",
        }
    }

    fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Oss => &["fs.oss."],
            Self::Hdfs => &["hdfs."],
        }
    }

    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Oss => &["endpoint", "accessKeyId", "accessKeySecret", "securityToken"],
            Self::Hdfs => &["name-node"],
        }
    }
}

/// Options of one such storage by their full names; `Debug` is not derived because of the secrets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PaimonOptions(BTreeMap<String, String>);

impl std::fmt::Debug for PaimonOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PaimonOptions({:?})", self.0.keys().collect::<Vec<_>>())
    }
}

impl PaimonOptions {
    fn of(scheme: Scheme, options: &LakeOptions) -> Result<Self> {
        let mut found = BTreeMap::new();
        for (name, value) in options.storage() {
            match scheme.prefixes().iter().find_map(|prefix| name.strip_prefix(prefix)) {
                None => {}
                Some(key) if scheme.known().contains(&key) => {
                    found.insert(name.to_owned(), value.to_owned());
                }
                Some(_) => return Err(LakeError::option(name, "is not supported")),
            }
        }
        Ok(Self(found))
    }
}

impl Storage {
    /// The store that holds `path`.
    pub(crate) fn of(path: &str, options: &LakeOptions) -> Result<Self> {
        Ok(locate(path, options)?.0)
    }

    /// Whether its bytes come over a network.
    pub(crate) fn is_remote(&self) -> bool {
        *self != Self::Local
    }

    /// The name of the store in a `RuntimeEnv`.
    pub(crate) fn url(&self) -> Result<ObjectStoreUrl> {
        match self {
            Self::Local => Ok(ObjectStoreUrl::local_filesystem()),
            Self::S3 { bucket, options } => url("s3", options, bucket),
            Self::Paimon { scheme, authority, options } => url(scheme.name(), options, authority),
            Self::Granted { scheme, authority, options } => url(scheme, options, authority),
        }
    }

    /// The store that holds the same files, opened with these options in place of a server's grant.
    pub(crate) fn open_with(&self, options: &LakeOptions) -> Result<Arc<dyn ObjectStore>> {
        let Self::Granted { scheme, authority, .. } = self else { return self.open_now() };
        Self::of(&format!("{scheme}://{authority}/"), options)?.open_now()
    }

    /// The store, opened anew. One with granted credentials is opened with [`Self::open_with`].
    pub(crate) fn open_now(&self) -> Result<Arc<dyn ObjectStore>> {
        Ok(match self {
            Self::Local => Arc::new(object_store::local::LocalFileSystem::new()),
            Self::S3 { bucket, options } => options.open(bucket)?,
            Self::Paimon { scheme, authority, options } => {
                let root = format!("{}://{authority}/", scheme.name());
                let opened = file_io_store::open(root, options.0.clone());
                opened.map_err(|error| LakeError::from_paimon(error, "storage", None))?
            }
            Self::Granted { .. } => return Err(LakeError::corrupt("a grant without its server")),
        })
    }
}

/// The name of a store with options of its own.
fn url(scheme: &str, options: &impl Hash, authority: &str) -> Result<ObjectStoreUrl> {
    let mut hasher = DefaultHasher::new();
    options.hash(&mut hasher);
    let url = format!("{scheme}-{:016x}://{authority}", hasher.finish());
    ObjectStoreUrl::parse(url).map_err(|_| {
        LakeError::option("warehouse", format!("{authority:?} is not the name of a bucket or host"))
    })
}

/// The store and the path inside it for a path of the lake: absolute (`/…`, `file:/…`, `file:///…`),
/// `s3://bucket/…`, `oss://bucket/…` or `hdfs://host:port/…`. Nothing is percent-decoded: Paimon's names, such as the partition `a%2Fb`, are literal.
pub(crate) fn locate(path: &str, options: &LakeOptions) -> Result<(Storage, Path)> {
    let (scheme, rest) = match path.split_once(':') {
        Some((scheme, rest)) if !scheme.contains('/') => (scheme, rest),
        _ => ("file", path),
    };
    match scheme {
        "file" if rest.starts_with('/') => {
            Ok((Storage::Local, parse(path, rest.trim_start_matches('/'))?))
        }
        "s3" | "s3a" | "oss" | "hdfs" if options.table().is_some_and(|table| table.granted) => {
            let (authority, key) = authority(path, rest)?;
            let storage = Storage::Granted {
                scheme: if scheme == "s3a" { "s3" } else { scheme }.to_owned(),
                authority: authority.to_owned(),
                options: Box::new(options.clone()),
            };
            Ok((storage, parse(path, key)?))
        }
        "s3" | "s3a" => {
            let (bucket, key) = authority(path, rest)?;
            let storage =
                Storage::S3 { bucket: bucket.to_owned(), options: S3Options::of(options)? };
            Ok((storage, parse(path, key)?))
        }
        "file" => Err(LakeError::option("warehouse", format!("{path:?} is not an absolute path"))),
        "hdfs" if Scheme::of("hdfs").is_none() => {
            Err(LakeError::option("warehouse", "this build is without the feature \"hdfs\""))
        }
        other => {
            let scheme = Scheme::of(other).ok_or_else(|| {
                LakeError::option("warehouse", format!("storage {other:?} is not supported"))
            })?;
            let (authority, key) = authority(path, rest)?;
            let options = PaimonOptions::of(scheme, options)?;
            let storage = Storage::Paimon { scheme, authority: authority.to_owned(), options };
            Ok((storage, parse(path, key)?))
        }
    }
}

/// Bucket or host, and what follows.
fn authority<'p>(path: &str, rest: &'p str) -> Result<(&'p str, &'p str)> {
    let rest = rest.strip_prefix("//").unwrap_or_default();
    match rest.split_once('/').unwrap_or((rest, "")) {
        ("", _) => Err(LakeError::option("warehouse", format!("{path:?} names no bucket or host"))),
        found => Ok(found),
    }
}

fn parse(path: &str, key: &str) -> Result<Path> {
    Path::parse(key).map_err(|error| LakeError::corrupt(format!("path {path:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> LakeOptions {
        LakeOptions::new([("warehouse", "/lake")]).unwrap()
    }

    #[test]
    fn local_paths_are_literal_in_every_spelling() {
        for path in ["/lake/p=a%2Fb c/f", "file:/lake/p=a%2Fb c/f", "file:///lake/p=a%2Fb c/f"] {
            let (storage, inside) = locate(path, &local()).unwrap();
            assert_eq!(storage, Storage::Local);
            assert_eq!(inside.as_ref(), "lake/p=a%2Fb c/f");
        }
        assert!(locate("/lake/../etc/passwd", &local()).is_err());
    }

    #[test]
    fn oss_is_read_with_the_options_of_the_metadata() {
        let options = |name: &str, value: &str| {
            LakeOptions::new([
                ("warehouse", "oss://bucket/lake"),
                ("fs.oss.endpoint", "http://127.0.0.1:9"),
                ("fs.oss.accessKeyId", "reader"),
                ("fs.oss.accessKeySecret", "not-to-be-seen"),
                (name, value),
            ])
        };
        let known = options("fs.oss.securityToken", "not-to-be-seen").unwrap();
        let (storage, inside) = locate("oss://bucket/lake/t/f", &known).unwrap();
        assert_eq!(inside.as_ref(), "lake/t/f");
        let store = storage.open_now().unwrap();
        let shown = format!("{storage:?} {store:?} {store} {known:?}");
        assert!(!shown.contains("not-to-be-seen"), "{shown}");
        assert!(options("fs.oss.unheard", "of").is_err());
        let hdfs = LakeOptions::new([("warehouse", "hdfs://host:8020/lake")]);
        assert_eq!(hdfs.is_ok(), cfg!(feature = "hdfs"), "{hdfs:?}");
    }

    #[test]
    fn one_bucket_with_two_configurations_is_two_stores() {
        let with = |endpoint: &str| {
            let options =
                LakeOptions::new([("warehouse", "s3://b/w"), ("fs.s3a.endpoint", endpoint)]);
            Storage::of("s3a://b/w/file", &options.unwrap()).unwrap()
        };
        let (one, two) = (with("http://one:9000"), with("http://two:9000"));
        assert_ne!(one.url().unwrap(), two.url().unwrap());
        assert_eq!(one.url().unwrap(), with("http://one:9000").url().unwrap());
    }
}
