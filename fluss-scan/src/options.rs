//! Addresses, credentials and limits of a client.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::store::S3_OPTIONS;
use crate::{Error, Result};

/// How a client reaches a cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// `host:port` of servers to begin with, tried in order.
    pub bootstrap: Vec<String>,
    /// User and password of SASL PLAIN; `None`: the listener asks for none.
    pub credentials: Option<(String, String)>,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest time that a question about tables, leaders or offsets takes, retries included.
    pub metadata_timeout: Duration,
    /// The longest wait for one answer with rows, and for progress of a scan.
    pub request_timeout: Duration,
    /// The longest frame that is accepted, bytes.
    pub frame_bytes_max: usize,
    /// The largest state of one primary-key bucket, or rows of one lookup, that are read, encoded bytes.
    pub state_bytes_max: usize,
    /// Options of the storage of remote log segments (`s3.*`); secrets among them.
    pub remote_storage: BTreeMap<String, String>,
}

/// The protocol counts frames, and Arrow counts the text of a column, in 31 bits.
const BYTES_MAX: usize = i32::MAX as usize;

impl ClientOptions {
    /// Reads the options of a client by Fluss's own names, and a few limits of ours.
    ///
    /// # Errors
    /// `Option` for a name that is not known, a value that is not understood, no address.
    pub fn new(bootstrap: &str, options: &BTreeMap<String, String>) -> Result<Self> {
        let addresses = bootstrap.split(',').map(str::trim).filter(|a| !a.is_empty());
        let mut this = Self {
            bootstrap: addresses.map(str::to_string).collect(),
            credentials: None,
            connect_timeout: Duration::from_secs(2),
            metadata_timeout: Duration::from_secs(4),
            request_timeout: Duration::from_secs(15),
            frame_bytes_max: 64 << 20,
            state_bytes_max: 1 << 30,
            remote_storage: BTreeMap::new(),
        };
        for address in &this.bootstrap {
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                return Err(wrong("bootstrap.servers", &format!("'{address}' is not host:port")));
            }
        }
        if this.bootstrap.is_empty() {
            return Err(wrong("bootstrap.servers", "is empty"));
        }
        let mut security = Security::default();
        for (name, value) in options {
            this.take(&mut security, name, value)?;
        }
        this.credentials = security.credentials()?;
        Ok(this)
    }

    fn take(&mut self, security: &mut Security, name: &str, value: &str) -> Result<()> {
        let milliseconds = || {
            duration(value).ok_or_else(|| wrong(name, "is not a duration such as '15s' or '500ms'"))
        };
        let bytes = || {
            let number = value.parse().ok().filter(|bytes| (1..=BYTES_MAX).contains(bytes));
            number.ok_or_else(|| wrong(name, "is not a number of bytes from 1 to 2147483647"))
        };
        match name {
            "client.security.protocol" => security.protocol = value.to_uppercase(),
            "client.security.sasl.mechanism" => security.mechanism = value.to_uppercase(),
            "client.security.sasl.username" => security.user = Some(value.to_string()),
            "client.security.sasl.password" => security.password = Some(value.to_string()),
            "client.connect-timeout" => self.connect_timeout = milliseconds()?,
            "client.metadata-timeout" => self.metadata_timeout = milliseconds()?,
            "client.request-timeout" => self.request_timeout = milliseconds()?,
            "client.frame-bytes-max" => self.frame_bytes_max = bytes()?,
            "client.state-bytes-max" => self.state_bytes_max = bytes()?,
            name if S3_OPTIONS.contains(&name) => {
                self.remote_storage.insert(name.to_string(), value.to_string());
            }
            _ => return Err(wrong(name, "is not known")),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Security {
    protocol: String,
    mechanism: String,
    user: Option<String>,
    password: Option<String>,
}

impl Security {
    fn credentials(self) -> Result<Option<(String, String)>> {
        match self.protocol.as_str() {
            "" | "PLAINTEXT" if self.user.is_none() => return Ok(None),
            "SASL" => {}
            "" | "PLAINTEXT" => {
                return Err(wrong(
                    "client.security.protocol",
                    "must be SASL where a user is given",
                ));
            }
            _ => {
                return Err(wrong("client.security.protocol", "must be PLAINTEXT or SASL"));
            }
        }
        if !["", "PLAIN"].contains(&self.mechanism.as_str()) {
            return Err(wrong("client.security.sasl.mechanism", "must be PLAIN"));
        }
        let missing = |name: &str| wrong(name, "must be set with SASL");
        let user = self.user.ok_or_else(|| missing("client.security.sasl.username"))?;
        let password = self.password.ok_or_else(|| missing("client.security.sasl.password"))?;
        Ok(Some((user, password)))
    }
}

fn wrong(name: &str, problem: &str) -> Error {
    Error::Option { name: name.to_string(), problem: problem.to_string() }
}

fn duration(text: &str) -> Option<Duration> {
    let text = text.trim().to_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic() || c == ' ');
    let number: u64 = digits.parse().ok()?;
    match text[digits.len()..].trim() {
        "ms" => Some(Duration::from_millis(number)),
        "s" | "sec" => Some(Duration::from_secs(number)),
        "min" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("bootstrap", &self.bootstrap)
            .field("user", &self.credentials.as_ref().map(|(user, _)| user))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Result<ClientOptions> {
        let map = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        ClientOptions::new("a:1, b:2", &map)
    }

    #[test]
    fn names_of_fluss_are_understood() {
        let read = options(&[
            ("client.security.protocol", "sasl"),
            ("client.security.sasl.mechanism", "PLAIN"),
            ("client.security.sasl.username", "u"),
            ("client.security.sasl.password", "hidden"),
            ("client.request-timeout", "500ms"),
            ("s3.secret-key", "hidden too"),
        ])
        .unwrap();
        assert_eq!(read.bootstrap, ["a:1", "b:2"]);
        assert_eq!(read.credentials, Some(("u".into(), "hidden".into())));
        assert_eq!(read.request_timeout, Duration::from_millis(500));
        assert!(!format!("{read:?}").contains("hidden"));
    }

    #[test]
    fn wrong_options_are_named() {
        for (name, value) in [
            ("client.nothing", "1"),
            ("client.request-timeout", "soon"),
            ("client.frame-bytes-max", "0"),
            ("client.state-bytes-max", "2147483648"),
            ("client.security.protocol", "SSL"),
            ("client.security.protocol", "SASL"),
            ("client.security.sasl.username", "u"),
        ] {
            let error = options(&[(name, value)]).unwrap_err();
            assert!(error.to_string().contains("client."), "{error}");
        }
        assert!(ClientOptions::new("nowhere", &BTreeMap::new()).is_err());
        assert!(ClientOptions::new("", &BTreeMap::new()).is_err());
    }
}
