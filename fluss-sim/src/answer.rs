//! From a call to its answer.
//!
//! * [`metadata`]: servers, tables, partitions, offsets of the lake
//! * [`log`]: offsets and fetches
//! * [`kv`]: states, lookups, row counts

mod kv;
mod log;
mod metadata;

use bytes::Bytes;
use fluss_scan::Bucket;
use fluss_scan::messages::{
    ApiVersions, ApiVersionsAnswer, Authenticate, AuthenticateAnswer, Call, FetchLog,
    GetLakeSnapshot, GetTableInfo, GetTableSchema, GetTableStats, LimitScan, ListDatabases,
    ListOffsets, ListPartitionInfos, ListTables, Lookup, Metadata, PrefixLookup, ScanKv,
};
use prost::Message;

use crate::api::{Version, is_listed, listed};
use crate::cluster::{COORDINATOR, Cluster, State, Table};

/// Errors of the protocol.
pub(crate) mod code {
    pub(crate) const EXCEPTION: i32 = -1;
    pub(crate) const UNSUPPORTED_VERSION: i32 = 2;
    pub(crate) const NO_DATABASE: i32 = 4;
    pub(crate) const NO_TABLE: i32 = 7;
    pub(crate) const NO_SCHEMA: i32 = 9;
    pub(crate) const NOT_LEADER: i32 = 12;
    pub(crate) const NO_ROW_COUNT: i32 = 15;
    pub(crate) const OUT_OF_RANGE: i32 = 19;
    pub(crate) const NO_KEY: i32 = 20;
    pub(crate) const UNKNOWN_BUCKET: i32 = 21;
    pub(crate) const PROJECTION: i32 = 34;
    pub(crate) const NO_PARTITION: i32 = 36;
    pub(crate) const NOT_PARTITIONED: i32 = 37;
    pub(crate) const AUTHENTICATE: i32 = 46;
    pub(crate) const NO_LAKE_SNAPSHOT: i32 = 53;
    pub(crate) const UNKNOWN_SCANNER: i32 = 67;
    pub(crate) const BAD_SCAN: i32 = 68;
    pub(crate) const TOO_MANY_SCANNERS: i32 = 69;
}

/// An error of a call or of a bucket.
pub(crate) type Failure = (i32, String);

/// Who asks, and what a script says about the errors of buckets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    pub(crate) server: i32,
    pub(crate) version: i16,
    pub(crate) forced: Option<i32>,
    pub(crate) starves: bool,
}

/// What a server does about a call.
#[derive(Debug)]
pub(crate) enum Answer {
    Message(Vec<u8>),
    Error(Failure),
    /// Calls that are not listed, and bytes that are not understood.
    Silence,
}

/// An exception that nobody expected comes with its stack trace.
pub(crate) fn exception(what: &str) -> Failure {
    let trace = (0..24).map(|line| format!("\n\tat org.apache.fluss.server.Frame{line}(Java)"));
    (code::EXCEPTION, format!("{what}{}", trace.collect::<String>()))
}

impl Cluster {
    /// Answers one call.
    pub(crate) fn answer(&self, asking: Asking, api: i16, body: &[u8]) -> Answer {
        let is_coordinator = asking.server == COORDINATOR;
        if !is_listed(self.version(), is_coordinator, api) {
            return Answer::Silence;
        }
        let mut state = self.state();
        let state = &mut *state;
        let (version, body) = (self.version(), Bytes::copy_from_slice(body));
        match api {
            ApiVersions::API => answer::<ApiVersions>(body, |_| {
                Ok(ApiVersionsAnswer { versions: listed(version, is_coordinator) })
            }),
            Authenticate::API => answer(body, |call| authenticate(state, &call)),
            ListDatabases::API => {
                answer::<ListDatabases>(body, |_| metadata::list_databases(state))
            }
            ListTables::API => answer(body, |call| metadata::list_tables(state, &call)),
            GetTableInfo::API => answer(body, |call| metadata::table_info(state, call)),
            GetTableSchema::API => answer(body, |call| metadata::schema(state, call)),
            ListPartitionInfos::API => answer(body, |call| metadata::partitions(state, call)),
            Metadata::API => answer(body, |call| metadata::metadata(self, state, call)),
            GetLakeSnapshot::API => answer(body, |call| metadata::lake_snapshot(state, call)),
            ListOffsets::API => answer(body, |call| Ok(log::list_offsets(state, asking, &call))),
            FetchLog::API => answer(body, |call| log::fetch(state, version, asking, &call)),
            LimitScan::API => answer(body, |call| Ok(kv::limit_scan(state, asking, &call))),
            ScanKv::API => answer(body, |call| Ok(kv::scan(state, asking, &call))),
            Lookup::API => answer(body, |call| Ok(kv::lookup(state, asking, &call))),
            PrefixLookup::API => answer(body, |call| Ok(kv::prefix_lookup(state, asking, &call))),
            GetTableStats::API => answer(body, |call| Ok(kv::table_stats(state, asking, &call))),
            _ => Answer::Silence,
        }
    }
}

fn answer<C: Call + Default>(
    body: Bytes,
    answer: impl FnOnce(C) -> Result<C::Answer, Failure>,
) -> Answer {
    let Ok(call) = C::decode(body) else { return Answer::Silence };
    match answer(call) {
        Ok(message) => Answer::Message(message.encode_to_vec()),
        Err(failure) => Answer::Error(failure),
    }
}

/// Whether these are the credentials; an empty challenge means done.
fn authenticate(state: &State, call: &Authenticate) -> Result<AuthenticateAnswer, Failure> {
    let wanted = state.credentials.as_ref();
    let token = wanted.map(|(user, password)| format!("\0{user}\0{password}").into_bytes());
    if call.protocol == "PLAIN" && token.is_none_or(|token| token == call.token) {
        return Ok(AuthenticateAnswer { challenge: Some(vec![]) });
    }
    Err((code::AUTHENTICATE, "Authentication failed: Invalid username or password".into()))
}

/// The name of a bucket in messages.
fn name(bucket: Bucket) -> String {
    let Bucket { table_id, partition_id, bucket } = bucket;
    match partition_id {
        Some(id) => {
            format!("TableBucket{{tableId={table_id}, partitionId={id}, bucket={bucket}}}")
        }
        None => format!("TableBucket{{tableId={table_id}, bucket={bucket}}}"),
    }
}

/// The table of a bucket that the asked server leads.
fn led(state: &mut State, asking: Asking, bucket: Bucket) -> Result<&mut Table, Failure> {
    if let Some(code) = asking.forced {
        return Err((code, format!("as scripted, of {}", name(bucket))));
    }
    let unknown = || (code::UNKNOWN_BUCKET, format!("Unknown table or bucket: {}", name(bucket)));
    let table = state.table_of(bucket).map_err(|_| unknown())?;
    let key = (bucket.partition_id, bucket.bucket);
    let leader = table.buckets.get(&key).ok_or_else(unknown)?.leader;
    if leader == Some(asking.server) {
        return Ok(table);
    }
    let server = asking.server;
    let message = format!("server {server} is not leader or follower for {}", name(bucket));
    Err((code::NOT_LEADER, message))
}

/// The version of Fluss that has a thing.
fn has_filters(version: Version) -> bool {
    version == Version::V1_0
}
