//! Columns found by field id: renamed, dropped and added again, added later.
//!
//! DataFusion's own adapter goes by name. On a re-added column it shows the old column's values, on a
//! renamed one nulls, without an error.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};
use parquet::arrow::RowNumber;

use crate::conform::{ConformExpr, obstacle};
use crate::schema::field_id;

/// Rewrites expressions over the table's columns into expressions over a file's.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldIdAdapterFactory {
    /// Columns that a file must hold although they are nullable: partition columns. A file without them
    /// (migrated from Hive) has their values in its path, so null would be wrong.
    pub(crate) required: Arc<HashSet<i32>>,
}

#[derive(Debug)]
struct FieldIdAdapter {
    table: SchemaRef,
    file: SchemaRef,
    required: Arc<HashSet<i32>>,
}

impl PhysicalExprAdapterFactory for FieldIdAdapterFactory {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        Ok(Arc::new(FieldIdAdapter { table, file, required: Arc::clone(&self.required) }))
    }
}

impl PhysicalExprAdapter for FieldIdAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let rewrite = |expr: Arc<dyn PhysicalExpr>| match expr.downcast_ref::<Column>() {
            Some(column) => Ok(Transformed::yes(self.column(column)?)),
            None => Ok(Transformed::no(expr)),
        };
        expr.transform(rewrite).data()
    }
}

impl FieldIdAdapter {
    fn column(&self, column: &Column) -> Result<Arc<dyn PhysicalExpr>> {
        let wanted = self.table.field_with_name(column.name())?;
        if wanted.has_valid_extension_type::<RowNumber>() {
            return self.position(column);
        }
        let Some(id) = field_id(wanted) else {
            return exec_err!("column {:?} of the table has no field id", column.name());
        };
        let mut found =
            self.file.fields().iter().enumerate().filter(|(_, field)| field_id(field) == Some(id));
        let Some((position, field)) = found.next() else {
            return self.absent(wanted, id);
        };
        if found.next().is_some() {
            return exec_err!("the file has two columns with field id {id}");
        }
        let input: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), position));
        if field.data_type() == wanted.data_type() {
            return Ok(input);
        }
        if let Some(obstacle) = obstacle(field, wanted) {
            return exec_err!("column {:?} cannot be read: {obstacle}", column.name());
        }
        let to = Arc::new(wanted.clone());
        Ok(Arc::new(ConformExpr::new(input, Arc::clone(field), to)))
    }

    /// The position of a row is not in the file: the reader adds it behind the file's columns.
    fn position(&self, column: &Column) -> Result<Arc<dyn PhysicalExpr>> {
        let is_position = |field: &FieldRef| {
            field.name() == column.name() && field.has_valid_extension_type::<RowNumber>()
        };
        match self.file.fields().iter().rposition(is_position) {
            Some(found) => Ok(Arc::new(Column::new(column.name(), found))),
            None => exec_err!("the reader does not give the positions of rows"),
        }
    }

    /// A column added after the file was written is null in it.
    fn absent(&self, wanted: &Field, id: i32) -> Result<Arc<dyn PhysicalExpr>> {
        if !wanted.is_nullable() || self.required.contains(&id) {
            return exec_err!("column {:?} (field id {id}) is not in the file", wanted.name());
        }
        let null = ScalarValue::try_from(wanted.data_type())?;
        let metadata = Some(wanted.metadata().into());
        Ok(Arc::new(Literal::new_with_metadata(null, metadata)))
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Schema, TimeUnit};

    use super::*;
    use crate::schema::field_with_id;

    fn rewrite(file: Vec<Field>, wanted: Field) -> Result<String> {
        let table = Arc::new(Schema::new(vec![wanted]));
        let factory = FieldIdAdapterFactory { required: Arc::new(HashSet::from([9])) };
        let adapter = factory.create(Arc::clone(&table), Arc::new(Schema::new(file)))?;
        Ok(adapter.rewrite(Arc::new(Column::new(table.field(0).name(), 0)))?.to_string())
    }

    #[test]
    fn columns_are_found_by_id_and_nothing_is_guessed() {
        let of = |id, data_type| field_with_id("c", data_type, true, id);
        let file = || vec![Field::new("bare", DataType::Int64, true), of(5, DataType::Int32)];
        let read = |wanted| rewrite(file(), wanted);
        assert_eq!(read(of(5, DataType::Int32)).unwrap(), "c@1");
        assert_eq!(read(of(5, DataType::Int64)).unwrap(), "conform(c@1, Int64)");
        // added later
        assert_eq!(read(of(6, DataType::Int32)).unwrap(), "NULL");
        // a partition column, a column that is never null
        assert!(read(of(9, DataType::Int32)).is_err());
        assert!(read(of(6, DataType::Int32).with_nullable(false)).is_err());
        // no id in the table, the same id twice in the file
        assert!(read(Field::new("bare", DataType::Int64, true)).is_err());
        let twice = vec![of(5, DataType::Int32), of(5, DataType::Int32)];
        assert!(rewrite(twice, of(5, DataType::Int32)).is_err());
        for narrower in [DataType::Int16, DataType::Utf8View, DataType::Float32] {
            assert!(read(of(5, narrower)).is_err());
        }
    }

    #[test]
    fn digits_are_never_cut() {
        let of = |data_type| field_with_id("c", data_type, true, 1);
        let at = |unit| DataType::Timestamp(unit, None);
        let (ms, us) = (TimeUnit::Millisecond, TimeUnit::Microsecond);
        assert!(rewrite(vec![of(at(ms))], of(at(us))).is_ok());
        assert!(rewrite(vec![of(at(us))], of(at(ms))).is_err());
        let decimal = DataType::Decimal128;
        assert!(rewrite(vec![of(decimal(10, 2))], of(decimal(14, 4))).is_ok());
        assert!(rewrite(vec![of(decimal(10, 2))], of(decimal(14, 1))).is_err());
        assert!(rewrite(vec![of(decimal(10, 2))], of(decimal(10, 4))).is_err());
    }
}
