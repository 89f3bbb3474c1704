//! A table of numbers in buckets whose scan errs, panics or never ends where it is told to.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use backend::leaf::Leaf;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::hash_utils::create_hashes;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, exec_err, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, StatisticsArgs,
};
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalExprNode;
use futures::stream;
use prost::Message;
use union_read::Error;
use union_read::exec::{Stop, Unit};

/// What a scan does at a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum Fault {
    None = 0,
    Error = 1,
    Panic = 2,
    /// Every bucket goes on for ever.
    Endless = 3,
    /// As `Endless`, with a wait before every batch.
    Slow = 4,
}

/// `k` is unique over a batch, `k % buckets` its bucket and `bucket % partitions` its partition; `v = k % 97`.
#[derive(Debug, Clone)]
pub struct TestTable {
    pub name: String,
    pub buckets: u32,
    /// The engine's own hash of `k` takes its place, and the scan says so: tables of as many buckets are joined where they
    /// are read. Buckets are a multiple of the partitions.
    pub hashed: bool,
    /// Partitions at least, the last ones empty where buckets are fewer.
    pub partitions_min: u32,
    pub rows: u32,
    /// How often the rows of a bucket are sent.
    pub batches: u32,
    pub fault: Option<(u32, Fault)>,
}

impl TestTable {
    pub fn new(name: &str, buckets: u32, rows: u32) -> Self {
        let name = name.into();
        Self { name, buckets, hashed: false, partitions_min: 1, rows, batches: 1, fault: None }
    }
}

fn schema() -> SchemaRef {
    let fields = ["k", "v"].map(|name| Field::new(name, DataType::Int64, false));
    Arc::new(Schema::new(fields.to_vec()))
}

#[async_trait]
impl TableProvider for TestTable {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = self.buckets.max(self.partitions_min) as usize;
        let partitions = session.config().target_partitions().min(partitions);
        let (bucket, fault) = self.fault.unwrap_or((0, Fault::None));
        let all: Vec<u32> = (0..self.buckets).collect();
        let spec = Spec {
            table: self.name.clone(),
            buckets: self.buckets,
            hashed: self.hashed,
            rows: self.rows,
            batches: self.batches,
            projection: projection
                .cloned()
                .unwrap_or(vec![0, 1])
                .iter()
                .map(|c| *c as u32)
                .collect(),
            groups: spread(&all, partitions),
            bucket,
            fault: fault.into(),
            filters: vec![],
        };
        Ok(Arc::new(TestScanExec::new(spec, vec![])))
    }
}

fn spread(buckets: &[u32], partitions: usize) -> Vec<Group> {
    let mut groups = vec![Group::default(); partitions];
    for bucket in buckets {
        groups[*bucket as usize % partitions].buckets.push(*bucket);
    }
    groups
}

#[derive(Clone, PartialEq, Message)]
struct Group {
    #[prost(uint32, repeated, tag = "1")]
    buckets: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct Spec {
    #[prost(string, tag = "1")]
    table: String,
    #[prost(uint32, tag = "2")]
    buckets: u32,
    #[prost(uint32, tag = "3")]
    rows: u32,
    #[prost(uint32, repeated, tag = "4")]
    projection: Vec<u32>,
    #[prost(message, repeated, tag = "5")]
    groups: Vec<Group>,
    #[prost(uint32, tag = "6")]
    bucket: u32,
    #[prost(enumeration = "Fault", tag = "7")]
    fault: i32,
    #[prost(message, repeated, tag = "8")]
    filters: Vec<PhysicalExprNode>,
    #[prost(uint32, tag = "9")]
    batches: u32,
    #[prost(bool, tag = "10")]
    hashed: bool,
}

impl Spec {
    fn partitioning(&self) -> Partitioning {
        match self.projection.iter().position(|column| *column == 0) {
            Some(k) if self.hashed => {
                Partitioning::Hash(vec![Arc::new(Column::new("k", k))], self.groups.len())
            }
            _ => Partitioning::UnknownPartitioning(self.groups.len()),
        }
    }

    fn keys(&self, bucket: u32) -> Result<Vec<i64>> {
        let keys: Vec<i64> = (0..i64::from(self.rows) * i64::from(self.buckets)).collect();
        let mut places: Vec<u64> = keys.iter().map(|k| *k as u64).collect();
        if self.hashed {
            let array: ArrayRef = Arc::new(Int64Array::from(keys.clone()));
            create_hashes([&array], REPARTITION_RANDOM_STATE.random_state(), &mut places)?;
        }
        let at = |place: u64| place % u64::from(self.buckets) == u64::from(bucket);
        Ok(keys.into_iter().zip(places).filter(|(_, place)| at(*place)).map(|(k, _)| k).collect())
    }
}

#[derive(Debug, Clone)]
struct TestScanExec {
    spec: Spec,
    filters: Vec<Arc<dyn PhysicalExpr>>,
    properties: Arc<PlanProperties>,
}

impl TestScanExec {
    fn new(spec: Spec, filters: Vec<Arc<dyn PhysicalExpr>>) -> Self {
        let columns: Vec<usize> = spec.projection.iter().map(|c| *c as usize).collect();
        let schema = Arc::new(schema().project(&columns).unwrap());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            spec.partitioning(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self { spec, filters, properties: Arc::new(properties) }
    }
}

impl DisplayAs for TestScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestScanExec: {}", self.spec.table)
    }
}

impl ExecutionPlan for TestScanExec {
    fn name(&self) -> &str {
        "TestScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for filter in &self.filters {
            f(filter)?;
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    /// Known, since a scan of few rows is planned without a repartitioning above it.
    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if args.partition().is_none() {
            let rows = self.spec.rows as usize * self.spec.buckets as usize;
            statistics.num_rows = Precision::Inexact(rows);
        }
        Ok(Arc::new(statistics))
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        if result.parent_filters.is_empty() {
            return Ok(FilterPushdownPropagation::all_unsupported(result));
        }
        let answers = vec![PushedDown::No; result.parent_filters.len()];
        let mut filters = self.filters.clone();
        filters.extend(result.parent_filters.into_iter().map(|pushed| pushed.filter));
        let node: Arc<dyn ExecutionPlan> = Arc::new(Self::new(self.spec.clone(), filters));
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(answers).with_updated_node(node))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let stop = context.session_config().get_extension::<Stop>();
        let scan = Arc::new(self.clone());
        let running = Running::start(&self.spec.table);
        let buckets = self.spec.groups[partition].buckets.clone();
        let state = (0, running);
        let batches = stream::try_unfold(state, move |(next, running)| {
            let (scan, buckets, stop) = (Arc::clone(&scan), buckets.clone(), stop.clone());
            async move {
                tokio::task::yield_now().await;
                if stop.is_some_and(|stop| stop.0.is_cancelled()) {
                    return Err(Error::Cancelled("stopped".into()).into());
                }
                let slow = scan.spec.fault() == Fault::Slow;
                let endless = slow || scan.spec.fault() == Fault::Endless;
                let batches = scan.spec.batches as usize;
                let at = if endless { next % buckets.len().max(1) } else { next / batches };
                if slow {
                    tokio::time::sleep(BETWEEN).await;
                }
                if let Some(bucket) = buckets.get(at).filter(|_| !endless && next % batches == 0) {
                    count_read(&scan.spec, *bucket);
                }
                match buckets.get(at) {
                    None => Ok(None),
                    Some(bucket) => Ok(Some((scan.read(*bucket)?, (next + 1, running)))),
                }
            }
        });
        let stream = RecordBatchStreamAdapter::new(self.schema(), batches);
        Ok(make_cooperative(Box::pin(stream)))
    }
}

impl TestScanExec {
    /// The rows of a bucket that pass the filters: the dynamic ones are believed here, which is what shows a filter that
    /// belongs to somebody else.
    fn read(&self, bucket: u32) -> Result<RecordBatch> {
        match self.spec.fault() {
            Fault::Error if bucket == self.spec.bucket => {
                return Err(Error::Unavailable(format!("bucket {bucket} is on fire")).into());
            }
            Fault::Panic if bucket == self.spec.bucket => panic!("panic at bucket {bucket}"),
            _ => {}
        }
        let keys = self.spec.keys(bucket)?;
        let columns = self.spec.projection.iter().map(|column| match column {
            0 => Arc::new(Int64Array::from(keys.clone())) as ArrayRef,
            _ => Arc::new(keys.iter().map(|k| k % 97).collect::<Int64Array>()),
        });
        let rows = RecordBatchOptions::new().with_row_count(Some(keys.len()));
        let mut batch = RecordBatch::try_new_with_options(self.schema(), columns.collect(), &rows)?;
        for filter in &self.filters {
            let mask = filter.evaluate(&batch)?.into_array(batch.num_rows())?;
            let mask = arrow::array::AsArray::as_boolean(&mask);
            batch = arrow::compute::filter_record_batch(&batch, mask)?;
        }
        Ok(batch)
    }
}

/// The wait of a slow scan.
const BETWEEN: Duration = Duration::from_millis(5);

static READS: LazyLock<Mutex<HashMap<String, Vec<usize>>>> = LazyLock::new(Mutex::default);

fn count_read(spec: &Spec, bucket: u32) {
    let mut reads = READS.lock().unwrap();
    let counts = reads.entry(spec.table.clone()).or_insert(vec![0; spec.buckets as usize]);
    counts[bucket as usize] += 1;
}

/// How often the buckets of a table were read in this process.
pub fn reads(table: &str) -> Vec<usize> {
    READS.lock().unwrap().get(table).cloned().unwrap_or_default()
}

static RUNNING: LazyLock<Mutex<HashMap<String, usize>>> = LazyLock::new(Mutex::default);

/// How many scans of a table run in this process.
pub fn running(table: &str) -> usize {
    RUNNING.lock().unwrap().get(table).copied().unwrap_or(0)
}

struct Running(String);

impl Running {
    fn start(table: &str) -> Self {
        *RUNNING.lock().unwrap().entry(table.to_string()).or_default() += 1;
        Self(table.to_string())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(count) = RUNNING.lock().unwrap().get_mut(&self.0) {
            *count -= 1;
        }
    }
}

/// How backends see the leaf.
#[derive(Debug)]
pub struct TestLeaf;

impl Leaf for TestLeaf {
    fn units(&self, plan: &dyn ExecutionPlan) -> Option<Vec<Unit>> {
        let scan = plan.downcast_ref::<TestScanExec>()?;
        let unit = |bucket: &u32| Unit { affinity: u64::from(*bucket), bytes: 1 };
        Some(scan.spec.groups.iter().flat_map(|group| &group.buckets).map(unit).collect())
    }

    fn restrict(
        &self,
        plan: &dyn ExecutionPlan,
        units: &[usize],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(scan) = plan.downcast_ref::<TestScanExec>() else {
            return internal_err!("no test scan");
        };
        let all: Vec<u32> = scan.spec.groups.iter().flat_map(|g| g.buckets.clone()).collect();
        let buckets: Vec<u32> = units.iter().map(|unit| all[*unit]).collect();
        let spec = Spec { groups: spread(&buckets, scan.spec.groups.len()), ..scan.spec.clone() };
        Ok(Arc::new(TestScanExec::new(spec, scan.filters.clone())))
    }

    fn codec(&self) -> Arc<dyn PhysicalExtensionCodec> {
        Arc::new(TestLeafCodec)
    }
}

#[derive(Debug)]
pub struct TestLeafCodec;

impl PhysicalExtensionCodec for TestLeafCodec {
    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(scan) = node.downcast_ref::<TestScanExec>() else {
            return exec_err!("{} is no test scan", node.name());
        };
        let mut spec = scan.spec.clone();
        for filter in &scan.filters {
            spec.filters.push(converter.physical_expr_to_proto(filter, self)?);
        }
        spec.encode(bytes).map_err(|e| DataFusionError::External(Box::new(e)))
    }

    fn try_decode(
        &self,
        bytes: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut spec = Spec::decode(bytes).map_err(|e| DataFusionError::External(Box::new(e)))?;
        let nodes = std::mem::take(&mut spec.filters);
        let schema = TestScanExec::new(spec.clone(), vec![]).schema();
        let decode = PhysicalPlanDecodeContext::new(context, self);
        let filters =
            nodes.iter().map(|node| converter.proto_to_physical_expr(node, &schema, &decode));
        Ok(Arc::new(TestScanExec::new(spec, filters.collect::<Result<_>>()?)))
    }
}
