//! Options of S3 and compatible stores, and the store that they open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use super::LakeOptions;
use crate::error::{LakeError, Result};

/// Prefixes under which Paimon accepts an S3 option, and the spellings it takes for the same one.
pub(super) const PREFIXES: [&str; 3] = ["fs.s3a.", "s3a.", "s3."];
const ALIASES: [(&str, &str); 3] = [
    ("access.key", "access-key"),
    ("secret.key", "secret-key"),
    ("path.style.access", "path-style-access"),
];

/// Where S3-compatible stores that have no regions are, too.
pub(super) const REGION: &str = "us-east-1";

/// A store that does not answer is an error soon, not a query that hangs.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const RETRIES: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);

/// The S3 options that are understood; `Debug` is not derived because of the secrets.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct S3Options(BTreeMap<&'static str, String>);

impl std::fmt::Debug for S3Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3Options({:?})", self.0.keys().collect::<Vec<_>>())
    }
}

const KNOWN: [&str; 7] = [
    "endpoint",
    "access-key",
    "secret-key",
    "session.token",
    "path-style-access",
    "region",
    "anonymous",
];

/// Whether an option of S3 is understood.
pub(super) fn is_known(name: &str) -> bool {
    PREFIXES
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .is_some_and(|key| KNOWN.contains(&key) || ALIASES.iter().any(|(alias, _)| *alias == key))
}

impl S3Options {
    pub(super) fn of(options: &LakeOptions) -> Result<Self> {
        let mut known = BTreeMap::new();
        for (name, value) in options.storage() {
            let Some(key) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) else {
                continue;
            };
            let key = ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, key)| key);
            let Some(key) = KNOWN.into_iter().find(|known| *known == key) else {
                return Err(LakeError::option(name, "is not supported"));
            };
            known.insert(key, value.to_owned());
        }
        Ok(Self(known))
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn is_set(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(super) fn open(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(self.get("region").unwrap_or(REGION))
            .with_virtual_hosted_style_request(!self.is_set("path-style-access"))
            .with_skip_signature(self.is_set("anonymous"))
            .with_client_options(ClientOptions::new().with_connect_timeout(CONNECT_TIMEOUT))
            .with_retry(RetryConfig {
                max_retries: RETRIES,
                retry_timeout: RETRY_TIMEOUT,
                ..RetryConfig::default()
            });
        if let Some(endpoint) = self.get("endpoint") {
            let endpoint = match endpoint.contains("://") {
                true => endpoint.to_owned(),
                false => format!("https://{endpoint}"),
            };
            builder =
                builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        if let (Some(key), Some(secret)) = (self.get("access-key"), self.get("secret-key")) {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        if let Some(token) = self.get("session.token") {
            builder = builder.with_token(token);
        }
        let store = builder.build().map_err(|error| LakeError::Unavailable(Box::new(error)))?;
        Ok(Arc::new(store))
    }
}
