//! The cases of `fluss_sim::cases` over the real cluster: what the simulated servers do, real ones do too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fluss::metadata::{AddColumn, AlterTableChanges, ColumnPositionType, DataTypes, JsonSerde};
use fluss_scan::{ClientOptions, FlussClient, TablePath};
use fluss_sim::cases::{CaseResult, Row, World, key_cases, log_cases};
use integration_tests::{Cluster, TableSpec, Value, Writer, shared_cluster};

const DATABASE: &str = "stream_cases";
/// Until closed segments are in remote storage.
const TIERED: Duration = Duration::from_secs(60);

/// The real cluster; tables are named apart by what is tested.
struct Real {
    cluster: &'static Cluster,
    client: Arc<FlussClient>,
}

impl Real {
    async fn new() -> Self {
        let cluster = shared_cluster().await.unwrap();
        let options = ClientOptions::new(&cluster.bootstrap(), &BTreeMap::new()).unwrap();
        Self { cluster, client: Arc::new(FlussClient::new(options)) }
    }

    /// A row in all columns that the table has now.
    async fn values(&self, path: &TablePath, rows: &[Row]) -> CaseResult<Vec<Vec<Value>>> {
        let is_evolved = self.client.table_info(path).await?.schema.columns.len() > 3;
        let int = |value: Option<i32>| value.map_or(Value::Null, Value::Int);
        let values = |row: &Row| {
            let mut values = vec![row.id.into(), row.name.as_deref().into(), int(row.n)];
            values.extend(is_evolved.then(|| int(row.extra)));
            values
        };
        Ok(rows.iter().map(values).collect())
    }
}

fn real(path: &TablePath) -> fluss::metadata::TablePath {
    fluss::metadata::TablePath::new(&path.database, &path.table)
}

impl World for Real {
    fn client(&self) -> Arc<FlussClient> {
        Arc::clone(&self.client)
    }

    async fn create(&self, name: &str, spec: fluss_sim::TableSpec) -> CaseResult<TablePath> {
        let mut real = TableSpec::new(DATABASE, name)
            .column("id", DataTypes::bigint())
            .column("name", DataTypes::string())
            .column("n", DataTypes::int())
            .buckets(spec.buckets);
        if !spec.primary_key.is_empty() {
            real = real.primary_key(&spec.primary_key);
        }
        for (name, value) in &spec.properties {
            real = real.property(name, value);
        }
        self.cluster.create_table(&real).await?;
        Ok(TablePath::new(DATABASE, name))
    }

    async fn write(&self, path: &TablePath, rows: &[Row]) -> CaseResult {
        let mut writer = Writer::open(self.cluster, &real(path)).await?;
        for row in self.values(path, rows).await? {
            writer.write(&row).await?;
        }
        Ok(writer.flush().await?)
    }

    async fn delete(&self, path: &TablePath, rows: &[Row]) -> CaseResult {
        let mut writer = Writer::open(self.cluster, &real(path)).await?;
        for row in self.values(path, rows).await? {
            writer.delete(&row).await?;
        }
        Ok(writer.flush().await?)
    }

    async fn add_extra(&self, path: &TablePath) -> CaseResult {
        let column = AddColumn {
            column_name: "extra".to_string(),
            data_type_json: DataTypes::int().serialize_json()?.to_string().into_bytes(),
            comment: None,
            position: ColumnPositionType::Last,
        };
        let changes = AlterTableChanges { add_columns: vec![column], ..Default::default() };
        let connection = self.cluster.connect().await?;
        Ok(connection.get_admin()?.alter_table(&real(path), false, changes).await?)
    }

    async fn tier(&self, path: &TablePath) -> CaseResult<bool> {
        self.cluster.wait_remote_segments(&real(path), 3, TIERED).await?;
        Ok(true)
    }
}

/// One test per case.
macro_rules! cases {
    ($($name:ident($world:ident) => $case:expr;)*) => { $(
        #[tokio::test]
        async fn $name() {
            let $world = &Real::new().await;
            $case.await.unwrap();
        }
    )* };
}

cases! {
    parts_none(world) => log_cases::parts(world, "NONE");
    parts_lz4(world) => log_cases::parts(world, "LZ4_FRAME");
    parts_zstd(world) => log_cases::parts(world, "ZSTD");
    evolved(world) => log_cases::evolved(world);
    out_of_range(world) => log_cases::out_of_range(world);
    remote(world) => log_cases::remote(world, 4_000, 50);
    changelog(world) => key_cases::changelog(world, false);
    changelog_wal(world) => key_cases::changelog(world, true);
    empty_batches(world) => key_cases::empty_batches(world);
    first_row(world) => key_cases::first_row(world);
    evolved_state(world) => key_cases::evolved_state(world);
    state_under_writes(world) => key_cases::state_under_writes(world, 20);
}
