//! `SHOW CREATE TABLE`.

use union_read::catalog::Description;
use union_read::columns::DECLARED;

use crate::catalog::masked;

/// The statement that would describe a table: columns, keys, buckets and its properties, those that
/// may be secrets masked.
pub fn statement(name: &str, table: &Description) -> String {
    let columns = &table.columns;
    let fields = columns.schema.fields();
    let mut lines: Vec<String> = fields
        .iter()
        .map(|field| {
            let declared = field.metadata().get(DECLARED).map_or("", String::as_str);
            let null = if field.is_nullable() { "" } else { " NOT NULL" };
            format!("  `{}` {declared}{null}", field.name())
        })
        .collect();
    let named = |positions: &[usize]| {
        list(positions.iter().filter_map(|p| fields.get(*p)).map(|field| field.name()))
    };
    if !columns.keys.is_empty() {
        lines.push(format!("  PRIMARY KEY ({})", named(&columns.keys)));
    }
    let mut text = format!("CREATE TABLE `{name}` (\n{}\n)", lines.join(",\n"));
    if !columns.partition_keys.is_empty() {
        text.push_str(&format!("\nPARTITION BY ({})", named(&columns.partition_keys)));
    }
    if !table.bucket_keys.is_empty() {
        let keys = list(table.bucket_keys.iter());
        text.push_str(&format!("\nDISTRIBUTED BY HASH({keys}) BUCKETS {}", table.bucket_count));
    }
    if !table.properties.is_empty() {
        let property = |(key, value): (&String, &String)| {
            let told = if names_columns(key) { value } else { masked(key, value) };
            format!("  \"{key}\" = \"{told}\"")
        };
        let properties = table.properties.iter().map(property).collect::<Vec<_>>().join(",\n");
        text.push_str(&format!("\nPROPERTIES (\n{properties}\n)"));
    }
    text
}

/// Keys of tables, which are no secrets.
fn names_columns(property: &str) -> bool {
    ["bucket-key", "bucket.key", "primary-key"].iter().any(|key| property.ends_with(key))
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
