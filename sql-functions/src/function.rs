//! The one shape of this crate's scalar functions: a name, an arity, a type and a body over whole columns.
//!
//! Arguments arrive as they are typed in the statement; a body asks for them as text, numbers or moments and [`convert`](crate::convert)
//! turns them into that as MySQL does. DataFusion's own casts are not used: they print `true` and `1.0` where MySQL prints `1`.

use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryBuilder, BooleanArray, Float64Array, Int64Array,
    StringArray, StringBuilder, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;
use datafusion::common::{exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;

use crate::convert;

/// What is known of a call while it is planned.
pub(crate) struct Planned<'a> {
    pub(crate) types: &'a [DataType],
    pub(crate) constants: &'a [Option<&'a ScalarValue>],
}

impl Planned<'_> {
    /// The constant text of an argument.
    pub(crate) fn text(&self, argument: usize) -> Option<&str> {
        self.constants.get(argument).copied().flatten()?.try_as_str().flatten()
    }

    /// The constant whole number of an argument.
    pub(crate) fn int(&self, argument: usize) -> Option<i64> {
        let value = self.constants.get(argument).copied().flatten()?;
        match value.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(value) => value,
            _ => None,
        }
    }
}

/// The type of a function's result.
#[derive(Clone, Copy)]
pub(crate) enum Returns {
    Text,
    Bytes,
    Int,
    Unsigned,
    Double,
    Bool,
    Date,
    By(fn(&Planned) -> Result<DataType>),
}

/// A scalar function.
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) arity: RangeInclusive<usize>,
    pub(crate) returns: Returns,
    pub(crate) body: fn(&Call) -> Result<ArrayRef>,
    pub(crate) volatility: Volatility,
}

/// The most that a function may give for one batch of rows.
const BATCH_BYTES_MAX: usize = 256 << 20;

/// The arity of a function that takes any number of arguments: more than any person writes, for a bound.
pub(crate) const MANY: usize = 4096;

impl Definition {
    pub(crate) const fn new(
        name: &'static str,
        arity: RangeInclusive<usize>,
        returns: Returns,
        body: fn(&Call) -> Result<ArrayRef>,
    ) -> Self {
        Self { name, aliases: &[], arity, returns, body, volatility: Volatility::Immutable }
    }

    pub(crate) const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Evaluated for each row, never folded.
    pub(crate) const fn volatile(mut self) -> Self {
        self.volatility = Volatility::Volatile;
        self
    }

    pub(crate) fn udf(&'static self) -> ScalarUDF {
        ScalarUDF::new_from_impl(Scalar {
            definition: self,
            signature: Signature::user_defined(self.volatility),
            aliases: self.aliases.iter().map(ToString::to_string).collect(),
        })
    }

    fn check(&self, types: &[DataType]) -> Result<()> {
        if !self.arity.contains(&types.len()) {
            return plan_err!(
                "Incorrect parameter count in the call to native function '{}'",
                self.name
            );
        }
        match types.iter().find(|t| t.is_nested()) {
            Some(nested) => plan_err!("'{}' does not take {nested}", self.name),
            None => Ok(()),
        }
    }

    fn return_type(&self, planned: &Planned) -> Result<DataType> {
        Ok(match self.returns {
            Returns::Text => DataType::Utf8,
            Returns::Bytes => DataType::Binary,
            Returns::Int => DataType::Int64,
            Returns::Unsigned => DataType::UInt64,
            Returns::Double => DataType::Float64,
            Returns::Bool => DataType::Boolean,
            Returns::Date => DataType::Date32,
            Returns::By(f) => f(planned)?,
        })
    }
}

struct Scalar {
    definition: &'static Definition,
    signature: Signature,
    aliases: Vec<String>,
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.definition.name)
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.definition.check(types)?;
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let constants = vec![None; types.len()];
        self.definition.return_type(&Planned { types, constants: &constants })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> =
            args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        self.definition.check(&types)?;
        let planned = Planned { types: &types, constants: args.scalar_arguments };
        Ok(Arc::new(Field::new(self.name(), self.definition.return_type(&planned)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = self.definition.volatility != Volatility::Volatile
            && args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let call = Call {
            rows: if constant { 1 } else { args.number_rows },
            returns: args.return_field.data_type().clone(),
            name: self.definition.name,
            args: args.args,
        };
        let result = (self.definition.body)(&call)?;
        if result.len() != call.rows {
            return exec_err!("'{}' gave {} rows of {}", call.name, result.len(), call.rows);
        }
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// A call of a function for the rows of a batch.
pub(crate) struct Call {
    pub(crate) args: Vec<ColumnarValue>,
    pub(crate) rows: usize,
    pub(crate) returns: DataType,
    pub(crate) name: &'static str,
}

impl Call {
    /// How many arguments there are.
    pub(crate) fn len(&self) -> usize {
        self.args.len()
    }

    /// An argument as it is.
    pub(crate) fn array(&self, argument: usize) -> Result<ArrayRef> {
        match &self.args[argument] {
            ColumnarValue::Array(array) => Ok(Arc::clone(array)),
            ColumnarValue::Scalar(value) => value.to_array_of_size(self.rows),
        }
    }

    /// An argument converted; a constant once.
    fn converted(
        &self,
        argument: usize,
        to: fn(&ArrayRef) -> Result<ArrayRef>,
    ) -> Result<ArrayRef> {
        match &self.args[argument] {
            ColumnarValue::Array(array) => to(array),
            ColumnarValue::Scalar(value) => {
                let one = to(&value.to_array_of_size(1)?)?;
                ScalarValue::try_from_array(&one, 0)?.to_array_of_size(self.rows)
            }
        }
    }

    pub(crate) fn text(&self, argument: usize) -> Result<StringArray> {
        let texts = self.converted(argument, |a| Ok(Arc::new(convert::texts(a)?)))?;
        Ok(StringArray::from(texts.to_data()))
    }

    pub(crate) fn texts(&self) -> Result<Vec<StringArray>> {
        (0..self.len()).map(|i| self.text(i)).collect()
    }

    /// The bytes of an argument: a text's are its UTF-8.
    pub(crate) fn bytes(&self, argument: usize) -> Result<BinaryArray> {
        let bytes = self.converted(argument, |a| match a.data_type() {
            t if t.is_binary() => Ok(cast(a, &DataType::Binary)?),
            _ => {
                let texts: ArrayRef = Arc::new(convert::texts(a)?);
                Ok(cast(&texts, &DataType::Binary)?)
            }
        })?;
        Ok(BinaryArray::from(bytes.to_data()))
    }

    pub(crate) fn ints(&self, argument: usize) -> Result<Int64Array> {
        let ints = self.converted(argument, |a| Ok(Arc::new(convert::ints(a)?)))?;
        Ok(Int64Array::from(ints.to_data()))
    }

    pub(crate) fn doubles(&self, argument: usize) -> Result<Float64Array> {
        let doubles = self.converted(argument, |a| Ok(Arc::new(convert::doubles(a)?)))?;
        Ok(Float64Array::from(doubles.to_data()))
    }

    /// Microseconds since 1970 by the clock on the wall; NULL where there is no such moment.
    pub(crate) fn moments(&self, argument: usize) -> Result<Int64Array> {
        let moments = self.converted(argument, |a| Ok(Arc::new(convert::moments(a)?)))?;
        Ok(Int64Array::from(moments.to_data()))
    }

    pub(crate) fn give_texts(&self, f: impl Fn(usize) -> Option<String>) -> Result<ArrayRef> {
        let mut texts = StringBuilder::with_capacity(self.rows, 0);
        for row in 0..self.rows {
            let text = f(row);
            self.check_size(texts.values_slice().len(), text.as_ref().map_or(0, String::len))?;
            texts.append_option(text);
        }
        Ok(Arc::new(texts.finish()))
    }

    /// A few rows of REPEAT could fill the memory of any machine.
    fn check_size(&self, held: usize, more: usize) -> Result<()> {
        match held + more > BATCH_BYTES_MAX {
            false => Ok(()),
            true => exec_err!(
                "Result of {}() was larger than the {BATCH_BYTES_MAX} bytes that it may give for one batch of rows",
                self.name
            ),
        }
    }

    pub(crate) fn give_ints(&self, f: impl Fn(usize) -> Option<i64>) -> Result<ArrayRef> {
        Ok(Arc::new((0..self.rows).map(f).collect::<Int64Array>()))
    }

    pub(crate) fn give_unsigned(&self, f: impl Fn(usize) -> Option<u64>) -> Result<ArrayRef> {
        Ok(Arc::new((0..self.rows).map(f).collect::<UInt64Array>()))
    }

    /// Doubles; what is no finite number is NULL, as in MySQL.
    pub(crate) fn give_doubles(&self, f: impl Fn(usize) -> Option<f64>) -> Result<ArrayRef> {
        let finite = |row| f(row).filter(|value| value.is_finite());
        Ok(Arc::new((0..self.rows).map(finite).collect::<Float64Array>()))
    }

    pub(crate) fn give_bools(&self, f: impl Fn(usize) -> Option<bool>) -> Result<ArrayRef> {
        Ok(Arc::new((0..self.rows).map(f).collect::<BooleanArray>()))
    }

    pub(crate) fn give_bytes(&self, f: impl Fn(usize) -> Option<Vec<u8>>) -> Result<ArrayRef> {
        let mut all = BinaryBuilder::with_capacity(self.rows, 0);
        for row in 0..self.rows {
            let bytes = f(row);
            self.check_size(all.values_slice().len(), bytes.as_ref().map_or(0, Vec::len))?;
            all.append_option(bytes);
        }
        Ok(Arc::new(all.finish()))
    }

    /// Microseconds since 1970 as what the function returns: a date, a moment or a text.
    pub(crate) fn give_moments(&self, f: impl Fn(usize) -> Option<i64>) -> Result<ArrayRef> {
        let micros: Int64Array =
            (0..self.rows).map(|row| f(row).filter(|m| convert::is_in_range(*m))).collect();
        convert::from_moments(&micros, &self.returns)
    }
}

/// A value that its type cannot hold. Of the kinds of error this one says so, and it keeps its kind between processes.
pub(crate) fn out_of_range(data_type: &str, function: &str) -> DataFusionError {
    ArrowError::ArithmeticOverflow(format!("{data_type} value is out of range in '{function}'"))
        .into()
}

/// The value of a row, if there is one.
pub(crate) trait At<'a, T> {
    fn at(&'a self, row: usize) -> Option<T>;
}

impl<'a> At<'a, &'a str> for StringArray {
    fn at(&'a self, row: usize) -> Option<&'a str> {
        self.is_valid(row).then(|| self.value(row))
    }
}

impl<'a> At<'a, &'a [u8]> for BinaryArray {
    fn at(&'a self, row: usize) -> Option<&'a [u8]> {
        self.is_valid(row).then(|| self.value(row))
    }
}

impl At<'_, i64> for Int64Array {
    fn at(&self, row: usize) -> Option<i64> {
        self.is_valid(row).then(|| self.value(row))
    }
}

impl At<'_, f64> for Float64Array {
    fn at(&self, row: usize) -> Option<f64> {
        self.is_valid(row).then(|| self.value(row))
    }
}

impl At<'_, bool> for BooleanArray {
    fn at(&self, row: usize) -> Option<bool> {
        self.is_valid(row).then(|| self.value(row))
    }
}
