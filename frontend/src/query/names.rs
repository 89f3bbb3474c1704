//! Names of tables as tools write them who know databases and no catalogs.
//!
//! `` `catalog.database`.`table` ``: what a tool makes of a database that it was told of by that name; no database has a dot
//! in its name. `` `database`.``.`table` ``: what a tool writes that expects a schema inside of a database.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, ObjectName, ObjectNamePart, Query, SelectItem, SetExpr,
    TableFactor, Value, VisitMut, VisitorMut,
};

use crate::information_schema::{definition, is_name};

/// Completes the names in a query, and leaves out `FROM DUAL`, which says that there is no table.
///
/// Returns whether it reads `information_schema`.
pub fn complete(query: &mut Query) -> bool {
    let _ = query.visit(&mut NoDual);
    let aliases = aliases(&query.body);
    let mut names = Names { about_information_schema: false, aliases };
    let _ = query.visit(&mut names);
    if names.about_information_schema {
        let _ = query.visit(&mut LowerColumns { aliases: names.aliases });
    }
    names.about_information_schema
}

/// The parts of a name, completed.
pub fn completed(mut parts: Vec<String>) -> Vec<String> {
    if parts.len() == 3 && parts[1].is_empty() {
        parts.remove(1);
    }
    if parts.len() == 2
        && let Some((catalog, database)) = parts[0].split_once('.')
    {
        let (catalog, database) = (catalog.to_string(), database.to_string());
        parts.splice(0..1, [catalog, database]);
    }
    parts
}

struct NoDual;

impl VisitorMut for NoDual {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = query.body.as_mut()
            && let [only] = &select.from[..]
            && only.joins.is_empty()
            && matches!(&only.relation, TableFactor::Table { name, alias: None, .. } if is_dual(name))
        {
            select.from.clear();
        }
        ControlFlow::Continue(())
    }
}

fn is_dual(name: &ObjectName) -> bool {
    let [part] = &name.0[..] else { return false };
    part.as_ident().is_some_and(|ident| {
        ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("dual")
    })
}

/// Lets a condition name columns in any case, quoted or not; they are small letters inside.
pub fn lower_columns<'a>(condition: &mut Expr, columns: impl Iterator<Item = &'a String>) {
    let columns = columns.cloned().collect();
    let _ = condition.visit(&mut LowerShown { columns });
}

struct LowerShown {
    columns: Vec<String>,
}

impl VisitorMut for LowerShown {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr {
            let lower = ident.value.to_lowercase();
            if self.columns.contains(&lower) {
                *ident = Ident::with_quote('`', lower);
            }
        }
        ControlFlow::Continue(())
    }
}

struct Names {
    about_information_schema: bool,
    aliases: Vec<String>,
}

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        let idents: Option<Vec<Ident>> =
            relation.0.iter().map(|part| part.as_ident().cloned()).collect();
        let Some(idents) = idents else { return ControlFlow::Continue(()) };
        self.about_information_schema |= idents.len() > 1
            && idents.iter().rev().nth(1).is_some_and(|database| is_name(&database.value));
        if let Some(complete) = complete_idents(&idents) {
            relation.0 = complete.into_iter().map(ObjectNamePart::Identifier).collect();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        // of two parts the first is a table, whose alias may have a dot
        if let Expr::CompoundIdentifier(idents) = expr
            && let Some((column, table)) = idents.split_last()
            && table.len() > 1
            && let Some(mut complete) = complete_idents(table)
        {
            complete.push(column.clone());
            *idents = complete;
        }
        ControlFlow::Continue(())
    }
}

fn complete_idents(idents: &[Ident]) -> Option<Vec<Ident>> {
    let before: Vec<String> = idents.iter().map(|ident| ident.value.clone()).collect();
    let after = completed(before.clone());
    if after == before {
        return None;
    }
    let (_, front) = after.split_last()?;
    let table = idents.last().cloned();
    Some(front.iter().map(|name| Ident::with_quote('`', name)).chain(table).collect())
}

/// Columns whose values are words in capitals; MySQL compares them in any case.
const WORDS: [&str; 5] =
    ["column_key", "constraint_type", "index_name", "is_nullable", "table_type"];

/// Names of columns in capitals and quotes, which would be other columns than those in small letters, and words that are
/// compared to [`WORDS`].
struct LowerColumns {
    aliases: Vec<String>,
}

impl LowerColumns {
    fn lower(&self, ident: &mut Ident) {
        let lower = ident.value.to_lowercase();
        let is_column = || {
            definition::DEFINITIONS
                .iter()
                .any(|table| table.columns().any(|(column, _)| column.eq_ignore_ascii_case(&lower)))
        };
        if ident.quote_style == Some('`') && !self.aliases.contains(&ident.value) && is_column() {
            ident.value = lower;
        }
    }
}

impl VisitorMut for LowerColumns {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.lower(ident),
            Expr::CompoundIdentifier(idents) => {
                if let Some(last) = idents.last_mut() {
                    self.lower(last);
                }
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } if is_word(left) => {
                if let Expr::Value(value) = right.as_mut()
                    && let Value::SingleQuotedString(text) = &mut value.value
                {
                    *text = text.to_uppercase();
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn is_word(expr: &Expr) -> bool {
    let name = match expr {
        Expr::Identifier(ident) => Some(ident),
        Expr::CompoundIdentifier(idents) => idents.last(),
        _ => None,
    };
    name.is_some_and(|ident| WORDS.iter().any(|word| ident.value.eq_ignore_ascii_case(word)))
}

fn aliases(body: &SetExpr) -> Vec<String> {
    match body {
        SetExpr::Select(select) => {
            let alias = |item: &SelectItem| match item {
                SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
                _ => None,
            };
            select.projection.iter().filter_map(alias).collect()
        }
        SetExpr::Query(query) => aliases(&query.body),
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::complete;
    use crate::query::parse::parse;
    use crate::query::statement::Statement;

    #[test]
    fn names_of_tools() {
        for (written, wanted) in [
            ("SELECT a FROM `c.d`.`t`", "SELECT a FROM `c`.`d`.`t`"),
            (
                "SELECT `c.d`.`t`.`a` FROM `c.d`.`t` WHERE `x.y`.b = 1",
                "SELECT `c`.`d`.`t`.`a` FROM `c`.`d`.`t` WHERE `x.y`.b = 1",
            ),
            ("SELECT `d`.``.`t`.a FROM `d`.``.`t`", "SELECT `d`.`t`.a FROM `d`.`t`"),
            ("SELECT a FROM `c.d`.``.`t`", "SELECT a FROM `c`.`d`.`t`"),
            ("SELECT d.t.a FROM d.t, c.d.u", "SELECT d.t.a FROM d.t, c.d.u"),
            (
                "SELECT `TABLE_NAME` FROM `INFORMATION_SCHEMA`.`TABLES` t WHERE t.`TABLE_SCHEMA` = 'x'",
                "SELECT `table_name` FROM `INFORMATION_SCHEMA`.`TABLES` t WHERE t.`table_schema` = 'x'",
            ),
            (
                "SELECT 1 FROM DUAL WHERE EXISTS (SELECT 2 FROM dual)",
                "SELECT 1 WHERE EXISTS (SELECT 2)",
            ),
            ("SELECT 1 FROM `dual`", "SELECT 1 FROM `dual`"),
            (
                "SELECT 1 FROM information_schema.columns c WHERE c.COLUMN_KEY = 'pri' AND column_name = 'pri'",
                "SELECT 1 FROM information_schema.columns c WHERE c.COLUMN_KEY = 'PRI' AND column_name = 'pri'",
            ),
            ("SELECT `TABLE_NAME` FROM t", "SELECT `TABLE_NAME` FROM t"),
        ] {
            let Statement::Query(mut query) = parse(written).unwrap().remove(0) else { panic!() };
            complete(&mut query);
            assert_eq!(query.to_string().replace(" AS ", " "), wanted);
        }
    }
}
