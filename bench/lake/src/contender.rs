//! Who reads: DataFusion's own table over the bare files, a lake scan of them, or the `paimon` crate's own reader.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as EngineResult;
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use paimon_scan::{
    DerivedVectorCache, LakeFile, LakeOptions, LakeSchema, MaskedFile, MergeRules, ScanRequest,
    TableKind, derive_deletion_vectors, scan,
};

use crate::Result;
use crate::crate_reader::CrateTable;
use crate::data::{Data, KEY};

/// The aggregate of three columns; the count, so that nobody reads fewer rows.
const QUERY: &str = "select sum(l_quantity), sum(l_extendedprice), max(l_shipdate), count(l_quantity) from lineitem";

/// One table, and a session of its own.
pub struct Contender {
    /// Its name.
    pub name: &'static str,
    reader: Reader,
    /// Its answer, as text.
    pub expected: String,
}

enum Reader {
    /// Over a table `lineitem`.
    Session(SessionContext),
    Crate(CrateTable),
}

impl Contender {
    /// The `paimon` crate, over the files of a primary-key table.
    pub async fn crate_reader(name: &'static str, data: &Data, files: &[LakeFile]) -> Result<Self> {
        Self::with(name, Reader::Crate(CrateTable::new(data, files)?), None).await
    }

    /// DataFusion's own table of Parquet files.
    pub async fn bare(data: &Data, partitions: usize) -> Result<Self> {
        let session = session(partitions);
        let directory = format!("{}/", data.directory.display());
        session.register_parquet("lineitem", directory, ParquetReadOptions::default()).await?;
        Self::new("datafusion", session, None).await
    }

    /// A lake table of these files, dealt out to the partitions.
    pub async fn lake(
        name: &'static str,
        data: &Data,
        files: Vec<LakeFile>,
        partitions: usize,
    ) -> Result<Self> {
        let session = session(partitions);
        let visible = files.iter().filter_map(LakeFile::exact_rows).sum();
        let mut groups = vec![vec![]; partitions.min(files.len())];
        for (position, file) in files.into_iter().enumerate() {
            let group = position % groups.len();
            groups[group].push(MaskedFile { file, hidden: None });
        }
        let lake = LakeOptions::new([("warehouse", format!("file:{}", data.directory.display()))])?;
        let table = LakeProvider { schema: lake_schema(data), groups, lake: Arc::new(lake) };
        session.register_table("lineitem", Arc::new(table))?;
        Self::new(name, session, Some(visible)).await
    }

    /// A primary-key table of overlapping files; with `kept`, what supersedes what is found out once.
    pub async fn dirty(
        name: &'static str,
        data: &Data,
        files: Vec<LakeFile>,
        kept: bool,
    ) -> Result<Self> {
        let mut config = SessionConfig::new().with_target_partitions(1);
        if kept {
            config.set_extension(Arc::new(DerivedVectorCache::new(256 << 20)));
        }
        let session = SessionContext::new_with_config(config);
        let lake = LakeOptions::new([("warehouse", format!("file:{}", data.directory.display()))])?;
        let schema = LakeSchema {
            primary_key: KEY.to_vec(),
            kind: TableKind::Deduplicate,
            ..lake_schema(data)
        };
        let groups =
            vec![files.into_iter().map(|file| MaskedFile { file, hidden: None }).collect()];
        let table = LakeProvider { schema, groups, lake: Arc::new(lake) };
        session.register_table("lineitem", Arc::new(table))?;
        Self::new(name, session, None).await
    }

    async fn new(name: &'static str, session: SessionContext, rows: Option<u64>) -> Result<Self> {
        Self::with(name, Reader::Session(session), rows).await
    }

    async fn with(name: &'static str, reader: Reader, rows: Option<u64>) -> Result<Self> {
        let mut contender = Self { name, reader, expected: String::new() };
        let answer = contender.answer().await?;
        if let Some(rows) = rows.filter(|rows| !answer.ends_with(&format!(" {rows}"))) {
            return Err(format!("{name}: {answer}, of {rows} rows").into());
        }
        contender.expected = answer;
        Ok(contender)
    }

    /// Plans and runs the query once.
    pub async fn read(&self) -> Result<()> {
        let answer = self.answer().await?;
        match answer == self.expected {
            true => Ok(()),
            false => Err(format!("{}: {answer} instead of {}", self.name, self.expected).into()),
        }
    }

    async fn answer(&self) -> Result<String> {
        let columns = match &self.reader {
            Reader::Session(session) => {
                let batches: Vec<RecordBatch> = session.sql(QUERY).await?.collect().await?;
                batches.first().ok_or("no answer")?.columns().to_vec()
            }
            Reader::Crate(table) => table.answer().await?,
        };
        let options = FormatOptions::default();
        let cell = |column| -> Result<String> {
            Ok(ArrayFormatter::try_new(column, &options)?.value(0).to_string())
        };
        let cells = columns.iter().map(|column| cell(column.as_ref()));
        Ok(cells.collect::<Result<Vec<_>>>()?.join(" "))
    }
}

fn session(partitions: usize) -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions))
}

fn lake_schema(data: &Data) -> LakeSchema {
    let as_read = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => field.as_ref().clone().with_data_type(DataType::Utf8View),
        _ => field.as_ref().clone(),
    };
    LakeSchema {
        id: 0,
        columns: Arc::new(Schema::new(
            data.schema.fields().iter().map(as_read).collect::<Vec<_>>(),
        )),
        primary_key: vec![],
        partition_key: vec![],
        bucket_key: vec![],
        buckets: -1,
        kind: TableKind::Append,
        rules: MergeRules::default(),
    }
}

/// A lake table behind the engine's own table interface.
#[derive(Debug)]
struct LakeProvider {
    schema: LakeSchema,
    groups: Vec<Vec<MaskedFile>>,
    lake: Arc<LakeOptions>,
}

#[async_trait::async_trait]
impl TableProvider for LakeProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema.columns)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let mut groups = self.groups.clone();
        if self.schema.kind == TableKind::Deduplicate {
            for group in &mut groups {
                let files: Vec<LakeFile> = group.iter().map(|masked| masked.file.clone()).collect();
                let context = state.task_ctx();
                let hidden = derive_deletion_vectors(&files, &self.schema, &self.lake, &context);
                for (masked, hidden) in group.iter_mut().zip(hidden.await?) {
                    masked.hidden = hidden;
                }
            }
        }
        let request = ScanRequest {
            lake: Arc::clone(&self.lake),
            schema: self.schema.clone(),
            groups,
            projection: projection.cloned(),
            filter: None,
            filter_rows: false,
            limit,
        };
        Ok(scan(request, &state.task_ctx())?)
    }
}
