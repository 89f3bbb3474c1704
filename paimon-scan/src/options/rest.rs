//! Options of a REST server: how it is asked, and which of its tables files are opened for.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use paimon::Options;
use paimon::api::AuthProviderFactory;
use prost::Message;

use super::{LakeOptions, storage};
use crate::error::{LakeError, Result};

/// Options besides those of storages.
pub(super) const KNOWN: [&str; 11] = [
    "data-token.enabled",
    "dlf.access-key-id",
    "dlf.access-key-secret",
    "dlf.oss-endpoint",
    "dlf.region",
    "dlf.security-token",
    "dlf.signing-algorithm",
    REQUEST_TIMEOUT,
    "token",
    "token.provider",
    "uri",
];

const REQUEST_TIMEOUT: &str = "rest.request-timeout";
/// How long the server may take for one answer when nobody says otherwise.
const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// The longest that may be asked for: what a client of a statement waits.
const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// A table of a REST server, whose files are opened with what the server says.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[prost(skip_debug)]
pub(crate) struct ServedTable {
    #[prost(string, tag = "1")]
    pub(crate) database: String,
    /// Its name, with its branch as Paimon writes it.
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    /// Another one after it is dropped and created again.
    #[prost(string, tag = "3")]
    pub(crate) id: String,
    /// Root of its files.
    #[prost(string, tag = "4")]
    pub(crate) location: String,
    /// Whether the server hands out credentials for it, which expire.
    #[prost(bool, tag = "5")]
    pub(crate) granted: bool,
    /// Options of its storage: the server's and the catalog's own, without granted credentials.
    #[prost(btree_map = "string, string", tag = "6")]
    pub(crate) storage: BTreeMap<String, String>,
}

/// Options of storages may be secret.
impl fmt::Debug for ServedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServedTable({}.{} at {})", self.database, self.name, self.location)
    }
}

impl LakeOptions {
    /// These options for the files of one table. `served` are the server's joined with these, as the server wants it.
    pub(crate) fn for_table(&self, mut table: ServedTable, served: &Options) -> Self {
        table.storage = storages(served.to_map().iter()).collect();
        Self { options: self.options.clone(), table: Some(table) }
    }

    /// What the server itself is asked with: the same for all of its tables.
    pub(crate) fn of_server(&self) -> Self {
        Self { options: self.options.clone(), table: None }
    }

    /// These options with credentials in place of what asks for them.
    pub(crate) fn with_storage(&self, properties: &BTreeMap<String, String>) -> Self {
        Self { options: properties.clone(), table: None }
    }

    /// Where options of storages are found.
    pub(crate) fn storage(&self) -> &BTreeMap<String, String> {
        self.table.as_ref().map_or(&self.options, |table| &table.storage)
    }

    /// How long the server may take for one answer.
    pub(crate) fn request_timeout(&self) -> Result<Duration> {
        let Some(text) = self.get(REQUEST_TIMEOUT) else { return Ok(REQUEST_TIMEOUT_DEFAULT) };
        let wrong = || {
            let max = REQUEST_TIMEOUT_MAX;
            let what = format!("{text:?} is not a duration up to {max:?}, such as 500ms or 15s");
            LakeError::option(REQUEST_TIMEOUT, what)
        };
        let (number, unit) = match text.strip_suffix("ms") {
            Some(number) => (number, 1),
            None => (text.strip_suffix('s').ok_or_else(wrong)?, 1000),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let duration = Duration::from_millis(number.saturating_mul(unit));
        match duration.is_zero() || duration > REQUEST_TIMEOUT_MAX {
            true => Err(wrong()),
            false => Ok(duration),
        }
    }

    /// As the metadata reader takes them.
    pub(crate) fn to_paimon(&self) -> Options {
        let mut options = Options::new();
        for (key, value) in self.iter() {
            options.set(key, value);
        }
        options
    }
}

fn is_of_storage(name: &str) -> bool {
    storage::all_prefixes().any(|prefix| name.starts_with(prefix))
}

/// Options of storages that are understood: what a server says beyond them is for others.
fn storages<'a>(
    options: impl Iterator<Item = (&'a String, &'a String)>,
) -> impl Iterator<Item = (String, String)> {
    let known = options.filter(|(name, _)| storage::is_known(name));
    known.map(|(name, value)| (name.clone(), value.clone()))
}

/// Checks what can be checked without asking the server.
pub(super) fn check(options: &LakeOptions) -> Result<()> {
    check_uri(options.get("uri").unwrap_or_default())?;
    options.request_timeout()?;
    for (name, value) in options.iter() {
        if is_of_storage(name) && !storage::is_known(name) {
            return Err(LakeError::option(name, "is not supported"));
        }
        let is_plain = || value.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        if KNOWN.contains(&name) && !is_plain() {
            // they travel in headers and signatures
            return Err(LakeError::option(name, "is not plain ASCII"));
        }
        if name.starts_with("dlf.token-") {
            let what = "is not supported: give dlf.access-key-id and dlf.access-key-secret";
            return Err(LakeError::option(name, what));
        }
    }
    if let Some(other) = options.get("dlf.signing-algorithm")
        && !["default", "openapi"].contains(&other)
    {
        let what = format!("{other:?} is not known, only \"default\" and \"openapi\" are");
        return Err(LakeError::option("dlf.signing-algorithm", what));
    }
    match options.get("token.provider") {
        Some("bear" | "dlf") => {}
        Some(other) => {
            let what = format!("{other:?} is not supported, only \"bear\" and \"dlf\" are");
            return Err(LakeError::option("token.provider", what));
        }
        None => return Err(LakeError::option("token.provider", "is missing")),
    }
    match AuthProviderFactory::create_auth_provider(&options.to_paimon()) {
        Ok(_) => Ok(()),
        Err(error) => Err(LakeError::option("token.provider", error.to_string())),
    }
}

/// The URI is shown in errors, so it holds no credentials.
fn check_uri(uri: &str) -> Result<()> {
    let wrong = |what: &str| Err(LakeError::option("uri", what));
    if uri.is_empty() {
        return wrong("is missing");
    }
    let Some(rest) = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://")) else {
        return wrong("does not begin with http:// or https://");
    };
    let host = rest.split('/').next().unwrap_or_default();
    match rest {
        _ if host.is_empty() => wrong("names no host"),
        _ if rest.contains(['@', '?', '#']) => wrong("may have a host and a path, nothing else"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(more: &[(&str, &str)]) -> Result<LakeOptions> {
        let rest = [
            ("metastore", "rest"),
            ("warehouse", "w"),
            ("uri", "http://127.0.0.1:1"),
            ("token.provider", "bear"),
            ("token", "not-to-be-seen"),
        ];
        // the later one of a name counts, an empty one takes it away
        let mut all: BTreeMap<_, _> = rest.iter().chain(more).copied().collect();
        all.retain(|_, value| !value.is_empty());
        LakeOptions::new(all)
    }

    #[test]
    fn a_server_that_cannot_be_asked_is_named() {
        for (more, named) in [
            (&[("uri", "")] as &[_], "uri"),
            (&[("uri", "ftp://h")], "uri"),
            (&[("uri", "http://user:not-to-be-seen@h/")], "uri"),
            (&[("uri", "http:///v1")], "host"),
            (&[("uri", "http://h/?token=not-to-be-seen")], "uri"),
            (&[("token.provider", "")], "token.provider"),
            (&[("token.provider", "oauth")], "oauth"),
            (&[("token", "")], "token"),
            (&[("token", "not-to-be-seen\n")], "token"),
            (&[("token.provider", "dlf")], "region"),
            (&[("token.provider", "dlf"), ("dlf.region", "r")], "token"),
            (&[("dlf.signing-algorithm", "md5")], "md5"),
            (&[("dlf.token-path", "/etc/passwd")], "dlf.token-path"),
            (&[("rest.request-timeout", "10")], "rest.request-timeout"),
            (&[("rest.request-timeout", "0s")], "rest.request-timeout"),
            (&[("rest.request-timeout", "31s")], "rest.request-timeout"),
            (&[("s3.sse.type", "kms")], "s3.sse.type"),
            (&[("warehouse", "")], "warehouse"),
        ] {
            let error = options(more).expect_err(named).to_string();
            assert!(error.contains(named) && !error.contains("not-to-be-seen"), "{error}");
        }
        let right = options(&[("rest.request-timeout", "500ms"), ("s3.endpoint", "h")]).unwrap();
        assert_eq!(right.request_timeout().unwrap(), Duration::from_millis(500));
        assert!(!format!("{right:?}").contains("not-to-be-seen"));
        let keys = [("dlf.access-key-id", "id"), ("dlf.access-key-secret", "not-to-be-seen")];
        let dlf = [("token.provider", "dlf"), ("dlf.region", "r"), ("token", "")];
        let dlf = options(&[dlf.as_slice(), &keys].concat()).unwrap();
        assert!(!format!("{dlf:?}").contains("not-to-be-seen"));
    }

    #[test]
    fn options_of_a_table_travel_and_tell_tables_apart() {
        let catalog = options(&[("s3.endpoint", "http://old")]).unwrap();
        let table = |id: &str| ServedTable {
            database: "db".into(),
            name: "t".into(),
            id: id.into(),
            location: "s3://b/t".into(),
            granted: true,
            storage: BTreeMap::new(),
        };
        let mut served = Options::new();
        served.set("s3.endpoint", "http://new");
        served.set("s3.heard-of-by-others", "x");
        let one = catalog.for_table(table("1"), &served);
        let found: Vec<_> = one.storage().iter().collect();
        assert_eq!(found, [(&"s3.endpoint".to_owned(), &"http://new".to_owned())]);
        let back = LakeOptions::from_bytes(&one.to_bytes()).unwrap();
        assert_eq!(back, one);
        assert_eq!(back.root(), "s3://b/t");
        let name = |options: &LakeOptions| {
            let storage = storage::Storage::of("s3://b/t/f", options).unwrap();
            storage.url().unwrap()
        };
        assert_eq!(name(&back), name(&one));
        assert_ne!(name(&one), name(&catalog.for_table(table("2"), &served)));
        assert_eq!(one.of_server(), catalog);
    }
}
