//! Aggregates that are answered without reading: only those whose values are proven.
//!
//! DataFusion answers `count(DISTINCT a)` from the number of different values that it derives for the rows of a filter. For `a = 5` it
//! derives exactly one, whether there is such a row or not. Rows, nulls, smallest and largest values it calls exact only where they are.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

/// The rule that answers aggregates from statistics, by DataFusion's name.
const RULE: &str = "aggregate_statistics";

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// DataFusion's rules, that one guarded.
pub(super) fn rules() -> Vec<Rule> {
    let guard = |rule: Rule| match rule.name() {
        RULE => Arc::new(ProvenAggregates(rule)),
        _ => rule,
    };
    PhysicalOptimizer::new().rules.into_iter().map(guard).collect()
}

/// The rule, for plans that count no different values.
#[derive(Debug)]
struct ProvenAggregates(Rule);

impl PhysicalOptimizerRule for ProvenAggregates {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match has_distinct(&plan)? {
            true => Ok(plan),
            false => self.0.optimize(plan, config),
        }
    }

    fn name(&self) -> &str {
        RULE
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

fn has_distinct(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut found = false;
    plan.apply(|node| {
        let aggregate = node.downcast_ref::<AggregateExec>();
        found |= aggregate
            .is_some_and(|aggregate| aggregate.aggr_expr().iter().any(|of| of.is_distinct()));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_guarded_under_its_name() {
        let guarded = rules().iter().filter(|rule| format!("{rule:?}").contains("Proven")).count();
        assert_eq!(guarded, 1);
        let names = |rules: Vec<Rule>| -> Vec<String> {
            rules.iter().map(|rule| rule.name().to_owned()).collect()
        };
        assert_eq!(names(rules()), names(PhysicalOptimizer::new().rules));
    }
}
