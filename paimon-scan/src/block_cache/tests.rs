//! A cache over a store that counts: every byte right, each fetched once, and what happens when disk, store or reader fail.

use std::path::Path as Folder;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::DateTime;
use datafusion::datasource::object_store::ObjectStoreUrl;
use futures::future::join_all;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use super::file::CachedFile;
use super::*;
use crate::read_only::ReadOnly;
use counting::Counting;

mod counting;

const BLOCK: u64 = 64 << 10;
const FILE: &str = "db.db/t/bucket-0/data-1.parquet";

fn bytes(seed: u64, length: u64) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

async fn store(content: &[u8]) -> Arc<Counting> {
    let inner = InMemory::new();
    inner.put(&Path::from(FILE), content.to_vec().into()).await.unwrap();
    Arc::new(Counting { inner, requests: AtomicU64::new(0), bytes: AtomicU64::new(0) })
}

fn options(directory: &Folder) -> BlockCacheOptions {
    BlockCacheOptions {
        directory: directory.to_owned(),
        disk_bytes_max: 64 * BLOCK,
        memory_bytes_max: 8 * BLOCK as usize,
        block_bytes: BLOCK,
    }
}

async fn open_in(directory: &Folder) -> Arc<BlockCache> {
    Arc::new(BlockCache::open(&options(directory)).await.unwrap())
}

fn file(
    cache: &Arc<BlockCache>,
    store: &Arc<Counting>,
    name: &str,
    size: u64,
) -> ReadOnly<CachedFile> {
    ReadOnly(CachedFile {
        cache: Arc::clone(cache),
        store: Arc::clone(store) as Arc<dyn ObjectStore>,
        url: ObjectStoreUrl::parse(format!("s3-{name}://bucket")).unwrap(),
        meta: ObjectMeta {
            location: Path::from(FILE),
            last_modified: DateTime::default(),
            size,
            e_tag: None,
            version: None,
        },
    })
}

#[tokio::test]
async fn any_ranges_are_the_bytes_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open_in(folder.path()).await;
    let content = bytes(1, 20 * BLOCK + 777);
    let store = store(&content).await;
    let file = file(&cache, &store, "one", content.len() as u64);
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..200 {
        let ranges: Vec<_> = (0..random.random_range(1..5))
            .map(|_| {
                let start = random.random_range(0..content.len() as u64);
                let longest = [10, BLOCK, 3 * BLOCK, u64::MAX][random.random_range(0..4)];
                let rest = (content.len() as u64 - start).min(longest);
                start..start + random.random_range(1..=rest)
            })
            .collect();
        let found = file.get_ranges(&file.0.meta.location, &ranges).await.unwrap();
        for (range, found) in ranges.iter().zip(found) {
            assert!(found == content[range.start as usize..range.end as usize], "{range:?}");
        }
        let range = ranges[0].clone();
        let found = file.get_range(&file.0.meta.location, range.clone()).await.unwrap();
        assert!(found == content[range.start as usize..range.end as usize], "{range:?}");
    }
    assert!(cache.memory_bytes() <= 8 * BLOCK as usize, "{}", cache.memory_bytes());
    // what blocks do not answer is answered by the store
    assert_eq!(file.head(&file.0.meta.location).await.unwrap().size, content.len() as u64);
    let all = file.get(&file.0.meta.location).await.unwrap().bytes().await.unwrap();
    assert!(all == content);
}

#[tokio::test]
async fn neighbours_are_one_request_and_asked_for_once_by_many() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open_in(folder.path()).await;
    let content = bytes(1, 6 * BLOCK);
    let store = store(&content).await;
    let file = file(&cache, &store, "one", content.len() as u64);
    let range = BLOCK + 1..5 * BLOCK - 1;
    let reads = (0..20).map(|_| {
        let (file, range) = (file.clone(), range.clone());
        tokio::spawn(async move { file.get_range(&Path::from(FILE), range).await })
    });
    for found in join_all(reads).await {
        assert!(found.unwrap().unwrap() == content[range.start as usize..range.end as usize]);
    }
    assert_eq!(store.requests(), 1);
    assert_eq!(store.bytes.load(Ordering::SeqCst), 4 * BLOCK);
    // the two blocks at the ends are two requests
    file.get_range(&Path::from(FILE), 0..6 * BLOCK).await.unwrap();
    assert_eq!(store.requests(), 2);
    file.get_range(&Path::from(FILE), 0..6 * BLOCK).await.unwrap();
    assert_eq!(store.requests(), 0);
    assert!(cache.flights.lock().running.is_empty());
}

/// A reader that has gone neither holds up the others nor leaves anything behind.
#[tokio::test]
async fn who_gives_up_does_not_matter_to_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open_in(folder.path()).await;
    let content = bytes(1, 2 * BLOCK);
    let store = store(&content).await;
    let file = file(&cache, &store, "one", content.len() as u64);
    let (path, range) = (Path::from(FILE), 0..2 * BLOCK);
    for _ in 0..50 {
        let mut gone = Box::pin(file.get_range(&path, range.clone()));
        // begun, never polled again
        while cache.flights.lock().running.is_empty() && futures::poll!(&mut gone).is_pending() {
            tokio::task::yield_now().await;
        }
        assert!(file.get_range(&path, range.clone()).await.unwrap() == content);
        drop(gone);
        cache.blocks.clear().await.unwrap();
    }
    let mut gone = Box::pin(file.get_range(&path, range.clone()));
    while cache.flights.lock().running.is_empty() && futures::poll!(&mut gone).is_pending() {
        tokio::task::yield_now().await;
    }
    drop(gone);
    while !cache.flights.lock().running.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn stores_and_lengths_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open_in(folder.path()).await;
    let path = Path::from(FILE);
    let contents = [bytes(1, BLOCK + 9), bytes(2, BLOCK + 9), bytes(3, BLOCK + 8)];
    // the last is another file under the path of the second, in the same store
    for _ in 0..2 {
        for (content, name) in contents.iter().zip(["one", "two", "two"]) {
            let store = store(content).await;
            let file = file(&cache, &store, name, content.len() as u64);
            let end = content.len() as u64;
            assert!(file.get_range(&path, 0..end).await.unwrap() == *content);
        }
    }
    // a file that is not what the metadata says is not read, nor kept
    let store = store(&contents[0]).await;
    for size in [contents[0].len() as u64 + 5, contents[0].len() as u64 - 5] {
        let file = file(&cache, &store, "three", size);
        let error = file.get_range(&path, 0..10).await.unwrap_err().to_string();
        assert!(error.contains("metadata says"), "{error}");
    }
}

#[tokio::test]
async fn files_that_are_gone_are_told_as_such_and_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open_in(folder.path()).await;
    let content = bytes(1, BLOCK);
    let (path, store) = (Path::from(FILE), store(&content).await);
    store.inner.delete(&path).await.unwrap();
    let file = file(&cache, &store, "one", content.len() as u64);
    for error in join_all((0..3).map(|_| file.get_range(&path, 0..5))).await {
        let error = error.unwrap_err();
        assert!(matches!(error, object_store::Error::NotFound { .. }), "{error:?}");
    }
    store.inner.put(&path, content.clone().into()).await.unwrap();
    assert!(file.get_range(&path, 0..5).await.unwrap() == content[..5]);
}

/// What is on disk survives the cache; what is damaged there is fetched again.
#[tokio::test]
async fn blocks_on_disk_are_found_again_and_damage_is_absence() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(1, 16 * BLOCK);
    let store = store(&content).await;
    let (path, all) = (Path::from(FILE), 0..16 * BLOCK);
    let cache = open_in(folder.path()).await;
    // as few at a time as can wait to be written
    for block in 0..16 {
        let file = file(&cache, &store, "one", content.len() as u64);
        file.get_range(&path, block * BLOCK..(block + 1) * BLOCK).await.unwrap();
        cache.written().await;
    }
    close(cache).await;
    assert_eq!(store.requests(), 16);

    let cache = open_in(folder.path()).await;
    let found = file(&cache, &store, "one", content.len() as u64);
    assert!(found.get_range(&path, all.clone()).await.unwrap() == content);
    assert_eq!(store.requests(), 0, "blocks on disk were fetched again");
    drop(found);
    close(cache).await;

    let mut damaged = 0;
    for entry in walk(folder.path()) {
        let mut bytes = std::fs::read(&entry).unwrap();
        // one byte in the middle of every block, indexes left as they are
        for at in (40_000..bytes.len()).step_by(BLOCK as usize) {
            if bytes[at] != 0 {
                bytes[at] ^= 0x55;
                damaged += 1;
            }
        }
        std::fs::write(&entry, bytes).unwrap();
    }
    assert!(damaged > 10, "{damaged}");
    let cache = open_in(folder.path()).await;
    let found = file(&cache, &store, "one", content.len() as u64);
    assert!(found.get_range(&path, all.clone()).await.unwrap() == content);
    assert!(store.requests() > 0, "damage was not noticed");
    drop(found);
    close(cache).await;

    // cut off, as by a crash
    for entry in walk(folder.path()) {
        let file = std::fs::File::options().write(true).open(entry).unwrap();
        file.set_len(100_000).unwrap();
    }
    let cache = open_in(folder.path()).await;
    let found = file(&cache, &store, "one", content.len() as u64);
    assert!(found.get_range(&path, all).await.unwrap() == content);
}

fn walk(folder: &Folder) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(walk(&path)),
            false if path.ends_with("lock") => {}
            false => files.push(path),
        }
    }
    files
}

/// Until its directory is free.
async fn close(cache: Arc<BlockCache>) {
    cache.blocks.close().await.unwrap();
    let mut cache = Some(cache);
    while let Some(held) = cache.take() {
        match Arc::try_unwrap(held) {
            Ok(_) => {}
            Err(shared) => {
                tokio::task::yield_now().await;
                cache = Some(shared);
            }
        }
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_an_error_that_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let held = open_in(folder.path()).await;
    let error = BlockCache::open(&options(folder.path())).await.unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
    close(held).await;

    // another layout does not leave the files of this one behind
    let before = walk(folder.path());
    let larger = BlockCacheOptions { disk_bytes_max: 128 * BLOCK, ..options(folder.path()) };
    close(Arc::new(BlockCache::open(&larger).await.unwrap())).await;
    assert!(!before.is_empty() && before.iter().all(|file| !file.exists()));

    let not_a_folder = folder.path().join("file");
    std::fs::write(&not_a_folder, "").unwrap();
    let error = BlockCache::open(&options(&not_a_folder.join("cache"))).await.unwrap_err();
    assert!(matches!(error, BlockCacheError::Directory { .. }), "{error}");

    let full = BlockCacheOptions { disk_bytes_max: 1 << 60, ..options(folder.path()) };
    let error = BlockCache::open(&full).await.unwrap_err().to_string();
    assert!(error.contains("are free"), "{error}");

    for (wrong, name) in [
        (BlockCacheOptions { block_bytes: 5, ..options(folder.path()) }, "block_bytes"),
        (BlockCacheOptions { disk_bytes_max: 5, ..options(folder.path()) }, "disk_bytes_max"),
        (BlockCacheOptions { memory_bytes_max: 5, ..options(folder.path()) }, "memory_bytes_max"),
    ] {
        let error = BlockCache::open(&wrong).await.unwrap_err();
        assert!(matches!(error, BlockCacheError::Option { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}
