//! Filters that batches may be left out by, and what they mean for a row.

use fluss_scan::{Comparison, Filter, FilterValue};
use fluss_sim::cases::Row;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Some condition on `id`, `name` or `n`.
pub fn filter(random: &mut StdRng) -> Filter {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    let compare = |random: &mut StdRng| {
        let all = [Equal, Less, LessOrEqual, Greater, GreaterOrEqual];
        let comparison = *all.choose(random).unwrap_or(&Equal);
        let value = random.random_range(-2..60);
        match random.random_range(0..4) {
            0 => Filter::Compare(1, comparison, FilterValue::Text(format!("n{value}-1"))),
            1 => Filter::Compare(2, comparison, FilterValue::Integer(value)),
            _ => Filter::Compare(0, comparison, FilterValue::Integer(value)),
        }
    };
    match random.random_range(0..6) {
        0 => Filter::And(vec![compare(random), compare(random)]),
        1 => Filter::Or(vec![compare(random), compare(random)]),
        2 => Filter::IsNull(random.random_range(1..=2)),
        3 => Filter::IsNotNull(random.random_range(1..=2)),
        _ => compare(random),
    }
}

/// Whether a row is wanted.
pub fn passes(filter: &Filter, row: &Row) -> bool {
    let is_null = |column| if column == 1 { row.name.is_none() } else { row.n.is_none() };
    match filter {
        Filter::And(all) => all.iter().all(|filter| passes(filter, row)),
        Filter::Or(all) => all.iter().any(|filter| passes(filter, row)),
        Filter::IsNull(column) => is_null(*column),
        Filter::IsNotNull(column) => !is_null(*column),
        Filter::Compare(column, comparison, value) => {
            let order = match value {
                FilterValue::Text(text) => row.name.as_ref().map(|name| name.cmp(text)),
                FilterValue::Integer(v) if *column == 0 => Some(row.id.cmp(v)),
                FilterValue::Integer(v) => row.n.map(|n| i64::from(n).cmp(v)),
                FilterValue::Decimal(_) | FilterValue::Timestamp(..) => None,
            };
            order.is_some_and(|order| match comparison {
                Comparison::Equal => order.is_eq(),
                Comparison::Less => order.is_lt(),
                Comparison::LessOrEqual => order.is_le(),
                Comparison::Greater => order.is_gt(),
                Comparison::GreaterOrEqual => order.is_ge(),
            })
        }
    }
}
