//! Columns of files that carry no field ids: found by the names that they had when the file was written.
//!
//! Java Paimon and Fluss write field ids into Parquet files, `pypaimon` does not, and the `paimon` crate leaves them out of the
//! columns that Paimon adds; Java's reader goes by the names of the schema that a file was written with. So a file whose names would be other columns today brings those names
//! along ([`crate::LakeFile::names`]), and the footer of a file without ids gets ids before anything looks at it.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Fields};
use paimon::spec::{DataField, DataType as PaimonType};
use parquet::arrow::ARROW_SCHEMA_META_KEY;
use parquet::basic::{ConvertedType, LogicalType};
use parquet::errors::Result;
use parquet::file::metadata::{FileMetaData, ParquetMetaData};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use prost::Message;

use crate::schema::field_id;

/// A column, or a field of a row inside of one, and what it was called.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct FieldName {
    /// Field id.
    #[prost(int32, tag = "1")]
    pub id: i32,
    /// Its name in the file.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Fields of the row that it is, or whose lists or maps it holds.
    #[prost(message, repeated, tag = "3")]
    pub fields: Vec<FieldName>,
}

/// Extension of a file: the names that count if it has no ids.
#[derive(Debug, Clone)]
pub(crate) struct WrittenNames(pub(crate) Arc<Vec<FieldName>>);

impl WrittenNames {
    /// Those of a file's own, or else those that the columns of a scan have now.
    pub(crate) fn of(file: &[FieldName], now: &Self) -> Self {
        if file.is_empty() {
            return now.clone();
        }
        let mut names = file.to_vec();
        // what Paimon adds to the columns of a table never changes its name
        let added = |now: &&FieldName| {
            now.name.starts_with('_') && !file.iter().any(|name| name.id == now.id)
        };
        names.extend(now.0.iter().filter(added).cloned());
        Self(Arc::new(names))
    }
}

/// Names of the columns of a schema.
pub(crate) fn of(fields: &[DataField]) -> Vec<FieldName> {
    let name = |field: &DataField| FieldName {
        id: field.id(),
        name: field.name().to_owned(),
        fields: inside(field.data_type()),
    };
    fields.iter().map(name).collect()
}

fn inside(of_type: &PaimonType) -> Vec<FieldName> {
    match of_type {
        PaimonType::Row(row) => of(row.fields()),
        PaimonType::Array(list) => inside(list.element_type()),
        PaimonType::Map(map) => inside(map.value_type()),
        _ => Vec::new(),
    }
}

/// Names of the columns of a scan.
pub(crate) fn of_arrow(fields: &Fields) -> Vec<FieldName> {
    let name = |field: &FieldRef| {
        let fields = inside_arrow(field.data_type());
        Some(FieldName { id: field_id(field)?, name: field.name().clone(), fields })
    };
    fields.iter().filter_map(name).collect()
}

fn inside_arrow(data_type: &DataType) -> Vec<FieldName> {
    match data_type {
        DataType::Struct(fields) => of_arrow(fields),
        DataType::List(element) => inside_arrow(element.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => inside_arrow(pair[1].data_type()),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Whether a column written under an old name would be taken for another one, or be missed, under the names of now.
pub(crate) fn are_stale(old: &[FieldName], now: &[FieldName]) -> bool {
    old.iter().any(|old| {
        let same = |now: &&FieldName| now.id == old.id;
        match (now.iter().find(same), now.iter().find(|now| now.name == old.name)) {
            (Some(now), Some(named)) if now.id == named.id => are_stale(&old.fields, &now.fields),
            (None, None) => false,
            _ => true,
        }
    })
}

/// Ids from here on are of columns that Paimon adds to those of a table; their names are no other column's.
const ADDED_IDS: i32 = i32::MAX / 2;

/// The footer of a file, with ids for columns that have names; where the file has ids, for those that Paimon added
/// without.
pub(crate) fn identify(
    footer: Arc<ParquetMetaData>,
    names: &[FieldName],
) -> Result<Arc<ParquetMetaData>> {
    let file = footer.file_metadata();
    let root = file.schema_descr().root_schema();
    let has_id = |field: &TypePtr| field.get_basic_info().has_id();
    let fields = if root.get_fields().iter().any(has_id) {
        let bare = |name: &&FieldName| {
            let mut fields = root.get_fields().iter();
            name.id >= ADDED_IDS && fields.any(|f| f.name() == name.name && !has_id(f))
        };
        let added: Vec<FieldName> = names.iter().filter(bare).cloned().collect();
        if added.is_empty() {
            return Ok(footer);
        }
        with_ids(root.get_fields(), &added)?
    } else {
        with_ids(root.get_fields(), names)?
    };
    let root = Type::group_type_builder(root.name()).with_fields(fields).build()?;
    // the schema of Arrow that its writer left beside would be believed instead
    let pairs = file.key_value_metadata().into_iter().flatten();
    let pairs = pairs.filter(|pair| pair.key != ARROW_SCHEMA_META_KEY).cloned().collect();
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        Some(pairs),
        Arc::new(SchemaDescriptor::new(Arc::new(root))),
        file.column_orders().cloned(),
    );
    let named = ParquetMetaData::new(file, footer.row_groups().to_vec()).into_builder();
    let named = named.set_column_index(footer.column_index().cloned());
    Ok(Arc::new(named.set_offset_index(footer.offset_index().cloned()).build()))
}

fn with_ids(fields: &[TypePtr], names: &[FieldName]) -> Result<Vec<TypePtr>> {
    let identify = |field: &TypePtr| match names.iter().find(|name| name.name == field.name()) {
        Some(name) => with_id(field, Some(name.id), &name.fields),
        None => Ok(Arc::clone(field)),
    };
    fields.iter().map(identify).collect()
}

/// A field with this id; `inside` are the names of the rows in it.
fn with_id(field: &TypePtr, id: Option<i32>, inside: &[FieldName]) -> Result<TypePtr> {
    let info = field.get_basic_info();
    let logical = info.logical_type_ref().cloned();
    let converted = info.converted_type();
    let made = match field.as_ref() {
        Type::PrimitiveType { physical_type, type_length, scale, precision, .. } => {
            Type::primitive_type_builder(field.name(), *physical_type)
                .with_repetition(info.repetition())
                .with_converted_type(converted)
                .with_logical_type(logical)
                .with_length(*type_length)
                .with_scale(*scale)
                .with_precision(*precision)
                .with_id(id)
                .build()?
        }
        Type::GroupType { fields, .. } => {
            let entries = matches!(logical, Some(LogicalType::List | LogicalType::Map))
                || matches!(converted, ConvertedType::LIST | ConvertedType::MAP);
            let fields = match fields.as_slice() {
                [repeated] if entries => vec![in_entries(repeated, inside)?],
                fields => with_ids(fields, inside)?,
            };
            Type::group_type_builder(field.name())
                .with_repetition(info.repetition())
                .with_converted_type(converted)
                .with_logical_type(logical)
                .with_fields(fields)
                .with_id(id)
                .build()?
        }
    };
    Ok(Arc::new(made))
}

/// Entries of a list or a map: the last field of each is an element or a value.
fn in_entries(repeated: &TypePtr, inside: &[FieldName]) -> Result<TypePtr> {
    let Type::GroupType { fields, .. } = repeated.as_ref() else { return Ok(Arc::clone(repeated)) };
    let Some((last, keys)) = fields.split_last() else { return Ok(Arc::clone(repeated)) };
    let mut fields = keys.to_vec();
    fields.push(with_id(last, None, inside)?);
    let made = Type::group_type_builder(repeated.name())
        .with_repetition(repeated.get_basic_info().repetition())
        .with_converted_type(repeated.get_basic_info().converted_type())
        .with_fields(fields);
    Ok(Arc::new(made.build()?))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, Schema};
    use arrow::record_batch::RecordBatch;
    use parquet::arrow::{ArrowWriter, parquet_to_arrow_schema};

    use super::*;
    use crate::schema::field_with_id;

    fn name(id: i32, name: &str, fields: &[FieldName]) -> FieldName {
        FieldName { id, name: name.into(), fields: fields.to_vec() }
    }

    #[test]
    fn names_are_stale_when_they_would_be_other_columns() {
        let now = [name(1, "a", &[]), name(2, "n", &[name(5, "x", &[])])];
        for (old, stale) in [
            (now.to_vec(), false),
            (vec![name(1, "a", &[])], false),
            // dropped, renamed, dropped and added again, two that changed names
            (vec![name(9, "gone", &[])], false),
            (vec![name(1, "b", &[])], true),
            (vec![name(9, "a", &[])], true),
            (vec![name(2, "a", &[]), name(1, "n", &[])], true),
            (vec![name(2, "n", &[name(5, "y", &[])])], true),
        ] {
            assert_eq!(are_stale(&old, &now), stale, "{old:?}");
        }
    }

    #[test]
    fn columns_without_ids_get_those_of_their_names() {
        let ids = |columns: Vec<Field>, names: &[FieldName]| -> Vec<Option<i32>> {
            let schema = Arc::new(Schema::new(columns));
            let mut bytes = Vec::new();
            let empty = RecordBatch::new_empty(Arc::clone(&schema));
            let mut writer = ArrowWriter::try_new(&mut bytes, schema, None).unwrap();
            writer.write(&empty).unwrap();
            let footer = Arc::new(writer.close().unwrap());
            let found = identify(footer, names).unwrap();
            let descriptor = found.file_metadata().schema_descr();
            let pairs = found.file_metadata().key_value_metadata();
            let found = parquet_to_arrow_schema(descriptor, pairs).unwrap();
            let inside = |field: &FieldRef| match field.data_type() {
                DataType::List(element) => match element.data_type() {
                    DataType::Struct(fields) => field_id(&fields[0]),
                    _ => None,
                },
                DataType::Map(entries, _) => match entries.data_type() {
                    DataType::Struct(pair) => match pair[1].data_type() {
                        DataType::Struct(fields) => field_id(&fields[0]),
                        _ => None,
                    },
                    _ => None,
                },
                _ => None,
            };
            found.fields().iter().flat_map(|field| [field_id(field), inside(field)]).collect()
        };
        let bare = |name: &str, of: DataType| Field::new(name, of, true);
        let row = DataType::Struct(vec![bare("x", DataType::Int32)].into());
        let list = DataType::List(Arc::new(bare("element", row.clone())));
        let pair = vec![Field::new("key", DataType::Utf8, false), bare("value", row)];
        let entries = Field::new("key_value", DataType::Struct(pair.into()), false);
        let columns = vec![
            bare("a", DataType::Int32),
            bare("l", list),
            bare("m", DataType::Map(Arc::new(entries), false)),
        ];
        let x = [name(4, "x", &[])];
        let names = [name(1, "a", &[]), name(3, "l", &x), name(9, "b", &[]), name(7, "m", &x)];
        let read = ids(columns, &names);
        assert_eq!(read, [Some(1), None, Some(3), Some(4), Some(7), Some(4)]);
        let has_one =
            vec![bare("a", DataType::Int32), field_with_id("b", DataType::Int32, true, 5)];
        assert_eq!(ids(has_one.clone(), &names), [None, None, Some(5), None]);
        let kind = i32::MAX - 2;
        let added = vec![bare("_VALUE_KIND", DataType::Int8), has_one[1].clone()];
        let names = [name(1, "b", &[]), name(kind, "_VALUE_KIND", &[])];
        assert_eq!(ids(added, &names), [Some(kind), None, Some(5), None]);
    }

    #[test]
    fn old_names_come_with_what_paimon_adds() {
        let now = [name(1, "b", &[]), name(100, "_KEY_b", &[]), name(2, "_own", &[])];
        let now = WrittenNames(Arc::new(now.to_vec()));
        assert_eq!(WrittenNames::of(&[], &now).0, now.0);
        let old = [name(1, "a", &[]), name(2, "_other", &[])];
        let with = WrittenNames::of(&old, &now);
        assert_eq!(with.0[2..], [name(100, "_KEY_b", &[])]);
    }
}
