//! What is not read, by name. A table is refused when it is opened, before any of its rows are.
//!
//! An option is listed here when it changes what the rows of a table *are*. Options that only steer
//! writing, compaction, caching or file layout are not looked at.

use paimon::spec::{DataField, DataType as PaimonType, TableSchema};

use crate::error::{LakeError, Result};
use crate::merge_rules::{MergeEngine, MergeRules};
use crate::schema::{TableKind, loses_digits};

/// Options that must be absent or false.
const MUST_BE_OFF: [&str; 8] = [
    "ignore-update-before",
    "row-tracking.enabled",
    "data-evolution.enabled",
    "query-auth.enabled",
    "deletion-vectors.merge-on-read",
    "pk-clustering-override",
    "chain-table.enabled",
    "table-read.sequence-number.enabled",
];

/// Options that must be absent.
const MUST_BE_ABSENT: [&str; 6] = [
    "record-level.expire-time",
    "record-level.time-field",
    "scan.fallback-branch",
    "blob-field",
    "incremental-between",
    "incremental-between-timestamp",
];

/// The kind of `schema`'s table, or the reason why it is not read.
pub(crate) fn kind_of(table: &str, schema: &TableSchema) -> Result<TableKind> {
    let refuse = |what: String| Err(LakeError::unsupported(table, what));
    let options = schema.options();
    let named = |key: &str| options.get(key).map(|value| format!("option {key} = {value:?}"));
    let is_on = |key: &str| options.get(key).is_some_and(|v| !v.eq_ignore_ascii_case("false"));
    if let Some(what) = MUST_BE_ABSENT.iter().find_map(|key| named(key)) {
        return refuse(what);
    }
    if let Some(what) = MUST_BE_OFF.iter().filter(|key| is_on(key)).find_map(|key| named(key)) {
        return refuse(what);
    }
    // Before 1.1 a default was filled in on read.
    if let Some(key) =
        options.keys().find(|key| key.starts_with("fields.") && key.ends_with(".default-value"))
    {
        return refuse(format!("option {key}"));
    }
    let allowed: [(&str, &[&str]); 2] =
        [("type", &["table"]), ("file.format", &["parquet", "orc", "avro"])];
    for (key, known) in allowed {
        let is_known = |value: &str| known.iter().any(|known| known.eq_ignore_ascii_case(value));
        let other = options.get(key).filter(|value| !is_known(value));
        if let Some(what) = other.and_then(|_| named(key)) {
            return refuse(what);
        }
    }
    if options.get("bucket").is_some_and(|buckets| buckets.trim() == "-2") {
        return refuse("option bucket = \"-2\" (postponed buckets)".into());
    }
    let vectors = is_on("deletion-vectors.enabled");
    if schema.primary_keys().is_empty() {
        // Paimon marks rows of append tables too; nothing is resolved by key there.
        return Ok(TableKind::Append);
    }
    check_key(table, schema)?;
    let rules = MergeRules::of(schema).map_err(|what| LakeError::unsupported(table, what))?;
    if vectors || rules.engine == MergeEngine::FirstRow {
        return Ok(TableKind::DeletionVectors);
    }
    check_sequence(schema, &rules).map_err(|what| LakeError::unsupported(table, what))?;
    Ok(TableKind::Deduplicate)
}

/// Sequence fields whose order is not the order of their Arrow values.
fn check_sequence(schema: &TableSchema, rules: &MergeRules) -> Result<(), String> {
    // Paimon 1.3 takes the largest value in either order, Paimon 1.4 the smallest in a descending one.
    let order = schema.options().get("sequence.field.sort-order");
    if let Some(order) = order.filter(|order| !order.trim().eq_ignore_ascii_case("ascending")) {
        return Err(format!("option sequence.field.sort-order = {order:?}"));
    }
    let field = |position: &usize| &schema.fields()[*position];
    let unordered = |field: &&DataField| {
        use PaimonType::*;
        let of = field.data_type();
        matches!(of, Float(_) | Double(_) | Array(_) | Map(_) | Row(_)) || loses_digits(of)
    };
    match rules.sequence.iter().map(field).find(unordered) {
        Some(field) => Err(format!(
            "option sequence.field with column {:?} of type {:?}",
            field.name(),
            field.data_type()
        )),
        None => Ok(()),
    }
}

/// A key that is shown with fewer digits than it has would make two rows one.
fn check_key(table: &str, schema: &TableSchema) -> Result<()> {
    let is_key = |name: &str| schema.primary_keys().iter().any(|key| key == name);
    let cut = schema
        .fields()
        .iter()
        .find(|field| is_key(field.name()) && loses_digits(field.data_type()));
    match cut {
        Some(field) => Err(LakeError::unsupported(
            table,
            format!("primary key column {:?} with nanoseconds", field.name()),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use paimon::spec::{DataType, IntType, Schema};

    use super::*;

    fn kind(key: bool, options: &[(&str, &str)]) -> Result<TableKind> {
        let id = DataType::Int(IntType::with_nullable(false));
        let schema = Schema::builder().column("id", id);
        let schema = if key { schema.primary_key(["id"]) } else { schema };
        let schema = TableSchema::new(0, &schema.option("bucket", "1").build().unwrap());
        let options = options.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        kind_of("db.t", &schema.copy_with_replaced_options(options.collect()))
    }

    #[test]
    fn every_option_that_changes_rows_is_named() {
        let off = MUST_BE_OFF.iter().map(|option| (*option, "true"));
        let absent = MUST_BE_ABSENT.iter().map(|option| (*option, "x"));
        let others = [
            ("type", "format-table"),
            ("file.format", "mosaic"),
            ("merge-engine", "newest"),
            ("bucket", "-2"),
            ("deduplicate.ignore-delete", "perhaps"),
            ("sequence.field", "nothing"),
            ("sequence.field.sort-order", "random"),
            ("fields.id.default-value", "7"),
        ];
        for (option, value) in off.chain(absent).chain(others) {
            let error = kind(true, &[(option, value)]).expect_err(option).to_string();
            assert!(error.contains(option) && error.contains("db.t"), "{error}");
        }
    }

    #[test]
    fn what_changes_nothing_is_read() {
        for option in MUST_BE_OFF {
            assert_eq!(kind(true, &[(option, "false")]).unwrap(), TableKind::Deduplicate);
        }
        let harmless = [
            ("merge-engine", "deduplicate"),
            ("file.format", "Parquet"),
            ("file.format", "ORC"),
            ("changelog-producer", "input"),
            ("fluss.table.merge-engine", "first_row"),
            ("write-only", "true"),
        ];
        assert_eq!(kind(true, &harmless).unwrap(), TableKind::Deduplicate);
        assert_eq!(kind(false, &harmless).unwrap(), TableKind::Append);
        let vectors = [("deletion-vectors.enabled", "true")];
        assert_eq!(kind(true, &vectors).unwrap(), TableKind::DeletionVectors);
    }
}
