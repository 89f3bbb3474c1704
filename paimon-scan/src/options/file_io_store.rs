//! An object store that reads through Paimon's own file access: for storages that DataFusion's stores do not
//! reach, with the one set of credentials that the metadata is read with.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetResult, GetResultPayload, ObjectMeta, ObjectStore, Result,
};
use paimon::io::{FileIO, FileRead};

use crate::read_only::{ReadOnly, Reads};

/// Ranges of one file that are asked for at once.
const READS_AT_ONCE: usize = 8;

/// Reads objects below `root`, such as `oss://bucket/`.
#[derive(Clone)]
pub(super) struct FileIoStore {
    files: FileIO,
    root: String,
}

impl FileIoStore {
    pub(super) fn new(files: FileIO, root: String) -> Self {
        Self { files, root }
    }

    fn path(&self, location: &Path) -> String {
        format!("{}{location}", self.root)
    }

    async fn meta(&self, location: &Path) -> Result<ObjectMeta> {
        let status = self.files.get_status(&self.path(location)).await;
        let status = status.map_err(|error| translate(location, error))?;
        Ok(ObjectMeta {
            location: location.clone(),
            last_modified: status.last_modified.unwrap_or_default(),
            size: status.size,
            e_tag: None,
            version: None,
        })
    }

    /// `ranges` lie in the file.
    async fn read(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let failed = |error| translate(location, error);
        let input = self.files.new_input(&self.path(location)).map_err(failed)?;
        let reader = input.reader().await.map_err(failed)?;
        let read = |range: Range<u64>| {
            let reader = &reader;
            async move {
                let bytes = reader.read(range.clone()).await.map_err(failed)?;
                match bytes.len() as u64 == range.end - range.start {
                    true => Ok(bytes),
                    false => Err(Error::Generic {
                        store: "lake",
                        source: format!("{location}: {} bytes in place of {range:?}", bytes.len())
                            .into(),
                    }),
                }
            }
        };
        // boxed: the compiler cannot see through the closure's lifetimes otherwise
        let reads: Vec<_> = ranges.iter().cloned().map(|range| read(range).boxed()).collect();
        stream::iter(reads).buffered(READS_AT_ONCE).try_collect().await
    }
}

fn translate(location: &Path, error: paimon::Error) -> Error {
    match error {
        paimon::Error::IoUnexpected { source, .. } if source.kind().to_string() == "NotFound" => {
            Error::NotFound { path: location.to_string(), source }
        }
        paimon::Error::IoUnexpected { source, .. }
            if source.kind().to_string() == "PermissionDenied" =>
        {
            Error::PermissionDenied { path: location.to_string(), source }
        }
        paimon::Error::IoUnexpected { source, .. } => Error::Generic { store: "lake", source },
        other => Error::Generic { store: "lake", source: Box::new(other) },
    }
}

impl fmt::Display for FileIoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lake files below {}", self.root)
    }
}

#[async_trait]
impl Reads for FileIoStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let meta = self.meta(location).await?;
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(|error| Error::Generic {
                store: "lake",
                source: format!("{location}: {error}").into(),
            })?,
            None => 0..meta.size,
        };
        let this = self.clone();
        let (at, wanted) = (location.clone(), range.clone());
        let bytes = async move {
            // one call, one buffer: readers of the lake ask for ranges that they can hold
            let head = options.head;
            let wanted = if head { 0..0 } else { wanted };
            match wanted.is_empty() {
                true => Ok(Bytes::new()),
                false => this.read(&at, &[wanted]).await.map(|mut bytes| bytes.remove(0)),
            }
        };
        let payload = GetResultPayload::Stream(stream::once(bytes).boxed());
        Ok(GetResult { payload, meta, range, attributes: Default::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        object_store::coalesce_ranges(
            ranges,
            |range| async move { Ok(self.read(location, &[range]).await?.remove(0)) },
            object_store::OBJECT_STORE_COALESCE_DEFAULT,
        )
        .await
    }
}

/// A store over Paimon's access to the files below `root`.
pub(super) fn open(
    root: String,
    properties: impl IntoIterator<Item = (String, String)>,
) -> paimon::Result<Arc<dyn ObjectStore>> {
    let files = FileIO::from_url(&root)?.with_props(properties).build()?;
    Ok(Arc::new(ReadOnly(FileIoStore::new(files, root))))
}

#[cfg(test)]
mod tests {
    use object_store::{GetRange, ObjectStoreExt};

    use super::*;

    #[tokio::test]
    async fn files_are_read_whole_in_ranges_and_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a b%2F"), b"0123456789").unwrap();
        let root = format!("file://{}/", folder.path().display());
        let store = open(root, []).unwrap();
        let path = Path::parse("a b%2F").unwrap();
        assert_eq!(store.head(&path).await.unwrap().size, 10);
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "0123456789");
        assert_eq!(store.get_range(&path, 2..5).await.unwrap(), "234");
        let ranges = store.get_ranges(&path, &[0..1, 7..10, 3..4]).await.unwrap();
        assert_eq!(ranges, ["0", "789", "3"]);
        for (range, expected) in [
            (GetRange::Suffix(3), "789"),
            (GetRange::Offset(8), "89"),
            // cut at the end of the file, as other stores do
            (GetRange::Bounded(8..99), "89"),
        ] {
            let options = GetOptions::new().with_range(Some(range));
            let found = store.get_opts(&path, options).await.unwrap();
            assert_eq!(found.bytes().await.unwrap(), expected);
        }
        assert!(store.get_range(&path, 20..30).await.is_err());
        let gone = store.get(&Path::from("gone")).await.unwrap_err();
        assert!(matches!(gone, Error::NotFound { .. }), "{gone:?}");
        let gone = store.get_ranges(&Path::from("gone"), &[0..1, 3..4]).await.unwrap_err();
        assert!(matches!(gone, Error::NotFound { .. }), "{gone:?}");
        assert!(store.put(&path, "x".into()).await.is_err());
        assert!(store.delete(&path).await.is_err());
        assert_eq!(std::fs::read(folder.path().join("a b%2F")).unwrap(), b"0123456789");
    }
}
