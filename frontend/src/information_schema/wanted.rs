//! What a query wants, read from its conditions: names of databases and of tables.
//!
//! Conditions that are not understood want everything; the query's own filters decide in the end.

use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;

use crate::like::Like;

/// Columns that name a database.
const DATABASE: [&str; 6] = [
    "table_schema",
    "schema_name",
    "constraint_schema",
    "index_schema",
    "trigger_schema",
    "event_schema",
];
const TABLE: &str = "table_name";

/// The databases and tables that a query wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The databases.
    pub databases: Names,
    /// The tables.
    pub tables: Names,
}

/// Which names are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// These alone, where there is such a condition.
    pub exactly: Option<Vec<String>>,
    like: Vec<Like>,
}

impl Names {
    /// One name alone.
    pub fn only(name: &str) -> Self {
        Self { exactly: Some(vec![name.to_string()]), like: vec![] }
    }

    /// Whether a name is among them.
    pub fn contain(&self, name: &str) -> bool {
        self.exactly.as_ref().is_none_or(|names| names.iter().any(|n| n == name))
            && self.like.iter().all(|like| like.matches(name))
    }

    fn narrow(&mut self, names: Vec<String>) {
        self.exactly = Some(match self.exactly.take() {
            Some(before) => before.into_iter().filter(|name| names.contains(name)).collect(),
            None => names,
        });
    }
}

impl Wanted {
    /// What all of these conditions together want.
    pub fn of(conditions: &[Expr]) -> Self {
        let mut wanted = Self::default();
        conditions.iter().for_each(|condition| wanted.take(condition));
        wanted
    }

    fn take(&mut self, condition: &Expr) {
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                self.take(left);
                self.take(right);
            }
            Expr::Like(like) if !like.negated && like.escape_char.is_none_or(|c| c == '\\') => {
                let (Some(names), Some(pattern)) = (self.names(&like.expr), text(&like.pattern))
                else {
                    return;
                };
                names.like.push(Like(Some(pattern)));
            }
            other => {
                if let Some((column, values)) = equalities(other)
                    && let Some(names) = self.names(column)
                {
                    names.narrow(values);
                }
            }
        }
    }

    fn names(&mut self, column: &Expr) -> Option<&mut Names> {
        let Expr::Column(column) = without_casts(column) else { return None };
        if DATABASE.contains(&column.name.as_str()) {
            return Some(&mut self.databases);
        }
        (column.name == TABLE).then_some(&mut self.tables)
    }
}

/// `column = 'a'`, `column IN ('a', 'b')`, `column = 'a' OR column = 'b'`: the column and the values.
fn equalities(condition: &Expr) -> Option<(&Expr, Vec<String>)> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            match (text(left), text(right)) {
                (None, Some(value)) => Some((left, vec![value])),
                (Some(value), None) => Some((right, vec![value])),
                _ => None,
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let ((one, mut values), (other, more)) = (equalities(left)?, equalities(right)?);
            values.extend(more);
            (without_casts(one) == without_casts(other)).then_some((one, values))
        }
        Expr::InList(list) if !list.negated => {
            let values = list.list.iter().map(text).collect::<Option<_>>()?;
            Some((&list.expr, values))
        }
        _ => None,
    }
}

fn without_casts(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => without_casts(&cast.expr),
        other => other,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match without_casts(expr) {
        Expr::Literal(
            ScalarValue::Utf8(value) | ScalarValue::Utf8View(value) | ScalarValue::LargeUtf8(value),
            _,
        ) => value.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::{col, lit};

    #[test]
    fn conditions_narrow() {
        let either = col("table_schema").eq(lit("a")).or(lit("b").eq(col("table_schema")));
        let wanted = Wanted::of(&[either, col("table_name").like(lit("o%"))]);
        assert!(wanted.databases.contain("a") && wanted.databases.contain("b"));
        assert!(!wanted.databases.contain("c"));
        assert!(wanted.tables.contain("orders") && !wanted.tables.contain("lines"));
        let both = col("schema_name").eq(lit("a")).and(col("schema_name").eq(lit("b")));
        assert!(!Wanted::of(&[both]).databases.contain("a"));
        let list = col("table_name").in_list(vec![lit("x"), lit("y")], false);
        assert_eq!(Wanted::of(&[list]).tables.exactly.unwrap(), ["x", "y"]);
    }

    #[test]
    fn what_is_not_understood_wants_everything() {
        for condition in [
            col("table_schema").eq(lit("a")).or(col("table_name").eq(lit("b"))),
            col("table_schema").not_eq(lit("a")),
            col("table_name").not_like(lit("a")),
            col("column_name").eq(lit("a")),
            col("table_schema").eq(col("table_name")),
        ] {
            assert_eq!(Wanted::of(&[condition]), Wanted::default());
        }
    }
}
