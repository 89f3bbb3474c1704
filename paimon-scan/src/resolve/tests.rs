//! Random buckets against a model: the version with the largest sequence number counts, unless it deletes.

use std::collections::HashMap;
use std::path::Path;

use arrow::array::{ArrayRef, Int8Array, Int32Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::record_batch::RecordBatch;
use datafusion::prelude::{SessionConfig, SessionContext};
use parquet::arrow::ArrowWriter;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::versions::is_delete;
use super::*;
use crate::file::{KeyRange, Section};
use crate::merge_rules::MergeRules;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    key: i32,
    sequence: i64,
    kind: i8,
}

/// Types of the first key column: a key as bytes, and two that are packed into integers with the second one.
const FIRST: [DataType; 3] = [DataType::Utf8View, DataType::Int32, DataType::Int64];

fn schema(first: &DataType, ignore_delete: bool) -> LakeSchema {
    LakeSchema {
        id: 0,
        columns: Arc::new(Schema::new(vec![
            field_with_id("v", DataType::Int32, true, 2),
            field_with_id("name", first.clone(), false, 0),
            field_with_id("number", DataType::Int32, false, 1),
        ])),
        primary_key: vec![1, 2],
        partition_key: vec![],
        bucket_key: vec![1, 2],
        buckets: 1,
        kind: TableKind::Deduplicate,
        rules: MergeRules { ignore_delete, ..MergeRules::default() },
    }
}

/// The key columns of a key: many keys share a name longer than a view's inline part, or a number of either sign.
fn key_columns(rows: &[Row], first: &DataType) -> [ArrayRef; 2] {
    let names = rows.iter().map(|row| format!("a name that is not short {:03}", row.key / 8));
    let halves = rows.iter().map(|row| row.key / 8 - 15);
    let numbers = rows.iter().map(|row| row.key % 8);
    let first: ArrayRef = match first {
        DataType::Utf8View => Arc::new(StringArray::from_iter_values(names)),
        number => cast(&Int32Array::from_iter_values(halves), number).unwrap(),
    };
    [first, Arc::new(Int32Array::from_iter_values(numbers))]
}

fn write(folder: &Path, name: &str, rows: &[Row], level: i32, first: &DataType) -> LakeFile {
    let [names, numbers] = key_columns(rows, first);
    let fields = vec![
        field_with_id(SEQUENCE_NUMBER.0, DataType::Int64, false, SEQUENCE_NUMBER.1),
        field_with_id(VALUE_KIND.0, DataType::Int8, false, VALUE_KIND.1),
        field_with_id("name", names.data_type().clone(), false, 0),
        field_with_id("number", DataType::Int32, false, 1),
    ];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.sequence))),
        Arc::new(Int8Array::from_iter_values(rows.iter().map(|row| row.kind))),
        Arc::clone(&names),
        Arc::clone(&numbers),
    ];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let path = folder.join(name);
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let field = |of: &ArrayRef| Field::new("", of.data_type().clone(), false);
    let fields = [field(&names), field(&numbers)];
    let keys = KeyEncoder::new(&fields).unwrap().encode(&[names, numbers]).unwrap();
    let keys = || keys.iter().map(|key| key.as_ref().to_vec());
    let sequences = || rows.iter().map(|row| row.sequence);
    LakeFile {
        size: std::fs::metadata(&path).unwrap().len(),
        path: path.display().to_string(),
        rows: rows.len() as u64,
        level,
        min_sequence: sequences().min().unwrap(),
        max_sequence: sequences().max().unwrap(),
        delete_rows: Some(rows.iter().filter(|row| is_delete(row.kind)).count() as u64),
        key_range: Some(KeyRange { min: keys().min().unwrap(), max: keys().max().unwrap() }),
        ..LakeFile::default()
    }
}

/// Rows of one file: sorted, each key once.
fn rows(random: &mut StdRng, keys: std::ops::Range<i32>, share: f64, kinds: &[i8]) -> Vec<Row> {
    let mut rows = Vec::new();
    for key in keys.clone() {
        if random.random_bool(share) {
            let kind = kinds[random.random_range(0..kinds.len())];
            rows.push(Row { key, sequence: 0, kind });
        }
    }
    if rows.is_empty() {
        rows.push(Row { key: keys.start, sequence: 0, kind: 0 });
    }
    rows
}

/// A compacted level of several files and level-0 files over parts of its keys.
fn bucket(random: &mut StdRng, interleaved: bool) -> Vec<(i32, Vec<Row>)> {
    let mut files = Vec::new();
    for start in [0, 100, 200] {
        files.push((5, rows(random, start..start + 100, 0.6, &[0, 2])));
    }
    for _ in 0..random.random_range(0..6) {
        let start = random.random_range(0..280);
        let end = start + random.random_range(1..150);
        let kinds: &[i8] = if random.random_bool(0.5) { &[0, 2] } else { &[0, 1, 2, 3] };
        files.push((0, rows(random, start..end, 0.3, kinds)));
    }
    let total: usize = files.iter().map(|(_, rows)| rows.len()).sum();
    let mut sequences: Vec<i64> = (0..total as i64).collect();
    if interleaved {
        sequences.shuffle(random);
    }
    let all = files.iter_mut().flat_map(|(_, rows)| rows.iter_mut());
    all.zip(sequences).for_each(|(row, sequence)| row.sequence = sequence);
    files
}

/// Per file the positions that are hidden.
fn model(files: &[(i32, Vec<Row>)], ignore_delete: bool) -> Vec<Vec<u32>> {
    let mut best: HashMap<i32, Row> = HashMap::new();
    let counts = |row: &Row| !(ignore_delete && is_delete(row.kind));
    for row in files.iter().flat_map(|(_, rows)| rows).filter(|row| counts(row)) {
        let best = best.entry(row.key).or_insert(*row);
        if row.sequence > best.sequence {
            *best = *row;
        }
    }
    let hidden = |row: &Row| is_delete(row.kind) || best[&row.key] != *row;
    let of_file = |rows: &[Row]| {
        rows.iter().zip(0..).filter(|(row, _)| hidden(row)).map(|(_, position)| position).collect()
    };
    files.iter().map(|(_, rows)| of_file(rows)).collect()
}

async fn derive(
    files: &[LakeFile],
    schema: &LakeSchema,
    session: &SessionContext,
) -> Result<Vec<Option<Arc<RoaringBitmap>>>> {
    let lake = Arc::new(LakeOptions::new([("warehouse", "/")])?);
    derive_deletion_vectors(files, schema, &lake, &session.task_ctx()).await
}

fn rows_of(derived: &Option<Arc<RoaringBitmap>>) -> Vec<u32> {
    derived.iter().flat_map(|derived| derived.iter()).collect()
}

#[tokio::test]
async fn random_buckets_resolve_as_the_model_does() {
    let mut random = StdRng::seed_from_u64(5);
    for round in 0..120 {
        let (first, ignore_delete) = (&FIRST[round % 3], round % 7 == 0);
        let config = SessionConfig::new().with_batch_size([20, 8192][round % 2]);
        let session = SessionContext::new_with_config(config);
        let folder = tempfile::tempdir().unwrap();
        let mut bucket = bucket(&mut random, round % 4 == 0);
        if round % 11 == 0 {
            // no writer sorts like this
            bucket.iter_mut().for_each(|(_, rows)| rows.shuffle(&mut random));
        }
        let expected = model(&bucket, ignore_delete);
        let mut order: Vec<usize> = (0..bucket.len()).collect();
        order.shuffle(&mut random);
        let file = |n: &usize| {
            let (level, rows) = &bucket[*n];
            write(folder.path(), &format!("{n}.parquet"), rows, *level, first)
        };
        let mut files: Vec<LakeFile> = order.iter().map(file).collect();
        if round % 5 == 0 {
            // writers that do not say
            files.iter_mut().for_each(|file| file.delete_rows = None);
        }
        section::mark(&mut files);
        let derived = derive(&files, &schema(first, ignore_delete), &session).await.unwrap();
        for (derived, original) in derived.iter().zip(order) {
            assert_eq!(rows_of(derived), expected[original], "round {round}, file {original}");
        }
    }
}

/// Rows of these keys, with sequence numbers from `sequence` on.
fn written(keys: std::ops::Range<i32>, sequence: i64) -> Vec<Row> {
    keys.zip(sequence..).map(|(key, sequence)| Row { key, sequence, kind: 0 }).collect()
}

#[tokio::test]
async fn sections_are_derived_once_and_anew_when_a_file_joins_them() {
    let (first, folder) = (&DataType::Int32, tempfile::tempdir().unwrap());
    let cache = Arc::new(DerivedVectorCache::new(1 << 20));
    let config = SessionConfig::new().with_extension(Arc::clone(&cache));
    let session = SessionContext::new_with_config(config);
    let write = |name: &str, rows: Vec<Row>| write(folder.path(), name, &rows, 0, first);
    let mut files = vec![
        write("a", written(0..100, 0)),
        write("b", written(90..110, 200)),
        write("c", written(200..300, 300)),
        write("d", written(200..205, 400)),
    ];
    section::mark(&mut files);
    let schema = schema(first, false);
    let before = derive(&files, &schema, &session).await.unwrap();
    assert_eq!(rows_of(&before[0]), (90..100).collect::<Vec<_>>());
    let unread = |name: &str| std::fs::remove_file(folder.path().join(name)).unwrap();
    ["a", "b"].into_iter().for_each(unread);
    files.push(write("e", written(299..301, 500)));
    files.reverse();
    section::mark(&mut files);
    let after = derive(&files, &schema, &session).await.unwrap();
    assert_eq!((&after[4], &after[3]), (&before[0], &before[1]));
    assert_eq!(rows_of(&after[2]), [0, 1, 2, 3, 4, 99]);
    ["c", "d", "e"].into_iter().for_each(unread);
    assert_eq!(derive(&files, &schema, &session).await.unwrap(), after);
    // other rules are another answer, which these files are needed for
    let mut other = schema.clone();
    other.rules.ignore_delete = true;
    let error = derive(&files, &other, &session).await.unwrap_err();
    assert!(error.is_expired(), "{error}");
}

#[tokio::test]
async fn contradictions_are_errors() {
    for first in &FIRST {
        let (folder, schema) = (tempfile::tempdir().unwrap(), schema(first, false));
        let session = SessionContext::new();
        let row = |key, sequence| Row { key, sequence, kind: 0 };
        let write = |name: &str, rows: &[Row]| write(folder.path(), name, rows, 0, first);
        let twice = write("twice", &[row(1, 5), row(1, 6), row(9, 7)]);
        let older = write("older", &[row(1, 1), row(9, 2)]);
        let (one, equal) = (write("one", &[row(1, 5), row(9, 7)]), write("equal", &[row(1, 5)]));
        let odd = write("odd", &[Row { key: 1, sequence: 10, kind: 7 }]);
        let mut longer = older.clone();
        longer.rows = 3;
        longer.delete_rows = Some(1);
        for (mut files, named) in [
            (vec![twice, older.clone()], "twice"),
            (vec![one, equal], "sequence number 5"),
            (vec![longer], "holds 2 rows instead of 3"),
            (vec![LakeFile { delete_rows: None, ..odd }], "row kind 7"),
        ] {
            section::mark(&mut files);
            let error = derive(&files, &schema, &session).await.unwrap_err();
            assert!(matches!(error, LakeError::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
        let mut alone = older;
        alone.section = Some(Section { index: 0, files: 2 });
        assert!(derive(&[alone], &schema, &session).await.is_err());
    }
}
