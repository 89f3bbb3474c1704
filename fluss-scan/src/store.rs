//! Where remote log segments are: a local directory or an S3 bucket.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use parking_lot::Mutex;
use url::Url;

use crate::{Error, Result};

/// Options of S3 storage, by the names that Fluss and Paimon give them.
pub(crate) const S3_OPTIONS: [&str; 5] =
    ["s3.endpoint", "s3.region", "s3.access-key", "s3.secret-key", "s3.path.style.access"];
/// Stores that want no particular region accept this one.
const DEFAULT_REGION: &str = "us-east-1";
/// Buckets whose clients are remembered; a cluster uses one or a few.
const STORES_MAX: usize = 64;

/// Stores by scheme and bucket: a client of S3 holds connections, and is worth keeping.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    known: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl Stores {
    /// The store of a directory and the directory's path in it.
    ///
    /// The directory is written as Fluss has it, a Hadoop path: `file:/x` with one slash, or `s3://bucket/x`.
    ///
    /// # Errors
    /// `Unsupported` for other kinds of storage.
    pub(crate) fn open(
        &self,
        directory: &str,
        s3: &BTreeMap<String, String>,
    ) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let wrong =
            |why: String| Error::Unsupported(format!("remote log directory {directory}: {why}"));
        if directory.starts_with('/') {
            let path = Path::from_absolute_path(directory).map_err(|e| wrong(e.to_string()))?;
            return Ok((Arc::new(LocalFileSystem::new()), path));
        }
        let url = Url::parse(directory).map_err(|e| wrong(e.to_string()))?;
        let path = Path::from_url_path(url.path()).map_err(|e| wrong(e.to_string()))?;
        match (url.scheme(), url.host_str()) {
            ("file", _) => Ok((Arc::new(LocalFileSystem::new()), path)),
            ("s3" | "s3a", Some(bucket)) => Ok((self.bucket(bucket, s3).map_err(wrong)?, path)),
            (scheme, _) => Err(wrong(format!("storage '{scheme}' is not supported"))),
        }
    }

    fn bucket(
        &self,
        bucket: &str,
        options: &BTreeMap<String, String>,
    ) -> std::result::Result<Arc<dyn ObjectStore>, String> {
        let mut known = self.known.lock();
        if let Some(store) = known.get(bucket) {
            return Ok(Arc::clone(store));
        }
        let store: Arc<dyn ObjectStore> = Arc::new(s3(bucket, options)?);
        if known.len() >= STORES_MAX {
            known.clear();
        }
        known.insert(bucket.to_string(), Arc::clone(&store));
        Ok(store)
    }
}

fn s3(
    bucket: &str,
    options: &BTreeMap<String, String>,
) -> std::result::Result<object_store::aws::AmazonS3, String> {
    let option = |name: &str| options.get(name).map(String::as_str);
    let region = option("s3.region").unwrap_or(DEFAULT_REGION);
    let is_path_style = option("s3.path.style.access") == Some("true");
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_virtual_hosted_style_request(!is_path_style);
    if let Some(endpoint) = option("s3.endpoint") {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    if let (Some(key), Some(secret)) = (option("s3.access-key"), option("s3.secret-key")) {
        builder = builder.with_access_key_id(key).with_secret_access_key(secret);
    }
    builder.build().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_as_fluss_writes_them() {
        let stores = Stores::default();
        let open = |directory: &str| stores.open(directory, &BTreeMap::new());
        for directory in [
            "file:/x/remote/log/w/t-20/0",
            "file:///x/remote/log/w/t-20/0",
            "/x/remote/log/w/t-20/0",
        ] {
            let (_, path) = open(directory).unwrap();
            assert_eq!(path.as_ref(), "x/remote/log/w/t-20/0");
        }
        let (_, path) = open("s3://bucket/fluss/log/w/t-20/0").unwrap();
        assert_eq!(path.as_ref(), "fluss/log/w/t-20/0");
        assert!(
            matches!(open("hdfs://n/x"), Err(Error::Unsupported(why)) if why.contains("'hdfs'"))
        );
        assert!(open("nowhere").is_err());
    }
}
