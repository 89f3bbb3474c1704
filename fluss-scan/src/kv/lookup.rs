//! Rows of a primary-key table by their keys, or by the first columns of their keys.
//!
//! Keys are encoded, sorted into their buckets and asked for in few requests, one leader's buckets together. A
//! server finds nothing, and says nothing, where a key has the wrong layout, is sent to the wrong bucket or is
//! no whole prefix: what is not known for sure is refused before it is sent.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use tokio::time::Instant;

use super::{decoder, format_of};
use crate::client::{OfBucket, Spread};
use crate::cursor::Cursor;
use crate::key::{EncodedKey, KeyFormat};
use crate::messages::{
    Call, Lookup, LookupAnswer, LookupBucket, PrefixLookup, PrefixLookupAnswer, PrefixLookupBucket,
};
use crate::table::{Bucket, PartitionInfo, Schema, TableInfo};
use crate::{Error, FlussClient, Result};

/// Keys of one call; more are for the caller to split.
const KEYS_MAX: usize = 100_000;
/// Bytes of a key for which it counts once more in its request.
const KEY_BYTES: usize = 256;

/// Keys, and what to read of their rows.
#[derive(Debug, Clone)]
pub struct KeyLookup {
    /// The table.
    pub table: TableInfo,
    /// The partition in which all keys lie, in a partitioned table.
    pub partition: Option<PartitionInfo>,
    /// One row per key. Whole keys have the columns of [`TableInfo::physical_key`], prefixes those of the
    /// bucket key ([`TableInfo::bucket_keys`]): found by their names, in any order, in the Arrow types of the
    /// table's columns ([`crate::FlussType::arrow`]), without NULL. Keys may repeat.
    pub keys: RecordBatch,
    /// Positions in the table's present schema, in the order in which the columns are wanted, none twice.
    pub projection: Vec<usize>,
}

/// The rows that were found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRows {
    /// The rows in the columns that were asked for, ordered by their keys' positions. Columns that a row was
    /// written without are NULL.
    pub rows: RecordBatch,
    /// For each row the position of its key among the keys that were asked for, ascending. A key without a
    /// row does not occur; one of several rows (by prefix, or asked twice) occurs with each.
    pub keys: Vec<u32>,
}

impl FlussClient {
    /// Reads the rows with these primary keys as they are now.
    ///
    /// Numbers are equal where their bits are: −0.0 and 0.0 are two keys, as for Fluss itself.
    ///
    /// # Errors
    /// `Unsupported` for keys that cannot be encoded for sure: other columns or types than the key's, NULL, a
    /// lake format or version that is not known, values that the column cannot hold; and for a key that lies in
    /// two buckets, because clients that disagree about buckets wrote it. `TooLarge` for more than 100,000 keys,
    /// or rows beyond `state_bytes_max`. `NotFound` for a table or partition that is gone. `TimedOut`.
    pub async fn lookup(&self, lookup: &KeyLookup) -> Result<FoundRows> {
        let format = KeyFormat::of(&lookup.table)?;
        check(lookup)?;
        let buckets = lookup.table.buckets_of(lookup.partition.as_ref());
        let keys = format.keys(&lookup.keys, buckets)?;
        let found = self.ask_keys::<Lookup>(lookup, &keys).await?;
        if let Some([(key, one, _), (_, other, _)]) =
            found.array_windows().find(|[(one, ..), (other, ..)]| one == other)
        {
            let path = &lookup.table.path;
            return Err(Error::Unsupported(format!(
                "key {key} of the lookup lies in the buckets {one} and {other} of table {path}: \
                 clients that disagree about buckets wrote it"
            )));
        }
        self.decode_found(lookup, found).await
    }

    /// Reads the rows whose primary keys begin with these values: those of the bucket key, where it is a strict
    /// prefix of the key.
    ///
    /// # Errors
    /// As [`FlussClient::lookup`]; `Unsupported` for other tables, where a server would leave rows out without
    /// an error.
    pub async fn prefix_lookup(&self, lookup: &KeyLookup) -> Result<FoundRows> {
        let format = KeyFormat::of(&lookup.table)?;
        check(lookup)?;
        let buckets = lookup.table.buckets_of(lookup.partition.as_ref());
        let keys = format.prefixes(&lookup.keys, buckets)?;
        let found = self.ask_keys::<PrefixLookup>(lookup, &keys).await?;
        self.decode_found(lookup, found).await
    }

    /// Values with the positions of their keys and their buckets, ordered by both.
    async fn ask_keys<C: KeyCall>(
        &self,
        lookup: &KeyLookup,
        keys: &[EncodedKey],
    ) -> Result<Vec<(u32, i32, Bytes)>> {
        let KeyLookup { table, partition, .. } = lookup;
        let partition_id = partition.as_ref().map(|partition| partition.id);
        let mut by_bucket: HashMap<i32, Vec<u32>> = HashMap::new();
        for (position, key) in (0..).zip(keys) {
            let (one, other) = key.buckets;
            for bucket in std::iter::once(one).chain(other) {
                by_bucket.entry(bucket).or_default().push(position);
            }
        }
        let mut asked = Asked::<C> {
            table,
            bucket_count: table.buckets_of(partition.as_ref()),
            keys,
            found: vec![],
            bytes: 0,
            bytes_max: self.options().state_bytes_max,
            call: PhantomData,
        };
        let parts = by_bucket.into_iter().flat_map(|(bucket, positions)| {
            let bucket = table.bucket(partition_id, bucket);
            asked.parts(positions).into_iter().map(move |part| (bucket, part))
        });
        let parts = parts.collect();
        self.ask_spread(table, parts, &mut asked).await?;
        // the rows of one prefix stay in the order of the server
        asked.found.sort_by_key(|(position, bucket, _)| (*position, *bucket));
        Ok(asked.found)
    }

    async fn decode_found(
        &self,
        lookup: &KeyLookup,
        found: Vec<(u32, i32, Bytes)>,
    ) -> Result<FoundRows> {
        let table = &lookup.table;
        let mut decoder = decoder(table, &lookup.projection)?;
        let mut schemas: HashMap<i32, Arc<Schema>> = HashMap::new();
        schemas.insert(table.schema_id, Arc::new(table.schema.clone()));
        let mut rested = Instant::now();
        for (_, _, value) in &found {
            let mut value = Cursor::new(value);
            let schema_id = i32::from(value.i16()?);
            let schema = match schemas.entry(schema_id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(self.schema(table, schema_id).await?),
            };
            decoder.add(schema, schema_id, value.take(value.remaining())?)?;
            if rested.elapsed().as_millis() > 10 {
                tokio::task::yield_now().await;
                rested = Instant::now();
            }
        }
        let keys = found.into_iter().map(|(position, ..)| position).collect();
        Ok(FoundRows { rows: decoder.finish()?, keys })
    }
}

/// Refuses what is not about keys and buckets.
fn check(lookup: &KeyLookup) -> Result<()> {
    let KeyLookup { table, partition, keys, projection } = lookup;
    let path = &table.path;
    if table.partition_keys.is_empty() == partition.is_some() {
        let problem = if partition.is_some() { "is not partitioned" } else { "is partitioned" };
        return Err(Error::Unsupported(format!("a lookup: table {path} {problem}")));
    }
    format_of(table)?;
    let mut seen = HashSet::new();
    let mut is_wrong =
        |column: &usize| *column >= table.schema.columns.len() || !seen.insert(*column);
    if let Some(wrong) = projection.iter().find(|column| is_wrong(column)) {
        return Err(Error::Unsupported(format!("column {wrong} twice or unknown in a lookup")));
    }
    if keys.num_rows() > KEYS_MAX {
        let count = keys.num_rows();
        return Err(Error::TooLarge(format!("{count} keys in one lookup of at most {KEYS_MAX}")));
    }
    Ok(())
}

/// The two calls by keys.
trait KeyCall: Call {
    /// Keys of one request: its answer must fit into a frame.
    const KEYS_MAX: usize;
    fn of(table_id: i64, bucket_count: i32, buckets: Vec<(Bucket, Vec<Bytes>)>) -> Self;
    /// Per bucket and key the values.
    fn values(answer: Self::Answer) -> Vec<OfBucket<Vec<Vec<Bytes>>>>;
}

impl KeyCall for Lookup {
    const KEYS_MAX: usize = 1_000;

    fn of(table_id: i64, bucket_count: i32, buckets: Vec<(Bucket, Vec<Bytes>)>) -> Self {
        let bucket = |(bucket, keys): (Bucket, Vec<Bytes>)| LookupBucket {
            partition_id: bucket.partition_id,
            bucket: bucket.bucket,
            keys,
            bucket_count: Some(bucket_count),
        };
        Self { table_id, buckets: buckets.into_iter().map(bucket).collect() }
    }

    fn values(answer: LookupAnswer) -> Vec<OfBucket<Vec<Vec<Bytes>>>> {
        let of_bucket = |b: crate::messages::LookedUpBucket| OfBucket {
            partition_id: b.partition_id,
            bucket: b.bucket,
            code: b.code,
            message: b.message,
            found: b.values.into_iter().map(|value| value.bytes.into_iter().collect()).collect(),
        };
        answer.buckets.into_iter().map(of_bucket).collect()
    }
}

impl KeyCall for PrefixLookup {
    const KEYS_MAX: usize = 100;

    fn of(table_id: i64, bucket_count: i32, buckets: Vec<(Bucket, Vec<Bytes>)>) -> Self {
        let bucket = |(bucket, prefixes): (Bucket, Vec<Bytes>)| PrefixLookupBucket {
            partition_id: bucket.partition_id,
            bucket: bucket.bucket,
            prefixes,
            bucket_count: Some(bucket_count),
        };
        Self { table_id, buckets: buckets.into_iter().map(bucket).collect() }
    }

    fn values(answer: PrefixLookupAnswer) -> Vec<OfBucket<Vec<Vec<Bytes>>>> {
        let of_bucket = |b: crate::messages::PrefixLookedUpBucket| OfBucket {
            partition_id: b.partition_id,
            bucket: b.bucket,
            code: b.code,
            message: b.message,
            found: b.lists.into_iter().map(|list| list.values).collect(),
        };
        answer.buckets.into_iter().map(of_bucket).collect()
    }
}

/// Keys that are asked for, and what was found so far.
struct Asked<'a, C> {
    table: &'a TableInfo,
    /// The count from which buckets were computed: servers of 1.0 refuse it once it is no longer right.
    bucket_count: i32,
    keys: &'a [EncodedKey],
    found: Vec<(u32, i32, Bytes)>,
    bytes: usize,
    bytes_max: usize,
    call: PhantomData<C>,
}

/// Some keys of one bucket.
struct Part {
    positions: Vec<u32>,
    weight: usize,
}

impl<C: KeyCall> Asked<'_, C> {
    /// Keys of one bucket, in parts that fit into requests.
    fn parts(&self, positions: Vec<u32>) -> Vec<Part> {
        let mut parts: Vec<Part> = vec![];
        for position in positions {
            let weight = 1 + self.keys[position as usize].bytes.len() / KEY_BYTES;
            match parts.last_mut() {
                Some(part) if part.weight + weight <= C::KEYS_MAX => {
                    part.weight += weight;
                    part.positions.push(position);
                }
                _ => parts.push(Part { positions: vec![position], weight }),
            }
        }
        parts
    }
}

impl<C: KeyCall> Spread for Asked<'_, C> {
    type Call = C;
    type Part = Part;
    type Found = Vec<Vec<Bytes>>;
    const WEIGHT_MAX: usize = C::KEYS_MAX;

    fn weight(part: &Part) -> usize {
        part.weight
    }

    fn request(&self, parts: &[(Bucket, Part)]) -> C {
        let keys = |part: &Part| {
            part.positions.iter().map(|at| self.keys[*at as usize].bytes.clone()).collect()
        };
        let buckets = parts.iter().map(|(bucket, part)| (*bucket, keys(part)));
        C::of(self.table.table_id, self.bucket_count, buckets.collect())
    }

    fn by_bucket(&self, answer: C::Answer) -> Vec<OfBucket<Self::Found>> {
        C::values(answer)
    }

    fn take(&mut self, bucket: Bucket, part: Part, found: Self::Found) -> Result<()> {
        if found.len() != part.positions.len() {
            let (found, asked) = (found.len(), part.positions.len());
            return Err(Error::corrupt(format!("{found} values for {asked} keys of {bucket}")));
        }
        for (position, values) in part.positions.into_iter().zip(found) {
            for value in values {
                self.bytes += value.len();
                if self.bytes > self.bytes_max {
                    let max = self.bytes_max;
                    return Err(Error::TooLarge(format!(
                        "the rows of a lookup exceed {max} bytes"
                    )));
                }
                self.found.push((position, bucket.bucket, value));
            }
        }
        Ok(())
    }
}
