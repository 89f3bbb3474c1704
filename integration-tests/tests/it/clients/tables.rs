//! The tables that the checks ask, with every type and its limits.

use std::time::Duration;

use chrono::NaiveDateTime;
use fluss::metadata::DataTypes;
use integration_tests::{Cluster, TableSpec, Value, Writer};

use super::DATABASE;

const TIERED: Duration = Duration::from_secs(90);

/// `types`, a primary-key table of which the first half is in the lake, and `visits`, a log table that is there completely.
pub async fn write_tables(cluster: &Cluster) {
    let visits = TableSpec::new(DATABASE, "visits")
        .column("id", DataTypes::bigint())
        .column("customer", DataTypes::bigint())
        .column("city", DataTypes::string())
        .buckets(2)
        .lake(Duration::from_secs(1));
    let types = types();
    for spec in [&visits, &types] {
        cluster.create_table(spec).await.unwrap();
    }
    let mut writer = Writer::open(cluster, visits.path()).await.unwrap();
    let customers =
        [(10, Some(1), Some("Praha")), (11, Some(4), Some("東京")), (12, Some(7), Some("Praha"))];
    for (id, customer, city) in
        customers.into_iter().chain([(13, Some(8), None), (14, None, Some(""))])
    {
        writer
            .write(&[
                Value::BigInt(id),
                customer.map(Value::BigInt).unwrap_or(Value::Null),
                city.into(),
            ])
            .await
            .unwrap();
    }
    writer.flush().await.unwrap();

    let mut writer = Writer::open(cluster, types.path()).await.unwrap();
    let gone = row(8, false, "before", Value::Null, "2000-01-01 00:00:00");
    let before = row(7, true, "before", Value::Bytes(vec![]), "2000-01-01 00:00:00");
    let rows = rows();
    for row in rows[..3].iter().chain([&before, &gone]) {
        writer.write(row).await.unwrap();
    }
    writer.flush().await.unwrap();
    cluster.wait_tiered(visits.path(), TIERED).await.unwrap();
    cluster.wait_tiered(types.path(), TIERED).await.unwrap();
    for row in &rows[3..] {
        writer.write(row).await.unwrap();
    }
    writer.delete(&gone).await.unwrap();
    writer.flush().await.unwrap();
}

fn types() -> TableSpec {
    TableSpec::new(DATABASE, "types")
        .column("id", DataTypes::bigint())
        .column("flag", DataTypes::boolean())
        .column("tiny", DataTypes::tinyint())
        .column("small", DataTypes::smallint())
        .column("medium", DataTypes::int())
        .column("big", DataTypes::bigint())
        .column("single", DataTypes::float())
        .column("dbl", DataTypes::double())
        .column("price", DataTypes::decimal(10, 2))
        .column("huge", DataTypes::decimal(38, 10))
        .column("name", DataTypes::string())
        .column("data", DataTypes::bytes())
        .column("day", DataTypes::date())
        .column("clock", DataTypes::time_with_precision(3))
        .column("at", DataTypes::timestamp_with_precision(6))
        .column("ms", DataTypes::timestamp_with_precision(3))
        .column("zoned", DataTypes::timestamp_ltz_with_precision(6))
        .primary_key(["id"])
        .buckets(2)
        .lake(Duration::from_secs(1))
}

/// The rows that `types` has in the end, by id from 1.
fn rows() -> Vec<Vec<Value>> {
    let mut ada = row(1, true, "Ada", Value::Bytes(b"abc".to_vec()), "2024-02-29 12:34:56.123456");
    numbers(&mut ada, [1, 2, 3, 4], 1.5, 2.25, ["12.34", "1234567890.0123456789"]);
    ada[13] = Value::Time(45_296_789);
    ada[15] = timestamp("2024-02-29 12:34:56.789");
    ada[16] = zoned("2024-02-29 12:34:56.000001");

    let mut nulls = vec![Value::Null; 17];
    nulls[0] = Value::BigInt(2);

    let least = [i64::from(i8::MIN), i64::from(i16::MIN), i64::from(i32::MIN), i64::MIN];
    let mut min = row(3, false, "", Value::Bytes(vec![]), "1000-01-01 00:00:00.001");
    numbers(
        &mut min,
        least,
        f32::MIN,
        f64::MIN,
        ["-99999999.99", "-9999999999999999999999999999.9999999999"],
    );
    min[13] = Value::Time(0);
    min[15] = timestamp("1000-01-01 00:00:00");
    min[16] = zoned("1000-01-01 00:00:00");

    let most = [i64::from(i8::MAX), i64::from(i16::MAX), i64::from(i32::MAX), i64::MAX];
    let text = "žluťoučký kůň 🐎 日本語";
    let mut max = row(4, true, text, Value::Bytes(vec![255, 0, 254]), "9999-12-31 23:59:59.999999");
    numbers(
        &mut max,
        most,
        f32::MAX,
        f64::MAX,
        ["99999999.99", "9999999999999999999999999999.9999999999"],
    );
    max[13] = Value::Time(86_399_999);
    max[15] = timestamp("9999-12-31 23:59:59.999");

    let text = "tab\tline\nquote'\"back\\slash%";
    let mut zero = row(5, false, text, Value::Bytes(b"\0'\\\n".to_vec()), "1970-01-01 00:00:00");
    numbers(&mut zero, [0; 4], 0.1, 0.1, ["0.05", "0.0000000001"]);
    zero[13] = Value::Time(1000);

    let mut below = row(6, true, "Zoë", Value::Bytes("Zoë".into()), "1969-12-31 23:59:59.999");
    let (single, double) = (f32::from_bits(1), f64::from_bits(1));
    numbers(&mut below, [-1; 4], single, double, ["-0.05", "-0.0000000001"]);
    below[13] = Value::Time(22_028_000);

    let mut after = row(7, false, "after", Value::Bytes(vec![7]), "2000-01-01 00:00:00.000007");
    after[15] = timestamp("2000-01-01 00:00:00.007");
    vec![ada, nulls, min, max, zero, below, after]
}

/// A row of `types` whose numbers are its id, and whose times are `at`.
fn row(id: i64, flag: bool, name: &str, data: Value, at: &str) -> Vec<Value> {
    let mut row = vec![Value::Null; 17];
    numbers(&mut row, [id; 4], id as f32, id as f64, ["0.00", "0.0000000000"]);
    row[0] = id.into();
    row[1] = flag.into();
    row[10] = name.into();
    row[11] = data;
    row[12] = Value::Date(i32::try_from(micros(at).div_euclid(86_400_000_000)).unwrap());
    row[13] = Value::Time(i32::try_from(id * 3_600_000).unwrap());
    row[14] = timestamp(at);
    row[15] = timestamp(at);
    row[16] = zoned(at);
    row
}

fn numbers(row: &mut [Value], whole: [i64; 4], single: f32, double: f64, decimals: [&str; 2]) {
    row[2] = Value::TinyInt(i8::try_from(whole[0]).unwrap());
    row[3] = Value::SmallInt(i16::try_from(whole[1]).unwrap());
    row[4] = Value::Int(i32::try_from(whole[2]).unwrap());
    row[5] = whole[3].into();
    row[6] = single.into();
    row[7] = double.into();
    let unscaled = |text: &str| text.replace('.', "").parse().unwrap();
    row[8] = Value::decimal(unscaled(decimals[0]), 10, 2);
    row[9] = Value::decimal(unscaled(decimals[1]), 38, 10);
}

fn timestamp(text: &str) -> Value {
    Value::Timestamp(micros(text))
}

fn zoned(text: &str) -> Value {
    Value::TimestampLtz(micros(text))
}

fn micros(text: &str) -> i64 {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap();
    time.and_utc().timestamp_micros()
}
