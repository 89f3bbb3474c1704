//! Columns as a table declares them: for people, since Arrow's types no longer tell a length or a precision.

use paimon::spec::{DataField, DataType as PaimonType};

/// What is told about one column beside its Arrow field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The type in SQL's words, as `DESC` prints it.
    pub data_type: String,
    /// Fractional digits of a time or timestamp.
    pub precision: Option<u32>,
    /// The column's comment.
    pub comment: Option<String>,
}

impl Declared {
    pub(crate) fn of(field: &DataField) -> Self {
        let precision = match field.data_type() {
            PaimonType::Time(t) => Some(t.precision()),
            PaimonType::Timestamp(t) => Some(t.precision()),
            PaimonType::LocalZonedTimestamp(t) => Some(t.precision()),
            _ => None,
        };
        Self {
            data_type: text(field.data_type()),
            precision,
            comment: field.description().map(str::to_owned),
        }
    }
}

fn text(of: &PaimonType) -> String {
    match of {
        PaimonType::Decimal(t) => format!("decimal({},{})", t.precision(), t.scale()),
        PaimonType::VarBinary(_) => "varbinary".into(),
        PaimonType::Time(t) => format!("time({})", t.precision()),
        PaimonType::Timestamp(t) => format!("datetime({})", t.precision()),
        PaimonType::LocalZonedTimestamp(t) => format!("timestamp({})", t.precision()),
        PaimonType::Array(t) => format!("array<{}>", text(t.element_type())),
        PaimonType::Map(t) => format!("map<{},{}>", text(t.key_type()), text(t.value_type())),
        PaimonType::Row(t) => {
            let field = |field: &DataField| format!("{}:{}", field.name(), text(field.data_type()));
            format!("struct<{}>", t.fields().iter().map(field).collect::<Vec<_>>().join(","))
        }
        // Paimon's own words are SQL's here, but for the constraint that is told elsewhere
        other => other.to_string().trim_end_matches(" NOT NULL").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use paimon::spec::{ArrayType, DecimalType, IntType, TimestampType, VarCharType};

    use super::*;

    #[test]
    fn types_are_told_in_the_words_of_sql() {
        let cases = [
            (PaimonType::Int(IntType::with_nullable(false)), "int", None),
            (PaimonType::Decimal(DecimalType::new(12, 2).unwrap()), "decimal(12,2)", None),
            (PaimonType::VarChar(VarCharType::string_type()), "string", None),
            (PaimonType::VarChar(VarCharType::new(9).unwrap()), "varchar(9)", None),
            (PaimonType::Timestamp(TimestampType::new(3).unwrap()), "datetime(3)", Some(3)),
            (
                PaimonType::Array(ArrayType::new(PaimonType::Int(IntType::new()))),
                "array<int>",
                None,
            ),
        ];
        for (data_type, told, precision) in cases {
            let declared = Declared::of(&DataField::new(0, "c".into(), data_type));
            assert_eq!((declared.data_type.as_str(), declared.precision), (told, precision));
        }
    }
}
