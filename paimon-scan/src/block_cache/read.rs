//! Which blocks of a file are there, which are fetched, and by whom.
//!
//! Neighbours that are absent are fetched with one request. A block that several readers want is fetched once: the
//! request runs as a task of its own, so that a reader that is slow or gone does not hold up the others, and ends when
//! nobody waits for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use datafusion::common::runtime::SpawnedTask;
use futures::future::{BoxFuture, Shared, WeakShared, try_join_all};
use futures::{FutureExt, StreamExt, stream};
use object_store::{Error, GetOptions, ObjectStore, Result};
use tokio::sync::Semaphore;

use super::file::CachedFile;
use super::{BlockCache, BlockName};

/// Bytes of one request, at most (or one block).
const RUN_BYTES_MAX: u64 = 8 << 20;
/// Requests, and blocks read back, of one read at once.
const AT_ONCE: usize = 8;

type Fetched = Result<Bytes, Arc<Error>>;
type Fetch = Shared<BoxFuture<'static, Fetched>>;

/// Blocks that are being fetched.
pub(super) struct Flights {
    pub(super) next: u64,
    pub(super) running: HashMap<BlockName, Flight>,
}

/// The request that fetches a block. It ends with the last of its readers.
pub(super) struct Flight {
    number: u64,
    first: u64,
    fetch: WeakShared<BoxFuture<'static, Fetched>>,
}

/// A request that is waited for, of the blocks from `first` on.
struct Wait {
    first: u64,
    fetch: Fetch,
}

/// Takes its blocks from the list of those that are being fetched, however it ends.
struct Landing {
    cache: Arc<BlockCache>,
    number: u64,
    names: Vec<BlockName>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = self.cache.flights.lock();
        for name in &self.names {
            // another one may have begun since nobody waited for this one
            if flights.running.get(name).is_some_and(|flight| flight.number == self.number) {
                flights.running.remove(name);
            }
        }
    }
}

impl CachedFile {
    /// Bytes of the file: none of the ranges is empty or ends after it.
    pub(super) async fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let wanted = ranges.iter().flat_map(|range| self.blocks_of(range)).collect();
        let blocks = self.blocks(wanted).await?;
        let found =
            ranges.iter().map(|range| self.cut(&blocks, range)).collect::<Result<Vec<_>>>()?;
        let served = found.iter().map(|bytes| bytes.len() as u64).sum();
        metrics::counter!("millrace_lake_block_cache_served_bytes_total").increment(served);
        Ok(found)
    }

    fn blocks_of(&self, range: &Range<u64>) -> Range<u64> {
        range.start / self.cache.block_bytes..range.end.div_ceil(self.cache.block_bytes)
    }

    /// Where a block is in the file.
    fn place(&self, block: u64) -> Range<u64> {
        let start = block * self.cache.block_bytes;
        start..(start + self.cache.block_bytes).min(self.meta.size)
    }

    fn bytes_of(&self, block: u64) -> u64 {
        let place = self.place(block);
        place.end - place.start
    }

    async fn blocks(&self, wanted: BTreeSet<u64>) -> Result<BTreeMap<u64, Bytes>> {
        // boxed: the compiler cannot see through the closure's lifetimes otherwise
        let kept = wanted.into_iter().map(|block| {
            let name = self.name(block);
            async move { (block, self.cache.get(&name, self.bytes_of(block)).await) }.boxed()
        });
        let kept: Vec<_> = stream::iter(kept.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
        let (mut blocks, mut absent) = (BTreeMap::new(), Vec::new());
        for (block, found) in kept {
            match found {
                Some(bytes) => drop(blocks.insert(block, bytes)),
                None => absent.push(block),
            }
        }
        let waits = self.fetch(absent, &mut blocks);
        let fetched = waits.iter().map(|wait| wait.fetch.clone());
        let fetched = try_join_all(fetched).await.map_err(|error| self.error(error))?;
        for (wait, run) in waits.iter().zip(fetched) {
            for (block, bytes) in self.split(wait.first, &run) {
                blocks.entry(block).or_insert(bytes);
            }
        }
        Ok(blocks)
    }

    /// Starts requests for what is absent, or joins those that run; what has come meanwhile goes to `blocks`.
    fn fetch(&self, absent: Vec<u64>, blocks: &mut BTreeMap<u64, Bytes>) -> Vec<Wait> {
        let (mut waits, mut joined) = (Vec::new(), BTreeSet::new());
        let mut runs: Vec<Range<u64>> = Vec::new();
        let run_blocks = (RUN_BYTES_MAX / self.cache.block_bytes).max(1);
        let requests = Arc::new(Semaphore::new(AT_ONCE));
        let mut flights = self.cache.flights.lock();
        for block in absent {
            let name = self.name(block);
            let running = flights.running.get(&name);
            if let Some((flight, fetch)) =
                running.and_then(|flight| flight.fetch.upgrade().map(|fetch| (flight, fetch)))
            {
                if joined.insert(flight.number) {
                    waits.push(Wait { first: flight.first, fetch });
                }
            } else if let Some(entry) = self.cache.blocks.memory().get(&name)
                && entry.value().len() as u64 == self.bytes_of(block)
            {
                blocks.insert(block, entry.value().clone());
            } else {
                match runs.last_mut() {
                    Some(run) if run.end == block && block - run.start < run_blocks => {
                        run.end = block + 1;
                    }
                    _ => runs.push(block..block + 1),
                }
            }
        }
        for run in runs {
            waits.push(self.start(run, &mut flights, &requests));
        }
        waits
    }

    /// Starts the request for some neighbours.
    fn start(&self, run: Range<u64>, flights: &mut Flights, requests: &Arc<Semaphore>) -> Wait {
        let number = flights.next;
        flights.next += 1;
        let names: Vec<_> = run.clone().map(|block| self.name(block)).collect();
        let landing = Landing { cache: Arc::clone(&self.cache), number, names: names.clone() };
        let (this, requests, first) = (self.clone(), Arc::clone(requests), run.start);
        let task = SpawnedTask::spawn(async move {
            let landing = landing;
            // never closed
            let _permit = requests.acquire().await;
            let bytes = this.request(run.clone()).await?;
            for ((_, block), name) in this.split(run.start, &bytes).zip(&landing.names) {
                // a copy: a part of the answer would keep all of it in memory
                this.cache.put(name, Bytes::copy_from_slice(&block));
            }
            Ok(bytes)
        });
        let fetch = async move { task.await.unwrap_or_else(|error| Err(stopped(error))) };
        let fetch = fetch.boxed().shared();
        for name in names {
            if let Some(fetch) = fetch.downgrade() {
                flights.running.insert(name, Flight { number, first, fetch });
            }
        }
        Wait { first, fetch }
    }

    async fn request(&self, run: Range<u64>) -> Fetched {
        let range = self.place(run.start).start..self.place(run.end - 1).end;
        metrics::counter!("millrace_lake_block_cache_misses_total").increment(run.end - run.start);
        let options = GetOptions::new().with_range(Some(range.clone()));
        let answer = self.store.get_opts(&self.meta.location, options).await.map_err(Arc::new)?;
        let size = answer.meta.size;
        let bytes = answer.bytes().await.map_err(Arc::new)?;
        if size != self.meta.size || bytes.len() as u64 != range.end - range.start {
            let (path, expected) = (&self.meta.location, self.meta.size);
            let problem = format!("{path} has {size} bytes, the metadata says {expected}");
            return Err(Arc::new(Error::Generic { store: "lake", source: problem.into() }));
        }
        metrics::counter!("millrace_lake_block_cache_fetched_bytes_total")
            .increment(bytes.len() as u64);
        Ok(bytes)
    }

    /// The blocks of an answer that begins with block `first`.
    fn split(&self, first: u64, run: &Bytes) -> impl Iterator<Item = (u64, Bytes)> {
        let (step, run) = (self.cache.block_bytes as usize, run.clone());
        let starts = (0..run.len()).step_by(step);
        (first..).zip(starts.map(move |start| run.slice(start..(start + step).min(run.len()))))
    }

    fn cut(&self, blocks: &BTreeMap<u64, Bytes>, range: &Range<u64>) -> Result<Bytes> {
        let (mut parts, mut joined) = (self.blocks_of(range), BytesMut::new());
        let part = |block: u64| {
            let place = self.place(block);
            let start = range.start.max(place.start) - place.start;
            let end = range.end.min(place.end) - place.start;
            match blocks.get(&block) {
                Some(bytes) if bytes.len() as u64 >= end => {
                    Ok(bytes.slice(start as usize..end as usize))
                }
                _ => Err(Error::Generic {
                    store: "lake",
                    source: format!("{}: block {block} did not come", self.meta.location).into(),
                }),
            }
        };
        if parts.end - parts.start == 1 {
            return part(parts.start);
        }
        joined.reserve((range.end - range.start) as usize);
        parts.try_for_each(|block| part(block).map(|bytes| joined.extend_from_slice(&bytes)))?;
        Ok(joined.freeze())
    }

    /// The error of a request that may have several readers.
    fn error(&self, error: Arc<Error>) -> Error {
        match error.as_ref() {
            Error::NotFound { path, .. } => {
                Error::NotFound { path: path.clone(), source: Box::new(error) }
            }
            _ => Error::Generic { store: "lake", source: Box::new(error) },
        }
    }
}

fn stopped(error: tokio::task::JoinError) -> Arc<Error> {
    Arc::new(Error::JoinError { source: error })
}
