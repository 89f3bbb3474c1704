//! The stores that a session reads from.

use std::sync::Arc;

use datafusion::execution::TaskContext;
use object_store::ObjectStore;

use crate::error::Result;
use crate::options::storage::Storage;
use crate::read_only::ReadOnly;
use crate::rest::{GrantedStore, RestServers};

/// The opened store, kept in the runtime from the first use on; one with granted credentials as long as the session's
/// [`RestServers`] keep it.
pub(crate) fn open(storage: &Storage, context: &TaskContext) -> Result<Arc<dyn ObjectStore>> {
    let (url, runtime) = (storage.url()?, context.runtime_env());
    if let Storage::Granted { options, .. } = storage {
        let servers = RestServers::of(context);
        let open = || {
            let grant = servers.grant(options)?;
            let store = GrantedStore::new(grant, storage.clone());
            Ok(Arc::new(ReadOnly(store)) as Arc<dyn ObjectStore>)
        };
        return servers.store(&url, &runtime, open);
    }
    if let Ok(store) = runtime.object_store(&url) {
        return Ok(store);
    }
    let store = storage.open_now()?;
    runtime.register_object_store(url.as_ref(), Arc::clone(&store));
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::LakeOptions;

    #[test]
    fn a_store_is_opened_once() {
        let with = |endpoint: &str| {
            let options = [("warehouse", "s3://b/w"), ("s3.endpoint", endpoint)];
            Storage::of("s3a://b/w/file", &LakeOptions::new(options).unwrap()).unwrap()
        };
        let (one, two) = (with("http://one:9000"), with("http://two:9000"));
        let context = TaskContext::default();
        let store = open(&one, &context).unwrap();
        assert!(Arc::ptr_eq(&store, &open(&one, &context).unwrap()));
        assert!(!Arc::ptr_eq(&store, &open(&two, &context).unwrap()));
    }
}
