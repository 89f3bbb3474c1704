//! Single decoders.

use bytes::Bytes;
use fluss_scan::messages::{
    ApiVersionsAnswer, AuthenticateAnswer, ErrorAnswer, FetchLogAnswer, GetLakeSnapshotAnswer,
    GetTableInfoAnswer, GetTableSchemaAnswer, GetTableStatsAnswer, LimitScanAnswer,
    ListDatabasesAnswer, ListOffsetsAnswer, ListPartitionInfosAnswer, ListTablesAnswer,
    LookupAnswer, MetadataAnswer, PrefixLookupAnswer, ScanKvAnswer,
};
use fluss_scan::{TableInfo, fuzzing};
use prost::Message;

use crate::client::assert_valid;
use crate::tables::{ALL_TYPES, ALL_TYPES_INDEXED, FULL, described};

/// Columns that two bits of an input's first byte choose.
fn columns(table: &TableInfo, choice: u8) -> Vec<usize> {
    match choice & 3 {
        0 => (0..table.schema.columns.len()).collect(),
        1 => vec![0, 3, 15],
        2 => vec![0],
        _ => vec![1, 10, 12],
    }
}

/// The formats of a log.
const FORMATS: [&str; 4] = ["ARROW", "INDEXED", "COMPACTED", "ARROW"];

/// Record batches of a log: `choice u8 | batches`. Bits of the choice: table, columns (2), whether the server cut them,
/// format (2).
pub fn log_batches(input: &[u8]) {
    let Some((choice, records)) = input.split_first() else { return };
    let table = if choice & 1 == 0 { &*FULL } else { &*ALL_TYPES };
    let columns = columns(table, choice >> 1);
    let sent = (choice & 8 != 0).then_some(&columns[..]);
    let format = FORMATS[usize::from(choice >> 4 & 3)];
    let records = Bytes::copy_from_slice(records);
    let decoded = fuzzing::log_batches(&records, &table.schema, format, sent, &columns);
    for (rows, change_types) in decoded.into_iter().flatten() {
        assert!(change_types.is_empty() || change_types.len() == rows.num_rows(), "change types");
        assert_eq!(rows.num_columns(), columns.len(), "columns");
        assert_valid(&rows);
    }
}

/// Rows of a primary-key table's state: `choice u8 | value batch`. Bits of the choice: table and format (2), columns (2).
pub fn kv_values(input: &[u8]) {
    let Some((choice, values)) = input.split_first() else { return };
    let table = match choice & 3 {
        0 | 3 => &*FULL,
        1 => &*ALL_TYPES,
        _ => &*ALL_TYPES_INDEXED,
    };
    if let Ok(rows) = fuzzing::kv_values(values, table, &columns(table, choice >> 2)) {
        assert_valid(&rows);
    }
}

/// The JSON that describes a table. What is taken must survive the way to another process.
pub fn table_json(input: &[u8]) {
    if let Ok(table) = described(input) {
        let again = TableInfo::from_bytes(&table.to_bytes());
        assert_eq!(again.as_ref(), Ok(&table), "another table after a way to another process");
        let _ = fuzzing::kv_values(&[], &table, &[0]);
        let _ = (table.physical_key().len(), table.buckets(None).count());
        for column in &table.schema.columns {
            let _ = (column.arrow(), column.data_type.to_string());
        }
    }
}

/// Every message that a server sends: `choice u8 | message`.
pub fn messages(input: &[u8]) {
    let Some((choice, message)) = input.split_first() else { return };
    let message = Bytes::copy_from_slice(message);
    match choice % 17 {
        0 => again::<ApiVersionsAnswer>(message),
        1 => again::<AuthenticateAnswer>(message),
        2 => again::<ErrorAnswer>(message),
        3 => again::<FetchLogAnswer>(message),
        4 => again::<GetLakeSnapshotAnswer>(message),
        5 => again::<GetTableInfoAnswer>(message),
        6 => again::<GetTableSchemaAnswer>(message),
        7 => again::<GetTableStatsAnswer>(message),
        8 => again::<LimitScanAnswer>(message),
        9 => again::<ListDatabasesAnswer>(message),
        10 => again::<ListOffsetsAnswer>(message),
        11 => again::<ListPartitionInfosAnswer>(message),
        12 => again::<ListTablesAnswer>(message),
        13 => again::<LookupAnswer>(message),
        14 => again::<MetadataAnswer>(message),
        15 => again::<PrefixLookupAnswer>(message),
        _ => again::<ScanKvAnswer>(message),
    }
}

/// A message that is understood is understood again after it was written.
fn again<M: Message + Default>(bytes: Bytes) {
    if let Ok(message) = M::decode(bytes) {
        let written = message.encode_to_vec();
        let read = M::decode(&written[..]).map(|message| message.encode_to_vec());
        assert_eq!(read, Ok(written), "another message after it was written");
    }
}
