//! Texts made of others. What one makes is no longer than a packet: MySQL gives NULL beyond `max_allowed_packet`.

use arrow::array::ArrayRef;
use datafusion::error::Result;

use crate::function::{At, Call, Definition, MANY, Returns};

/// The longest text that a function makes, in bytes: `max_allowed_packet`.
const LENGTH_MAX: usize = 64 << 20;

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("concat", 1..=MANY, Returns::Text, concat),
    Definition::new("concat_ws", 2..=MANY, Returns::Text, concat_ws),
    Definition::new("repeat", 2..=2, Returns::Text, repeat),
    Definition::new("space", 1..=1, Returns::Text, space),
    Definition::new("lpad", 2..=3, Returns::Text, |call| pad(call, true)),
    Definition::new("rpad", 2..=3, Returns::Text, |call| pad(call, false)),
    Definition::new("replace", 3..=3, Returns::Text, replace),
    Definition::new("translate", 3..=3, Returns::Text, translate),
    Definition::new("insert", 4..=4, Returns::Text, insert),
    Definition::new("elt", 2..=MANY, Returns::Text, elt),
    Definition::new("make_set", 2..=MANY, Returns::Text, make_set),
    Definition::new("export_set", 3..=5, Returns::Text, export_set),
    Definition::new("format", 2..=3, Returns::Text, format).or(&["format_number"]),
    Definition::new("money_format", 1..=1, Returns::Text, |call| {
        let values = call.doubles(0)?;
        call.give_texts(|row| Some(grouped(&format!("{:.2}", values.at(row)?))))
    }),
    Definition::new("initcap", 1..=1, Returns::Text, initcap),
    Definition::new("append_trailing_char_if_absent", 2..=2, Returns::Text, |call| {
        let (values, ends) = (call.text(0)?, call.text(1)?);
        call.give_texts(|row| {
            let (text, end) = (values.at(row)?, ends.at(row)?);
            (end.chars().count() == 1)
                .then(|| if text.ends_with(end) { text.into() } else { format!("{text}{end}") })
        })
    }),
];

/// NULL if any is.
fn concat(call: &Call) -> Result<ArrayRef> {
    let parts = call.texts()?;
    call.give_texts(|row| {
        let parts: Option<Vec<&str>> = parts.iter().map(|part| part.at(row)).collect();
        Some(parts?.concat())
    })
}

/// NULLs are left out; NULL if the separator is.
fn concat_ws(call: &Call) -> Result<ArrayRef> {
    let parts = call.texts()?;
    call.give_texts(|row| {
        let separator = parts[0].at(row)?;
        let parts: Vec<&str> = parts[1..].iter().filter_map(|part| part.at(row)).collect();
        Some(parts.join(separator))
    })
}

fn repeat(call: &Call) -> Result<ArrayRef> {
    let (values, counts) = (call.text(0)?, call.ints(1)?);
    call.give_texts(|row| {
        let (text, count) = (values.at(row)?, usize::try_from(counts.at(row)?).unwrap_or(0));
        (text.len().checked_mul(count)? <= LENGTH_MAX).then(|| text.repeat(count))
    })
}

fn space(call: &Call) -> Result<ArrayRef> {
    let counts = call.ints(0)?;
    call.give_texts(|row| {
        let count = usize::try_from(counts.at(row)?).unwrap_or(0);
        (count <= LENGTH_MAX).then(|| " ".repeat(count))
    })
}

fn pad(call: &Call, left: bool) -> Result<ArrayRef> {
    let (values, lengths) = (call.text(0)?, call.ints(1)?);
    let fills = if call.len() > 2 { Some(call.text(2)?) } else { None };
    call.give_texts(|row| {
        let text = values.at(row)?;
        let fill = match &fills {
            None => " ",
            Some(fills) => fills.at(row)?,
        };
        let length = usize::try_from(lengths.at(row)?).ok().filter(|l| *l <= LENGTH_MAX / 4)?;
        let count = text.chars().count();
        if count >= length {
            return Some(text.chars().take(length).collect());
        }
        if fill.is_empty() {
            return None;
        }
        let padding = fill.chars().cycle().take(length - count);
        Some(if left {
            padding.chain(text.chars()).collect()
        } else {
            text.chars().chain(padding).collect()
        })
    })
}

fn replace(call: &Call) -> Result<ArrayRef> {
    let (values, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
    call.give_texts(|row| {
        let (text, from, to) = (values.at(row)?, from.at(row)?, to.at(row)?);
        Some(if from.is_empty() { text.to_string() } else { text.replace(from, to) })
    })
}

fn translate(call: &Call) -> Result<ArrayRef> {
    let (values, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
    call.give_texts(|row| {
        let from: Vec<char> = from.at(row)?.chars().collect();
        let to: Vec<char> = to.at(row)?.chars().collect();
        let each = |c: char| match from.iter().position(|f| *f == c) {
            None => Some(c),
            Some(at) => to.get(at).copied(),
        };
        Some(values.at(row)?.chars().filter_map(each).collect())
    })
}

fn insert(call: &Call) -> Result<ArrayRef> {
    let (values, places, counts, news) =
        (call.text(0)?, call.ints(1)?, call.ints(2)?, call.text(3)?);
    call.give_texts(|row| {
        let (text, place, count, new) =
            (values.at(row)?, places.at(row)?, counts.at(row)?, news.at(row)?);
        let length = text.chars().count() as i64;
        if place < 1 || place > length {
            return Some(text.to_string());
        }
        let from = place as usize - 1;
        let count =
            if count < 0 || count > length - place + 1 { length - place + 1 } else { count };
        let rest = text.chars().skip(from + count as usize);
        Some(text.chars().take(from).chain(new.chars()).chain(rest).collect())
    })
}

fn elt(call: &Call) -> Result<ArrayRef> {
    let places = call.ints(0)?;
    let values = (1..call.len()).map(|i| call.text(i)).collect::<Result<Vec<_>>>()?;
    call.give_texts(|row| {
        let place = usize::try_from(places.at(row)?).ok()?.checked_sub(1)?;
        values.get(place)?.at(row).map(str::to_string)
    })
}

fn make_set(call: &Call) -> Result<ArrayRef> {
    let bits = call.ints(0)?;
    let values = (1..call.len()).map(|i| call.text(i)).collect::<Result<Vec<_>>>()?;
    call.give_texts(|row| {
        let bits = bits.at(row)? as u64;
        let chosen = values.iter().take(64).enumerate().filter(|(i, _)| bits >> i & 1 == 1);
        let texts: Vec<&str> = chosen.filter_map(|(_, value)| value.at(row)).collect();
        Some(texts.join(","))
    })
}

fn export_set(call: &Call) -> Result<ArrayRef> {
    let (bits, on, off) = (call.ints(0)?, call.text(1)?, call.text(2)?);
    let separators = if call.len() > 3 { Some(call.text(3)?) } else { None };
    let counts = if call.len() > 4 { Some(call.ints(4)?) } else { None };
    call.give_texts(|row| {
        let (bits, on, off) = (bits.at(row)? as u64, on.at(row)?, off.at(row)?);
        let separator = match &separators {
            None => ",",
            Some(separators) => separators.at(row)?,
        };
        let count = match &counts {
            None => 64,
            Some(counts) => counts.at(row)?.clamp(0, 64),
        };
        let texts: Vec<&str> =
            (0..count).map(|i| if bits >> i & 1 == 1 { on } else { off }).collect();
        Some(texts.join(separator))
    })
}

/// `1234567.891` with two digits is `1,234,567.89`.
fn format(call: &Call) -> Result<ArrayRef> {
    let (array, digits) = (call.array(0)?, call.ints(1)?);
    let exact = matches!(array.data_type(), arrow::datatypes::DataType::Decimal128(..));
    let (texts, doubles) = (call.text(0)?, call.doubles(0)?);
    let locales = if call.len() > 2 { Some(call.text(2)?) } else { None };
    if locales.iter().flat_map(|l| l.iter().flatten()).any(|l| l != "en_US") {
        return datafusion::common::exec_err!("FORMAT knows the locale en_US alone");
    }
    call.give_texts(|row| {
        let digits = digits.at(row)?.clamp(0, 30);
        let rounded = match exact {
            true => rounded_text(texts.at(row)?, digits as usize),
            false => {
                // halves away from zero, as MySQL rounds here
                let power = 10f64.powi(digits as i32);
                let value = doubles.at(row)?;
                let scaled = value * power;
                let value = if scaled.abs() < 9e15 { scaled.round() / power } else { value };
                format!("{value:.*}", digits as usize)
            }
        };
        Some(grouped(&rounded))
    })
}

/// A decimal text with so many digits after the point.
fn rounded_text(text: &str, digits: usize) -> String {
    let (negative, plain) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let mut kept: Vec<u8> =
        whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(digits)).collect();
    if fraction.as_bytes().get(digits).is_some_and(|d| *d >= b'5') {
        let mut at = kept.len();
        loop {
            if at == 0 {
                kept.insert(0, b'1');
                break;
            }
            at -= 1;
            if kept[at] == b'9' {
                kept[at] = b'0';
            } else {
                kept[at] += 1;
                break;
            }
        }
    }
    let mut text: String = kept.iter().map(|b| char::from(*b)).collect();
    if digits > 0 {
        text.insert(text.len() - digits, '.');
    }
    let is_zero = text.bytes().all(|b| matches!(b, b'0' | b'.'));
    if negative && !is_zero { format!("-{text}") } else { text }
}

/// Commas between thousands.
fn grouped(number: &str) -> String {
    let (whole, fraction) = number.split_at(number.find('.').unwrap_or(number.len()));
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", whole),
    };
    let mut out = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

fn initcap(call: &Call) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.give_texts(|row| {
        let mut inside = false;
        let each = |c: char| {
            let changed: String =
                if inside { c.to_lowercase().collect() } else { c.to_uppercase().collect() };
            inside = c.is_alphanumeric();
            changed
        };
        Some(values.at(row)?.chars().map(each).collect())
    })
}
