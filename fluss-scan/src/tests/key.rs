//! Keys against those that Fluss writes.
//!
//! `tests/keys.json` holds keys of every type as `CompactedKeyEncoder` and `PaimonKeyEncoder` of Fluss 0.9.1
//! encode them, and their buckets among 1, 3, 16 and 1000 by `FlussBucketingFunction` and
//! `PaimonBucketingFunction`. Values: numbers in the unit of the Arrow type, texts and bytes in hexadecimal,
//! FLOAT and DOUBLE by their bits.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray, Time32MillisecondArray, Time32SecondArray, Time64MicrosecondArray,
    Time64NanosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray,
};
use arrow::compute::cast;
use serde::Deserialize;
use serde_json::{Value, json};

use super::keyed::{Keyed, LAKE, NO_LAKE, ids};
use super::server::{SERVERS, recorded_answer};
use crate::key::KeyFormat;
use crate::messages::GetTableStats;
use crate::table::TableInfo;
use crate::{Error, FlussType};

#[derive(Deserialize)]
struct Written {
    types: Vec<Value>,
    values: Vec<String>,
    compacted: String,
    paimon: String,
    fluss_buckets: [i32; 4],
    paimon_buckets: [i32; 4],
}

const BUCKETS: [i32; 4] = [1, 3, 16, 1000];

fn written() -> Vec<Written> {
    let keys = include_str!("../../tests/keys.json");
    serde_json::from_str(keys).unwrap()
}

fn from_hex(text: &str) -> Vec<u8> {
    let byte = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// An array of one value.
fn array(data_type: &FlussType, value: &str) -> ArrayRef {
    let number = || value.parse::<i64>().unwrap();
    let small = || value.parse::<i32>().unwrap();
    let utc = |ltz: bool| ltz.then_some("UTC");
    match *data_type {
        FlussType::Boolean => Arc::new(BooleanArray::from(vec![value == "true"])),
        FlussType::TinyInt => Arc::new(Int8Array::from(vec![value.parse::<i8>().unwrap()])),
        FlussType::SmallInt => Arc::new(Int16Array::from(vec![value.parse::<i16>().unwrap()])),
        FlussType::Int => Arc::new(Int32Array::from(vec![small()])),
        FlussType::BigInt => Arc::new(Int64Array::from(vec![number()])),
        FlussType::Float => Arc::new(Float32Array::from(vec![f32::from_bits(small() as u32)])),
        FlussType::Double => Arc::new(Float64Array::from(vec![f64::from_bits(number() as u64)])),
        FlussType::Date => Arc::new(Date32Array::from(vec![small()])),
        FlussType::Time(0) => Arc::new(Time32SecondArray::from(vec![small()])),
        FlussType::Time(1..=3) => Arc::new(Time32MillisecondArray::from(vec![small()])),
        FlussType::Time(4..=6) => Arc::new(Time64MicrosecondArray::from(vec![number()])),
        FlussType::Time(_) => Arc::new(Time64NanosecondArray::from(vec![number()])),
        FlussType::Decimal(precision, scale) => {
            let value = Decimal128Array::from(vec![value.parse::<i128>().unwrap()]);
            Arc::new(value.with_precision_and_scale(precision, scale).unwrap())
        }
        FlussType::Char(_) | FlussType::String => {
            Arc::new(StringArray::from(vec![String::from_utf8(from_hex(value)).unwrap()]))
        }
        FlussType::Bytes => Arc::new(BinaryArray::from(vec![&from_hex(value)[..]])),
        FlussType::Binary(_) => {
            let values = [from_hex(value)].into_iter();
            Arc::new(FixedSizeBinaryArray::try_from_iter(values).unwrap())
        }
        FlussType::Timestamp(p) | FlussType::TimestampLtz(p) => {
            let utc = utc(matches!(data_type, FlussType::TimestampLtz(_)));
            let value = vec![number()];
            match p {
                0 => Arc::new(TimestampSecondArray::from(value).with_timezone_opt(utc)),
                1..=3 => Arc::new(TimestampMillisecondArray::from(value).with_timezone_opt(utc)),
                4..=6 => Arc::new(TimestampMicrosecondArray::from(value).with_timezone_opt(utc)),
                _ => Arc::new(TimestampNanosecondArray::from(value).with_timezone_opt(utc)),
            }
        }
        FlussType::Array(_) | FlussType::Map(..) | FlussType::Row(_) => panic!("{data_type}"),
    }
}

impl Written {
    /// The table, and the key as a batch.
    fn table(
        &self,
        bucket: impl Fn(usize) -> bool,
        properties: &[(&str, &str)],
    ) -> (TableInfo, RecordBatch) {
        let names: Vec<String> = (0..self.types.len()).map(|i| format!("c{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let columns: Vec<(&str, Value)> =
            names.iter().copied().zip(self.types.iter().cloned()).collect();
        let indexed = names.iter().enumerate();
        let bucket: Vec<&str> = indexed.filter(|(i, _)| bucket(*i)).map(|(_, n)| *n).collect();
        let keyed =
            Keyed { table_id: 3, primary: &names, bucket: &bucket, partition: &[], properties };
        let table = keyed.table(&columns);
        let arrays = table.schema.columns.iter().zip(&self.values);
        let arrays = arrays.map(|(c, value)| (c.name.clone(), array(&c.data_type, value)));
        // in any order
        let arrays: Vec<_> = arrays.rev().collect();
        (table, RecordBatch::try_from_iter(arrays).unwrap())
    }
}

fn keys_of(table: &TableInfo, batch: &RecordBatch, buckets: i32) -> (Vec<u8>, (i32, Option<i32>)) {
    let keys = KeyFormat::of(table).unwrap().keys(batch, buckets).unwrap();
    assert_eq!(keys.len(), 1);
    (keys[0].bytes.to_vec(), keys[0].buckets)
}

#[test]
fn keys_and_buckets_are_those_of_fluss() {
    let written = written();
    assert!(written.len() > 200);
    let mut disagreements = 0;
    for key in &written {
        let what = format!("{:?} {:?}", key.types, key.values);
        for (i, buckets) in BUCKETS.into_iter().enumerate() {
            let (table, batch) = key.table(|_| true, NO_LAKE);
            let (bytes, (bucket, other)) = keys_of(&table, &batch, buckets);
            assert_eq!(bytes, from_hex(&key.compacted), "{what}");
            assert_eq!(bucket, key.fluss_buckets[i], "{what}");
            disagreements += usize::from(other.is_some());
            let (table, batch) = key.table(|_| true, LAKE);
            let (bytes, candidates) = keys_of(&table, &batch, buckets);
            assert_eq!(bytes, from_hex(&key.paimon), "{what}");
            assert_eq!(candidates, (key.paimon_buckets[i], None), "{what}: whole words");
        }
    }
    assert!(disagreements > 100, "{disagreements} keys whose last bytes have a sign");
}

#[test]
fn the_layout_follows_lake_version_and_bucket_key() {
    let v1 = &[("table.datalake.format", "PAIMON"), ("table.kv.format-version", "1")];
    let unversioned = &[("table.datalake.format", "paimon")];
    let several = written().into_iter().filter(|key| key.types.len() > 1);
    for key in several {
        // the bucket key is all but the first column, which is no prefix
        let rest = Written {
            types: key.types[1..].to_vec(),
            values: key.values[1..].to_vec(),
            ..written().remove(0)
        };
        let (table, batch) = rest.table(|_| true, LAKE);
        let (_, of_rest) = keys_of(&table, &batch, 16);
        for (properties, layout) in
            [(LAKE, &key.compacted), (&v1[..], &key.paimon), (&unversioned[..], &key.paimon)]
        {
            let (table, batch) = key.table(|i| i > 0, properties);
            let (bytes, buckets) = keys_of(&table, &batch, 16);
            assert_eq!((bytes, buckets), (from_hex(layout), of_rest), "{:?}", key.types);
        }
    }
}

#[test]
fn rows_were_written_to_the_buckets_that_are_computed() {
    // the recorded tables hold 0 to 199 without those that 10 divides
    let written: Vec<i64> = (0..200).filter(|id| id % 10 != 0).collect();
    let table = |properties| {
        let (key, bucket) = (&["id"], &["id"]);
        let keyed = Keyed { table_id: 3, primary: key, bucket, partition: &[], properties };
        keyed.table(&[("id", json!({"type": "BIGINT"}))])
    };
    let lake = table(LAKE);
    let keys = KeyFormat::of(&lake).unwrap().keys(&ids(&written), 3).unwrap();
    for server in SERVERS {
        let stats = format!("table_stats_pk_plain_tablet.{server}.resp");
        for of_bucket in recorded_answer::<GetTableStats>(&stats).buckets {
            let rows = keys.iter().filter(|key| key.buckets.0 == of_bucket.bucket).count();
            assert_eq!(rows as i64, of_bucket.row_count.unwrap(), "{server}");
        }
    }
    // without a lake, clients of two kinds agree about 136 of them
    let plain = table(NO_LAKE);
    let keys = KeyFormat::of(&plain).unwrap().keys(&ids(&written), 3).unwrap();
    assert_eq!(keys.iter().filter(|key| key.buckets.1.is_none()).count(), 136);
}

#[test]
fn prefixes_begin_their_keys_in_bytes() {
    for key in written().into_iter().filter(|key| key.types.len() > 1) {
        for properties in [LAKE, NO_LAKE] {
            let (table, whole) = key.table(|i| i == 0, properties);
            let prefix = whole.project(&[whole.num_columns() - 1]).unwrap();
            let format = KeyFormat::of(&table).unwrap();
            let prefix = format.prefixes(&prefix, 16).unwrap().remove(0);
            let whole = format.keys(&whole, 16).unwrap().remove(0);
            assert!(whole.bytes.starts_with(&prefix.bytes) && prefix.bytes < whole.bytes);
            assert_eq!(whole.buckets, prefix.buckets, "{:?}", key.types);
        }
    }
}

#[test]
fn prefixes_that_do_not_begin_the_stored_keys_are_refused() {
    let old_lake: &[(&str, &str)] = &[("table.datalake.format", "paimon")];
    for (primary, bucket, properties) in [
        (&["name", "id"][..], &["name", "id"][..], LAKE),
        (&["name", "id"], &["name", "id"], NO_LAKE),
        (&["name", "id"], &["id"], LAKE),
        (&["name", "id"], &["id", "name"], NO_LAKE),
        (&["name", "id"], &["name"], old_lake),
    ] {
        let table = Keyed { table_id: 3, primary, bucket, partition: &[], properties }.names();
        let prefix = super::keyed::names(&["a"]);
        let refused = KeyFormat::of(&table).unwrap().prefixes(&prefix, 3).unwrap_err();
        assert!(matches!(&refused, Error::Unsupported(what) if what.contains("prefix")));
    }
}

#[test]
fn what_is_not_known_for_sure_is_refused_by_name() {
    let bigint = json!({"type": "BIGINT"});
    let refused = |primary: &[&str], bucket: &[&str], properties: &[(&str, &str)], t: &Value| {
        let keyed = Keyed { table_id: 3, primary, bucket, partition: &["p"], properties };
        let table = keyed.table(&[("id", t.clone()), ("p", bigint.clone())]);
        KeyFormat::of(&table).map(|_| ()).unwrap_err().to_string()
    };
    let id: &[&str] = &["id"];
    let iceberg: &[(&str, &str)] = &[("table.datalake.format", "iceberg")];
    let version_3: &[(&str, &str)] = &[("table.kv.format-version", "3")];
    let list = json!({"type": "ARRAY", "element_type": {"type": "INTEGER"}});
    let row = json!({"type": "ROW", "fields": [{"name": "a", "field_type": {"type": "INTEGER"}}]});
    for (error, named) in [
        (refused(&[], id, LAKE, &bigint), "no primary key"),
        (refused(id, id, iceberg, &bigint), "iceberg"),
        (refused(id, id, version_3, &bigint), "version 3"),
        (refused(id, &[], LAKE, &bigint), "empty key"),
        (refused(&["p"], id, LAKE, &bigint), "empty key"),
        (refused(id, &["nope"], LAKE, &bigint), "nope"),
        (refused(id, &["p"], LAKE, &bigint), "'p'"),
        (refused(id, id, LAKE, &list), "array<int>"),
        (refused(id, id, NO_LAKE, &row), "struct<a:int>"),
    ] {
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn keys_of_other_columns_types_and_values_are_refused() {
    let one = |data_type: &str, array: ArrayRef| -> Error {
        let data_type: Value = serde_json::from_str(data_type).unwrap();
        let id: &[&str] = &["id"];
        let keyed =
            Keyed { table_id: 3, primary: id, bucket: id, partition: &[], properties: LAKE };
        let table = keyed.table(&[("id", data_type), ("v", json!({"type": "BIGINT"}))]);
        let batch = RecordBatch::try_from_iter([("id", array)]).unwrap();
        KeyFormat::of(&table).unwrap().keys(&batch, 3).unwrap_err()
    };
    let bigint = r#"{"type": "BIGINT"}"#;
    let time = |p: u8| format!(r#"{{"type": "TIME_WITHOUT_TIME_ZONE", "precision": {p}}}"#);
    let timestamp = r#"{"type": "TIMESTAMP_WITHOUT_TIME_ZONE", "precision": 0}"#;
    let decimal = r#"{"type": "DECIMAL", "precision": 18, "scale": 0}"#;
    let beyond = Decimal128Array::from(vec![i128::from(i64::MAX) + 1]);
    let beyond = beyond.with_precision_and_scale(18, 0).unwrap();
    let list = ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>([Some([])]);
    let longs: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let as_text = cast(&longs, &arrow::datatypes::DataType::LargeUtf8).unwrap();
    for (error, named) in [
        (one(bigint, Arc::new(Int64Array::from(vec![Some(1), None]))), "NULL"),
        (one(bigint, Arc::new(Int32Array::from(vec![1]))), "Int32 where Int64"),
        (one(bigint, as_text), "LargeUtf8"),
        (one(bigint, Arc::new(list)), "List"),
        (one(&time(6), Arc::new(Time64MicrosecondArray::from(vec![1_001]))), "1001"),
        (one(&time(9), Arc::new(Time64NanosecondArray::from(vec![1_000_001]))), "1000001"),
        (one(&time(9), Arc::new(Time64NanosecondArray::from(vec![i64::MAX / 8 * 8]))), "'id'"),
        (one(&time(0), Arc::new(Time32SecondArray::from(vec![i32::MAX]))), "'id'"),
        (one(timestamp, Arc::new(TimestampSecondArray::from(vec![i64::MAX]))), "'id'"),
        (one(decimal, Arc::new(beyond)), "decimal(18,0)"),
    ] {
        let is_named = matches!(&error, Error::Unsupported(what) if what.contains(named));
        assert!(is_named, "{error}");
    }
    let id: &[&str] = &["id"];
    let keyed = Keyed { table_id: 3, primary: id, bucket: id, partition: &[], properties: LAKE };
    let table = keyed.names();
    let format = KeyFormat::of(&table).unwrap();
    for (batch, named) in [
        (super::keyed::names(&["a"]), "'name'"),
        (super::keyed::names_and_ids(&[("a", 1)]), "'name'"),
    ] {
        let error = format.keys(&batch, 3).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    let nothing = RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty()));
    assert!(format.keys(&nothing, 3).unwrap_err().to_string().contains("without column 'id'"));
}
