//! Filters on the bucket key → the buckets that can hold rows.

use std::collections::HashMap;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::scalar::ScalarValue;
use paimon_scan::{LakeBucket, LakeFile, LakePlan};

/// Keys that are hashed for one statement at most; with more, most buckets have one anyway.
const KEYS_MAX: usize = 1000;

/// The keys that a statement asks for.
pub(crate) struct BucketKeys<'a> {
    plan: &'a LakePlan,
    keys: Vec<Vec<ScalarValue>>,
    /// The buckets of `keys` by number of buckets; `None` where that is not known.
    wanted: HashMap<i32, Option<Vec<i32>>>,
}

impl<'a> BucketKeys<'a> {
    /// `None` when the filters leave more keys open than can be named.
    pub(crate) fn of(plan: &'a LakePlan, schema: &SchemaRef, filters: &[Expr]) -> Option<Self> {
        let columns = plan.schema.bucket_key.iter();
        let mut keys: Vec<Vec<ScalarValue>> = vec![vec![]];
        for column in columns {
            let name = schema.fields().get(*column)?.name();
            let values = filters
                .iter()
                .flat_map(split_conjunction)
                .find_map(|filter| values(filter, name))?;
            if keys.len().saturating_mul(values.len()) > KEYS_MAX {
                return None;
            }
            let extended = |key: &Vec<ScalarValue>| -> Vec<Vec<ScalarValue>> {
                values
                    .iter()
                    .map(|value| [&key[..], std::slice::from_ref(value)].concat())
                    .collect()
            };
            keys = keys.iter().flat_map(extended).collect();
        }
        Some(Self { plan, keys, wanted: HashMap::new() })
    }

    /// Whether a row of one of the keys can be in this bucket. Its own number of buckets counts: a
    /// partition keeps the one that it was written with.
    pub(crate) fn may_hold(&mut self, bucket: &LakeBucket) -> bool {
        let (plan, keys, total) = (self.plan, &self.keys, bucket.total_buckets);
        // the key may have had another type then, and another hash
        let is_older = |file: &LakeFile| file.schema_id != plan.schema.id;
        if plan.schema.primary_key.is_empty() && bucket.files.iter().any(is_older) {
            return true;
        }
        let wanted = self
            .wanted
            .entry(total)
            .or_insert_with(|| keys.iter().map(|key| plan.bucket_of(key, total)).collect());
        wanted.as_ref().is_none_or(|wanted| wanted.contains(&bucket.bucket))
    }
}

/// The values that a filter leaves to a column; `None` when it is no such filter.
fn values(filter: &Expr, name: &str) -> Option<Vec<ScalarValue>> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(column) if column.name == name);
    let literal = |expr: &Expr| match expr {
        Expr::Literal(value, _) if !value.is_null() => Some(value.clone()),
        _ => None,
    };
    match filter {
        Expr::BinaryExpr(eq) if eq.op == Operator::Eq && is_column(&eq.left) => {
            Some(vec![literal(&eq.right)?])
        }
        Expr::BinaryExpr(eq) if eq.op == Operator::Eq && is_column(&eq.right) => {
            Some(vec![literal(&eq.left)?])
        }
        Expr::InList(list) if !list.negated && is_column(&list.expr) => {
            list.list.iter().map(literal).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn only_equality_with_values_names_keys() {
        let read = |filter: Expr| values(&filter, "id").map(|values| values.len());
        assert_eq!(read(col("id").eq(lit(1i64))), Some(1));
        assert_eq!(read(lit(1i64).eq(col("id"))), Some(1));
        assert_eq!(read(col("id").in_list(vec![lit(1i64), lit(2i64)], false)), Some(2));
        for other in [
            col("id").in_list(vec![lit(1i64)], true),
            col("id").in_list(vec![lit(1i64), col("v")], false),
            col("id").gt(lit(1i64)),
            col("v").eq(lit(1i64)),
            col("id").eq(col("v")),
            col("id").eq(lit(1i64)).or(col("id").gt(lit(3i64))),
            col("id").eq(lit(ScalarValue::Int64(None))),
        ] {
            assert_eq!(read(other.clone()), None, "{other}");
        }
    }
}
