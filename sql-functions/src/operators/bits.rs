//! `& | ^ << >> ~`: over 64 bits without a sign, as MySQL has them. StarRocks' `bitand` and its like keep the sign.
//!
//! Source: MySQL 8.0 Reference Manual, 14.12 "Bit Functions and Operators".

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, UInt64Type};
use datafusion::error::Result;

use crate::function::{At, Call, Definition, Returns};

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("bits_and", 2..=2, Returns::Unsigned, |call| both(call, |a, b| a & b)),
    Definition::new("bits_or", 2..=2, Returns::Unsigned, |call| both(call, |a, b| a | b)),
    Definition::new("bits_xor", 2..=2, Returns::Unsigned, |call| both(call, |a, b| a ^ b)),
    Definition::new("bits_left", 2..=2, Returns::Unsigned, |call| {
        both(call, |a, b| shift(a, b, u64::checked_shl))
    }),
    Definition::new("bits_right", 2..=2, Returns::Unsigned, |call| {
        both(call, |a, b| shift(a, b, u64::checked_shr))
    }),
    Definition::new("bit_not", 1..=1, Returns::Unsigned, not),
    Definition::new("bit_count", 1..=1, Returns::Int, count),
    Definition::new("bitand", 2..=2, Returns::Int, |call| signed(call, |a, b| a & b)),
    Definition::new("bitor", 2..=2, Returns::Int, |call| signed(call, |a, b| a | b)),
    Definition::new("bitxor", 2..=2, Returns::Int, |call| signed(call, |a, b| a ^ b)),
    Definition::new("bitnot", 1..=1, Returns::Int, |call| {
        let values = call.ints(0)?;
        call.give_ints(|row| Some(!values.at(row)?))
    }),
    Definition::new("bit_shift_left", 2..=2, Returns::Int, |call| {
        signed(call, |a, b| u32::try_from(b).ok().and_then(|b| a.checked_shl(b)).unwrap_or(0))
    }),
    Definition::new("bit_shift_right", 2..=2, Returns::Int, |call| {
        signed(call, |a, b| a >> b.clamp(0, 63))
    }),
    Definition::new("bit_shift_right_logical", 2..=2, Returns::Int, |call| {
        signed(call, |a, b| shift(a as u64, b as u64, u64::checked_shr) as i64)
    }),
];

fn shift(value: u64, by: u64, checked: fn(u64, u32) -> Option<u64>) -> u64 {
    u32::try_from(by).ok().and_then(|by| checked(value, by)).unwrap_or(0)
}

/// The 64 bits of a value.
pub(crate) fn bits(call: &Call, argument: usize) -> Result<Vec<Option<u64>>> {
    let array = call.array(argument)?;
    Ok(match array.data_type() {
        DataType::UInt64 => array.as_primitive::<UInt64Type>().iter().collect(),
        // of numbers with and without a sign
        DataType::Decimal128(_, 0) => {
            let values = array.as_primitive::<Decimal128Type>();
            let fit = |v: i128| v.clamp(i64::MIN.into(), u64::MAX.into()) as u64;
            values.iter().map(|v| v.map(fit)).collect()
        }
        _ => call.ints(argument)?.iter().map(|v| v.map(|v| v as u64)).collect(),
    })
}

fn both(call: &Call, f: fn(u64, u64) -> u64) -> Result<ArrayRef> {
    let (left, right) = (bits(call, 0)?, bits(call, 1)?);
    call.give_unsigned(|row| Some(f(left[row]?, right[row]?)))
}

fn signed(call: &Call, f: fn(i64, i64) -> i64) -> Result<ArrayRef> {
    let (left, right) = (call.ints(0)?, call.ints(1)?);
    call.give_ints(|row| Some(f(left.at(row)?, right.at(row)?)))
}

fn not(call: &Call) -> Result<ArrayRef> {
    let values = bits(call, 0)?;
    call.give_unsigned(|row| Some(!values[row]?))
}

fn count(call: &Call) -> Result<ArrayRef> {
    let values = bits(call, 0)?;
    call.give_ints(|row| Some(values[row]?.count_ones().into()))
}
