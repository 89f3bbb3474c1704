//! Lookups by keys and prefixes, row counts and offsets of times, of the native client against a real cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch,
    StringArray, Time32MillisecondArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use fluss::metadata::{
    AddColumn, AlterTableChanges, ColumnPositionType, DataType, DataTypes, JsonSerde,
};
use fluss_scan::{
    ClientOptions, Error, FlussClient, FoundRows, KeyLookup, KvScan, OffsetSpec, PartitionInfo,
    TableInfo, TablePath,
};
use integration_tests::{Cluster, ClusterOptions, Node, TableSpec, Value, Writer, shared_cluster};

fn client(cluster: &Cluster) -> Arc<FlussClient> {
    client_with(cluster, "15s")
}

fn client_with(cluster: &Cluster, timeout: &str) -> Arc<FlussClient> {
    let options = BTreeMap::from([("client.request-timeout".to_owned(), timeout.to_owned())]);
    Arc::new(FlussClient::new(ClientOptions::new(&cluster.bootstrap(), &options).unwrap()))
}

async fn info(client: &FlussClient, spec: &TableSpec) -> TableInfo {
    let path = TablePath::new(spec.path().database(), spec.path().table());
    client.table_info(&path).await.unwrap()
}

/// Values of a key column as its Arrow array.
fn array(data_type: &ArrowType, values: &[Value]) -> ArrayRef {
    macro_rules! values {
        ($array:ty, $($variant:ident)|+) => {
            <$array>::from_iter_values(values.iter().map(|value| match value {
                $(Value::$variant(value))|+ => value.clone(),
                other => panic!("{other:?}"),
            }))
        };
    }
    match data_type {
        ArrowType::Boolean => {
            let each = values.iter().map(|value| Some(*value == Value::Bool(true)));
            Arc::new(each.collect::<BooleanArray>())
        }
        ArrowType::Int8 => Arc::new(values!(Int8Array, TinyInt)),
        ArrowType::Int16 => Arc::new(values!(Int16Array, SmallInt)),
        ArrowType::Int32 => Arc::new(values!(Int32Array, Int)),
        ArrowType::Int64 => Arc::new(values!(Int64Array, BigInt)),
        ArrowType::Float32 => Arc::new(values!(Float32Array, Float)),
        ArrowType::Float64 => Arc::new(values!(Float64Array, Double)),
        ArrowType::Utf8 => Arc::new(values!(StringArray, Text)),
        ArrowType::Date32 => Arc::new(values!(Date32Array, Date)),
        ArrowType::Binary | ArrowType::FixedSizeBinary(_) => {
            cast(&values!(BinaryArray, Bytes), data_type).unwrap()
        }
        ArrowType::Time32(_) | ArrowType::Time64(_) => {
            cast(&values!(Time32MillisecondArray, Time), data_type).unwrap()
        }
        ArrowType::Timestamp(..) => {
            cast(&values!(TimestampMicrosecondArray, Timestamp | TimestampLtz), data_type).unwrap()
        }
        ArrowType::Decimal128(precision, scale) => {
            let each = values.iter().map(|value| match value {
                Value::Decimal { unscaled, .. } => *unscaled,
                other => panic!("{other:?}"),
            });
            let each = Decimal128Array::from_iter_values(each);
            Arc::new(each.with_precision_and_scale(*precision, *scale).unwrap())
        }
        other => panic!("{other}"),
    }
}

/// Keys of some columns of a table.
fn keys(table: &TableInfo, columns: &[(&str, &[Value])]) -> RecordBatch {
    let array = |(name, values): &(&str, &[Value])| {
        let column = table.schema.columns.iter().find(|c| c.name == *name).unwrap();
        (name.to_string(), array(&column.data_type.arrow(), values))
    };
    RecordBatch::try_from_iter(columns.iter().map(array)).unwrap()
}

fn lookup(table: &TableInfo, keys: RecordBatch) -> KeyLookup {
    let projection = (0..table.schema.columns.len()).collect();
    KeyLookup { table: table.clone(), partition: None, keys, projection }
}

/// Positions of the keys, each with the value of a BIGINT column.
fn shown(found: &FoundRows, column: &str) -> Vec<(u32, i64)> {
    let values = found.rows.column_by_name(column).unwrap().as_primitive::<Int64Type>();
    found.keys.iter().copied().zip(values.values().iter().copied()).collect()
}

/// A key column: its type and values.
type KeyColumn = (DataType, Vec<Value>);

/// Types of keys, in groups that make one key each, with values of each type.
fn key_types() -> Vec<(&'static str, Vec<KeyColumn>)> {
    let decimals = |precision: u32, scale: u32, values: &[i128]| -> KeyColumn {
        let values = values.iter().map(|value| Value::decimal(*value, precision, scale));
        (DataTypes::decimal(precision, scale), values.collect())
    };
    let times = |precision: u32| {
        let finest = if precision == 0 { 1_000 } else { 1 };
        let values = [0, finest, 86_399_999 / finest * finest].map(Value::Time);
        (DataTypes::time_with_precision(precision), values.to_vec())
    };
    // microseconds; fluss-rs writes those before 1970 in whole milliseconds only
    let moments = |precision: u32| -> Vec<i64> {
        let finest = [1_000_000, 1_000, 1][precision.div_ceil(3).min(2) as usize];
        let moments = [0, 1, 999, 1_600_000_000_000_123, -1_000, -86_400_000_000];
        moments.map(|moment: i64| moment.div_euclid(finest) * finest).to_vec()
    };
    let timestamp = |p: u32| {
        let values = moments(p).into_iter().map(Value::Timestamp);
        (DataTypes::timestamp_with_precision(p), values.collect())
    };
    let timestamp_ltz = |p: u32| {
        let values = moments(p).into_iter().map(Value::TimestampLtz);
        (DataTypes::timestamp_ltz_with_precision(p), values.collect())
    };
    let texts = |data_type: DataType, texts: &[&str]| {
        (data_type, texts.iter().map(|text| Value::from(*text)).collect())
    };
    let bytes = |data_type: DataType, lengths: &[u8]| {
        let bytes = |length: &u8| (0..*length).map(|i| 0x7e_u8.wrapping_add(i)).collect();
        (data_type, lengths.iter().map(|length| Value::Bytes(bytes(length))).collect())
    };
    let largest = 10_i128.pow(38) - 1;
    let long = "x".repeat(300);
    vec![
        (
            "numbers",
            vec![
                (DataTypes::boolean(), [true, false].map(Value::Bool).to_vec()),
                (DataTypes::tinyint(), [0, 1, -1, i8::MAX, i8::MIN].map(Value::TinyInt).to_vec()),
                (DataTypes::smallint(), [0, -5, 128, i16::MIN].map(Value::SmallInt).to_vec()),
                (DataTypes::int(), [0, -9, 128, i32::MAX, i32::MIN].map(Value::Int).to_vec()),
                (
                    DataTypes::bigint(),
                    [0, -3, 1 << 40, i64::MAX, i64::MIN].map(Value::BigInt).to_vec(),
                ),
                (DataTypes::float(), [0.0, -0.0, 1.5, f32::MIN].map(Value::Float).to_vec()),
                (DataTypes::double(), [0.0, -0.0, 1.5, f64::MIN].map(Value::Double).to_vec()),
            ],
        ),
        (
            "decimals",
            vec![
                decimals(7, 2, &[0, 1, -1, 12_345, -9_999_999]),
                decimals(18, 4, &[0, 128, -128, 999_999_999_999_999_999]),
                decimals(38, 10, &[0, 1, -1, 127, 128, -128, -129, largest, -largest]),
            ],
        ),
        (
            "texts",
            vec![
                texts(DataTypes::char(9), &["abcdefghi", "abc", "é"]),
                texts(
                    DataTypes::string(),
                    &["", "a", "sevench", "eightchr", "né-1", "日本語日本語", "😀", &long],
                ),
                bytes(DataTypes::binary(4), &[4]),
                bytes(DataTypes::bytes(), &[0, 1, 2, 3, 7, 8, 9, 40]),
            ],
        ),
        (
            "times",
            [vec![(DataTypes::date(), [0, -1, 19_000, -800_000].map(Value::Date).to_vec())]]
                .into_iter()
                .chain([0, 3, 6, 9].map(|p| vec![times(p), timestamp(p), timestamp_ltz(p)]))
                .flatten()
                .collect(),
        ),
    ]
}

/// Keys of a group: each has other values than the one before in most of its columns.
const KEYS: usize = 50;

/// Writes, changes and deletes: which keys are left, with their values.
async fn change(writer: &mut Writer, rows: &[Vec<Value>]) -> BTreeMap<u32, i64> {
    let mut left = BTreeMap::new();
    let of = |row: &[Value], value: i64| [row, &[value.into()]].concat();
    for (i, row) in (0..).zip(rows) {
        writer.write(&of(row, i)).await.unwrap();
        left.insert(u32::try_from(i).unwrap(), i);
    }
    writer.flush().await.unwrap();
    for (i, row) in (0..).zip(rows).filter(|(i, _)| i % 2 == 0) {
        writer.write(&of(row, 1000 + i)).await.unwrap();
        left.insert(u32::try_from(i).unwrap(), 1000 + i);
    }
    for (i, row) in (0..).zip(rows).filter(|(i, _)| i % 3 == 1) {
        writer.delete(&of(row, i)).await.unwrap();
        left.remove(&u32::try_from(i).unwrap());
    }
    writer.flush().await.unwrap();
    left
}

async fn every_type_is_found(cluster: &Cluster, database: &str) {
    let client = client(cluster);
    for (name, types) in key_types() {
        let columns: Vec<String> = (0..types.len()).map(|i| format!("k{i}")).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        // a number makes the keys differ where a group has few values
        let value = |values: &[Value], i: usize| values[i % values.len()].clone();
        let row = |i: usize| -> Vec<Value> {
            let values = types.iter().map(|(_, values)| value(values, i));
            values.chain([i32::try_from(i).unwrap().into()]).collect()
        };
        let rows: Vec<Vec<Value>> = (0..KEYS).map(row).collect();
        let last = types.len();
        // with the number in the bucket key: the layout of the lake where there is one; without: that of Fluss
        for bucket_key in [[&columns[..], &["number"]].concat(), columns.clone()] {
            let is_whole = bucket_key.len() > last;
            let table = format!("{name}_{}", if is_whole { "whole" } else { "longer" });
            let mut spec = TableSpec::new(database, &table);
            for (column, (data_type, _)) in columns.iter().zip(&types) {
                spec = spec.column(column, data_type.clone());
            }
            let spec = spec
                .column("number", DataTypes::int())
                .column("v", DataTypes::bigint())
                .primary_key([&columns[..], &["number"]].concat())
                .bucket_keys(bucket_key)
                .buckets(3);
            cluster.create_table(&spec).await.unwrap();
            let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
            let left = change(&mut writer, &rows).await;
            let table = info(&client, &spec).await;
            let column = |i: usize| rows.iter().map(|row| row[i].clone()).collect::<Vec<_>>();
            let values: Vec<Vec<Value>> = (0..=last).map(column).collect();
            let named =
                columns.iter().copied().chain(["number"]).zip(values.iter().map(Vec::as_slice));
            let named: Vec<(&str, &[Value])> = named.collect();
            let asked = keys(&table, &named);
            let found = client.lookup(&lookup(&table, asked.clone())).await.unwrap();
            let expected: Vec<(u32, i64)> = left.iter().map(|(key, v)| (*key, *v)).collect();
            assert_eq!(shown(&found, "v"), expected, "{}", table.path);
            let positions = UInt32Array::from(found.keys);
            for (i, asked) in asked.columns().iter().enumerate() {
                let asked = take(asked, &positions, None).unwrap();
                assert_eq!(found.rows.column(i), &asked, "{} column {i}", table.path);
            }
            let prefixes =
                client.prefix_lookup(&lookup(&table, keys(&table, &named[..last]))).await;
            if is_whole {
                assert!(matches!(prefixes, Err(Error::Unsupported(_))), "{prefixes:?}");
                continue;
            }
            let same = |one: usize, other: usize| rows[one][..last] == rows[other][..last];
            let of_prefix =
                |key: usize| left.iter().filter(move |(at, _)| same(key, **at as usize));
            let expected: BTreeSet<(u32, i64)> = (0..KEYS)
                .flat_map(|key| of_prefix(key).map(move |(_, v)| (key as u32, *v)))
                .collect();
            let found: Vec<(u32, i64)> = shown(&prefixes.unwrap(), "v");
            assert_eq!(found.len(), expected.len(), "{}", table.path);
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{}", table.path);
        }
    }
}

#[tokio::test]
async fn every_type_of_key_is_found() {
    every_type_is_found(shared_cluster().await.unwrap(), "lookup_types").await;
}

#[tokio::test]
async fn many_keys_at_several_servers() {
    let cluster = shared_cluster().await.unwrap();
    let client = client(cluster);
    let spec = TableSpec::new("lookup_many", "t")
        .column("id", DataTypes::bigint())
        .column("v", DataTypes::bigint())
        .primary_key(["id"])
        .buckets(5);
    cluster.create_table(&spec).await.unwrap();
    let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
    let id = |i: i64| (i - 2_500) * 1_234_567_891;
    let rows: Vec<_> = (0..5_000).map(|i| vec![id(i).into()]).collect();
    let left = change(&mut writer, &rows).await;
    let table = info(&client, &spec).await;
    // backwards, every fourth key twice, and some that never were
    let asked: Vec<i64> = (0..5_200)
        .rev()
        .flat_map(|i| std::iter::repeat_n(i, 1 + usize::from(i % 4 == 0)))
        .collect();
    let ids: Vec<Value> = asked.iter().map(|i| id(*i).into()).collect();
    let found = client.lookup(&lookup(&table, keys(&table, &[("id", &ids)]))).await.unwrap();
    let expected: Vec<(u32, i64)> = (0..)
        .zip(&asked)
        .filter_map(|(key, i)| Some((key, *left.get(&u32::try_from(*i).unwrap())?)))
        .collect();
    assert_eq!(shown(&found, "v"), expected);
    // columns in another order, and none at all
    let some =
        KeyLookup { projection: vec![1, 0], ..lookup(&table, keys(&table, &[("id", &ids)])) };
    let some = client.lookup(&some).await.unwrap();
    assert_eq!(some.rows, found.rows.project(&[1, 0]).unwrap());
    let none = KeyLookup { projection: vec![], ..lookup(&table, keys(&table, &[("id", &ids)])) };
    let none = client.lookup(&none).await.unwrap();
    assert_eq!((none.rows.num_rows(), none.keys), (expected.len(), found.keys));
}

/// The partitions of a table by their first value.
async fn partitions(client: &FlussClient, table: &TableInfo) -> BTreeMap<String, PartitionInfo> {
    let all = client.partitions(&table.path).await.unwrap();
    all.into_iter().map(|partition| (partition.values[0].clone(), partition)).collect()
}

#[tokio::test]
async fn keys_of_partitions() {
    let cluster = shared_cluster().await.unwrap();
    let client = client(cluster);
    // the partition key lies within the primary key, and the bucket key before and behind it
    for (name, bucket_keys) in [("by_both", ["name", "id"].as_slice()), ("by_name", &["name"])] {
        let spec = TableSpec::new("lookup_partitions", name)
            .column("v", DataTypes::bigint())
            .column("name", DataTypes::string())
            .column("region", DataTypes::string())
            .column("id", DataTypes::bigint())
            .primary_key(["name", "region", "id"])
            .partitioned_by(["region"])
            .bucket_keys(bucket_keys)
            .buckets(2);
        cluster.create_table(&spec).await.unwrap();
        for region in ["eu", "us"] {
            cluster.add_partition(spec.path(), &[("region", region)]).await.unwrap();
        }
        let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
        let name_of = |id: i64| format!("n{}", "é".repeat(usize::try_from(id % 7).unwrap()));
        for id in 0..90 {
            let region = if id % 3 == 0 { "us" } else { "eu" };
            let row = [(10 * id).into(), name_of(id).as_str().into(), region.into(), id.into()];
            writer.write(&row).await.unwrap();
        }
        writer.flush().await.unwrap();
        let table = info(&client, &spec).await;
        assert_eq!(table.physical_key(), ["name", "id"]);
        let names: Vec<Value> = (0..90).map(|id| name_of(id).as_str().into()).collect();
        let ids: Vec<Value> = (0..90_i64).map(Value::from).collect();
        let whole = keys(&table, &[("name", &names), ("id", &ids)]);
        let prefixes = keys(&table, &[("name", &names[..7])]);
        let mut rows = 0;
        for (region, partition) in partitions(&client, &table).await {
            let within =
                |keys| KeyLookup { partition: Some(partition.clone()), ..lookup(&table, keys) };
            let found = client.lookup(&within(whole.clone())).await.unwrap();
            let is_here = |id: &i64| (region == "us") == (id % 3 == 0);
            let expected: Vec<(u32, i64)> =
                (0..90).filter(is_here).map(|id| (id as u32, 10 * id)).collect();
            assert_eq!(shown(&found, "v"), expected, "{name} {region}");
            rows += expected.len();
            let found = client.prefix_lookup(&within(prefixes.clone())).await;
            if bucket_keys.len() == 2 {
                assert!(matches!(found, Err(Error::Unsupported(_))), "{found:?}");
                continue;
            }
            let found: BTreeSet<_> = shown(&found.unwrap(), "v").into_iter().collect();
            let of_prefix = (0..90).filter(is_here).map(|id| ((id % 7) as u32, 10 * id));
            assert_eq!(found, of_prefix.collect(), "{region}");
        }
        assert_eq!(rows, 90);
        // a partition that is gone is no empty one
        let gone = PartitionInfo { id: 987_654, ..partitions(&client, &table).await["eu"].clone() };
        let gone = KeyLookup { partition: Some(gone), ..lookup(&table, whole) };
        let gone = client.lookup(&gone).await;
        assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
    }
}

async fn add_column(cluster: &Cluster, spec: &TableSpec, name: &str, data_type: &DataType) {
    let column = AddColumn {
        column_name: name.to_owned(),
        data_type_json: serde_json::to_vec(&data_type.serialize_json().unwrap()).unwrap(),
        comment: None,
        position: ColumnPositionType::Last,
    };
    let changes = AlterTableChanges { add_columns: vec![column], ..Default::default() };
    let admin = cluster.connect().await.unwrap().get_admin().unwrap();
    admin.alter_table(spec.path(), false, changes).await.unwrap();
}

#[tokio::test]
async fn rows_from_before_and_after_a_column_was_added() {
    let cluster = shared_cluster().await.unwrap();
    let client = client(cluster);
    for (name, bucket_keys) in [("by_both", ["name", "id"].as_slice()), ("by_name", &["name"])] {
        let spec = TableSpec::new("lookup_evolved", name)
            .column("name", DataTypes::string())
            .column("id", DataTypes::bigint())
            .column("v", DataTypes::bigint())
            .primary_key(["name", "id"])
            .bucket_keys(bucket_keys)
            .buckets(2);
        cluster.create_table(&spec).await.unwrap();
        let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
        for id in 0..20_i64 {
            writer.write(&["x".into(), id.into(), id.into()]).await.unwrap();
        }
        writer.flush().await.unwrap();
        let before = info(&client, &spec).await;
        add_column(cluster, &spec, "extra", &DataTypes::bigint()).await;
        let write = async || {
            let mut writer = Writer::open(cluster, spec.path()).await?;
            for id in 15..30_i64 {
                let row = ["x".into(), id.into(), (100 + id).into(), (7 * id).into()];
                writer.write(&row).await?;
            }
            writer.flush().await
        };
        // tablet servers learn of a column a moment after it was added, and refuse its rows until then
        let started = Instant::now();
        while let Err(error) = write().await {
            assert!(started.elapsed() < Duration::from_secs(30), "{error}");
        }
        let table = info(&client, &spec).await;
        assert_eq!((before.schema_id, table.schema_id), (1, 2));
        let expected: Vec<(u32, i64)> =
            (0..30).map(|id| (id, i64::from(if id < 15 { id } else { 100 + id }))).collect();
        let names = vec![Value::from("x"); 31];
        let ids: Vec<Value> = (0..31_i64).map(Value::from).collect();
        let found = client
            .lookup(&lookup(&table, keys(&table, &[("name", &names), ("id", &ids)])))
            .await
            .unwrap();
        assert_eq!(shown(&found, "v"), expected);
        let extra = found.rows.column(3).as_primitive::<Int64Type>();
        assert!((0..30).all(|i| extra.is_null(i) == (i < 15)), "{extra:?}");
        assert!((15..30).all(|i| extra.value(i) == 7 * i as i64));
        // who still has the old schema reads the new rows without the new column
        let old = client
            .lookup(&lookup(&before, keys(&before, &[("name", &names), ("id", &ids)])))
            .await
            .unwrap();
        assert_eq!(old.rows, found.rows.project(&[0, 1, 2]).unwrap());
        if bucket_keys.len() == 1 {
            let prefix = lookup(&table, keys(&table, &[("name", &["x".into()])]));
            let found = client.prefix_lookup(&prefix).await.unwrap();
            assert_eq!(found.keys, [0; 30]);
            assert_eq!(found.rows.column(3).null_count(), 15);
        }
    }
}

/// As the tables of servers before 0.9: the whole key in the lake's layout, of which no part is a prefix.
#[tokio::test]
async fn keys_of_the_first_version() {
    let cluster = shared_cluster().await.unwrap();
    let client = client(cluster);
    let spec = TableSpec::new("lookup_version", "t")
        .column("name", DataTypes::string())
        .column("id", DataTypes::bigint())
        .column("v", DataTypes::bigint())
        .primary_key(["name", "id"])
        .bucket_keys(["name"])
        .buckets(3)
        .property("table.kv.format-version", "1");
    cluster.create_table(&spec).await.unwrap();
    let table = info(&client, &spec).await;
    assert_eq!(table.properties["table.kv.format-version"], "1");
    let names: Vec<Value> = (0..60).map(|i| "nameless"[..i % 9].into()).collect();
    let ids: Vec<Value> = (0..60_i64).map(Value::from).collect();
    let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
    let rows: Vec<_> = names.iter().zip(&ids).map(|(n, id)| vec![n.clone(), id.clone()]).collect();
    let left = change(&mut writer, &rows).await;
    let whole = lookup(&table, keys(&table, &[("name", &names), ("id", &ids)]));
    let found = client.lookup(&whole).await.unwrap();
    assert_eq!(shown(&found, "v"), left.into_iter().collect::<Vec<_>>());
    let prefix = lookup(&table, keys(&table, &[("name", &names)]));
    let refused = client.prefix_lookup(&prefix).await;
    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
}

#[tokio::test]
async fn a_table_that_is_gone_is_not_empty() {
    let cluster = shared_cluster().await.unwrap();
    let client = client(cluster);
    let spec = TableSpec::new("lookup_gone", "t")
        .column("id", DataTypes::bigint())
        .column("v", DataTypes::bigint())
        .primary_key(["id"]);
    cluster.create_table(&spec).await.unwrap();
    let table = info(&client, &spec).await;
    let asked = lookup(&table, keys(&table, &[("id", &[1_i64.into()])]));
    assert_eq!(client.lookup(&asked).await.unwrap().keys, [0; 0]);
    cluster.drop_table(spec.path()).await.unwrap();
    // servers keep its buckets a moment longer
    let started = Instant::now();
    let gone = loop {
        match client.lookup(&asked).await {
            Ok(found) => assert_eq!(found.keys, [0; 0]),
            Err(error) => break error,
        }
        assert!(started.elapsed() < Duration::from_secs(30), "still there");
    };
    assert!(matches!(gone, Error::NotFound(_)), "{gone:?}");
}

/// A server that is gone or frozen ends a lookup at its deadline, and one that comes back within it is waited for.
#[tokio::test]
async fn lookups_meet_a_server_that_is_killed_and_frozen() {
    let options = ClusterOptions { tiering: false, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    let spec = TableSpec::new("lookup_faults", "t")
        .column("id", DataTypes::bigint())
        .column("v", DataTypes::bigint())
        .primary_key(["id"])
        .buckets(3);
    cluster.create_table(&spec).await.unwrap();
    let mut writer = Writer::open(&cluster, spec.path()).await.unwrap();
    let rows: Vec<_> = (0..300_i64).map(|id| vec![id.into()]).collect();
    let expected: Vec<(u32, i64)> = change(&mut writer, &rows).await.into_iter().collect();
    drop(writer);
    let patient = client_with(&cluster, "90s");
    let hasty = client_with(&cluster, "2s");
    let table = info(&patient, &spec).await;
    let ids: Vec<Value> = (0..301_i64).map(Value::from).collect();
    let all = lookup(&table, keys(&table, &[("id", &ids)]));
    let buckets: Vec<_> = table.buckets(None).collect();
    let counted = async |client: &FlussClient| {
        let stats = client.table_stats(&table, &buckets).await?;
        Ok::<u64, Error>(stats.into_values().flatten().sum())
    };
    for (client, what) in [(&patient, "patient"), (&hasty, "hasty")] {
        assert_eq!(shown(&client.lookup(&all).await.unwrap(), "v"), expected, "{what}");
    }
    // a lone server that is killed truncates its log to the last high watermark that it noted: it would lose the rows
    let started = Instant::now();
    let ends = patient.offsets(&table, None, &[0, 1, 2], OffsetSpec::Latest).await.unwrap();
    let noted = cluster.directory().join("tablet-0/data/high-watermark-checkpoint");
    let is_noted = |noted: &str| {
        let line = |(bucket, end): (&i32, &i64)| format!("{} {bucket} {end}", table.table_id);
        ends.iter().all(|end| noted.lines().any(|noted| noted == line(end)))
    };
    while !std::fs::read_to_string(&noted).is_ok_and(|noted| is_noted(&noted)) {
        assert!(started.elapsed() < Duration::from_secs(60), "no end of the logs is noted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let server = Node::Tablet(0);
    for is_killed in [true, false] {
        if is_killed { cluster.kill(server) } else { cluster.freeze(server) }.unwrap();
        let started = Instant::now();
        let (rows, count) = tokio::join!(hasty.lookup(&all), counted(&hasty));
        let late = started.elapsed();
        assert!(rows.is_err() && count.is_err(), "{rows:?} {count:?}");
        assert!(late < Duration::from_secs(3), "{late:?}");
        let back = async {
            if is_killed { cluster.restart(server).await } else { cluster.thaw(server) }.unwrap();
        };
        let (rows, count, ()) = tokio::join!(patient.lookup(&all), counted(&patient), back);
        assert_eq!(shown(&rows.unwrap(), "v"), expected, "killed: {is_killed}");
        // a server that still loads a bucket's state counts the records of its log
        let (started, mut count) = (Instant::now(), count.unwrap());
        while count != expected.len() as u64 {
            assert!(is_killed && started.elapsed() < Duration::from_secs(60), "{count} rows");
            count = counted(&patient).await.unwrap();
        }
    }
}

/// Where there is no lake, clients put the same keys into different buckets.
#[tokio::test]
async fn keys_in_a_cluster_without_a_lake() {
    let options = ClusterOptions { lake: false, tiering: false, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    every_type_is_found(&cluster, "lookup_types").await;
    let client = client(&cluster);
    let spec = |name: &str| {
        TableSpec::new("lookup_clients", name)
            .column("id", DataTypes::bigint())
            .column("v", DataTypes::bigint())
            .primary_key(["id"])
            .buckets(3)
    };
    // in `shared` each client writes every second key, in `twice` both write all
    let (shared, twice) = (spec("shared"), spec("twice"));
    for (spec, step) in [(&shared, 2), (&twice, 1)] {
        cluster.create_table(spec).await.unwrap();
        let mut writer = Writer::open(&cluster, spec.path()).await.unwrap();
        for id in (0..400_i64).step_by(step) {
            writer.write(&[id.into(), (10 * id).into()]).await.unwrap();
        }
        writer.flush().await.unwrap();
    }
    let rows = |first: i64, step: usize| {
        let rows = (first..400).step_by(step).map(|id| format!("({id}, {})", 10 * id));
        rows.collect::<Vec<_>>().join(", ")
    };
    // rows in the other format
    let indexed = spec("indexed").property("table.kv.format", "INDEXED");
    cluster.create_table(&indexed).await.unwrap();
    let inserts = [
        format!("INSERT INTO shared VALUES {}", rows(1, 2)),
        format!("INSERT INTO twice VALUES {}", rows(0, 1)),
        format!("INSERT INTO indexed VALUES {}", rows(0, 1)),
    ];
    let inserts = inserts.each_ref().map(String::as_str);
    cluster.oracle_all("lookup_clients", &inserts, Duration::from_secs(120)).await.unwrap();
    let ids: Vec<Value> = (0..401_i64).map(Value::from).collect();
    for spec in [&shared, &indexed] {
        let table = info(&client, spec).await;
        assert_eq!(table.properties.get("table.datalake.format"), None);
        let all = lookup(&table, keys(&table, &[("id", &ids)]));
        let found = client.lookup(&all).await.unwrap();
        let expected: Vec<(u32, i64)> = (0..400).map(|id| (id, 10 * i64::from(id))).collect();
        assert_eq!(shown(&found, "v"), expected, "{}", table.path);
    }
    // a key that lies in two buckets has no one row
    let table = info(&client, &twice).await;
    let mut refused = vec![];
    for id in 0..400_i64 {
        let one = lookup(&table, keys(&table, &[("id", &[id.into()])]));
        match client.lookup(&one).await {
            Ok(found) => assert_eq!(shown(&found, "v"), [(0, 10 * id)]),
            Err(Error::Unsupported(what)) if what.contains("lies in the buckets") => {
                refused.push(id);
            }
            Err(error) => panic!("{id}: {error}"),
        }
    }
    let mut times: BTreeMap<i64, usize> = BTreeMap::new();
    for bucket in table.buckets(None) {
        let scan = KvScan {
            table: table.clone(),
            partition_id: None,
            bucket: bucket.bucket,
            projection: vec![0],
        };
        let rows = client.scan_kv(scan).await.unwrap().fold(&[0]).unwrap();
        for id in rows.column(0).as_primitive::<Int64Type>().values() {
            *times.entry(*id).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 400);
    let seen: Vec<i64> = times.iter().filter(|(_, n)| **n > 1).map(|(id, _)| *id).collect();
    assert_eq!(refused, seen);
    assert!(seen.len() > 50 && seen.iter().all(|id| *id >= 128), "{seen:?}");
}

#[tokio::test]
async fn row_counts_follow_updates_and_deletes() {
    let cluster = shared_cluster().await.unwrap();
    let client = client(cluster);
    let spec = |name: &str| {
        TableSpec::new("lookup_stats", name)
            .column("region", DataTypes::string())
            .column("id", DataTypes::bigint())
            .column("v", DataTypes::bigint())
            .buckets(3)
    };
    let row = |id: i64| {
        let region = if id % 4 == 0 { "us" } else { "eu" };
        vec![region.into(), id.into()]
    };
    let rows: Vec<_> = (0..200).map(row).collect();
    for (name, spec, counted) in [
        ("log", spec("log"), Some(200)),
        ("empty", spec("empty").primary_key(["id"]), Some(0)),
        ("pk", spec("pk").primary_key(["id"]), None),
        ("pk_part", spec("pk_part").primary_key(["region", "id"]).partitioned_by(["region"]), None),
        ("log_part", spec("log_part").partitioned_by(["region"]), Some(200)),
    ] {
        cluster.create_table(&spec).await.unwrap();
        if name.ends_with("part") {
            for region in ["eu", "us"] {
                cluster.add_partition(spec.path(), &[("region", region)]).await.unwrap();
            }
        }
        let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
        if counted.is_none() {
            let left = change(&mut writer, &rows).await;
            assert_eq!(left.len(), 133);
        } else if counted == Some(200) {
            for row in &rows {
                writer.write(&[&row[..], &[1_i64.into()]].concat()).await.unwrap();
            }
            writer.flush().await.unwrap();
        }
        let table = info(&client, &spec).await;
        let partitions: Vec<Option<PartitionInfo>> = match table.partition_keys.is_empty() {
            true => vec![None],
            false => partitions(&client, &table).await.into_values().map(Some).collect(),
        };
        let buckets: Vec<_> = partitions.iter().flat_map(|p| table.buckets(p.as_ref())).collect();
        assert_eq!(buckets.len(), 3 * partitions.len());
        let stats = client.table_stats(&table, &buckets).await.unwrap();
        assert_eq!(stats.keys().copied().collect::<Vec<_>>(), buckets);
        assert_eq!(stats.values().map(|rows| rows.unwrap()).sum::<u64>(), counted.unwrap_or(133));
        for (bucket, counted) in stats.into_iter().filter(|_| name.starts_with("pk")) {
            let scan = KvScan {
                table: table.clone(),
                partition_id: bucket.partition_id,
                bucket: bucket.bucket,
                projection: vec![0, 1],
            };
            let state = client.scan_kv(scan).await.unwrap().fold(&[0, 1]).unwrap();
            assert_eq!(counted, Some(state.num_rows() as u64), "{name} {bucket}");
        }
    }
    let wal = spec("wal").primary_key(["id"]).property("table.changelog.image", "WAL");
    cluster.create_table(&wal).await.unwrap();
    let table = info(&client, &wal).await;
    let buckets: Vec<_> = table.buckets(None).collect();
    let stats = client.table_stats(&table, &buckets).await.unwrap();
    assert_eq!(stats.into_values().collect::<Vec<_>>(), [None; 3], "no old images, no counts");
    let missing = client.table_stats(&table, &[table.bucket(None, 77)]).await;
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
}

#[tokio::test]
async fn offsets_of_times() {
    let cluster = shared_cluster().await.unwrap();
    let client = client(cluster);
    let spec = TableSpec::new("lookup_times", "t").column("id", DataTypes::bigint());
    cluster.create_table(&spec).await.unwrap();
    let table = info(&client, &spec).await;
    let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_millis()).unwrap()
    };
    let at = async |time: i64| {
        client.offsets(&table, None, &[0], OffsetSpec::Timestamp(time)).await.map(|all| all[&0])
    };
    // batches whose times differ, and a moment between each and the next
    let mut moments = vec![];
    for batch in 0..5_i64 {
        let before = now();
        while now() <= before + 1 {
            tokio::task::yield_now().await;
        }
        moments.push((before + 1, 10 * batch));
        for id in 0..10 {
            writer.write(&[Value::from(10 * batch + id)]).await.unwrap();
        }
        writer.flush().await.unwrap();
    }
    for (time, offset) in moments {
        assert_eq!(at(time).await.unwrap(), offset);
    }
    assert_eq!(at(0).await.unwrap(), 0);
    let last = now();
    while now() <= last {
        tokio::task::yield_now().await;
    }
    assert_eq!(at(now() - 1).await.unwrap(), 50, "nothing was written since");
    let future = at(now() + 3_600_000).await;
    assert!(matches!(future, Err(Error::Server { code: 38, .. })), "{future:?}");
}
