//! The messages of Fluss's protocol that a reader needs (`fluss-rpc/src/main/proto/FlussApi.proto`, proto2).
//!
//! Required fields of proto2 are sent even where they are zero, which is what `required` does here. Fields that
//! are not read are left out.
//!
//! Public for servers that stand in for Fluss in tests; clients need none of it.
#![allow(missing_docs, reason = "the names are those of the protocol")]

use std::ops::RangeInclusive;

use bytes::Bytes;
use prost::Message;

/// A request and the answer to it.
pub trait Call: Message {
    const API: i16;
    const NAME: &'static str;
    /// The versions that this client speaks; of those that a server lists, the highest is sent.
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Answer: Message + Default;
}

/// A call about one bucket, whose error is inside the answer.
pub(crate) trait BucketCall: Call {
    /// Code and message of the bucket's error.
    fn error_in(answer: &Self::Answer) -> (Option<i32>, Option<&str>);
}

impl BucketCall for LimitScan {
    fn error_in(answer: &LimitScanAnswer) -> (Option<i32>, Option<&str>) {
        (answer.code, answer.message.as_deref())
    }
}

macro_rules! call {
    ($request:ident, $api:literal $(up_to $version:literal)?, $answer:ident) => {
        impl Call for $request {
            const API: i16 = $api;
            const NAME: &'static str = stringify!($request);
            $(const VERSIONS: RangeInclusive<i16> = 0..=$version;)?
            type Answer = $answer;
        }
    };
}

macro_rules! messages {
    ($($name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* })*) => { $(
        #[derive(Clone, PartialEq, Message)]
        pub struct $name { $($(#[$attribute])* pub $field: $type,)* }
    )* };
}

call!(ApiVersions, 1000, ApiVersionsAnswer);
call!(ListDatabases, 1003, ListDatabasesAnswer);
call!(GetTableInfo, 1007, GetTableInfoAnswer);
call!(ListTables, 1008, ListTablesAnswer);
call!(ListPartitionInfos, 1009, ListPartitionInfosAnswer);
call!(GetTableSchema, 1011, GetTableSchemaAnswer);
call!(Metadata, 1012, MetadataAnswer);
call!(FetchLog, 1015, FetchLogAnswer);
call!(Lookup, 1017 up_to 1, LookupAnswer);
call!(ListOffsets, 1021, ListOffsetsAnswer);
call!(GetLakeSnapshot, 1032, GetLakeSnapshotAnswer);
call!(LimitScan, 1033, LimitScanAnswer);
call!(PrefixLookup, 1034 up_to 1, PrefixLookupAnswer);
call!(Authenticate, 1038, AuthenticateAnswer);
call!(GetTableStats, 1059, GetTableStatsAnswer);
call!(ScanKv, 1061, ScanKvAnswer);

messages! {
ErrorAnswer {
    #[prost(int32, required, tag = "1")] code: i32,
    #[prost(string, optional, tag = "2")] message: Option<String>,
}
ApiVersions {
    #[prost(string, required, tag = "1")] client_name: String,
    #[prost(string, required, tag = "2")] client_version: String,
}
ApiVersionsAnswer {
    #[prost(message, repeated, tag = "1")] versions: Vec<ApiVersion>,
}
ApiVersion {
    #[prost(int32, required, tag = "1")] api: i32,
    #[prost(int32, required, tag = "2")] min: i32,
    #[prost(int32, required, tag = "3")] max: i32,
}
Authenticate {
    #[prost(string, required, tag = "1")] protocol: String,
    #[prost(bytes = "vec", required, tag = "2")] token: Vec<u8>,
}
AuthenticateAnswer {
    #[prost(bytes = "vec", optional, tag = "1")] challenge: Option<Vec<u8>>,
}
ListDatabases {}
ListDatabasesAnswer {
    #[prost(string, repeated, tag = "1")] names: Vec<String>,
}
ListTables {
    #[prost(string, required, tag = "1")] database: String,
}
ListTablesAnswer {
    #[prost(string, repeated, tag = "1")] names: Vec<String>,
}
Path {
    #[prost(string, required, tag = "1")] database: String,
    #[prost(string, required, tag = "2")] table: String,
}
GetTableInfo {
    #[prost(message, required, tag = "1")] path: Path,
}
GetTableInfoAnswer {
    #[prost(int64, required, tag = "1")] table_id: i64,
    #[prost(int32, required, tag = "2")] schema_id: i32,
    #[prost(bytes = "bytes", required, tag = "3")] json: Bytes,
    #[prost(int64, required, tag = "4")] created: i64,
    #[prost(int64, required, tag = "5")] modified: i64,
}
GetTableSchema {
    #[prost(message, required, tag = "1")] path: Path,
    #[prost(int32, optional, tag = "2")] schema_id: Option<i32>,
}
GetTableSchemaAnswer {
    #[prost(int32, required, tag = "1")] schema_id: i32,
    #[prost(bytes = "bytes", required, tag = "2")] json: Bytes,
}
ListPartitionInfos {
    #[prost(message, required, tag = "1")] path: Path,
}
ListPartitionInfosAnswer {
    #[prost(message, repeated, tag = "1")] partitions: Vec<Partition>,
}
Partition {
    #[prost(int64, required, tag = "1")] id: i64,
    #[prost(message, required, tag = "2")] spec: PartitionSpec,
    #[prost(int32, optional, tag = "4")] bucket_count: Option<i32>,
}
PartitionSpec {
    #[prost(message, repeated, tag = "1")] values: Vec<KeyValue>,
}
KeyValue {
    #[prost(string, required, tag = "1")] key: String,
    #[prost(string, required, tag = "2")] value: String,
}
Metadata {
    #[prost(message, repeated, tag = "1")] tables: Vec<Path>,
    #[prost(int64, repeated, packed = "false", tag = "3")] partition_ids: Vec<i64>,
}
MetadataAnswer {
    #[prost(message, optional, tag = "1")] coordinator: Option<ServerNode>,
    #[prost(message, repeated, tag = "2")] tablet_servers: Vec<ServerNode>,
    #[prost(message, repeated, tag = "3")] tables: Vec<TableMetadata>,
    #[prost(message, repeated, tag = "4")] partitions: Vec<PartitionMetadata>,
}
ServerNode {
    #[prost(int32, required, tag = "1")] id: i32,
    #[prost(string, required, tag = "2")] host: String,
    #[prost(int32, required, tag = "3")] port: i32,
}
TableMetadata {
    #[prost(int64, required, tag = "2")] table_id: i64,
    #[prost(message, repeated, tag = "5")] buckets: Vec<BucketMetadata>,
}
PartitionMetadata {
    #[prost(int64, required, tag = "1")] table_id: i64,
    #[prost(int64, required, tag = "3")] partition_id: i64,
    #[prost(message, repeated, tag = "4")] buckets: Vec<BucketMetadata>,
}
BucketMetadata {
    #[prost(int32, required, tag = "1")] bucket: i32,
    #[prost(int32, optional, tag = "2")] leader: Option<i32>,
}
GetLakeSnapshot {
    #[prost(message, required, tag = "1")] path: Path,
    #[prost(bool, optional, tag = "3")] readable: Option<bool>,
}
GetLakeSnapshotAnswer {
    #[prost(int64, required, tag = "1")] table_id: i64,
    #[prost(int64, required, tag = "2")] snapshot_id: i64,
    #[prost(message, repeated, tag = "3")] buckets: Vec<LakeBucket>,
}
LakeBucket {
    #[prost(int64, optional, tag = "1")] partition_id: Option<i64>,
    #[prost(int32, required, tag = "2")] bucket: i32,
    #[prost(int64, optional, tag = "3")] log_offset: Option<i64>,
}
ListOffsets {
    #[prost(int32, required, tag = "1")] follower_id: i32,
    #[prost(int32, required, tag = "2")] kind: i32,
    #[prost(int64, required, tag = "3")] table_id: i64,
    #[prost(int64, optional, tag = "4")] partition_id: Option<i64>,
    #[prost(int32, repeated, tag = "5")] buckets: Vec<i32>,
    #[prost(int64, optional, tag = "6")] timestamp: Option<i64>,
}
ListOffsetsAnswer {
    #[prost(message, repeated, tag = "1")] buckets: Vec<OffsetOfBucket>,
}
OffsetOfBucket {
    #[prost(int32, required, tag = "1")] bucket: i32,
    #[prost(int32, optional, tag = "2")] code: Option<i32>,
    #[prost(string, optional, tag = "3")] message: Option<String>,
    #[prost(int64, optional, tag = "4")] offset: Option<i64>,
}
FetchLog {
    #[prost(int32, required, tag = "1")] follower_id: i32,
    #[prost(int32, required, tag = "2")] max_bytes: i32,
    #[prost(message, repeated, tag = "3")] tables: Vec<FetchTable>,
    #[prost(int32, optional, tag = "4")] max_wait_ms: Option<i32>,
    #[prost(int32, optional, tag = "5")] min_bytes: Option<i32>,
}
FetchTable {
    #[prost(int64, required, tag = "1")] table_id: i64,
    #[prost(bool, required, tag = "2")] projected: bool,
    #[prost(int32, repeated, tag = "3")] columns: Vec<i32>,
    #[prost(message, repeated, tag = "4")] buckets: Vec<FetchBucket>,
    #[prost(message, optional, tag = "5")] predicate: Option<Predicate>,
    #[prost(int32, optional, tag = "6")] filter_schema_id: Option<i32>,
}
Predicate {
    #[prost(int32, required, tag = "1")] kind: i32,
    #[prost(message, optional, tag = "2")] leaf: Option<LeafPredicate>,
    #[prost(message, optional, tag = "3")] compound: Option<CompoundPredicate>,
}
LeafPredicate {
    #[prost(int32, required, tag = "1")] function: i32,
    #[prost(int32, required, tag = "2")] field_id: i32,
    #[prost(message, repeated, tag = "3")] literals: Vec<Literal>,
}
CompoundPredicate {
    #[prost(int32, required, tag = "1")] function: i32,
    #[prost(message, repeated, tag = "2")] children: Vec<Predicate>,
}
Literal {
    #[prost(int32, required, tag = "1")] kind: i32,
    #[prost(bool, required, tag = "2")] is_null: bool,
    #[prost(bool, optional, tag = "3")] boolean: Option<bool>,
    #[prost(int32, optional, tag = "4")] int: Option<i32>,
    #[prost(int64, optional, tag = "5")] bigint: Option<i64>,
    #[prost(float, optional, tag = "6")] float: Option<f32>,
    #[prost(double, optional, tag = "7")] double: Option<f64>,
    #[prost(string, optional, tag = "8")] string: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "9")] binary: Option<Bytes>,
    #[prost(int64, optional, tag = "10")] decimal: Option<i64>,
    #[prost(int64, optional, tag = "11")] milliseconds: Option<i64>,
    #[prost(int32, optional, tag = "12")] nanoseconds: Option<i32>,
    #[prost(bytes = "bytes", optional, tag = "13")] large_decimal: Option<Bytes>,
}
FetchBucket {
    #[prost(int64, optional, tag = "1")] partition_id: Option<i64>,
    #[prost(int32, required, tag = "2")] bucket: i32,
    #[prost(int64, required, tag = "3")] offset: i64,
    #[prost(int32, required, tag = "4")] max_bytes: i32,
}
FetchLogAnswer {
    #[prost(message, repeated, tag = "1")] tables: Vec<FetchedTable>,
}
FetchedTable {
    #[prost(int64, required, tag = "1")] table_id: i64,
    #[prost(message, repeated, tag = "2")] buckets: Vec<FetchedBucket>,
}
FetchedBucket {
    #[prost(int64, optional, tag = "1")] partition_id: Option<i64>,
    #[prost(int32, required, tag = "2")] bucket: i32,
    #[prost(int32, optional, tag = "3")] code: Option<i32>,
    #[prost(string, optional, tag = "4")] message: Option<String>,
    #[prost(int64, optional, tag = "5")] high_watermark: Option<i64>,
    #[prost(int64, optional, tag = "6")] log_start: Option<i64>,
    #[prost(message, optional, tag = "7")] remote: Option<RemoteLog>,
    #[prost(bytes = "bytes", optional, tag = "8")] records: Option<Bytes>,
    #[prost(int64, optional, tag = "9")] filtered_end: Option<i64>,
}
RemoteLog {
    #[prost(string, required, tag = "1")] directory: String,
    #[prost(message, repeated, tag = "3")] segments: Vec<RemoteSegment>,
    #[prost(int32, optional, tag = "4")] first_start_position: Option<i32>,
}
RemoteSegment {
    #[prost(string, required, tag = "1")] id: String,
    #[prost(int64, required, tag = "2")] start: i64,
    #[prost(int64, required, tag = "3")] end: i64,
    #[prost(int32, required, tag = "4")] bytes: i32,
}
LimitScan {
    #[prost(int64, required, tag = "2")] table_id: i64,
    #[prost(int64, optional, tag = "3")] partition_id: Option<i64>,
    #[prost(int32, required, tag = "4")] bucket: i32,
    #[prost(int32, required, tag = "5")] limit: i32,
}
LimitScanAnswer {
    #[prost(int32, optional, tag = "1")] code: Option<i32>,
    #[prost(string, optional, tag = "2")] message: Option<String>,
    #[prost(bool, optional, tag = "3")] is_log: Option<bool>,
    #[prost(bytes = "bytes", optional, tag = "4")] records: Option<Bytes>,
}
ScanKv {
    #[prost(bytes = "bytes", optional, tag = "1")] scanner_id: Option<Bytes>,
    #[prost(message, optional, tag = "2")] open: Option<ScanKvBucket>,
    #[prost(int32, optional, tag = "3")] sequence: Option<i32>,
    #[prost(int32, optional, tag = "4")] batch_bytes: Option<i32>,
    #[prost(bool, optional, tag = "5")] close: Option<bool>,
}
ScanKvBucket {
    #[prost(int64, required, tag = "1")] table_id: i64,
    #[prost(int64, optional, tag = "2")] partition_id: Option<i64>,
    #[prost(int32, required, tag = "3")] bucket: i32,
}
ScanKvAnswer {
    #[prost(int32, optional, tag = "1")] code: Option<i32>,
    #[prost(string, optional, tag = "2")] message: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "3")] scanner_id: Option<Bytes>,
    #[prost(bool, optional, tag = "4")] more: Option<bool>,
    #[prost(bytes = "bytes", optional, tag = "5")] records: Option<Bytes>,
    #[prost(int64, optional, tag = "6")] log_offset: Option<i64>,
}Lookup {
    #[prost(int64, required, tag = "1")] table_id: i64,
    #[prost(message, repeated, tag = "2")] buckets: Vec<LookupBucket>,
}
LookupBucket {
    #[prost(int64, optional, tag = "1")] partition_id: Option<i64>,
    #[prost(int32, required, tag = "2")] bucket: i32,
    #[prost(bytes = "bytes", repeated, tag = "3")] keys: Vec<Bytes>,
    #[prost(int32, optional, tag = "5")] bucket_count: Option<i32>,
}
LookupAnswer {
    #[prost(message, repeated, tag = "1")] buckets: Vec<LookedUpBucket>,
}
LookedUpBucket {
    #[prost(int64, optional, tag = "1")] partition_id: Option<i64>,
    #[prost(int32, required, tag = "2")] bucket: i32,
    #[prost(int32, optional, tag = "3")] code: Option<i32>,
    #[prost(string, optional, tag = "4")] message: Option<String>,
    #[prost(message, repeated, tag = "5")] values: Vec<LookedUpValue>,
}
LookedUpValue {
    #[prost(bytes = "bytes", optional, tag = "1")] bytes: Option<Bytes>,
}
PrefixLookup {
    #[prost(int64, required, tag = "1")] table_id: i64,
    #[prost(message, repeated, tag = "2")] buckets: Vec<PrefixLookupBucket>,
}
PrefixLookupBucket {
    #[prost(int64, optional, tag = "1")] partition_id: Option<i64>,
    #[prost(int32, required, tag = "2")] bucket: i32,
    #[prost(bytes = "bytes", repeated, tag = "3")] prefixes: Vec<Bytes>,
    #[prost(int32, optional, tag = "4")] bucket_count: Option<i32>,
}
PrefixLookupAnswer {
    #[prost(message, repeated, tag = "1")] buckets: Vec<PrefixLookedUpBucket>,
}
PrefixLookedUpBucket {
    #[prost(int64, optional, tag = "1")] partition_id: Option<i64>,
    #[prost(int32, required, tag = "2")] bucket: i32,
    #[prost(int32, optional, tag = "3")] code: Option<i32>,
    #[prost(string, optional, tag = "4")] message: Option<String>,
    #[prost(message, repeated, tag = "5")] lists: Vec<LookedUpValues>,
}
LookedUpValues {
    #[prost(bytes = "bytes", repeated, tag = "1")] values: Vec<Bytes>,
}
GetTableStats {
    #[prost(int64, required, tag = "1")] table_id: i64,
    #[prost(message, repeated, tag = "2")] buckets: Vec<StatsBucket>,
}
StatsBucket {
    #[prost(int64, optional, tag = "1")] partition_id: Option<i64>,
    #[prost(int32, required, tag = "2")] bucket: i32,
}
GetTableStatsAnswer {
    #[prost(message, repeated, tag = "1")] buckets: Vec<StatsOfBucket>,
}
StatsOfBucket {
    #[prost(int32, optional, tag = "1")] code: Option<i32>,
    #[prost(string, optional, tag = "2")] message: Option<String>,
    #[prost(int64, optional, tag = "3")] partition_id: Option<i64>,
    #[prost(int32, required, tag = "4")] bucket: i32,
    #[prost(int64, optional, tag = "5")] row_count: Option<i64>,
}
}
