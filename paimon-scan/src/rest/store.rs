//! An object store whose credentials are those that are granted when a file is asked for.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetResult, ObjectStore, Result};
use parking_lot::Mutex;

use super::Grant;
use super::grant::Held;
use crate::options::storage::Storage;
use crate::read_only::Reads;

/// How storages that answer with other statuses than 401 and 403 say that credentials are too old.
const EXPIRED: [&str; 3] = ["ExpiredToken", "SecurityTokenExpired", "InvalidSecurityToken"];

/// How often credentials are renewed for one read that the storage refuses.
const RENEWALS: usize = 2;

/// Reads the files of one table.
pub(crate) struct GrantedStore {
    grant: Arc<Grant>,
    storage: Storage,
    /// Opened with the credentials of this number.
    opened: Mutex<Option<(u64, Arc<dyn ObjectStore>)>>,
}

impl GrantedStore {
    pub(crate) fn new(grant: Arc<Grant>, storage: Storage) -> Self {
        Self { grant, storage, opened: Mutex::default() }
    }

    fn open(&self, held: &Held) -> Result<Arc<dyn ObjectStore>> {
        let mut opened = self.opened.lock();
        if let Some((number, store)) = &*opened
            && *number == held.number
        {
            return Ok(Arc::clone(store));
        }
        let store = self.storage.open_with(&self.grant.options(held)).map_err(failure)?;
        *opened = Some((held.number, Arc::clone(&store)));
        Ok(store)
    }

    async fn read<T, F>(&self, read: impl Fn(Arc<dyn ObjectStore>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut held = self.grant.current().await.map_err(failure)?;
        for _ in 0..RENEWALS {
            match read(self.open(&held)?).await {
                Err(error) if is_refusal(&error) => {
                    held = self.grant.renewed(held.number).await.map_err(failure)?;
                }
                other => return other,
            }
        }
        read(self.open(&held)?).await
    }
}

/// The lake's error, to be found again by those who know it.
fn failure(error: crate::LakeError) -> Error {
    Error::Generic { store: "lake", source: Box::new(error) }
}

fn is_refusal(error: &Error) -> bool {
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => true,
        Error::Generic { source, .. } => {
            let text = source.to_string();
            EXPIRED.iter().any(|code| text.contains(code))
        }
        _ => false,
    }
}

impl fmt::Display for GrantedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lake files by {:?}", self.grant)
    }
}

#[async_trait]
impl Reads for GrantedStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.read(|store| {
            let options = options.clone();
            async move { store.get_opts(location, options).await }
        })
        .await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.read(|store| async move { store.get_ranges(location, ranges).await }).await
    }
}
