//! `SHOW CREATE TABLE`.

use union_read::catalog::TableInfo;
use union_read::columns::{Columns, DECLARED};

use crate::Result;

/// The statement that would describe a table: columns, keys, buckets and the properties that Fluss
/// serves (it keeps secrets to itself).
pub fn statement(name: &str, info: &TableInfo) -> Result<String> {
    let columns = Columns::of(info)?;
    let mut lines: Vec<String> = columns
        .schema
        .fields()
        .iter()
        .map(|field| {
            let declared = field.metadata().get(DECLARED).map_or("", String::as_str);
            let null = if field.is_nullable() { "" } else { " NOT NULL" };
            format!("  `{}` {declared}{null}", field.name())
        })
        .collect();
    if !info.schema.primary_key.is_empty() {
        lines.push(format!("  PRIMARY KEY ({})", list(&info.schema.primary_key)));
    }
    let mut text = format!("CREATE TABLE `{name}` (\n{}\n)", lines.join(",\n"));
    if !info.partition_keys.is_empty() {
        text.push_str(&format!("\nPARTITION BY ({})", list(&info.partition_keys)));
    }
    if !info.bucket_keys.is_empty() {
        let keys = list(&info.bucket_keys);
        text.push_str(&format!("\nDISTRIBUTED BY HASH({keys}) BUCKETS {}", info.bucket_count));
    }
    if !info.properties.is_empty() {
        let properties =
            info.properties.iter().map(|(key, value)| format!("  \"{key}\" = \"{value}\""));
        let properties = properties.collect::<Vec<_>>().join(",\n");
        text.push_str(&format!("\nPROPERTIES (\n{properties}\n)"));
    }
    Ok(text)
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
