//! The leaf operator of every plan: reads bucket reads, lake and log together.
//!
//! One leaf stands for a whole table, so that a bucket's halves stay together wherever it is sent,
//! and nothing stands between the tail and the lake rows that it decides about.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, internal_err, stats::Precision};
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, StatisticsArgs,
};

use crate::bucket_read::{BucketRead, Tail};
use crate::source::Connections;

mod lake;
mod log_filter;
mod run;
mod split;
mod statistics;
mod table_scan;

pub use run::Stop;
use statistics::Known;
pub use table_scan::{LakeSide, StreamSide, TableScan};

/// Reads the buckets of one table at one read point.
///
/// Output: the projected columns of the table in any order of rows. Partition *i* reads the bucket
/// reads of group *i*, one after another; no partitioning is declared, since Fluss's bucket hash is
/// not DataFusion's. Filters are hints: they prune files, pages and rows of the lake, and whoever
/// gave them filters again above.
#[derive(Debug, Clone)]
pub struct UnionReadExec {
    scan: Arc<TableScan>,
    groups: Vec<Vec<BucketRead>>,
    filters: Vec<Arc<dyn PhysicalExpr>>,
    connections: Arc<Connections>,
    known: Known,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// One bucket read as the placement of work sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Equal for reads of the same data.
    pub affinity: u64,
    /// About how many bytes are read.
    pub bytes: u64,
}

impl UnionReadExec {
    /// A leaf that reads `groups`, one partition each.
    pub fn new(
        scan: Arc<TableScan>,
        groups: Vec<Vec<BucketRead>>,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        connections: Arc<Connections>,
    ) -> Self {
        let groups = if groups.is_empty() { vec![vec![]] } else { groups };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(scan.output_schema())),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            scan,
            groups,
            filters,
            connections,
            known: Known::default(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// A leaf whose reads are spread over as many partitions as the session wants.
    pub fn spread(
        session: &dyn Session,
        scan: TableScan,
        reads: Vec<BucketRead>,
        connections: &Arc<Connections>,
    ) -> Self {
        let known = Known::of(&scan, &reads);
        let reads = split::split(reads, session.config().target_partitions());
        // two at least, if only an empty one: above one partition nothing could be distributed
        let partitions = session.config().target_partitions().min(reads.len().max(2));
        let groups = balance(reads, partitions);
        let leaf = Self::new(Arc::new(scan), groups, vec![], Arc::clone(connections));
        Self { known, ..leaf }
    }

    /// What is read of each bucket.
    pub fn scan(&self) -> &Arc<TableScan> {
        &self.scan
    }

    /// The bucket reads, by partition.
    pub fn groups(&self) -> &[Vec<BucketRead>] {
        &self.groups
    }

    /// The filters that were handed down.
    pub fn filters(&self) -> &[Arc<dyn PhysicalExpr>] {
        &self.filters
    }

    /// The bucket reads as units of work, in the order of the partitions.
    pub fn units(&self) -> Vec<Unit> {
        let unit = |read: &BucketRead| Unit {
            affinity: read.affinity(self.scan.table()),
            bytes: read.bytes(),
        };
        self.groups.iter().flatten().map(unit).collect()
    }

    /// A leaf that reads only these units (positions in [`UnionReadExec::units`]), spread over the
    /// same number of partitions.
    pub fn restrict(&self, units: &[usize]) -> Self {
        let all: Vec<&BucketRead> = self.groups.iter().flatten().collect();
        let reads = units.iter().filter_map(|i| all.get(*i).map(|read| (*read).clone())).collect();
        let groups = balance(reads, self.groups.len());
        let connections = Arc::clone(&self.connections);
        Self::new(Arc::clone(&self.scan), groups, self.filters.clone(), connections)
    }

    fn with_filters(&self, filters: Vec<Arc<dyn PhysicalExpr>>) -> Self {
        let connections = Arc::clone(&self.connections);
        let leaf = Self::new(Arc::clone(&self.scan), self.groups.clone(), filters, connections);
        Self { known: self.known.of_fewer(), ..leaf }
    }

    fn rows(&self) -> Precision<usize> {
        self.known.rows(self.groups.iter().flatten(), !self.filters.is_empty())
    }
}

/// Spreads reads over `partitions` groups, the largest first to the least loaded group.
pub fn balance(mut reads: Vec<BucketRead>, partitions: usize) -> Vec<Vec<BucketRead>> {
    let mut groups: Vec<(u64, Vec<BucketRead>)> = vec![(0, vec![]); partitions.max(1)];
    reads.sort_by_key(|read| std::cmp::Reverse(read.bytes()));
    for read in reads {
        if let Some((bytes, group)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += read.bytes().max(1);
            group.push(read);
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

impl DisplayAs for UnionReadExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnionReadExec: {}", self.scan)?;
        let primary_key = self.scan.has_primary_key();
        let reads: Vec<&BucketRead> = self.groups.iter().flatten().collect();
        let files: usize = reads.iter().map(|read| read.files.len()).sum();
        write!(f, ", partitions={}, buckets={}, splits={files}", self.groups.len(), reads.len())?;
        let mut ways: Vec<&str> = reads.iter().map(|read| read.way(primary_key)).collect();
        ways.sort_unstable();
        ways.dedup();
        write!(f, ", way=[{}], offsets=[{}]", ways.join(", "), offsets(&reads))?;
        if !self.filters.is_empty() {
            let filters: Vec<String> = self.filters.iter().map(ToString::to_string).collect();
            write!(f, ", filters=[{}]", filters.join(" AND "))?;
        }
        Ok(())
    }
}

/// Buckets whose offsets are printed; more are counted.
const OFFSETS_SHOWN_MAX: usize = 16;

fn offsets(reads: &[&BucketRead]) -> String {
    let mut shown: Vec<String> = vec![];
    let mut all = 0;
    for read in reads {
        let text = match read.tail {
            Some(Tail::Log(range)) => format!("{}..{}", range.start, range.end),
            Some(Tail::State(end)) => format!("state>={end}"),
            None => continue,
        };
        all += 1;
        if shown.len() < OFFSETS_SHOWN_MAX {
            let partition = if read.partition.is_empty() { "" } else { "/" };
            shown.push(format!("{}{partition}{}: {text}", read.partition, read.bucket));
        }
    }
    if all > shown.len() {
        shown.push(format!("{} more", all - shown.len()));
    }
    shown.join(", ")
}

impl ExecutionPlan for UnionReadExec {
    fn name(&self) -> &str {
        "UnionReadExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        for filter in &self.filters {
            if f(filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        if !children.is_empty() {
            return internal_err!("a union read has no inputs");
        }
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let Some(reads) = self.groups.get(partition) else {
            return internal_err!("union read has no partition {partition}");
        };
        let run = run::PartitionRun::new(self, partition, context)?;
        Ok(run.stream(reads.clone()))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>, DataFusionError> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if args.partition().is_none() {
            statistics.num_rows = self.rows();
            self.known.tell(&mut statistics);
            let bytes: u64 = self.groups.iter().flatten().map(BucketRead::bytes).sum();
            let bytes = usize::try_from(bytes);
            statistics.total_byte_size = bytes.map_or(Precision::Absent, Precision::Inexact);
        }
        Ok(Arc::new(statistics))
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>, DataFusionError> {
        if result.parent_filters.is_empty() {
            return Ok(FilterPushdownPropagation::all_unsupported(result));
        }
        let answers = vec![PushedDown::No; result.parent_filters.len()];
        let mut filters = self.filters.clone();
        for pushed in result.parent_filters {
            if !filters.contains(&pushed.filter) {
                filters.push(pushed.filter);
            }
        }
        let node: Arc<dyn ExecutionPlan> = Arc::new(self.with_filters(filters));
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(answers).with_updated_node(node))
    }
}
