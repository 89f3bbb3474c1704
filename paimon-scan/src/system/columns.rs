//! The columns of system tables, as Paimon's `table/system/*Table.java` has them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::SystemTable::{self, Branches, Files, Options, Partitions, Schemas, Snapshots, Tags};
use crate::declared::Declared;

const TEXT: DataType = DataType::Utf8View;
const NUMBER: DataType = DataType::Int64;
const SHORT: DataType = DataType::Int32;

impl SystemTable {
    /// Its columns. Times with a zone are instants, those without are as the writer's clock showed them.
    pub fn columns(self) -> SchemaRef {
        let field = |(name, of, nullable)| Field::new(name, of, nullable);
        Arc::new(Schema::new(self.fields().into_iter().map(field).collect::<Vec<_>>()))
    }

    /// What is told about its columns, in their order.
    pub fn declared(self) -> Vec<Declared> {
        self.fields().into_iter().map(|(_, of, _)| declared(&of)).collect()
    }

    /// Names, types, and whether there may be NULL.
    fn fields(self) -> Vec<(&'static str, DataType, bool)> {
        let instant = || DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let clock = || DataType::Timestamp(TimeUnit::Millisecond, None);
        let texts = || DataType::new_list(DataType::Utf8, true);
        match self {
            Snapshots => vec![
                ("snapshot_id", NUMBER, false),
                ("schema_id", NUMBER, false),
                ("commit_user", TEXT, false),
                ("commit_identifier", NUMBER, false),
                ("commit_kind", TEXT, false),
                ("commit_time", instant(), false),
                ("base_manifest_list", TEXT, false),
                ("delta_manifest_list", TEXT, false),
                ("changelog_manifest_list", TEXT, true),
                ("total_record_count", NUMBER, true),
                ("delta_record_count", NUMBER, true),
                ("changelog_record_count", NUMBER, true),
                ("watermark", NUMBER, true),
                ("next_row_id", NUMBER, true),
            ],
            Schemas => vec![
                ("schema_id", NUMBER, false),
                ("fields", TEXT, false),
                ("partition_keys", TEXT, false),
                ("primary_keys", TEXT, false),
                ("options", TEXT, false),
                ("comment", TEXT, true),
                ("update_time", instant(), false),
            ],
            Options => vec![("key", TEXT, false), ("value", TEXT, false)],
            Files => vec![
                ("partition", TEXT, true),
                ("bucket", SHORT, false),
                ("file_path", TEXT, false),
                ("file_format", TEXT, false),
                ("schema_id", NUMBER, false),
                ("level", SHORT, false),
                ("record_count", NUMBER, false),
                ("file_size_in_bytes", NUMBER, false),
                ("min_key", TEXT, true),
                ("max_key", TEXT, true),
                ("null_value_counts", TEXT, false),
                ("min_value_stats", TEXT, false),
                ("max_value_stats", TEXT, false),
                ("min_sequence_number", NUMBER, true),
                ("max_sequence_number", NUMBER, true),
                ("creation_time", clock(), true),
                ("deleteRowCount", NUMBER, true),
                ("file_source", TEXT, true),
                ("first_row_id", NUMBER, true),
                ("write_cols", texts(), true),
            ],
            Partitions => vec![
                ("partition", TEXT, true),
                ("record_count", NUMBER, false),
                ("file_size_in_bytes", NUMBER, false),
                ("file_count", NUMBER, false),
                ("last_update_time", clock(), true),
            ],
            Tags => vec![
                ("tag_name", TEXT, false),
                ("snapshot_id", NUMBER, false),
                ("schema_id", NUMBER, false),
                ("commit_time", instant(), false),
                ("record_count", NUMBER, true),
                ("create_time", clock(), true),
                ("time_retained", TEXT, true),
            ],
            Branches => vec![("branch_name", TEXT, false)],
        }
    }
}

/// A type in the words that columns of tables are told in.
fn declared(of: &DataType) -> Declared {
    let (data_type, precision) = match of {
        DataType::Int32 => ("int", None),
        DataType::Int64 => ("bigint", None),
        DataType::Timestamp(_, None) => ("datetime(3)", Some(3)),
        DataType::Timestamp(_, Some(_)) => ("timestamp(3)", Some(3)),
        DataType::List(_) => ("array<string>", None),
        _ => ("string", None),
    };
    Declared { data_type: data_type.into(), precision, comment: None }
}
