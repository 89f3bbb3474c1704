//! Hidden rows stay hidden, and no others do, however they lie and whatever else leaves out rows.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use paimon_scan::*;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use roaring::RoaringBitmap;

use crate::oracle::render;
use crate::provider::*;

/// Rows of one file.
const ROWS: u32 = 3000;
/// Rows of its row groups: as Paimon writes, and shorter ones.
const ROW_GROUPS: [usize; 3] = [ROWS as usize, 700, 2999];

/// How hidden rows lie in a file.
#[derive(Debug, Clone, Copy)]
enum Lie {
    Scattered(f64),
    Runs(u32),
    Mixed,
}

const LIES: [Lie; 8] = [
    Lie::Scattered(0.0),
    Lie::Scattered(0.001),
    Lie::Scattered(0.02),
    Lie::Scattered(0.2),
    Lie::Scattered(0.97),
    Lie::Scattered(1.0),
    Lie::Runs(400),
    Lie::Mixed,
];

impl Lie {
    fn rows(self, random: &mut StdRng) -> RoaringBitmap {
        match self {
            Self::Scattered(share) => (0..ROWS).filter(|_| random.random_bool(share)).collect(),
            Self::Runs(length) => {
                let shift = random.random_range(0..length);
                (0..ROWS).filter(|row| (row + shift) / length % 2 == 0).collect()
            }
            Self::Mixed => (0..ROWS).filter(|row| *row < 900 || random.random_bool(0.1)).collect(),
        }
    }

    /// Whether the rows are left out after decoding, where that can be.
    fn is_scattered(self) -> bool {
        matches!(self, Self::Scattered(share) if (0.01..1.0).contains(&share))
            || matches!(self, Self::Mixed)
    }
}

fn schema(strings: DataType) -> Arc<Schema> {
    let columns =
        [("id", DataType::Int64), ("a", DataType::Int32), ("b", DataType::Int64), ("s", strings)];
    let field = |(id, (name, data_type))| {
        let id = [(FIELD_ID.to_string(), usize::to_string(&id))];
        Field::new(name, data_type, true).with_metadata(id.into())
    };
    Arc::new(Schema::new(columns.into_iter().enumerate().map(field).collect::<Vec<_>>()))
}

/// Rows of file `file`; ids are sorted, so that files, row groups and pages are pruned by them.
fn rows(file: u32) -> RecordBatch {
    let ids = || file * ROWS..(file + 1) * ROWS;
    let mixed = |id: u32| id.wrapping_mul(2_654_435_761) >> 8;
    let b = ids().map(|id| (mixed(id) % 11 != 0).then_some(i64::from(mixed(id) % 5000)));
    RecordBatch::try_new(
        schema(DataType::Utf8),
        vec![
            Arc::new(Int64Array::from_iter_values(ids().map(i64::from))),
            Arc::new(Int32Array::from_iter_values(ids().map(|id| (mixed(id) % 97) as i32))),
            Arc::new(b.collect::<Int64Array>()),
            Arc::new(StringArray::from_iter_values(ids().map(|id| format!("row {}", id % 500)))),
        ],
    )
    .unwrap()
}

fn write(folder: &Path, file: u32) -> LakeFile {
    let path = folder.join(format!("data-{file}.parquet"));
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(ROW_GROUPS[file as usize]))
        .set_data_page_row_count_limit(64)
        .set_write_batch_size(64)
        // every part of a file needs all of its dictionaries
        .set_dictionary_enabled(file > 0)
        .build();
    let rows = rows(file);
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), rows.schema(), Some(properties))
            .unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    LakeFile {
        path: format!("file:{}", path.display()),
        size: path.metadata().unwrap().len(),
        rows: u64::from(ROWS),
        delete_rows: Some(0),
        ..LakeFile::default()
    }
}

/// Three files in a folder.
struct Files {
    _folder: tempfile::TempDir,
    files: Vec<LakeFile>,
    lake: Arc<LakeOptions>,
    schema: LakeSchema,
}

impl Files {
    fn write() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let schema = LakeSchema {
            id: 0,
            columns: schema(DataType::Utf8View),
            primary_key: vec![],
            partition_key: vec![],
            bucket_key: vec![],
            buckets: -1,
            kind: TableKind::Append,
            rules: MergeRules::default(),
        };
        Self {
            files: (0..ROW_GROUPS.len() as u32).map(|file| write(folder.path(), file)).collect(),
            lake: Arc::new(options_of(folder.path())),
            _folder: folder,
            schema,
        }
    }

    fn request(&self, hidden: &[RoaringBitmap]) -> ScanRequest {
        ScanRequest {
            lake: Arc::clone(&self.lake),
            schema: self.schema.clone(),
            groups: vec![self.masked(hidden)],
            projection: None,
            filter: None,
            filter_rows: false,
            limit: None,
        }
    }

    /// The files, some of them in parts.
    fn parts(&self, hidden: &[RoaringBitmap], random: &mut StdRng) -> Vec<MaskedFile> {
        let mut part = |whole: MaskedFile| {
            let parts = whole.file.sliced([1, 2, 7][random.random_range(0..3)]).into_iter();
            parts.map(move |file| MaskedFile { file, hidden: whole.hidden.clone() })
        };
        self.masked(hidden).into_iter().flat_map(&mut part).collect()
    }

    fn masked(&self, hidden: &[RoaringBitmap]) -> Vec<MaskedFile> {
        let files = self.files.iter().cloned().zip(hidden);
        files
            .map(|(file, hidden)| MaskedFile { file, hidden: Some(Arc::new(hidden.clone())) })
            .collect()
    }

    /// A session with the lake table `t` and the same rows in memory as `m`.
    fn session(
        &self,
        hidden: &[RoaringBitmap],
        files: Vec<MaskedFile>,
        how: How,
        batch_size: usize,
    ) -> SessionContext {
        let session = how.session();
        let config = session.copied_config().with_batch_size(batch_size);
        *session.state_ref().write().config_mut() = config;
        let (schema, lake) = (self.schema.clone(), Arc::clone(&self.lake));
        let table = LakeProvider { schema, files, how, lake };
        session.register_table("t", Arc::new(table)).unwrap();
        let visible = hidden.iter().enumerate().map(|(file, hidden)| {
            let keep = (0..ROWS).map(|row| Some(!hidden.contains(row))).collect();
            filter_record_batch(&rows(file as u32), &keep).unwrap()
        });
        let visible: Vec<RecordBatch> = visible.collect();
        let memory = MemTable::try_new(schema_of(&visible), vec![visible]).unwrap();
        session.register_table("m", Arc::new(memory)).unwrap();
        session
    }
}

fn schema_of(batches: &[RecordBatch]) -> Arc<Schema> {
    batches.first().unwrap().schema()
}

fn condition(random: &mut StdRng) -> String {
    let id: u32 = random.random_range(0..3 * ROWS);
    match random.random_range(0..7) {
        0 => format!("id between {id} and {}", id + [3, 90, 2500][random.random_range(0..3)]),
        1 => format!("id = {id}"),
        2 => format!("a < {}", random.random_range(0..97)),
        3 => format!("b >= {} or b is null", random.random_range(0..5000)),
        4 => format!("s = 'row {}'", id % 600),
        5 => format!("id < {id} and a in (3, 5, 8, 13)"),
        _ => "true".into(),
    }
}

/// A query over a table, and whether its rows are any so many of those without a limit.
fn query(random: &mut StdRng) -> (String, Option<usize>) {
    let condition = condition(random);
    let limit = [1, 10, 700, 9000][random.random_range(0..4)];
    let full = |columns: &str, rest: &str| {
        (format!("select {columns} from TABLE where {condition}{rest}"), None)
    };
    match random.random_range(0..8) {
        0 => full("count(*)", ""),
        1 => full("count(b), sum(b), min(id), max(s)", ""),
        2 => full("*", ""),
        3 => full("s, a", ""),
        // the scan gets the threshold while it runs
        4 => full("id, s", &format!(" order by id desc limit {limit}")),
        5 => full("b, id", &format!(" order by b nulls last, id limit {limit}")),
        6 => (
            format!(
                "select x.id, x.b from TABLE x join (select distinct b from m where {condition} \
                 order by b limit 5) y on x.b = y.b"
            ),
            None,
        ),
        _ => (format!("select id, b from TABLE where {condition}"), Some(limit)),
    }
}

/// Queries for each way to read: more would cost minutes in a debug build.
const QUERIES: usize = 24;

#[tokio::test]
async fn random_queries_over_masked_files_agree_with_memory() {
    let files = Files::write();
    let mut random = StdRng::seed_from_u64(11);
    for how in all_ways() {
        for case in 0..QUERIES {
            // every way of lying is met in every way of reading
            let lies = [0, 3, 5].map(|step| LIES[(case + step) % LIES.len()]);
            let hidden = lies.map(|lie| lie.rows(&mut random));
            let batch_size = [7, 64, 1000, 8192][random.random_range(0..4)];
            let parts = files.parts(&hidden, &mut random);
            let session = files.session(&hidden, parts, how, batch_size);
            let (query, limit) = query(&mut random);
            let context = || format!("{query} limit {limit:?}: {lies:?} {how:?} {batch_size}");
            let expected = render(&sql(&session, &query.replace("TABLE", "m")).await);
            let mut lake = query.replace("TABLE", "t");
            let Some(limit) = limit else {
                assert_eq!(render(&sql(&session, &lake).await), expected, "{}", context());
                continue;
            };
            lake.push_str(&format!(" limit {limit}"));
            let found = render(&sql(&session, &lake).await);
            assert_eq!(found.len(), limit.min(expected.len()), "{}", context());
            let all: BTreeSet<&String> = expected.iter().collect();
            assert!(found.iter().all(|row| all.contains(row)), "{}", context());
        }
    }
}

/// The number that the scan counts for rows left out after decoding.
fn masked_after_decoding(plan: &dyn ExecutionPlan) -> usize {
    let metrics = plan.metrics().unwrap();
    metrics.sum_by_name("rows_masked").map_or(0, |rows| rows.as_usize())
}

#[tokio::test]
async fn scattered_rows_are_left_out_after_decoding_and_runs_before() {
    let files = Files::write();
    let mut random = StdRng::seed_from_u64(3);
    for lie in LIES {
        let hidden = [lie, lie, lie].map(|lie| lie.rows(&mut random));
        let session = PLAIN.session();
        let plan = scan(files.request(&hidden), &session.task_ctx()).unwrap();
        let read = collect(Arc::clone(&plan), session.task_ctx()).await.unwrap();
        let read: usize = read.iter().map(RecordBatch::num_rows).sum();
        let all: u64 = hidden.iter().map(RoaringBitmap::len).sum();
        assert_eq!(read as u64, 3 * u64::from(ROWS) - all, "{lie:?}");
        let after = if lie.is_scattered() { all } else { 0 };
        assert_eq!(masked_after_decoding(plan.as_ref()) as u64, after, "{lie:?}");
    }
}

#[tokio::test]
async fn a_limit_counts_the_rows_that_the_mask_leaves() {
    let files = Files::write();
    let mut random = StdRng::seed_from_u64(4);
    for (lie, limit) in LIES.iter().flat_map(|lie| [1, 5, 50, 900, 2999].map(|limit| (lie, limit)))
    {
        let hidden = lie.rows(&mut random);
        let visible = u64::from(ROWS) - hidden.len();
        let mut request = files.request(&[hidden]);
        request.limit = Some(limit);
        let session = PLAIN.session();
        let plan = scan(request, &session.task_ctx()).unwrap();
        let read = collect(plan, session.task_ctx()).await.unwrap();
        let read: usize = read.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(read as u64, visible.min(limit as u64), "{lie:?} {limit}");
    }
}

/// Each row is read in one part, and of each part its pages only.
#[tokio::test]
async fn parts_are_the_file_once_and_cost_their_share() {
    let files = Files::write();
    let hidden = [RoaringBitmap::new()];
    for parts in [1, 2, 5] {
        let session = PLAIN.session();
        let (mut rows, mut bytes) = (vec![], vec![]);
        for file in files.files[0].clone().sliced(parts) {
            let mut request = files.request(&hidden);
            request.groups = vec![vec![MaskedFile { file, hidden: None }]];
            let plan = scan(request, &session.task_ctx()).unwrap();
            rows.extend(render(&collect(Arc::clone(&plan), session.task_ctx()).await.unwrap()));
            let metrics = plan.metrics().unwrap();
            bytes.push(metrics.sum_by_name("bytes_scanned").unwrap().as_usize());
        }
        rows.sort();
        assert_eq!(rows, render(&[self::rows(0)]), "{parts} parts");
        // and the pages at its ends
        let size = files.files[0].size as usize;
        assert!(bytes.iter().all(|part| *part < 2 * size / parts as usize), "{bytes:?} of {size}");
    }
}

/// A value that nobody is to see must not fail a query: conditions meet it after the mask.
#[tokio::test]
async fn hidden_values_are_not_computed_with() {
    let files = Files::write();
    let hidden: RoaringBitmap = (0..ROWS).filter(|row| row % 10 == 0).collect();
    let hidden = [hidden.clone(), hidden.clone(), hidden];
    for how in all_ways() {
        let session = files.session(&hidden, files.masked(&hidden), how, 64);
        for query in
            ["select 1 / (id % 10) from TABLE", "select id from TABLE where 7 / (id % 10) = 3"]
        {
            let lake = render(&sql(&session, &query.replace("TABLE", "t")).await);
            assert_eq!(lake, render(&sql(&session, &query.replace("TABLE", "m")).await), "{how:?}");
        }
    }
}

#[tokio::test]
async fn a_masked_file_of_another_length_is_an_error() {
    let files = Files::write();
    for lie in [Lie::Scattered(0.2), Lie::Runs(400), Lie::Scattered(0.001)] {
        let hidden = lie.rows(&mut StdRng::seed_from_u64(1));
        for rows in [u64::from(ROWS) - 1, u64::from(ROWS) + 1] {
            let mut request = files.request(std::slice::from_ref(&hidden));
            let mut short = hidden.clone();
            short.remove_range(rows as u32..);
            request.groups[0][0].file.rows = rows;
            request.groups[0][0].hidden = Some(Arc::new(short));
            let session = PLAIN.session();
            let plan = scan(request, &session.task_ctx()).unwrap();
            assert!(collect(plan, session.task_ctx()).await.is_err(), "{lie:?} {rows}");
        }
    }
}
