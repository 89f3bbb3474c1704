//! What the optimizer is told of columns before they are read.
//!
//! The engine answers MIN, MAX and COUNT from what is called exact, and takes every bound, exact or not, for one that no
//! row is beyond. So bounds are exact where every row of every file counts, inexact where some may be hidden, and not
//! told at all where a row may have a value that is in no file. How many different values there are is always an estimate.

use std::collections::HashMap;

use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue};

use crate::analyzed::Analyzed;
use crate::bounds;
use crate::file::{ColumnBounds, LakeFile};
use crate::merge_rules::MergeEngine;
use crate::schema::{LakeSchema, field_id};

/// How much the bounds of files say of the rows that come out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// Some row has each of them.
    Tight,
    /// No row is beyond them.
    Outer,
    Nothing,
}

/// Statistics of the columns at these positions of the schema, read from these files and from nothing else unless
/// `with_others`.
pub fn column_statistics(
    schema: &LakeSchema,
    columns: &[usize],
    files: &[&LakeFile],
    with_others: bool,
    analyzed: Option<&Analyzed>,
) -> Vec<ColumnStatistics> {
    let bound = if with_others { Bound::Nothing } else { bound_of(schema, files) };
    let ids = columns.iter().map(|column| field_id(schema.columns.field(*column)));
    let ids: Vec<Option<i32>> = ids.collect();
    let mut found: HashMap<i32, Column> =
        ids.iter().flatten().map(|id| (*id, Column::default())).collect();
    for file in files {
        for of in &file.bounds {
            if let Some(column) = found.get_mut(&of.field_id) {
                column.add(of, file.rows);
            }
        }
    }
    let rows: u64 = files.iter().map(|file| file.rows_to_read()).fold(0, u64::saturating_add);
    let statistics = |(position, id): (&usize, &Option<i32>)| {
        let (Some(id), of) = (id, schema.columns.field(*position).data_type()) else {
            return ColumnStatistics::new_unknown();
        };
        let column = found.get(id).copied().unwrap_or_default();
        let value = |value: Option<i64>| {
            let known = value.filter(|_| column.bounded == files.len());
            bound.of(known.and_then(|value| bounds::integer_scalar(value, of)))
        };
        let nulls = (column.counted == files.len()).then_some(column.nulls as usize);
        let distinct = analyzed.and_then(|analyzed| analyzed.distinct(*id));
        ColumnStatistics {
            min_value: value(column.min),
            max_value: value(column.max),
            null_count: match (nulls, bound) {
                (None, _) => Precision::Absent,
                (Some(nulls), Bound::Tight) => Precision::Exact(nulls),
                (Some(nulls), _) => Precision::Inexact(nulls),
            },
            distinct_count: match distinct {
                Some(distinct) if with_others => Precision::Inexact(distinct as usize),
                Some(distinct) => Precision::Inexact(distinct.min(rows) as usize),
                None => Precision::Absent,
            },
            ..ColumnStatistics::new_unknown()
        }
    };
    columns.iter().zip(&ids).map(statistics).collect()
}

impl Bound {
    fn of(self, value: Option<ScalarValue>) -> Precision<ScalarValue> {
        match (self, value) {
            (Self::Tight, Some(value)) => Precision::Exact(value),
            (Self::Outer, Some(value)) => Precision::Inexact(value),
            _ => Precision::Absent,
        }
    }
}

fn bound_of(schema: &LakeSchema, files: &[&LakeFile]) -> Bound {
    let is_whole = |file: &&LakeFile| {
        file.section.is_none() && file.deletion_vector.is_none() && file.slice.is_none()
    };
    let makes_values =
        matches!(schema.rules.engine, MergeEngine::PartialUpdate | MergeEngine::Aggregation);
    match () {
        () if files.iter().all(is_whole) => Bound::Tight,
        () if makes_values && files.iter().any(|file| file.section.is_some()) => Bound::Nothing,
        () => Bound::Outer,
    }
}

/// One column over all files.
#[derive(Clone, Copy, Default)]
struct Column {
    /// Files whose bounds are known, or that have no values.
    bounded: usize,
    min: Option<i64>,
    max: Option<i64>,
    /// Files whose nulls are counted.
    counted: usize,
    nulls: u64,
}

impl Column {
    fn add(&mut self, of: &ColumnBounds, rows: u64) {
        match (of.min, of.max) {
            (Some(min), Some(max)) => {
                self.bounded += 1;
                self.min = Some(self.min.map_or(min, |all| all.min(min)));
                self.max = Some(self.max.map_or(max, |all| all.max(max)));
            }
            _ if of.nulls == Some(rows) => self.bounded += 1,
            _ => {}
        }
        if let Some(nulls) = of.nulls {
            self.counted += 1;
            self.nulls = self.nulls.saturating_add(nulls);
        }
    }
}
