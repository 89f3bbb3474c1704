//! Calls that every server answers.

use fluss_scan::TablePath;
use fluss_scan::messages::{
    BucketMetadata, GetLakeSnapshot, GetLakeSnapshotAnswer, GetTableInfo, GetTableInfoAnswer,
    GetTableSchema, GetTableSchemaAnswer, KeyValue, LakeBucket, ListDatabasesAnswer,
    ListPartitionInfos, ListPartitionInfosAnswer, ListTables, ListTablesAnswer, Metadata,
    MetadataAnswer, Partition, PartitionMetadata, PartitionSpec, Path, ServerNode, TableMetadata,
};

use super::{Failure, code, exception};
use crate::cluster::{COORDINATOR, Cluster, NodeState, State, Table};
use crate::spec::{schema_json, table_json};

fn table(state: &State, path: Path) -> Result<(TablePath, &Table), Failure> {
    let path = TablePath::new(path.database, path.table);
    match state.tables.get(&path) {
        Some(table) => Ok((path, table)),
        None => Err((code::NO_TABLE, format!("Table '{path}' does not exist."))),
    }
}

pub(super) fn list_databases(state: &State) -> Result<ListDatabasesAnswer, Failure> {
    Ok(ListDatabasesAnswer { names: state.databases.iter().cloned().collect() })
}

pub(super) fn list_tables(state: &State, call: &ListTables) -> Result<ListTablesAnswer, Failure> {
    if !state.databases.contains(&call.database) {
        let message = format!("Database {} does not exist.", call.database);
        return Err((code::NO_DATABASE, message));
    }
    let paths = state.tables.keys().filter(|path| path.database == call.database);
    Ok(ListTablesAnswer { names: paths.map(|path| path.table.clone()).collect() })
}

pub(super) fn table_info(state: &State, call: GetTableInfo) -> Result<GetTableInfoAnswer, Failure> {
    let (_, table) = table(state, call.path)?;
    Ok(GetTableInfoAnswer {
        table_id: table.id,
        schema_id: table.schema_id(),
        json: table_json(&table.spec, &table.schema()).into(),
        created: table.created,
        modified: table.modified,
    })
}

pub(super) fn schema(state: &State, call: GetTableSchema) -> Result<GetTableSchemaAnswer, Failure> {
    let (path, table) = table(state, call.path)?;
    let schema_id = call.schema_id.unwrap_or(table.schema_id());
    let at = usize::try_from(schema_id).ok().and_then(|id| id.checked_sub(1));
    let schema = at.and_then(|at| table.schemas.get(at)).ok_or_else(|| {
        let message = format!("Schema for table {path} with schema id {schema_id} does not exist.");
        (code::NO_SCHEMA, message)
    })?;
    Ok(GetTableSchemaAnswer { schema_id, json: schema_json(schema).into() })
}

pub(super) fn partitions(
    state: &State,
    call: ListPartitionInfos,
) -> Result<ListPartitionInfosAnswer, Failure> {
    let (path, table) = table(state, call.path)?;
    if table.spec.partition_keys.is_empty() {
        let message = format!("Table '{path}' is not a partitioned table.");
        return Err((code::NOT_PARTITIONED, message));
    }
    let partition = |(id, values): (&i64, &Vec<String>)| {
        let values = table.spec.partition_keys.iter().zip(values);
        let value =
            |(key, value): (&String, &String)| KeyValue { key: key.clone(), value: value.clone() };
        let spec = PartitionSpec { values: values.map(value).collect() };
        Partition { id: *id, spec, bucket_count: None }
    };
    Ok(ListPartitionInfosAnswer { partitions: table.partitions.iter().map(partition).collect() })
}

pub(super) fn metadata(
    cluster: &Cluster,
    state: &State,
    call: Metadata,
) -> Result<MetadataAnswer, Failure> {
    let mut answer = MetadataAnswer::default();
    for (id, (host, port)) in &state.addresses {
        let node = ServerNode { id: *id, host: host.clone(), port: i32::from(*port) };
        let is_down =
            |sender: &tokio::sync::watch::Sender<NodeState>| *sender.borrow() == NodeState::Down;
        if *id == COORDINATOR {
            answer.coordinator = Some(node);
        } else if !cluster.inner.nodes.get(id).is_some_and(is_down) {
            answer.tablet_servers.push(node);
        }
    }
    for path in call.tables {
        let found = table(state, path);
        let (_, table) = found.map_err(|(_, message)| {
            exception(&format!("org.apache.fluss.exception.FlussRuntimeException: {message}"))
        })?;
        let buckets = leaders(table, None);
        answer.tables.push(TableMetadata { table_id: table.id, buckets });
    }
    for id in call.partition_ids {
        let mut tables = state.tables.values();
        let table = tables.find(|table| table.partitions.contains_key(&id));
        let table = table.ok_or_else(|| {
            (code::NO_PARTITION, format!("Table partition with id {id} does not exist."))
        })?;
        let (table_id, buckets) = (table.id, leaders(table, Some(id)));
        answer.partitions.push(PartitionMetadata { table_id, partition_id: id, buckets });
    }
    Ok(answer)
}

fn leaders(table: &Table, partition_id: Option<i64>) -> Vec<BucketMetadata> {
    let buckets = table.buckets.iter().filter(|((partition, _), _)| *partition == partition_id);
    let leader = |((_, bucket), state): (&(Option<i64>, i32), &crate::bucket::BucketState)| {
        BucketMetadata { bucket: *bucket, leader: state.leader }
    };
    buckets.map(leader).collect()
}

pub(super) fn lake_snapshot(
    state: &State,
    call: GetLakeSnapshot,
) -> Result<GetLakeSnapshotAnswer, Failure> {
    let (path, table) = table(state, call.path)?;
    let lake = table.lake.as_ref().ok_or_else(|| {
        let message =
            format!("Lake table snapshot doesn't exist for table: {path}, table id: {}", table.id);
        (code::NO_LAKE_SNAPSHOT, message)
    })?;
    let mut offsets: Vec<_> = lake.offsets.iter().collect();
    // real servers list them in no particular order; this one in the reverse, so that nobody relies on it
    offsets.sort_unstable_by(|a, b| b.cmp(a));
    let bucket = |((partition_id, bucket), offset): (&(Option<i64>, i32), &i64)| LakeBucket {
        partition_id: *partition_id,
        bucket: *bucket,
        log_offset: Some(*offset),
    };
    Ok(GetLakeSnapshotAnswer {
        table_id: table.id,
        snapshot_id: lake.snapshot_id,
        buckets: offsets.into_iter().map(bucket).collect(),
    })
}
