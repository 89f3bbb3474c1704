//! The folder of a bucket, as Paimon's writers name it.
//!
//! Only partition columns whose text is beyond doubt: strings, integers, booleans and dates. Tables that
//! are partitioned by others, or keep their data files elsewhere, are planned by the `paimon` crate.

use std::fmt::Write;

use chrono::NaiveDate;
use paimon::spec::{
    BinaryRow, DataType as PaimonType, Datum, TableSchema, bucket_dir_name, is_java_whitespace_only,
};

use crate::error::{LakeError, Result};

/// Days from 0001-01-01 to 1970-01-01, both ends counted as `chrono` does.
const EPOCH: i32 = 719_163;

/// Characters that Paimon writes as `%` and two digits, besides control characters.
const ESCAPED: &str = "\"#%'*/:=?\\{}[]^";

/// Names folders of one table.
pub(crate) struct Folders<'a> {
    location: &'a str,
    columns: Vec<(&'a str, &'a PaimonType)>,
    default_name: String,
    legacy: bool,
}

impl<'a> Folders<'a> {
    /// `None` when the folders of this table are not known here.
    pub(crate) fn of(location: &'a str, schema: &'a TableSchema) -> Option<Self> {
        let options = schema.core_options();
        if options.data_file_path_directory().is_some_and(|folder| !folder.is_empty()) {
            return None;
        }
        let column = |key: &'a String| {
            let field = schema.fields().iter().find(|field| field.name() == key)?;
            is_known(field.data_type()).then_some((key.as_str(), field.data_type()))
        };
        Some(Self {
            location: location.trim_end_matches('/'),
            columns: schema.partition_keys().iter().map(column).collect::<Option<_>>()?,
            default_name: options.partition_default_name().to_owned(),
            legacy: options.legacy_partition_name(),
        })
    }

    /// The folder of a bucket, without a slash at its end.
    pub(crate) fn bucket(&self, partition: &BinaryRow, bucket: i32) -> Result<String> {
        if usize::try_from(partition.arity()).ok() != Some(self.columns.len()) {
            return Err(LakeError::corrupt(format!(
                "partition of {} values in place of {}",
                partition.arity(),
                self.columns.len()
            )));
        }
        let mut path = self.location.to_owned();
        for (position, (name, data_type)) in self.columns.iter().enumerate() {
            let datum = partition.get_datum(position, data_type);
            let datum = datum.map_err(|error| LakeError::corrupt(format!("partition: {error}")))?;
            path.push('/');
            escape(&mut path, name);
            path.push('=');
            escape(&mut path, &self.text(datum)?);
        }
        path.push('/');
        path.push_str(&bucket_dir_name(bucket));
        Ok(path)
    }

    /// Where an index file without a path of its own is.
    pub(crate) fn index_folder(&self) -> String {
        format!("{}/index", self.location)
    }

    fn text(&self, datum: Option<Datum>) -> Result<String> {
        Ok(match datum {
            None => self.default_name.clone(),
            Some(Datum::Bool(value)) => value.to_string(),
            Some(Datum::TinyInt(value)) => value.to_string(),
            Some(Datum::SmallInt(value)) => value.to_string(),
            Some(Datum::Int(value)) => value.to_string(),
            Some(Datum::Long(value)) => value.to_string(),
            Some(Datum::String(value)) if is_java_whitespace_only(&value) => {
                self.default_name.clone()
            }
            Some(Datum::String(value)) => value,
            Some(Datum::Date(days)) if self.legacy => days.to_string(),
            Some(Datum::Date(days)) => {
                let date = days.checked_add(EPOCH).and_then(NaiveDate::from_num_days_from_ce_opt);
                let wrong = || LakeError::corrupt(format!("partition of day {days}"));
                date.ok_or_else(wrong)?.format("%Y-%m-%d").to_string()
            }
            Some(other) => {
                return Err(LakeError::corrupt(format!("partition value {other:?}")));
            }
        })
    }
}

fn is_known(of: &PaimonType) -> bool {
    matches!(
        of,
        PaimonType::Boolean(_)
            | PaimonType::TinyInt(_)
            | PaimonType::SmallInt(_)
            | PaimonType::Int(_)
            | PaimonType::BigInt(_)
            | PaimonType::Char(_)
            | PaimonType::VarChar(_)
            | PaimonType::Date(_)
    )
}

fn escape(path: &mut String, text: &str) {
    for c in text.chars() {
        match c.is_ascii_control() || ESCAPED.contains(c) {
            // a write into a string cannot fail
            true => drop(write!(path, "%{:02X}", u32::from(c))),
            false => path.push(c),
        }
    }
}
