//! What was written into the recorded tables, computed from each row's `id` and `ver`.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    Time32MillisecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Int32Type, Int64Type};

use super::server::recorded_answer;
use crate::messages::GetTableInfo;
use crate::table::{TableInfo, TablePath};

/// The position of `ver` in a FULL table.
pub(super) const VER: usize = 15;

/// A FULL table with this id.
pub(super) fn full_table(table_id: i64) -> TableInfo {
    let answer = recorded_answer::<GetTableInfo>("table_info_pk_plain_tablet.v10.resp");
    let path = TablePath::new("w", "full");
    let mut table = TableInfo::parse(path, answer).unwrap();
    table.table_id = table_id;
    table
}

/// `id` and `ver` of each row; `ver` is at `ver_at`.
pub(super) fn keys(rows: &RecordBatch, ver_at: usize) -> Vec<(i64, i32)> {
    let ids = rows.column(0).as_primitive::<Int64Type>().values().iter().copied();
    let vers = rows.column(ver_at).as_primitive::<Int32Type>().values().iter().copied();
    ids.zip(vers).collect()
}

/// The rows that were written for these ids and versions, all sixteen columns.
pub(super) fn expected_rows(keys: &[(i64, i32)]) -> RecordBatch {
    let table = full_table(0);
    let fields = table.schema.columns.iter().map(|c| c.arrow().with_nullable(true));
    let schema = arrow::datatypes::Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), expected_columns(keys)).unwrap()
}

fn expected_columns(keys: &[(i64, i32)]) -> Vec<ArrayRef> {
    fn each<T: FromIterator<V>, V>(keys: &[(i64, i32)], value: impl Fn(i64, i32) -> V) -> T {
        keys.iter().map(|(id, ver)| value(*id, *ver)).collect()
    }
    let unless = |is_null: bool| (!is_null).then_some(());
    let micros = |i: i64| {
        if i % 13 == 0 { -1000 - 1000 * i } else { 1_600_000_000_000_000 + 1_000_001 * i }
    };
    let time = |i: i64| ((i / 3600 % 24 * 60 + i / 60 % 60) * 60 + i % 60) * 1000 + i % 1000;
    let amount =
        |i: i64, v: i32| i128::from((100 * i + i64::from(v)) * if i % 2 == 0 { 1 } else { -1 });
    let big = |i: i64| (12_345_678_901_234_567_890 + i128::from(i)) * 100_000 + 1;
    let amounts: Decimal128Array = each(keys, |i, v| unless(i % 11 == 0).map(|()| amount(i, v)));
    let bigs: Decimal128Array = each(keys, |i, _| unless(i % 3 == 0).map(|()| big(i)));
    let times: TimestampMicrosecondArray = each(keys, |i, _| Some(micros(i)));
    let bytes: Vec<[u8; 2]> = each(keys, |i, v| [(i % 256) as u8, (v % 256) as u8]);
    vec![
        Arc::new(each::<Int64Array, _>(keys, |i, _| Some(i))),
        Arc::new(each::<StringArray, _>(keys, |i, v| {
            unless(i % 5 == 0).map(|()| format!("n{i}-{v}"))
        })),
        Arc::new(each::<Int32Array, _>(keys, |i, _| {
            unless(i % 7 == 0).map(|()| (3 * i - 1000) as i32)
        })),
        Arc::new(amounts.with_precision_and_scale(18, 2).unwrap()),
        Arc::new(bigs.with_precision_and_scale(30, 5).unwrap()),
        Arc::new(times.clone()),
        Arc::new(times.with_timezone("UTC")),
        Arc::new(each::<BooleanArray, _>(keys, |i, _| Some(i % 2 == 0))),
        Arc::new(each::<Float64Array, _>(keys, |i, _| Some(i as f64 / 2.0))),
        Arc::new(each::<Date32Array, _>(keys, |i, _| Some((i - 100) as i32))),
        Arc::new(BinaryArray::from_iter_values(bytes)),
        Arc::new(each::<Int8Array, _>(keys, |i, _| Some((i % 100 - 50) as i8))),
        Arc::new(each::<Int16Array, _>(keys, |i, _| Some((7 * i % 30000 - 15000) as i16))),
        Arc::new(each::<Float32Array, _>(keys, |i, _| Some(i as f32 / 4.0))),
        Arc::new(each::<Time32MillisecondArray, _>(keys, |i, _| Some(time(i) as i32))),
        Arc::new(each::<Int32Array, _>(keys, |_, v| Some(v))),
    ]
}
