//! The tables and their columns.
//!
//! Source: MySQL 8.0 Reference Manual, "INFORMATION_SCHEMA Tables"; StarRocks, "Information Schema".

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use union_read::catalog::Description;
use union_read::columns::{Columns, DECLARED};

use crate::{Error, Result};

/// Field metadata: the label of a column in `SELECT *`. Names of columns are lower-case inside, since unquoted names are.
pub const LABEL: &str = "millrace.label";

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_string())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Cell::Int(number)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

/// One row, its first cells: those that are missing are NULL.
pub type Row = Vec<Cell>;

/// Where the rows of a table come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// There are none: this server has no such objects.
    None,
    /// One for each database.
    Databases,
    /// One for each table and view, of which no more than the name is read.
    Tables,
    /// One for each view.
    Views,
    /// Some for each table and view, from its columns and keys.
    Described,
    /// From the server itself.
    Server,
}

/// One table.
#[derive(Debug)]
pub struct Definition {
    /// Its name, lower-case.
    pub name: &'static str,
    /// Where its rows come from.
    pub rows: Rows,
    columns: &'static str,
}

impl Definition {
    /// The names of the columns in capitals, and which of them hold whole numbers.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, bool)> {
        self.columns.split_whitespace().map(|column| match column.strip_suffix(":i") {
            Some(name) => (name, true),
            None => (column, false),
        })
    }

    /// The columns for DataFusion.
    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns().map(|(name, is_int)| {
            let data_type = if is_int { DataType::Int64 } else { DataType::Utf8 };
            Field::new(name.to_lowercase(), data_type, true)
                .with_metadata([(LABEL.to_string(), name.to_string())].into())
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Rows as a batch.
    pub fn batch(&self, rows: &[Row]) -> Result<RecordBatch> {
        let columns = self.columns().enumerate();
        let columns = columns.map(|(i, (_, is_int))| column(rows, i, is_int));
        RecordBatch::try_new(self.schema(), columns.collect()).map_err(Error::internal)
    }
}

/// One column of rows, of whole numbers or of texts; a row that is too short has NULL in it.
pub fn column(rows: &[Row], at: usize, is_int: bool) -> ArrayRef {
    let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Null));
    if is_int {
        return Arc::new(Int64Array::from_iter(cells.map(|cell| match cell {
            Cell::Int(number) => Some(*number),
            _ => None,
        })));
    }
    Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
        Cell::Text(text) => Some(text.clone()),
        Cell::Int(number) => Some(number.to_string()),
        Cell::Null => None,
    })))
}

/// The table of a name, in any case.
pub fn find(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.name.eq_ignore_ascii_case(name))
}

/// A table in words, for `DESC`.
///
/// # Errors
/// `UnknownTable`.
pub fn description(name: &str) -> Result<Description> {
    let unknown = || Error::UnknownTable(format!("Unknown table '{}.{name}'", super::NAME));
    let table = find(name).ok_or_else(unknown)?;
    let fields = table.columns().map(|(name, is_int)| {
        let (data_type, declared) =
            if is_int { (DataType::Int64, "bigint") } else { (DataType::Utf8, "varchar") };
        Field::new(name, data_type, true)
            .with_metadata([(DECLARED.to_string(), declared.to_string())].into())
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let columns = Columns { schema, keys: vec![], partition_keys: vec![] };
    let properties = BTreeMap::new();
    Ok(Description { columns, bucket_keys: vec![], bucket_count: 0, properties })
}

const fn table(name: &'static str, rows: Rows, columns: &'static str) -> Definition {
    Definition { name, rows, columns }
}

/// All tables, by name.
pub const DEFINITIONS: &[Definition] = &[
    table(
        "applicable_roles",
        Rows::None,
        "USER HOST GRANTEE GRANTEE_HOST ROLE_NAME ROLE_HOST IS_GRANTABLE IS_DEFAULT IS_MANDATORY",
    ),
    table(
        "character_sets",
        Rows::Server,
        "CHARACTER_SET_NAME DEFAULT_COLLATE_NAME DESCRIPTION MAXLEN:i",
    ),
    table(
        "check_constraints",
        Rows::None,
        "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME CHECK_CLAUSE",
    ),
    table(
        "collation_character_set_applicability",
        Rows::Server,
        "COLLATION_NAME CHARACTER_SET_NAME",
    ),
    table(
        "collations",
        Rows::Server,
        "COLLATION_NAME CHARACTER_SET_NAME ID:i IS_DEFAULT IS_COMPILED SORTLEN:i PAD_ATTRIBUTE",
    ),
    table(
        "column_privileges",
        Rows::None,
        "GRANTEE TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME PRIVILEGE_TYPE IS_GRANTABLE",
    ),
    table(
        "columns",
        Rows::Described,
        "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION:i COLUMN_DEFAULT IS_NULLABLE DATA_TYPE \
         CHARACTER_MAXIMUM_LENGTH:i CHARACTER_OCTET_LENGTH:i NUMERIC_PRECISION:i NUMERIC_SCALE:i DATETIME_PRECISION:i \
         CHARACTER_SET_NAME COLLATION_NAME COLUMN_TYPE COLUMN_KEY EXTRA PRIVILEGES COLUMN_COMMENT GENERATION_EXPRESSION \
         SRS_ID:i COLUMN_SIZE:i DECIMAL_DIGITS:i",
    ),
    table("engines", Rows::Server, "ENGINE SUPPORT COMMENT TRANSACTIONS XA SAVEPOINTS"),
    table(
        "events",
        Rows::None,
        "EVENT_CATALOG EVENT_SCHEMA EVENT_NAME DEFINER TIME_ZONE EVENT_BODY EVENT_DEFINITION EVENT_TYPE EXECUTE_AT \
         INTERVAL_VALUE INTERVAL_FIELD SQL_MODE STARTS ENDS STATUS ON_COMPLETION CREATED LAST_ALTERED LAST_EXECUTED \
         EVENT_COMMENT ORIGINATOR:i CHARACTER_SET_CLIENT COLLATION_CONNECTION DATABASE_COLLATION",
    ),
    table(
        "files",
        Rows::None,
        "FILE_ID:i FILE_NAME FILE_TYPE TABLESPACE_NAME TABLE_CATALOG TABLE_SCHEMA TABLE_NAME LOGFILE_GROUP_NAME \
         LOGFILE_GROUP_NUMBER:i ENGINE FULLTEXT_KEYS DELETED_ROWS:i UPDATE_COUNT:i FREE_EXTENTS:i TOTAL_EXTENTS:i \
         EXTENT_SIZE:i INITIAL_SIZE:i MAXIMUM_SIZE:i AUTOEXTEND_SIZE:i CREATION_TIME LAST_UPDATE_TIME LAST_ACCESS_TIME \
         RECOVER_TIME:i TRANSACTION_COUNTER:i VERSION:i ROW_FORMAT TABLE_ROWS:i AVG_ROW_LENGTH:i DATA_LENGTH:i \
         MAX_DATA_LENGTH:i INDEX_LENGTH:i DATA_FREE:i CREATE_TIME UPDATE_TIME CHECK_TIME CHECKSUM:i STATUS EXTRA",
    ),
    table("global_status", Rows::Server, "VARIABLE_NAME VARIABLE_VALUE"),
    table("global_variables", Rows::Server, "VARIABLE_NAME VARIABLE_VALUE"),
    table(
        "key_column_usage",
        Rows::Described,
        "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME \
         ORDINAL_POSITION:i POSITION_IN_UNIQUE_CONSTRAINT:i REFERENCED_TABLE_SCHEMA REFERENCED_TABLE_NAME \
         REFERENCED_COLUMN_NAME",
    ),
    table("keywords", Rows::Server, "WORD RESERVED:i"),
    table(
        "materialized_views",
        Rows::None,
        "MATERIALIZED_VIEW_ID:i TABLE_SCHEMA TABLE_NAME REFRESH_TYPE IS_ACTIVE INACTIVE_REASON PARTITION_TYPE TASK_ID:i \
         TASK_NAME LAST_REFRESH_START_TIME LAST_REFRESH_FINISHED_TIME LAST_REFRESH_DURATION LAST_REFRESH_STATE \
         LAST_REFRESH_FORCE_REFRESH LAST_REFRESH_START_PARTITION LAST_REFRESH_END_PARTITION \
         LAST_REFRESH_BASE_REFRESH_PARTITIONS LAST_REFRESH_MV_REFRESH_PARTITIONS LAST_REFRESH_ERROR_CODE \
         LAST_REFRESH_ERROR_MESSAGE TABLE_ROWS:i MATERIALIZED_VIEW_DEFINITION EXTRA_MESSAGE QUERY_REWRITE_STATUS CREATOR",
    ),
    table(
        "parameters",
        Rows::None,
        "SPECIFIC_CATALOG SPECIFIC_SCHEMA SPECIFIC_NAME ORDINAL_POSITION:i PARAMETER_MODE PARAMETER_NAME DATA_TYPE \
         CHARACTER_MAXIMUM_LENGTH:i CHARACTER_OCTET_LENGTH:i NUMERIC_PRECISION:i NUMERIC_SCALE:i DATETIME_PRECISION:i \
         CHARACTER_SET_NAME COLLATION_NAME DTD_IDENTIFIER ROUTINE_TYPE",
    ),
    table(
        "partitions",
        Rows::Tables,
        "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME PARTITION_NAME SUBPARTITION_NAME PARTITION_ORDINAL_POSITION:i \
         SUBPARTITION_ORDINAL_POSITION:i PARTITION_METHOD SUBPARTITION_METHOD PARTITION_EXPRESSION \
         SUBPARTITION_EXPRESSION PARTITION_DESCRIPTION TABLE_ROWS:i AVG_ROW_LENGTH:i DATA_LENGTH:i MAX_DATA_LENGTH:i \
         INDEX_LENGTH:i DATA_FREE:i CREATE_TIME UPDATE_TIME CHECK_TIME CHECKSUM:i PARTITION_COMMENT NODEGROUP \
         TABLESPACE_NAME",
    ),
    table(
        "plugins",
        Rows::None,
        "PLUGIN_NAME PLUGIN_VERSION PLUGIN_STATUS PLUGIN_TYPE PLUGIN_TYPE_VERSION PLUGIN_LIBRARY PLUGIN_LIBRARY_VERSION PLUGIN_AUTHOR PLUGIN_DESCRIPTION PLUGIN_LICENSE LOAD_OPTION",
    ),
    table("processlist", Rows::Server, "ID:i USER HOST DB COMMAND TIME:i STATE INFO"),
    table(
        "referential_constraints",
        Rows::None,
        "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME UNIQUE_CONSTRAINT_CATALOG UNIQUE_CONSTRAINT_SCHEMA \
         UNIQUE_CONSTRAINT_NAME MATCH_OPTION UPDATE_RULE DELETE_RULE TABLE_NAME REFERENCED_TABLE_NAME",
    ),
    table(
        "routines",
        Rows::None,
        "SPECIFIC_NAME ROUTINE_CATALOG ROUTINE_SCHEMA ROUTINE_NAME ROUTINE_TYPE DATA_TYPE CHARACTER_MAXIMUM_LENGTH:i \
         CHARACTER_OCTET_LENGTH:i NUMERIC_PRECISION:i NUMERIC_SCALE:i DATETIME_PRECISION:i CHARACTER_SET_NAME \
         COLLATION_NAME DTD_IDENTIFIER ROUTINE_BODY ROUTINE_DEFINITION EXTERNAL_NAME EXTERNAL_LANGUAGE PARAMETER_STYLE \
         IS_DETERMINISTIC SQL_DATA_ACCESS SQL_PATH SECURITY_TYPE CREATED LAST_ALTERED SQL_MODE ROUTINE_COMMENT DEFINER \
         CHARACTER_SET_CLIENT COLLATION_CONNECTION DATABASE_COLLATION",
    ),
    table(
        "schema_privileges",
        Rows::None,
        "GRANTEE TABLE_CATALOG TABLE_SCHEMA PRIVILEGE_TYPE IS_GRANTABLE",
    ),
    table(
        "schemata",
        Rows::Databases,
        "CATALOG_NAME SCHEMA_NAME DEFAULT_CHARACTER_SET_NAME DEFAULT_COLLATION_NAME SQL_PATH DEFAULT_ENCRYPTION",
    ),
    table("session_status", Rows::Server, "VARIABLE_NAME VARIABLE_VALUE"),
    table("session_variables", Rows::Server, "VARIABLE_NAME VARIABLE_VALUE"),
    table(
        "statistics",
        Rows::Described,
        "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME NON_UNIQUE:i INDEX_SCHEMA INDEX_NAME SEQ_IN_INDEX:i COLUMN_NAME COLLATION \
         CARDINALITY:i SUB_PART:i PACKED NULLABLE INDEX_TYPE COMMENT INDEX_COMMENT IS_VISIBLE EXPRESSION",
    ),
    table(
        "table_constraints",
        Rows::Described,
        "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME TABLE_SCHEMA TABLE_NAME CONSTRAINT_TYPE ENFORCED",
    ),
    table(
        "table_privileges",
        Rows::None,
        "GRANTEE TABLE_CATALOG TABLE_SCHEMA TABLE_NAME PRIVILEGE_TYPE IS_GRANTABLE",
    ),
    table(
        "tables",
        Rows::Tables,
        "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_TYPE ENGINE VERSION:i ROW_FORMAT TABLE_ROWS:i AVG_ROW_LENGTH:i \
         DATA_LENGTH:i MAX_DATA_LENGTH:i INDEX_LENGTH:i DATA_FREE:i AUTO_INCREMENT:i CREATE_TIME UPDATE_TIME CHECK_TIME \
         TABLE_COLLATION CHECKSUM:i CREATE_OPTIONS TABLE_COMMENT",
    ),
    table(
        "tables_config",
        Rows::Described,
        "TABLE_SCHEMA TABLE_NAME TABLE_ENGINE TABLE_MODEL PRIMARY_KEY PARTITION_KEY DISTRIBUTE_KEY DISTRIBUTE_TYPE \
         DISTRIBUTE_BUCKET:i SORT_KEY PROPERTIES TABLE_ID:i",
    ),
    table(
        "triggers",
        Rows::None,
        "TRIGGER_CATALOG TRIGGER_SCHEMA TRIGGER_NAME EVENT_MANIPULATION EVENT_OBJECT_CATALOG EVENT_OBJECT_SCHEMA \
         EVENT_OBJECT_TABLE ACTION_ORDER:i ACTION_CONDITION ACTION_STATEMENT ACTION_ORIENTATION ACTION_TIMING \
         ACTION_REFERENCE_OLD_TABLE ACTION_REFERENCE_NEW_TABLE ACTION_REFERENCE_OLD_ROW ACTION_REFERENCE_NEW_ROW CREATED \
         SQL_MODE DEFINER CHARACTER_SET_CLIENT COLLATION_CONNECTION DATABASE_COLLATION",
    ),
    table("user_privileges", Rows::Server, "GRANTEE TABLE_CATALOG PRIVILEGE_TYPE IS_GRANTABLE"),
    table(
        "views",
        Rows::Views,
        "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME VIEW_DEFINITION CHECK_OPTION IS_UPDATABLE DEFINER SECURITY_TYPE CHARACTER_SET_CLIENT COLLATION_CONNECTION",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_found_in_any_case() {
        assert!(DEFINITIONS.is_sorted_by_key(|definition| definition.name));
        assert_eq!(find("Key_Column_USAGE").unwrap().columns().count(), 12);
        assert!(find("nothing").is_none());
    }

    #[test]
    fn short_rows_end_in_nulls() {
        let engines = find("engines").unwrap();
        let batch = engines.batch(&[vec!["MILLRACE".into(), Cell::Int(1)]]).unwrap();
        assert_eq!((batch.num_columns(), batch.num_rows()), (6, 1));
        assert_eq!(batch.column(2).null_count(), 1);
        assert_eq!(batch.schema().field(0).metadata()[LABEL], "ENGINE");
    }
}
