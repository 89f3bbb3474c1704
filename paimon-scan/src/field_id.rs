//! Columns found by field id: renamed, dropped and added again, added later.
//!
//! DataFusion's own adapter goes by name. On a re-added column it shows the old column's values, on a
//! renamed one nulls, without an error.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};

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
        Ok(Arc::new(FieldIdAdapter {
            table,
            file,
            required: Arc::clone(&self.required),
        }))
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
        let Some(id) = field_id(wanted) else {
            return exec_err!("column {:?} of the table has no field id", column.name());
        };
        let mut found = self
            .file
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| field_id(field) == Some(id));
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

    /// A column added after the file was written is null in it.
    fn absent(&self, wanted: &Field, id: i32) -> Result<Arc<dyn PhysicalExpr>> {
        if !wanted.is_nullable() || self.required.contains(&id) {
            return exec_err!(
                "column {:?} (field id {id}) is not in the file",
                wanted.name()
            );
        }
        let null = ScalarValue::try_from(wanted.data_type())?;
        let metadata = Some(wanted.metadata().into());
        Ok(Arc::new(Literal::new_with_metadata(null, metadata)))
    }
}
