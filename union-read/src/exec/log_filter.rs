//! The filters of a leaf as a server of the log understands them.
//!
//! Servers hold them against the statistics of whole batches. What cannot be said so is left out: rows are filtered
//! again above the leaf.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal,
};
use datafusion::physical_expr_common::physical_expr::snapshot_physical_expr;
use fluss_scan::{Comparison, Filter, FilterValue, FlussType, has_statistics};

use super::table_scan::TableScan;

/// Values of an IN list that are worth sending.
const VALUES_MAX: usize = 64;
/// Beyond these digits of a second the log is finer than our columns, and would be compared with what was cut off.
const DIGITS_MAX: u8 = 6;

/// What the log need not send, given the filters over a scan's output; `None`: it sends all.
///
/// In a primary-key table only the key counts: a change whose other columns do not pass may still replace a row.
pub(super) fn log_filter(scan: &TableScan, filters: &[Arc<dyn PhysicalExpr>]) -> Option<Filter> {
    let info = &scan.stream.as_ref()?.info;
    let has_any = (0..info.schema.columns.len()).any(|c| has_statistics(info, c));
    if !has_any {
        return None;
    }
    let mut all: Vec<Filter> = filters
        .iter()
        .filter_map(|filter| snapshot_physical_expr(Arc::clone(filter)).ok())
        .filter_map(|filter| convert(scan, filter.as_ref()))
        .collect();
    if all.len() > 1 { Some(Filter::And(all)) } else { all.pop() }
}

fn convert(scan: &TableScan, filter: &dyn PhysicalExpr) -> Option<Filter> {
    if let Some(binary) = filter.downcast_ref::<BinaryExpr>() {
        return convert_binary(scan, binary);
    }
    if let Some(is_null) = filter.downcast_ref::<IsNullExpr>() {
        return Some(Filter::IsNull(column(scan, is_null.arg().as_ref())?));
    }
    if let Some(is_not_null) = filter.downcast_ref::<IsNotNullExpr>() {
        return Some(Filter::IsNotNull(column(scan, is_not_null.arg().as_ref())?));
    }
    let list = filter.downcast_ref::<InListExpr>()?;
    if list.negated() || list.list().len() > VALUES_MAX {
        return None;
    }
    let position = column(scan, list.expr().as_ref())?;
    let equals = |item: &Arc<dyn PhysicalExpr>| {
        let value = value(scan, position, item.as_ref())?;
        Some(Filter::Compare(position, Comparison::Equal, value))
    };
    Some(Filter::Or(list.list().iter().map(equals).collect::<Option<Vec<_>>>()?))
}

fn convert_binary(scan: &TableScan, binary: &BinaryExpr) -> Option<Filter> {
    let (left, right) = (binary.left().as_ref(), binary.right().as_ref());
    match binary.op() {
        Operator::And => match (convert(scan, left), convert(scan, right)) {
            (Some(left), Some(right)) => Some(Filter::And(vec![left, right])),
            (one, None) | (None, one) => one,
        },
        Operator::Or => Some(Filter::Or(vec![convert(scan, left)?, convert(scan, right)?])),
        operator => {
            if let Some(position) = column(scan, left) {
                let value = value(scan, position, right)?;
                return Some(Filter::Compare(position, comparison(*operator)?, value));
            }
            let position = column(scan, right)?;
            let value = value(scan, position, left)?;
            Some(Filter::Compare(position, comparison(operator.swap()?)?, value))
        }
    }
}

fn comparison(operator: Operator) -> Option<Comparison> {
    Some(match operator {
        Operator::Eq => Comparison::Equal,
        Operator::Lt => Comparison::Less,
        Operator::LtEq => Comparison::LessOrEqual,
        Operator::Gt => Comparison::Greater,
        Operator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// The position in the table of a column that servers have statistics of.
fn column(scan: &TableScan, expression: &dyn PhysicalExpr) -> Option<usize> {
    let column = expression.downcast_ref::<Column>()?;
    let position = *scan.projection.get(column.index())?;
    let may_decide = !scan.has_primary_key() || scan.columns.keys.contains(&position);
    (may_decide && has_statistics(&scan.stream.as_ref()?.info, position)).then_some(position)
}

fn value(scan: &TableScan, position: usize, expression: &dyn PhysicalExpr) -> Option<FilterValue> {
    let literal = expression.downcast_ref::<Literal>()?.value();
    let data_type = &scan.stream.as_ref()?.info.schema.columns.get(position)?.data_type;
    Some(match (data_type, literal) {
        (FlussType::TinyInt, ScalarValue::Int8(Some(v))) => FilterValue::Integer((*v).into()),
        (FlussType::SmallInt, ScalarValue::Int16(Some(v))) => FilterValue::Integer((*v).into()),
        (FlussType::Int, ScalarValue::Int32(Some(v))) => FilterValue::Integer((*v).into()),
        (FlussType::BigInt, ScalarValue::Int64(Some(v))) => FilterValue::Integer(*v),
        (FlussType::Date, ScalarValue::Date32(Some(v))) => FilterValue::Integer((*v).into()),
        (FlussType::Decimal(_, scale), ScalarValue::Decimal128(Some(v), _, of)) if scale == of => {
            FilterValue::Decimal(*v)
        }
        (FlussType::String, literal) => FilterValue::Text(literal.try_as_str()??.to_string()),
        (FlussType::Timestamp(digits) | FlussType::TimestampLtz(digits), literal)
            if *digits <= DIGITS_MAX && matches!(literal.data_type(), DataType::Timestamp(..)) =>
        {
            timestamp(literal)?
        }
        _ => return None,
    })
}

fn timestamp(literal: &ScalarValue) -> Option<FilterValue> {
    let nanoseconds = match literal {
        ScalarValue::TimestampSecond(Some(v), _) => i128::from(*v) * 1_000_000_000,
        ScalarValue::TimestampMillisecond(Some(v), _) => i128::from(*v) * 1_000_000,
        ScalarValue::TimestampMicrosecond(Some(v), _) => i128::from(*v) * 1_000,
        ScalarValue::TimestampNanosecond(Some(v), _) => i128::from(*v),
        _ => return None,
    };
    let milliseconds = i64::try_from(nanoseconds.div_euclid(1_000_000)).ok()?;
    let rest = i32::try_from(nanoseconds.rem_euclid(1_000_000)).ok()?;
    Some(FilterValue::Timestamp(milliseconds, rest))
}

#[cfg(test)]
mod tests {
    use datafusion::common::DFSchema;
    use datafusion::logical_expr::simplify::SimplifyContext;
    use datafusion::optimizer::simplify_expressions::ExprSimplifier;
    use datafusion::prelude::SessionContext;
    use fluss_scan::messages::GetTableInfoAnswer;
    use fluss_scan::{TableInfo, TablePath};

    use super::super::table_scan::StreamSide;
    use super::*;
    use crate::ReadMode;
    use crate::columns::Columns;
    use crate::source::Source;

    /// Columns of a few types, all with statistics; `id` is the key where there is one.
    fn scan(primary_key: &str) -> TableScan {
        let types = [
            ("id", r#""BIGINT""#),
            ("n", r#""INTEGER""#),
            ("name", r#""STRING""#),
            ("price", r#""DECIMAL","precision":10,"scale":2"#),
            ("day", r#""DATE""#),
            ("at", r#""TIMESTAMP_WITHOUT_TIME_ZONE","precision":3"#),
            ("fine", r#""TIMESTAMP_WITHOUT_TIME_ZONE","precision":9"#),
            ("ratio", r#""DOUBLE""#),
        ];
        let columns = types.iter().zip(10..).map(|((name, data_type), id)| {
            format!(r#"{{"name":"{name}","id":{id},"data_type":{{"type":{data_type}}}}}"#)
        });
        let columns = columns.collect::<Vec<_>>().join(",");
        let json = format!(
            r#"{{"bucket_count":1,"bucket_key":[],"partition_key":[],"custom_properties":{{}},
               "properties":{{"table.statistics.columns":"*"}},
               "schema":{{"columns":[{columns}],"primary_key":[{primary_key}]}}}}"#
        );
        let answer = GetTableInfoAnswer { json: json.into(), ..GetTableInfoAnswer::default() };
        let info = TableInfo::parse(TablePath::new("d", "t"), answer).unwrap();
        let columns = Columns::of(&info).unwrap();
        let path = info.path.clone();
        let stream = StreamSide { source: Source::default(), info };
        TableScan::assemble(path, Some(stream), None, ReadMode::Union, columns)
    }

    fn filter_of(scan: &TableScan, sql: &str) -> Option<Filter> {
        let schema = DFSchema::try_from(scan.output_schema().as_ref().clone()).unwrap();
        let session = SessionContext::new();
        let expression = session.parse_sql_expr(sql, &schema).unwrap();
        // as plans do: casts move from columns to literals
        let context = SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build();
        let simplifier = ExprSimplifier::new(context);
        let expression = simplifier.coerce(expression, &schema).unwrap();
        let expression = simplifier.simplify(expression).unwrap();
        let expression = session.create_physical_expr(expression, &schema).unwrap();
        log_filter(scan, &[expression])
    }

    #[test]
    fn what_servers_may_judge_is_said_and_nothing_else() {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less};
        use FilterValue::{Decimal, Integer, Text, Timestamp};
        let compare = |column, comparison, value| Filter::Compare(column, comparison, value);
        let cases = [
            ("id >= 5", Some(compare(0, GreaterOrEqual, Integer(5)))),
            ("5 > id", Some(compare(0, Less, Integer(5)))),
            ("n = 7", Some(compare(1, Equal, Integer(7)))),
            ("name = 'x'", Some(compare(2, Equal, Text("x".into())))),
            ("price > 1.50", Some(compare(3, Greater, Decimal(150)))),
            ("day > DATE '1970-01-03'", Some(compare(4, Greater, Integer(2)))),
            ("at < TIMESTAMP '1969-12-31 23:59:59.999'", Some(compare(5, Less, Timestamp(-1, 0)))),
            ("name IS NULL", Some(Filter::IsNull(2))),
            ("ratio > 1.5", None),
            ("fine > TIMESTAMP '1970-01-01 00:00:00'", None),
            ("id <> 5", None),
            ("id + 1 = 5", None),
            ("name LIKE 'x%'", None),
            ("id = 1 AND ratio > 1.5", Some(compare(0, Equal, Integer(1)))),
            ("id = 1 OR ratio > 1.5", None),
            ("NOT (id = 1 OR ratio > 1.5)", None),
        ];
        let scan = scan("");
        for (sql, filter) in cases {
            assert_eq!(filter_of(&scan, sql), filter, "{sql}");
        }
        let ids = (1..=4).map(|id| compare(0, Equal, Integer(id)));
        assert_eq!(filter_of(&scan, "id IN (1, 2, 3, 4)"), Some(Filter::Or(ids.collect())));
    }

    #[test]
    fn only_the_key_decides_about_changes() {
        let scan = scan(r#""id""#);
        let key = Filter::Compare(0, Comparison::Equal, FilterValue::Integer(1));
        assert_eq!(filter_of(&scan, "id = 1 AND n = 7"), Some(key));
        assert_eq!(filter_of(&scan, "n = 7"), None);
    }

    #[test]
    fn positions_are_those_of_the_table() {
        let scan = scan("").with(vec![4, 1], None).unwrap();
        let filter = Filter::Compare(1, Comparison::Equal, FilterValue::Integer(7));
        assert_eq!(filter_of(&scan, "n = 7"), Some(filter));
    }
}
