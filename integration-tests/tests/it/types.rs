//! Every type in every format that Fluss writes, before and after ADD COLUMN: what `fluss-scan` reads of a log, of a change
//! log and of a state is what was written, value by value.

#[path = "../../../fluss-scan/tests/rows/values.rs"]
mod values;
mod values_of_fluss;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int32Type;
use fluss::client::FlussConnection;
use fluss::metadata::{
    AddColumn, AlterTableChanges, ColumnPositionType, DataType, JsonSerde, TablePath,
};
use fluss_scan::{ChangeType, ClientOptions, FlussClient, KvScan, LogScan, OffsetSpec, TableInfo};
use futures::TryStreamExt;
use integration_tests::{Cluster, TableSpec, package_directory, shared_cluster};
use serde_json::{Value, json};
use values::{assert_rows, values};

const DATABASE: &str = "types";
/// A cold JVM on a busy machine.
const JAVA: Duration = Duration::from_secs(90);

/// Whose client writes a table.
#[derive(Clone, Copy, PartialEq)]
enum Client {
    Rust,
    Java,
}

/// What one table is for.
struct Case {
    name: &'static str,
    client: Client,
    has_key: bool,
    properties: &'static [(&'static str, &'static str)],
}

impl Case {
    /// A row that Fluss writes here as it is. It fills CHAR and BINARY of INDEXED rows up with zero bytes. Those of CHAR it
    /// then hands on to an ARROW change log; those of BINARY it drops, with those that belong there, and the log
    /// refuses what is left.
    fn row(&self, schema: &Value, row: &Row) -> Row {
        let mut row = row.clone();
        if self.properties.contains(&(KV_FORMAT, "INDEXED")) {
            for (column, value) in schema["columns"].as_array().unwrap().iter().zip(&mut row) {
                let filled = match column["data_type"]["type"].as_str().unwrap() {
                    "CHAR" => "fünf",
                    "BINARY" => "00000001",
                    _ => continue,
                };
                if !value.is_null() {
                    *value = filled.into();
                }
            }
        }
        row
    }
}

const fn log(
    name: &'static str,
    client: Client,
    properties: &'static [(&'static str, &'static str)],
) -> Case {
    Case { name, client, has_key: false, properties }
}

const fn changes(
    name: &'static str,
    client: Client,
    properties: &'static [(&'static str, &'static str)],
) -> Case {
    Case { name, client, has_key: true, properties }
}

const LOG_FORMAT: &str = "table.log.format";
const KV_FORMAT: &str = "table.kv.format";
const COMPRESSION: &str = "table.log.arrow.compression.type";
const IMAGE: &str = "table.changelog.image";

/// An INDEXED change log is not among them: the server fails at the first row of one.
const CASES: [Case; 12] = [
    log("log_none", Client::Rust, &[(COMPRESSION, "NONE")]),
    log("log_lz4", Client::Rust, &[(COMPRESSION, "LZ4_FRAME")]),
    log("log_zstd", Client::Rust, &[(COMPRESSION, "ZSTD")]),
    log("log_java", Client::Java, &[]),
    log("log_indexed", Client::Java, &[(LOG_FORMAT, "INDEXED")]),
    log("log_compacted", Client::Java, &[(LOG_FORMAT, "COMPACTED")]),
    changes("pk", Client::Rust, &[]),
    changes("pk_wal", Client::Rust, &[(IMAGE, "WAL"), (COMPRESSION, "NONE")]),
    changes("pk_compacted_log", Client::Rust, &[(LOG_FORMAT, "COMPACTED")]),
    changes("pk_java", Client::Java, &[]),
    changes("pk_indexed", Client::Java, &[(KV_FORMAT, "INDEXED")]),
    changes("pk_indexed_wal", Client::Java, &[(KV_FORMAT, "INDEXED"), (IMAGE, "WAL")]),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    Append,
    Upsert,
    Delete,
}

type Row = Vec<Value>;

/// A table and what its log and its state must hold.
struct Table<'a> {
    case: &'a Case,
    cluster: &'a Cluster,
    path: TablePath,
    /// Columns of `values.json`, once before and twice after ADD COLUMN.
    width: usize,
    log: Vec<(ChangeType, Row)>,
    state: BTreeMap<i64, Row>,
}

impl Table<'_> {
    async fn create<'a>(cluster: &'a Cluster, case: &'a Case, schema: &Value) -> Table<'a> {
        let mut spec = TableSpec::new(DATABASE, case.name);
        for column in schema["columns"].as_array().unwrap() {
            let data_type = DataType::deserialize_json(&column["data_type"]).unwrap();
            spec = spec.column(column["name"].as_str().unwrap(), data_type);
        }
        if case.has_key {
            spec = spec.primary_key(["id"]);
        }
        for (key, value) in case.properties {
            spec = spec.property(key, value);
        }
        cluster.create_table(&spec).await.unwrap();
        let (path, width) = (spec.path().clone(), schema["columns"].as_array().unwrap().len());
        Table { case, cluster, path, width, log: vec![], state: BTreeMap::new() }
    }

    /// Adds every column but the key once more.
    async fn add_columns(&mut self, schema: &Value) {
        let columns = schema["columns"].as_array().unwrap();
        let add_columns = columns[1..].iter().map(|column| AddColumn {
            column_name: format!("new_{}", column["name"].as_str().unwrap()),
            data_type_json: column["data_type"].to_string().into_bytes(),
            comment: None,
            position: ColumnPositionType::Last,
        });
        let changes =
            AlterTableChanges { add_columns: add_columns.collect(), ..Default::default() };
        let admin = self.cluster.connect().await.unwrap().get_admin().unwrap();
        admin.alter_table(&self.path, false, changes).await.unwrap();
        self.width += columns.len() - 1;
        let columns_before = self.log.iter_mut().map(|(_, row)| row);
        for row in columns_before.chain(self.state.values_mut()) {
            row.resize(self.width, Value::Null);
        }
    }

    async fn write(&mut self, changes: &[(Verb, Row)]) {
        match self.case.client {
            Client::Rust => self.write_with_rust(changes).await,
            Client::Java => self.write_with_java(changes).await,
        }
        for (verb, row) in changes {
            self.model(*verb, row.clone());
        }
    }

    /// What a change does to log and state.
    fn model(&mut self, verb: Verb, row: Row) {
        use ChangeType::{Append, Delete, Insert, UpdateAfter, UpdateBefore};
        let keeps_old = !self.case.properties.contains(&(IMAGE, "WAL"));
        let id = row[0].as_i64().unwrap();
        let old = self.state.get(&id).cloned();
        match (verb, old) {
            (Verb::Append, _) => self.log.push((Append, row)),
            (Verb::Upsert, old) => {
                let after = if old.is_none() && keeps_old { Insert } else { UpdateAfter };
                let before = old.filter(|_| keeps_old).map(|old| (UpdateBefore, old));
                self.log.extend(before);
                self.log.push((after, row.clone()));
                self.state.insert(id, row);
            }
            (Verb::Delete, old) => {
                self.log.extend(old.map(|old| (Delete, old)));
                self.state.remove(&id);
            }
        }
    }

    async fn write_with_rust(&self, changes: &[(Verb, Row)]) {
        // the connection keeps alive what sends rows, and sees the columns of now
        let connection: FlussConnection = self.cluster.connect().await.unwrap();
        let table = connection.get_table(&self.path).await.unwrap();
        let types: Vec<DataType> = table
            .get_table_info()
            .get_row_type()
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let row = |row: &Row| values_of_fluss::row(&types, row);
        if self.case.has_key {
            let writer = table.new_upsert().unwrap().create_writer().unwrap();
            for (verb, values) in changes {
                match verb {
                    Verb::Delete => writer.delete(&row(values)).unwrap(),
                    _ => writer.upsert(&row(values)).unwrap(),
                };
            }
            writer.flush().await.unwrap();
        } else {
            let writer = table.new_append().unwrap().create_writer().unwrap();
            for (_, values) in changes {
                writer.append(&row(values)).unwrap();
            }
            writer.flush().await.unwrap();
        }
    }

    async fn write_with_java(&self, changes: &[(Verb, Row)]) {
        let changes: Vec<Value> = changes
            .iter()
            .map(|(verb, row)| json!([format!("{verb:?}").to_lowercase(), row]))
            .collect();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("changes.json");
        std::fs::write(&file, Value::from(changes).to_string()).unwrap();
        let program = package_directory().join("../fluss-scan/tests/rows/Rows.java");
        let file = file.display().to_string();
        let args = [&self.cluster.bootstrap(), DATABASE, self.case.name, &file];
        self.cluster.java(Path::new(&program), &args, JAVA).await.unwrap();
    }

    /// Reads log and state in several projections and compares them.
    async fn check(&self, client: &Arc<FlussClient>) {
        let path = fluss_scan::TablePath::new(DATABASE, self.case.name);
        let table = client.table_info(&path).await.unwrap();
        assert_eq!(table.schema.columns.len(), self.width);
        let latest = client.offsets(&table, None, &[0], OffsetSpec::Latest).await.unwrap()[&0];
        assert_eq!(latest, self.log.len() as i64, "{}", self.case.name);
        for columns in projections(self.width) {
            self.check_log(client, &table, latest, columns.as_deref()).await;
            if self.case.has_key {
                self.check_state(client, &table, latest, columns.as_deref()).await;
            }
        }
    }

    async fn check_log(
        &self,
        client: &Arc<FlussClient>,
        table: &TableInfo,
        end: i64,
        columns: Option<&[usize]>,
    ) {
        // from the beginning, and from within a batch to within another
        for (start, end) in [(0, end), (1, end - 1)] {
            let what = format!("log of {}, {start}..{end}, {columns:?}", self.case.name);
            let scan = LogScan {
                table: table.clone(),
                partition_id: None,
                bucket: 0,
                start,
                end,
                projection: columns.map(<[usize]>::to_vec),
                filter: None,
            };
            let batches: Vec<_> = client.scan_log(scan).try_collect().await.unwrap();
            let expected = &self.log[start as usize..end as usize];
            let rows: Vec<&RecordBatch> = batches.iter().map(|batch| &batch.rows).collect();
            let rows = concat_batches(&rows[0].schema(), rows).unwrap();
            let expected_rows: Vec<_> = expected.iter().map(|(_, row)| cut(row, columns)).collect();
            assert_rows(&rows, &expected_rows, &what);
            let changes = batches.iter().flat_map(|batch| batch.change_types.iter());
            if self.case.has_key {
                assert!(changes.eq(expected.iter().map(|(change, _)| *change)), "{what}");
            } else {
                assert_eq!(changes.count(), 0, "{what}");
            }
        }
    }

    async fn check_state(
        &self,
        client: &Arc<FlussClient>,
        table: &TableInfo,
        latest: i64,
        columns: Option<&[usize]>,
    ) {
        let what = format!("state of {}, {columns:?}", self.case.name);
        let mut projection = columns.map_or_else(|| (0..self.width).collect(), <[usize]>::to_vec);
        if projection[0] != 0 {
            projection.insert(0, 0);
        }
        let scan = KvScan {
            table: table.clone(),
            partition_id: None,
            bucket: 0,
            projection: projection.clone(),
        };
        let state = client.scan_kv(scan).await.unwrap();
        assert_eq!(state.offset, latest, "{what}");
        let rows = state.fold(&[0]).unwrap();
        let ids = rows.column(0).as_primitive::<Int32Type>().values().iter();
        let expected = ids.map(|id| cut(&self.state[&i64::from(*id)], Some(&projection)));
        assert_rows(&rows, &expected.collect::<Vec<_>>(), &what);
        assert_eq!(rows.num_rows(), self.state.len(), "{what}");
    }
}

/// All columns; some, old and new ones; new ones alone, of which old batches have none; single ones.
fn projections(width: usize) -> Vec<Option<Vec<usize>>> {
    let every = |step: usize| (0..width).step_by(step).collect::<Vec<_>>();
    let last_ones = (width - 7..width).collect();
    let mut projections = vec![None, Some(every(3)), Some(every(7)), Some(last_ones)];
    projections.extend([1, width / 2, width - 1].map(|column| Some(vec![column])));
    projections
}

fn cut<'a>(row: &'a Row, columns: Option<&[usize]>) -> Vec<&'a Value> {
    match columns {
        Some(columns) => columns.iter().map(|column| &row[*column]).collect(),
        None => row.iter().collect(),
    }
}

/// A row with another id.
fn with_id(row: &Row, id: i64) -> Row {
    let mut row = row.clone();
    row[0] = id.into();
    row
}

/// A row twice: in the columns that were there and in those that were added.
fn doubled(old: &Row, new: &Row) -> Row {
    old.iter().chain(&new[1..]).cloned().collect()
}

#[tokio::test]
async fn every_value_of_a_log_is_read_as_it_was_written() {
    check_all(|case| !case.has_key).await;
}

#[tokio::test]
async fn every_value_of_a_change_log_and_its_state_is_read_as_it_was_written() {
    check_all(|case| case.has_key).await;
}

async fn check_all(is_meant: impl Fn(&Case) -> bool) {
    let cluster = shared_cluster().await.unwrap();
    let options = ClientOptions::new(&cluster.bootstrap(), &BTreeMap::new()).unwrap();
    let client = Arc::new(FlussClient::new(options));
    let (schema, all_rows) = values();
    for case in CASES.iter().filter(|case| is_meant(case)) {
        let rows: Vec<Row> = all_rows.iter().map(|row| case.row(&schema, row)).collect();
        let mut table = Table::create(cluster, case, &schema).await;
        let set = if case.has_key { Verb::Upsert } else { Verb::Append };
        table.write(&rows.iter().map(|row| (set, row.clone())).collect::<Vec<_>>()).await;
        if case.has_key {
            // every row once more with the values of the next one
            let next = rows.iter().cycle().skip(1);
            let updates = rows
                .iter()
                .zip(next)
                .map(|(row, next)| (Verb::Upsert, with_id(next, row[0].as_i64().unwrap())));
            let mut changes: Vec<_> = updates.collect();
            changes.push((Verb::Delete, rows[3].clone()));
            table.write(&changes).await;
        }
        table.check(&client).await;

        table.add_columns(&schema).await;
        let with_new =
            |i: usize, id: i64| doubled(&with_id(&rows[i], id), &rows[(i + 5) % rows.len()]);
        let mut changes: Vec<_> =
            (0..rows.len()).map(|i| (set, with_new(i, 100 + i as i64))).collect();
        if case.has_key {
            // of rows that were written before
            changes.push((Verb::Upsert, with_new(4, 0)));
            changes.push((Verb::Delete, with_new(4, 1)));
            changes.push((Verb::Delete, with_new(4, 101)));
        }
        table.write(&changes).await;
        table.check(&client).await;
    }
}
