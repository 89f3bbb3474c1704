//! Which backend reads what.
//!
//! Task *i* of every stage runs at backend *i* of the query's list, the home first. The units of a leaf are spread over
//! the tasks by rendezvous hashing of their affinity, so that the same data is read where it was read before, and
//! evened out by bytes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::common::internal_datafusion_err;
use datafusion::error::{DataFusionError, Result};
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedLeafExec, RouteTasksEvent,
    RouteTasksEventResponse, ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse, WorkerResolver,
};
use union_read::exec::Unit;
use url::Url;

use crate::leaf::Leaf;

/// The backends of one query.
pub(super) struct Pinned(pub(super) Vec<Url>);

impl WorkerResolver for Pinned {
    fn get_urls(&self) -> Result<Vec<Url>, DataFusionError> {
        Ok(self.0.clone())
    }
}

/// The backends of one query and the rules by which they share its work.
pub(super) struct Placement {
    urls: Vec<Url>,
    leaf: Arc<dyn Leaf>,
    task_bytes_min: u64,
}

impl Placement {
    pub(super) fn new(urls: Vec<Url>, leaf: Arc<dyn Leaf>, task_bytes_min: u64) -> Self {
        Self { urls, leaf, task_bytes_min }
    }

    /// As many tasks as there are backends, units, and bytes enough.
    fn tasks(&self, units: &[Unit]) -> usize {
        let bytes: u64 = units.iter().map(|unit| unit.bytes).sum();
        let by_bytes = bytes
            .checked_div(self.task_bytes_min)
            .map_or(usize::MAX, |tasks| usize::try_from(tasks).unwrap_or(usize::MAX));
        self.urls.len().min(units.len()).min(by_bytes).max(1)
    }

    /// The units of each task.
    fn spread(&self, units: &[Unit], tasks: usize) -> Vec<Vec<usize>> {
        let total: u64 = units.iter().map(|unit| unit.bytes.max(1)).sum();
        // a task may have a quarter more than its share before others are asked
        let fair = (total / tasks as u64).saturating_mul(5) / 4 + 1;
        let mut groups: Vec<(u64, Vec<usize>)> = vec![(0, vec![]); tasks];
        let mut order: Vec<usize> = (0..units.len()).collect();
        order.sort_by_key(|unit| std::cmp::Reverse(units[*unit].bytes));
        for unit in order {
            let bytes = units[unit].bytes.max(1);
            let mut ranked: Vec<usize> = (0..tasks).collect();
            ranked.sort_by_key(|task| {
                std::cmp::Reverse(rank(units[unit].affinity, self.urls.get(*task)))
            });
            let fits = ranked.iter().find(|task| groups[**task].0 + bytes <= fair);
            let least = (0..tasks).min_by_key(|task| groups[*task].0);
            if let Some(task) = fits.copied().or(least) {
                groups[task].0 += bytes;
                groups[task].1.push(unit);
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }
}

fn rank(affinity: u64, url: Option<&Url>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (affinity, url.map(Url::as_str)).hash(&mut hasher);
    hasher.finish()
}

pub(super) fn desired_task_count(
    event: DesiredTaskCountEvent,
) -> Option<Result<DesiredTaskCountEventResponse>> {
    let placement = event.session_config.get_extension::<Placement>()?;
    let units = placement.leaf.units(event.plan.as_ref())?;
    // Above one partition the planner sees no need of a merge: what counts all rows would count those of its task.
    if event.plan.properties().partitioning.partition_count() < 2 {
        return Some(Ok(DesiredTaskCountEventResponse::maximum(1)));
    }
    Some(Ok(DesiredTaskCountEventResponse::desired(placement.tasks(&units))))
}

/// One variant of the leaf per task. The library runs the original leaf where a plan stays with one task.
pub(super) fn scale_up(
    event: ScaleUpLeafNodeEvent,
) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let placement = event.session_config.get_extension::<Placement>()?;
    let units = placement.leaf.units(event.plan.as_ref())?;
    let variants = placement.spread(&units, event.task_count);
    let variants = variants.iter().map(|units| placement.leaf.restrict(event.plan.as_ref(), units));
    let scaled = variants.collect::<Result<Vec<_>>>().and_then(|variants| {
        let leaf = DistributedLeafExec::try_new(Arc::clone(event.plan), variants)?;
        Ok(ScaleUpLeafNodeEventResponse::new(Arc::new(leaf)))
    });
    Some(scaled)
}

pub(super) fn route(event: RouteTasksEvent) -> Option<Result<RouteTasksEventResponse>> {
    let placement = event.task_ctx.session_config().get_extension::<Placement>()?;
    let count = placement.urls.len();
    if count == 0 {
        return Some(Err(internal_datafusion_err!("a query without backends")));
    }
    let urls = (0..event.task_count).map(|task| placement.urls[task % count].clone()).collect();
    Some(Ok(RouteTasksEventResponse::new(urls)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(backends: usize, task_bytes_min: u64) -> Placement {
        let url = |i| Url::parse(&format!("http://h:{}", 9060 + i)).unwrap();
        let leaf = Arc::new(crate::leaf::UnionReads::default());
        Placement::new((0..backends).map(url).collect(), leaf, task_bytes_min)
    }

    #[test]
    fn every_unit_has_one_task() {
        let units: Vec<Unit> =
            (0..100).map(|i| Unit { affinity: i * 7919, bytes: 1000 + i % 13 }).collect();
        let groups = placement(3, 0).spread(&units, 3);
        let mut all: Vec<usize> = groups.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert!(groups.iter().all(|group| (20..=45).contains(&group.len())), "{groups:?}");
        assert_eq!(groups, placement(3, 0).spread(&units, 3));
    }

    #[test]
    fn small_queries_stay_at_home() {
        let units = [Unit { affinity: 1, bytes: 1000 }; 8];
        assert_eq!(placement(3, 1 << 20).tasks(&units), 1);
        assert_eq!(placement(3, 2000).tasks(&units), 3);
        assert_eq!(placement(3, 4000).tasks(&units), 2);
        assert_eq!(placement(3, 0).tasks(&units[..2]), 2);
        assert_eq!(placement(3, 0).tasks(&[]), 1);
    }
}
