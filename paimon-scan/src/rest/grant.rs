//! The credentials of one table, as its REST server hands them out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use paimon::catalog::Identifier;
use parking_lot::Mutex;

use super::RestServer;
use crate::error::{LakeError, Result};
use crate::options::{LakeOptions, ServedTable, storage};

/// New credentials are asked for so long before the old ones expire, or in the middle of a shorter life.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
/// When that fails while the old ones are good, it is not tried again for so long.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);

const OSS_ENDPOINT: &str = "fs.oss.endpoint";

/// Credentials that are asked for when they are needed, and again before they expire, once for all who read.
pub(crate) struct Grant {
    server: Arc<RestServer>,
    table: ServedTable,
    held: Mutex<Option<Arc<Held>>>,
    renewing: tokio::sync::Mutex<()>,
}

/// Credentials with everything else that opens the storage.
pub(crate) struct Held {
    /// Another one for each answer of the server.
    pub(crate) number: u64,
    /// Options of the storage; secret.
    pub(crate) properties: BTreeMap<String, String>,
    expires: SystemTime,
    renew: Mutex<SystemTime>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Grant").field(&self.table).finish()
    }
}

impl Held {
    fn is_good(&self) -> bool {
        SystemTime::now() < self.expires
    }

    fn is_due(&self) -> bool {
        *self.renew.lock() <= SystemTime::now()
    }
}

impl Grant {
    pub(super) fn new(server: Arc<RestServer>, table: ServedTable) -> Self {
        let (held, renewing) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { server, table, held, renewing }
    }

    /// The server's options with credentials in place of the table.
    pub(super) fn options(&self, held: &Held) -> LakeOptions {
        self.server.options().with_storage(&held.properties)
    }

    /// Credentials that are good now.
    ///
    /// # Errors
    /// `FileGone` for a table that was dropped, `Denied`, `Unavailable`.
    pub(crate) async fn current(&self) -> Result<Arc<Held>> {
        let before = self.held.lock().clone();
        match before {
            Some(held) if !held.is_due() => Ok(held),
            Some(held) if held.is_good() => match self.renewing.try_lock() {
                Ok(_guard) => Ok(self.renew_early(held).await),
                // somebody else is at it
                Err(_) => Ok(held),
            },
            _ => self.renewed(before.map_or(0, |held| held.number)).await,
        }
    }

    /// Others than those with this number, which a storage has refused.
    ///
    /// # Errors
    /// Those of [`Self::current`].
    pub(crate) async fn renewed(&self, refused: u64) -> Result<Arc<Held>> {
        let _guard = self.renewing.lock().await;
        let held = self.held.lock().clone();
        match held {
            Some(held) if held.number != refused && held.is_good() => Ok(held),
            held => self.ask(held.map_or(refused, |held| held.number) + 1).await,
        }
    }

    /// New credentials, or the old ones while they are good and the server does not answer.
    async fn renew_early(&self, held: Arc<Held>) -> Arc<Held> {
        match self.ask(held.number + 1).await {
            Ok(new) => new,
            Err(_) => {
                metrics::counter!("millrace_lake_grants_failed_total").increment(1);
                *held.renew.lock() = SystemTime::now() + TRY_AGAIN_AFTER;
                held
            }
        }
    }

    async fn ask(&self, number: u64) -> Result<Arc<Held>> {
        let ServedTable { database, name, location, .. } = &self.table;
        let answer = self.server.token(&Identifier::new(database, name)).await;
        let answer = answer.map_err(|error| match error {
            LakeError::NotFound { .. } => LakeError::FileGone { path: location.clone() },
            other => other,
        })?;
        let about = || format!("{}: credentials of {database}.{name}", self.server.name());
        let expires = answer.expires_at_millis.and_then(|millis| u64::try_from(millis).ok());
        let expires = expires.map(|millis| UNIX_EPOCH + Duration::from_millis(millis));
        let Some(expires) = expires else {
            return Err(LakeError::corrupt(format!("{} without an expiry", about())));
        };
        let now = SystemTime::now();
        let Ok(life) = expires.duration_since(now) else {
            let text = format!("{} have expired before they came", about());
            return Err(LakeError::Unavailable(text.into()));
        };
        metrics::counter!("millrace_lake_grants_total").increment(1);
        let held = Arc::new(Held {
            number,
            properties: self.properties(answer.token.into_iter()),
            expires,
            renew: Mutex::new(expires - RENEW_BEFORE.min(life / 2)),
        });
        *self.held.lock() = Some(Arc::clone(&held));
        Ok(held)
    }

    /// Everything that opens the storage.
    fn properties(
        &self,
        token: impl Iterator<Item = (String, String)>,
    ) -> BTreeMap<String, String> {
        let mut properties = self.table.storage.clone();
        properties.extend(token.filter(|(name, _)| storage::is_known(name)));
        // what is reached from here may be another door than what the server names
        let endpoint = self.server.options().get("dlf.oss-endpoint").map(str::trim);
        if let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) {
            properties.insert(OSS_ENDPOINT.to_owned(), endpoint.to_owned());
        }
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        let options = LakeOptions::new([
            ("metastore", "rest"),
            ("warehouse", "w"),
            // nobody there
            ("uri", "http://127.0.0.1:1"),
            ("token.provider", "bear"),
            ("token", "not-to-be-seen"),
        ]);
        let server = Arc::new(RestServer::new(options.unwrap()).unwrap());
        Grant::new(server, ServedTable::default())
    }

    fn held(expires: SystemTime, renew: SystemTime) -> Option<Arc<Held>> {
        let (properties, renew) = (BTreeMap::new(), Mutex::new(renew));
        Some(Arc::new(Held { number: 7, properties, expires, renew }))
    }

    #[tokio::test]
    async fn good_credentials_outlive_a_server_that_is_gone() {
        let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
        let grant = grant();
        *grant.held.lock() = held(now + hour, now);
        let held_before = grant.current().await.unwrap();
        assert_eq!(held_before.number, 7);
        assert!(!held_before.is_due(), "it is not tried again at once");
        // whoever comes while somebody renews does not wait
        *held_before.renew.lock() = now;
        let guard = grant.renewing.lock().await;
        assert_eq!(grant.current().await.unwrap().number, 7);
        drop(guard);
        assert!(grant.renewed(7).await.is_err(), "refused ones are not handed out again");
        *grant.held.lock() = held(now - hour, now - hour);
        assert!(matches!(grant.current().await, Err(LakeError::Unavailable(_))));
    }
}
