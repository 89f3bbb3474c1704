//! Rows about databases and tables.

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use union_read::catalog::Description;
use union_read::columns::{COMMENT, PRECISION};

use super::NAME;
use super::charset::{CHARSET, COLLATION};
use super::definition::{Cell, DEFINITIONS, Row};
use super::objects::{Database, Described, Listed};
use crate::catalog::{View, masked};

/// What MySQL calls the catalog of everything; ours are in the names of databases.
const DEF: &str = "def";
/// What a table is called, and what a view is.
pub const BASE_TABLE: &str = "BASE TABLE";
/// See [`BASE_TABLE`].
pub const VIEW: &str = "VIEW";
/// The engine of all tables, as `SHOW ENGINES` names it.
pub const ENGINE: &str = "MILLRACE";
/// Characters of the longest text, as results say it too.
const TEXT_CHARS: i64 = 1 << 20;

/// A row of `schemata`.
pub fn schema(database: &Database) -> Row {
    vec![
        DEF.into(),
        database.shown.clone().into(),
        CHARSET.into(),
        COLLATION.into(),
        Cell::Null,
        "NO".into(),
    ]
}

/// A row of `tables`.
pub fn table(database: &Database, table: &Listed) -> Row {
    let ours = !database.is_information_schema() && !table.is_view;
    let kind = match table.is_view {
        true => VIEW,
        false if ours => BASE_TABLE,
        false => "SYSTEM VIEW",
    };
    let mut row: Row = vec![
        DEF.into(),
        database.shown.clone().into(),
        table.name.as_str().into(),
        kind.into(),
        ours.then_some(ENGINE).into(),
    ];
    row.resize(17, Cell::Null);
    row.extend([
        ours.then_some(COLLATION).into(),
        Cell::Null,
        Cell::Null,
        if table.is_view { VIEW } else { "" }.into(),
    ]);
    row
}

/// The row of `partitions` that MySQL gives a table without partitions. Those here have no bounds that were declared: every value of the
/// keys is one, and `t$partitions` tells of them.
pub fn partition(database: &Database, table: &Listed) -> Row {
    let mut row: Row = vec![DEF.into(), database.shown.clone().into(), table.name.as_str().into()];
    row.resize(22, Cell::Null);
    row.extend([Cell::Text(String::new()), Cell::Text(String::new())]);
    row
}

/// A row of `views`.
pub fn view(database: &str, view: &View) -> Row {
    vec![
        DEF.into(),
        database.into(),
        view.name.name.as_str().into(),
        view.text.as_str().into(),
        "NONE".into(),
        "NO".into(),
        "root@%".into(),
        // what a view reads is read by who asks it
        "INVOKER".into(),
        CHARSET.into(),
        COLLATION.into(),
    ]
}

/// The type of a column of results in MySQL's words, such as `decimal(10,2)`.
pub fn column_type(field: &Field) -> String {
    Shape::of(field).column_type
}

/// Rows of `columns`.
pub fn columns(table: &Described) -> Vec<Row> {
    let columns = &table.description.columns;
    let fields = columns.schema.fields().iter().enumerate();
    let row = |(position, field): (usize, &std::sync::Arc<Field>)| {
        let is_key = columns.keys.contains(&position);
        let place = (table.database.as_str(), table.name.as_str(), position);
        let comment = field.metadata().get(COMMENT).cloned().unwrap_or_default();
        column(place, field, is_key, comment)
    };
    fields.map(row).collect()
}

/// Rows of `columns` about `information_schema` itself.
pub fn columns_of_server(wanted: impl Fn(&str) -> bool) -> Vec<Row> {
    let mut rows = vec![];
    for definition in DEFINITIONS {
        let name = definition.name.to_uppercase();
        if !wanted(&name) {
            continue;
        }
        for (position, (label, is_int)) in definition.columns().enumerate() {
            let data_type = if is_int { DataType::Int64 } else { DataType::Utf8 };
            let field = Field::new(label, data_type, true);
            rows.push(column((NAME, &name, position), &field, false, String::new()));
        }
    }
    rows
}

fn column(place: (&str, &str, usize), field: &Field, is_key: bool, comment: String) -> Row {
    let (database, table, position) = place;
    let shape = Shape::of(field);
    vec![
        DEF.into(),
        database.into(),
        table.into(),
        field.name().as_str().into(),
        count(position + 1),
        Cell::Null,
        if field.is_nullable() { "YES" } else { "NO" }.into(),
        shape.data_type.into(),
        shape.chars.into(),
        shape.bytes.into(),
        shape.precision.into(),
        shape.scale.into(),
        shape.fraction.into(),
        shape.is_text.then_some(CHARSET).into(),
        shape.is_text.then_some(COLLATION).into(),
        shape.column_type.into(),
        if is_key { "PRI" } else { "" }.into(),
        "".into(),
        "select".into(),
        comment.into(),
        "".into(),
        Cell::Null,
        shape.chars.or(shape.precision).into(),
        shape.scale.into(),
    ]
}

/// A type in MySQL's words, that of the column which a result has.
struct Shape {
    data_type: &'static str,
    column_type: String,
    is_text: bool,
    chars: Option<i64>,
    bytes: Option<i64>,
    precision: Option<i64>,
    scale: Option<i64>,
    fraction: Option<i64>,
}

impl Shape {
    fn of(field: &Field) -> Self {
        use DataType as T;
        let number = |name, precision: i64| Self::named(name).number(precision, Some(0));
        match field.data_type() {
            T::Boolean => Self { column_type: "tinyint(1)".into(), ..number("tinyint", 3) },
            T::Int8 => number("tinyint", 3),
            T::Int16 => number("smallint", 5),
            T::Int32 => number("int", 10),
            T::Int64 => number("bigint", 19),
            T::UInt8 => number("tinyint", 3).unsigned(),
            T::UInt16 => number("smallint", 5).unsigned(),
            T::UInt32 => number("int", 10).unsigned(),
            T::UInt64 => number("bigint", 20).unsigned(),
            T::Float32 => Self::named("float").number(12, None),
            T::Float64 => Self::named("double").number(22, None),
            T::Decimal128(precision, scale) | T::Decimal256(precision, scale) => {
                let column_type = format!("decimal({precision},{scale})");
                let of = Self::named("decimal").number((*precision).into(), Some((*scale).into()));
                Self { column_type, ..of }
            }
            T::Date32 | T::Date64 => Self::named("date"),
            T::Time32(_) | T::Time64(_) => Self::named("time").fraction(field),
            T::Timestamp(..) => Self::named("datetime").fraction(field),
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => {
                Self::named("varbinary").long(TEXT_CHARS, TEXT_CHARS)
            }
            _ => Self { is_text: true, ..Self::named("varchar").long(TEXT_CHARS, 4 * TEXT_CHARS) },
        }
    }

    fn named(data_type: &'static str) -> Self {
        Self {
            data_type,
            column_type: data_type.into(),
            is_text: false,
            chars: None,
            bytes: None,
            precision: None,
            scale: None,
            fraction: None,
        }
    }

    fn number(self, precision: i64, scale: Option<i64>) -> Self {
        Self { precision: Some(precision), scale, ..self }
    }

    fn unsigned(self) -> Self {
        Self { column_type: format!("{} unsigned", self.column_type), ..self }
    }

    fn fraction(self, field: &Field) -> Self {
        let digits = fraction_digits(field);
        let column_type = match digits {
            0 => self.data_type.to_string(),
            digits => format!("{}({digits})", self.data_type),
        };
        Self { column_type, fraction: Some(digits), ..self }
    }

    fn long(self, chars: i64, bytes: i64) -> Self {
        let column_type = format!("{}({chars})", self.data_type);
        Self { column_type, chars: Some(chars), bytes: Some(bytes), ..self }
    }
}

/// Fractional digits of a time, as results show it: what its unit holds, six at the most, fewer where they were declared.
fn fraction_digits(field: &Field) -> i64 {
    use DataType::{Time32, Time64, Timestamp};
    let held = match field.data_type() {
        Time32(unit) | Time64(unit) | Timestamp(unit, _) => match unit {
            TimeUnit::Second => 0,
            TimeUnit::Millisecond => 3,
            TimeUnit::Microsecond | TimeUnit::Nanosecond => 6,
        },
        _ => 0,
    };
    let declared = field.metadata().get(PRECISION).and_then(|digits| digits.parse().ok());
    declared.unwrap_or(held).min(held)
}

/// The names of the columns of the primary key, with whether they may be NULL.
fn keys(table: &Described) -> impl Iterator<Item = (usize, &str, bool)> {
    let columns = &table.description.columns;
    let fields = columns.keys.iter().filter_map(|key| columns.schema.fields().get(*key));
    fields.enumerate().map(|(i, field)| (i + 1, field.name().as_str(), field.is_nullable()))
}

/// Rows of `statistics`: the primary key is the only index.
pub fn statistics(table: &Described) -> Vec<Row> {
    let (database, name) = (table.database.as_str(), table.name.as_str());
    let row = |(place, column, null): (usize, &str, bool)| {
        vec![
            DEF.into(),
            database.into(),
            name.into(),
            Cell::Int(0),
            database.into(),
            "PRIMARY".into(),
            count(place),
            column.into(),
            "A".into(),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            if null { "YES" } else { "" }.into(),
            "HASH".into(),
            "".into(),
            "".into(),
            "YES".into(),
        ]
    };
    keys(table).map(row).collect()
}

/// Rows of `key_column_usage`.
pub fn key_column_usage(table: &Described) -> Vec<Row> {
    let (database, name) = (table.database.as_str(), table.name.as_str());
    let row = |(place, column, _): (usize, &str, bool)| {
        vec![
            DEF.into(),
            database.into(),
            "PRIMARY".into(),
            DEF.into(),
            database.into(),
            name.into(),
            column.into(),
            count(place),
        ]
    };
    keys(table).map(row).collect()
}

/// Rows of `table_constraints`.
pub fn table_constraints(table: &Described) -> Vec<Row> {
    let (database, name) = (table.database.as_str(), table.name.as_str());
    let row = || -> Row {
        vec![
            DEF.into(),
            database.into(),
            "PRIMARY".into(),
            database.into(),
            name.into(),
            "PRIMARY KEY".into(),
            "YES".into(),
        ]
    };
    keys(table).next().map(|_| row()).into_iter().collect()
}

/// The row of StarRocks' `tables_config`.
pub fn tables_config(table: &Described) -> Row {
    let Description { columns, bucket_keys, bucket_count, properties } = &table.description;
    let name = |position: &usize| {
        columns.schema.fields().get(*position).map(|field| format!("`{}`", field.name()))
    };
    let names =
        |positions: &[usize]| positions.iter().filter_map(name).collect::<Vec<_>>().join(", ");
    let quoted: Vec<String> = bucket_keys.iter().map(|key| format!("`{key}`")).collect();
    let has_keys = !columns.keys.is_empty();
    let shown: std::collections::BTreeMap<&String, &str> =
        properties.iter().map(|(key, value)| (key, masked(key, value))).collect();
    vec![
        table.database.as_str().into(),
        table.name.as_str().into(),
        ENGINE.into(),
        if has_keys { "PRIMARY_KEYS" } else { "DUP_KEYS" }.into(),
        names(&columns.keys).into(),
        names(&columns.partition_keys).into(),
        quoted.join(", ").into(),
        if bucket_keys.is_empty() { "RANDOM" } else { "HASH" }.into(),
        Cell::Int((*bucket_count).into()),
        "".into(),
        serde_json::to_string(&shown).unwrap_or_default().into(),
    ]
}

fn count(number: usize) -> Cell {
    Cell::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
