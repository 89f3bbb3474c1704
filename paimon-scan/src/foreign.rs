//! Files that the `paimon` crate's own reader reads: those that are not Parquet, and those whose versions are
//! merged value by value.
//!
//! Decided when planning ([`settle`]), read by [`scan`]. It knows no filters here and holds its own buffers;
//! only the batch that crosses is accounted for.

mod cross;
mod read;
mod times;

use std::collections::{BTreeMap, HashMap};

use paimon::spec::{BinaryRow, DataFileMeta, DataType as PaimonType, TableSchema};
use paimon::{DataSplit, Table};

use crate::error::{LakeError, Result};
use crate::file::{Foreign, LakeFile};
use crate::merge_rules::MergeEngine;
use crate::schema::{LakeSchema, loses_digits};

pub use read::scan;

/// Formats that only the other reader knows.
const FORMATS: [&str; 2] = ["orc", "avro"];

fn is_parquet(path: &str) -> bool {
    path.ends_with(".parquet")
}

pub(crate) fn is_known(path: &str) -> bool {
    is_parquet(path) || FORMATS.iter().any(|format| path.ends_with(&format!(".{format}")))
}

/// Where a file is in its table.
pub(crate) struct Place<'a> {
    pub(crate) partition: &'a BinaryRow,
    pub(crate) bucket: i32,
    /// The folder of the bucket.
    pub(crate) folder: &'a str,
}

impl Place<'_> {
    /// What the other reader needs of a file that it may have to read; [`settle`] keeps it of those that it does.
    pub(crate) fn part(
        &self,
        table: &Table,
        schema: &LakeSchema,
        path: &str,
        meta: &DataFileMeta,
    ) -> Result<Option<Foreign>> {
        if !may_read(schema, table.schema().options(), path) {
            return Ok(None);
        }
        let split = DataSplit::builder()
            // neither is looked at when reading
            .with_snapshot(0)
            .with_total_buckets(1)
            .with_partition(self.partition.clone())
            .with_bucket(self.bucket)
            .with_bucket_path(self.folder.trim_end_matches('/').to_owned())
            .with_data_files(vec![meta.clone()])
            .build();
        let (name, bytes) = (table.identifier(), split.and_then(|split| split.serialize()));
        let failed = |error| LakeError::from_paimon(error, &name.full_name(), None);
        Ok(Some(Foreign {
            split: bytes.map_err(failed)?,
            database: name.database().to_owned(),
            table: name.object().to_owned(),
            location: table.location().to_owned(),
            rules: rules(table.schema()),
        }))
    }
}

/// Whether files of this table may have to be read here at all.
fn may_read(schema: &LakeSchema, options: &HashMap<String, String>, path: &str) -> bool {
    let format =
        |key: &str| options.get(key).is_some_and(|value| !value.eq_ignore_ascii_case("parquet"));
    merges_values(schema.rules.engine)
        || !is_parquet(path)
        || format("file.format")
        || options.contains_key("file.format.per.level")
}

/// A checksum of what a schema says of columns and merging. The schema is read again where the files are; of branches and
/// earlier states, another one may have the same id.
fn rules(schema: &TableSchema) -> u32 {
    const PREFIXES: [&str; 7] = [
        "aggregation.",
        "deletion-vectors.",
        "fields.",
        "file.format",
        "ignore-delete",
        "partial-update.",
        "sequence.",
    ];
    let options = schema.options().iter().filter(|(key, _)| {
        *key == "merge-engine" || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
    });
    let options: BTreeMap<&String, &String> = options.collect();
    let fields: Vec<String> = schema.fields().iter().map(|field| format!("{field:?}")).collect();
    crc32fast::hash(format!("{fields:?} {:?} {options:?}", schema.primary_keys()).as_bytes())
}

fn merges_values(engine: MergeEngine) -> bool {
    matches!(engine, MergeEngine::PartialUpdate | MergeEngine::Aggregation)
}

/// Decides which files of a bucket, whose sections are marked, are read here: of these alone `foreign` is left.
pub(crate) fn settle(table: &Table, schema: &LakeSchema, files: &mut [LakeFile]) -> Result<()> {
    let some = keep_foreign(schema.rules.engine, files);
    let checked = some.and_then(|some| if some { check(table, schema) } else { Ok(()) });
    checked.map_err(|what| LakeError::unsupported(table.identifier().full_name(), what))
}

/// Whether there are files to be read here.
fn keep_foreign(engine: MergeEngine, files: &mut [LakeFile]) -> Result<bool, String> {
    // files of a section, and whether some are not Parquet
    let mut sections: BTreeMap<u32, (usize, bool)> = BTreeMap::new();
    for file in files.iter() {
        if let Some(section) = &file.section {
            let (count, other) = sections.entry(section.index).or_default();
            *count += 1;
            *other |= !is_parquet(&file.path);
        }
    }
    let mut some = false;
    for file in files {
        let section = file.section.as_ref().and_then(|section| sections.get(&section.index));
        let ours = match section {
            Some((count, other)) => *count > 1 && merges_values(engine) || *other,
            None => !is_parquet(&file.path),
        };
        match (ours, &file.foreign) {
            (false, _) => file.foreign = None,
            (true, Some(_)) => some = true,
            (true, None) => {
                let path = &file.path;
                return Err(format!(
                    "files of several formats that overlap by key, such as {path:?}"
                ));
            }
        }
    }
    Ok(some)
}

/// What the other reader gets wrong, by name. Times that it gets wrong are looked for when reading.
fn check(table: &Table, schema: &LakeSchema) -> Result<(), String> {
    let fields = table.schema().fields();
    if let Some(field) = fields.iter().find(|field| hides_nanoseconds(field.data_type())) {
        return Err(format!("nanoseconds inside of column {:?}", field.name()));
    }
    // its merge by latest version does not know the option
    if schema.rules.ignore_delete && schema.rules.engine == MergeEngine::Deduplicate {
        return Err("option ignore-delete with files that are not Parquet".into());
    }
    if merges_values(schema.rules.engine) {
        check_options(table.schema().options())
    } else {
        Ok(())
    }
}

/// Aggregate functions that it was held to Java's reader with, over integers, floats, strings, times and nested types.
const FUNCTIONS: [&str; 11] = [
    "collect",
    "first_non_null_value",
    "first_value",
    "last_non_null_value",
    "last_value",
    "listagg",
    "max",
    "merge_map",
    "min",
    "product",
    "sum",
];

/// Options of merging that it was not held to Java's reader with.
fn check_options(options: &HashMap<String, String>) -> Result<(), String> {
    let mut options: Vec<(&String, &String)> = options.iter().collect();
    options.sort();
    let unknown = options.into_iter().find(|(key, value)| match key.as_str() {
        // after a delete, Java 1.3 begins anew and Java 1.4 keeps values
        key if key.contains(".remove-record-on-") => !value.eq_ignore_ascii_case("false"),
        "fields.default-aggregate-function" => !FUNCTIONS.contains(&value.as_str()),
        key if key.starts_with("fields.") => match key.rsplit('.').next() {
            Some("aggregate-function") => !FUNCTIONS.contains(&value.as_str()),
            Some("sequence-group" | "ignore-retract") => false,
            _ => true,
        },
        _ => false,
    });
    match unknown {
        Some((key, value)) => {
            Err(format!("option {key} = {value:?} with files that overlap by key"))
        }
        None => Ok(()),
    }
}

/// Whether there are nanoseconds at some depth.
fn hides_nanoseconds(of: &PaimonType) -> bool {
    let has = |of: &PaimonType| loses_digits(of) || hides_nanoseconds(of);
    match of {
        PaimonType::Array(of) => has(of.element_type()),
        PaimonType::Map(of) => has(of.key_type()) || has(of.value_type()),
        PaimonType::Row(of) => of.fields().iter().any(|field| has(field.data_type())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_merging_that_are_not_understood_are_named() {
        let check =
            |key: &str, value: &str| check_options(&HashMap::from([(key.into(), value.into())]));
        for (key, value) in [
            ("fields.a.aggregate-function", "hll_sketch"),
            ("fields.default-aggregate-function", "theta_sketch"),
            ("fields.a.nested-key", "x"),
            ("fields.a.sum.fail-on-overflow", "true"),
            ("partial-update.remove-record-on-delete", "true"),
            ("partial-update.remove-record-on-sequence-group", "v"),
        ] {
            let error = check(key, value).expect_err(key);
            assert!(error.contains(key), "{error}");
        }
        for (key, value) in [
            ("fields.a.aggregate-function", "sum"),
            ("fields.v,w.sequence-group", "a,b"),
            ("aggregation.remove-record-on-delete", "false"),
            ("bucket", "7"),
        ] {
            assert_eq!(check(key, value), Ok(()), "{key}");
        }
    }

    #[test]
    fn a_section_goes_to_one_reader() {
        use crate::file::Section;
        let file = |path: &str, foreign: bool, section: Option<(u32, u32)>| LakeFile {
            path: path.into(),
            foreign: foreign.then(Foreign::default),
            section: section.map(|(index, files)| Section { index, files }),
            ..LakeFile::default()
        };
        let pairs = |engine| {
            let mut files = vec![
                file("a.parquet", true, None),
                file("b.parquet", true, Some((0, 1))),
                file("c.parquet", true, Some((1, 2))),
                file("d.parquet", true, Some((1, 2))),
                file("e.parquet", true, Some((2, 2))),
                file("f.orc", true, Some((2, 2))),
                file("g.avro", true, None),
            ];
            let others = keep_foreign(engine, &mut files).unwrap();
            assert!(others);
            files.iter().map(|file| file.foreign.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(pairs(MergeEngine::Deduplicate), [false, false, false, false, true, true, true]);
        assert_eq!(pairs(MergeEngine::Aggregation), [false, false, true, true, true, true, true]);
        let mut mixed =
            vec![file("a.parquet", false, Some((0, 2))), file("b.orc", true, Some((0, 2)))];
        assert!(keep_foreign(MergeEngine::Deduplicate, &mut mixed).is_err());
        let mut plain = vec![file("a.parquet", true, None)];
        assert!(!keep_foreign(MergeEngine::Aggregation, &mut plain).unwrap());
    }
}
