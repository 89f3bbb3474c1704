//! Recorded tables, written anew.

use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use fluss_scan::messages::{Call, FetchLog, GetTableInfo};
use fluss_scan::{Bucket, Schema, TableInfo, TablePath};
use fluss_sim::{Cluster, TableSpec, Version, arrow_schema};

use super::wire::{Answer, Batch, answer, batches};

/// A request and what was answered, whole frames.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub request: Vec<u8>,
    pub response: Vec<u8>,
}

impl Recorded {
    pub fn read(name: &str, server: &str) -> Self {
        let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
        let frame = |kind: &str| {
            let path = path.join(format!("../fluss-scan/tests/frames/{name}.{server}.{kind}.bin"));
            std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        Self { request: frame("req"), response: frame("resp") }
    }

    pub fn answer<C: Call>(&self) -> Answer<C> {
        answer(&self.response)
    }

    pub fn message<C: Call>(&self) -> C::Answer {
        match self.answer::<C>() {
            Answer::Message(message) => message,
            Answer::Error(code, message) => panic!("{code}: {message:?}"),
        }
    }

    pub fn request<C: Call + Default>(&self) -> C {
        C::decode(&self.request[12..]).unwrap()
    }

    /// The same call with another message.
    pub fn with<C: Call>(&self, message: &C) -> Self {
        let body = message.encode_to_vec();
        let length = i32::try_from(8 + body.len()).unwrap().to_be_bytes();
        let request = [&length[..], &self.request[4..12], &body].concat();
        Self { request, response: self.response.clone() }
    }

    /// The columns that a fetch asks for.
    pub fn projection(&self) -> Option<Vec<usize>> {
        let table = self.request::<FetchLog>().tables.remove(0);
        table
            .projected
            .then(|| table.columns.iter().map(|c| usize::try_from(*c).unwrap()).collect())
    }
}

/// A simulated table in the place of a recorded one.
pub struct Table {
    pub cluster: Cluster,
    pub schema: Schema,
    pub id: i64,
}

impl Table {
    /// A table whose log is the recorded one of bucket 0, all of it led by server 1.
    pub fn replay(name: &str, server: &str, version: Version, options: &[(&str, &str)]) -> Self {
        let recorded = Recorded::read(name, server);
        let fetch = recorded.request::<FetchLog>();
        let id = fetch.tables[0].table_id;
        let answer = recorded.message::<FetchLog>();
        let records = answer.tables[0].buckets[0].records.clone();
        let mut spec = described();
        let log = batches(records.as_ref(), &spec_schema(&spec), None);
        if log[0].attributes == 1 {
            spec.primary_key.clear();
            spec.bucket_keys.clear();
        }
        for (name, value) in options {
            spec = spec.property(name, value);
        }
        let this = Self::create(&TablePath::new("w", "t"), spec, version, 1, id);
        for batch in log {
            this.write(&batch);
        }
        this
    }

    /// A table of four buckets, every other one at the first of two servers.
    pub fn spread(version: Version) -> Self {
        Self::create(&TablePath::new("w", "spread"), described().buckets(4), version, 2, 4)
    }

    /// A table of this name without rows.
    pub fn named(database: &str, table: &str, version: Version) -> Self {
        Self::create(&TablePath::new(database, table), described(), version, 1, 1)
    }

    fn create(path: &TablePath, spec: TableSpec, version: Version, servers: i32, id: i64) -> Self {
        let cluster = Cluster::new(version, servers, 1);
        cluster.set_next_id(id);
        let schema = spec_schema(&spec);
        assert_eq!(cluster.create_table(path, spec).unwrap(), id);
        Self { cluster, schema, id }
    }

    /// Writes what made a recorded batch.
    fn write(&self, batch: &Batch) {
        let bucket = Bucket { table_id: self.id, partition_id: None, bucket: 0 };
        let Some(rows) = &batch.rows else {
            return self.write_nothing(bucket);
        };
        let rows =
            RecordBatch::try_new(arrow_schema(&self.schema), rows.columns().to_vec()).unwrap();
        let base = if batch.attributes == 1 {
            self.cluster.append(bucket, &rows)
        } else if batch.kinds.iter().all(|kind| *kind == 4) {
            self.cluster.delete(bucket, &rows)
        } else {
            let sets = batch.kinds.iter().map(|kind| Some([1, 3].contains(kind))).collect();
            self.cluster.upsert(bucket, &filter_record_batch(&rows, &sets).unwrap())
        };
        assert_eq!(base.unwrap(), batch.base);
    }

    /// Deletes nothing, or what is not there: an empty batch either way.
    fn write_nothing(&self, bucket: Bucket) {
        let none = RecordBatch::new_empty(arrow_schema(&self.schema));
        self.cluster.upsert(bucket, &none).unwrap();
    }
}

/// The columns that all recorded tables have.
fn described() -> TableSpec {
    let answer = Recorded::read("table_info_pk_plain_tablet", "v10").message::<GetTableInfo>();
    let info = TableInfo::parse(TablePath::new("w", "pk_plain"), answer).unwrap();
    TableSpec {
        columns: info.schema.columns,
        primary_key: info.schema.primary_key,
        bucket_keys: info.bucket_keys,
        partition_keys: vec![],
        buckets: 1,
        properties: info.properties,
    }
}

fn spec_schema(spec: &TableSpec) -> Schema {
    Schema { columns: spec.columns.clone(), primary_key: spec.primary_key.clone() }
}
