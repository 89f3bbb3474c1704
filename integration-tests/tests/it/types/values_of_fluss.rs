//! Values as `values.json` has them → values of `fluss-rs`.

use fluss::metadata::DataType;
use fluss::row::{
    Date, Datum, Decimal, FlussArray, FlussArrayWriter, FlussMap, GenericRow, Time, TimestampLtz,
    TimestampNtz,
};
use serde_json::Value;

/// A row with columns of these types.
pub fn row(types: &[DataType], values: &[Value]) -> GenericRow<'static> {
    let mut row = GenericRow::new(types.len());
    for (i, (data_type, value)) in types.iter().zip(values).enumerate() {
        row.set_field(i, datum(data_type, value));
    }
    row
}

fn datum(data_type: &DataType, json: &Value) -> Datum<'static> {
    if json.is_null() {
        return Datum::Null;
    }
    let number = || json.as_i64().unwrap();
    let text = || json.as_str().unwrap();
    match data_type {
        DataType::Boolean(_) => json.as_bool().unwrap().into(),
        DataType::TinyInt(_) => i8::try_from(number()).unwrap().into(),
        DataType::SmallInt(_) => i16::try_from(number()).unwrap().into(),
        DataType::Int(_) => i32::try_from(number()).unwrap().into(),
        DataType::BigInt(_) => number().into(),
        DataType::Float(_) => text().parse::<f32>().unwrap().into(),
        DataType::Double(_) => text().parse::<f64>().unwrap().into(),
        DataType::Char(_) | DataType::String(_) => text().to_owned().into(),
        DataType::Binary(_) | DataType::Bytes(_) => bytes(text()).into(),
        DataType::Decimal(t) => {
            let unscaled: i128 = text().parse().unwrap();
            let unscaled = unscaled.to_be_bytes();
            Decimal::from_unscaled_bytes(&unscaled, t.precision(), t.scale()).unwrap().into()
        }
        DataType::Date(_) => Date::new(number() as i32).into(),
        DataType::Time(_) => Time::new(number() as i32).into(),
        DataType::Timestamp(_) => {
            let (milliseconds, nanoseconds) = time(json);
            TimestampNtz::from_millis_nanos(milliseconds, nanoseconds).unwrap().into()
        }
        DataType::TimestampLTz(_) => {
            let (milliseconds, nanoseconds) = time(json);
            TimestampLtz::from_millis_nanos(milliseconds, nanoseconds).unwrap().into()
        }
        DataType::Array(t) => array(t.get_element_type(), list(json)).into(),
        DataType::Map(t) => {
            let entries = list(json);
            let keys: Vec<Value> = entries.iter().map(|entry| entry[0].clone()).collect();
            let values: Vec<Value> = entries.iter().map(|entry| entry[1].clone()).collect();
            let (keys, values) = (array(t.key_type(), &keys), array(t.value_type(), &values));
            FlussMap::from_arrays(&keys, &values, t.key_type(), t.value_type()).unwrap().into()
        }
        DataType::Row(t) => {
            let types: Vec<_> = t.fields().iter().map(|f| f.data_type().clone()).collect();
            Datum::Row(Box::new(row(&types, list(json))))
        }
    }
}

fn array(element: &DataType, values: &[Value]) -> FlussArray {
    let mut writer = FlussArrayWriter::new(values.len(), element);
    for (i, value) in values.iter().enumerate() {
        match (element, datum(element, value)) {
            (_, Datum::Null) => writer.set_null_at(i),
            (_, Datum::Bool(value)) => writer.write_boolean(i, value),
            (_, Datum::Int8(value)) => writer.write_byte(i, value),
            (_, Datum::Int16(value)) => writer.write_short(i, value),
            (_, Datum::Int32(value)) => writer.write_int(i, value),
            (_, Datum::Int64(value)) => writer.write_long(i, value),
            (_, Datum::Float32(value)) => writer.write_float(i, value.into_inner()),
            (_, Datum::Float64(value)) => writer.write_double(i, value.into_inner()),
            (_, Datum::String(value)) => writer.write_string(i, &value),
            (_, Datum::Blob(value)) => writer.write_binary_bytes(i, value.as_ref()),
            (DataType::Decimal(t), Datum::Decimal(value)) => {
                writer.write_decimal(i, &value, t.precision());
            }
            (_, Datum::Date(value)) => writer.write_date(i, value),
            (_, Datum::Time(value)) => writer.write_time(i, value),
            (DataType::Timestamp(t), Datum::TimestampNtz(value)) => {
                writer.write_timestamp_ntz(i, &value, t.precision());
            }
            (DataType::TimestampLTz(t), Datum::TimestampLtz(value)) => {
                writer.write_timestamp_ltz(i, &value, t.precision());
            }
            (_, Datum::Array(value)) => writer.write_array(i, &value),
            (_, Datum::Map(value)) => writer.write_map(i, &value),
            (_, Datum::Row(value)) => writer.write_row(i, &*value).unwrap(),
            (element, value) => panic!("{value:?} in an array of {element:?}"),
        }
    }
    writer.complete().unwrap()
}

fn list(json: &Value) -> &Vec<Value> {
    json.as_array().unwrap()
}

fn time(json: &Value) -> (i64, i32) {
    (json[0].as_i64().unwrap(), json[1].as_i64().unwrap() as i32)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}
