//! Bases, digests, quoting.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use datafusion::error::Result;
use sha1::Digest as _;

use crate::function::{At, Call, Definition, MANY, Returns};

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("hex", 1..=1, Returns::Text, hex),
    Definition::new("unhex", 1..=1, Returns::Bytes, |call| {
        let values = call.text(0)?;
        call.give_bytes(|row| unhex(values.at(row)?))
    }),
    Definition::new("hex_decode_string", 1..=1, Returns::Text, |call| {
        let values = call.text(0)?;
        call.give_texts(|row| String::from_utf8(unhex(values.at(row)?)?).ok())
    }),
    Definition::new("char", 1..=MANY, Returns::Bytes, char),
    Definition::new("to_base64", 1..=1, Returns::Text, |call| {
        let values = call.bytes(0)?;
        call.give_texts(|row| Some(lines(&BASE64.encode(values.at(row)?))))
    }),
    Definition::new("from_base64", 1..=1, Returns::Bytes, |call| {
        let values = call.text(0)?;
        call.give_bytes(|row| {
            let text: String =
                values.at(row)?.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            BASE64.decode(text).ok()
        })
    })
    .or(&["base64_decode_binary"]),
    Definition::new("base64_decode_string", 1..=1, Returns::Text, |call| {
        let values = call.text(0)?;
        call.give_texts(|row| String::from_utf8(BASE64.decode(values.at(row)?).ok()?).ok())
    }),
    Definition::new("md5", 1..=1, Returns::Text, |call| {
        digest(call, |b| hex_text(&md5::Md5::digest(b)))
    }),
    Definition::new("md5sum", 1..=MANY, Returns::Text, |call| {
        let parts = call.texts()?;
        call.give_texts(|row| {
            let text: String = parts.iter().filter_map(|p| p.at(row)).collect();
            Some(hex_text(&md5::Md5::digest(text.as_bytes())))
        })
    }),
    Definition::new("sha1", 1..=1, Returns::Text, |call| {
        digest(call, |b| hex_text(&sha1::Sha1::digest(b)))
    })
    .or(&["sha"]),
    Definition::new("sha2", 2..=2, Returns::Text, sha2),
    Definition::new("quote", 1..=1, Returns::Text, |call| {
        let values = call.text(0)?;
        call.give_texts(|row| Some(values.at(row).map_or("NULL".into(), quoted)))
    }),
    Definition::new("soundex", 1..=1, Returns::Text, |call| {
        let values = call.text(0)?;
        call.give_texts(|row| Some(soundex(values.at(row)?)))
    }),
    Definition::new("inet_aton", 1..=1, Returns::Int, inet_aton).or(&["ipv4_to_num"]),
    Definition::new("inet_ntoa", 1..=1, Returns::Text, |call| {
        let values = call.ints(0)?;
        call.give_texts(|row| {
            let address = u32::try_from(values.at(row)?).ok()?;
            Some(std::net::Ipv4Addr::from(address).to_string())
        })
    }),
    Definition::new("is_ipv4", 1..=1, Returns::Bool, |call| {
        let values = call.text(0)?;
        call.give_bools(|row| {
            Some(values.at(row).is_some_and(|t| t.parse::<std::net::Ipv4Addr>().is_ok()))
        })
    }),
    Definition::new("is_ipv6", 1..=1, Returns::Bool, |call| {
        let values = call.text(0)?;
        call.give_bools(|row| {
            Some(values.at(row).is_some_and(|t| t.parse::<std::net::Ipv6Addr>().is_ok()))
        })
    }),
    Definition::new("is_uuid", 1..=1, Returns::Bool, |call| {
        let values = call.text(0)?;
        call.give_bools(|row| Some(uuid::Uuid::try_parse(values.at(row)?).is_ok()))
    }),
    Definition::new("uuid", 0..=0, Returns::Text, |call| {
        call.give_texts(|_| Some(uuid::Uuid::new_v4().to_string()))
    })
    .volatile(),
    Definition::new("rand", 0..=1, Returns::Double, rand).or(&["random"]).volatile(),
    Definition::new("url_encode", 1..=1, Returns::Text, |call| {
        let values = call.text(0)?;
        call.give_texts(|row| Some(url_encoded(values.at(row)?)))
    }),
    Definition::new("url_decode", 1..=1, Returns::Text, |call| {
        let values = call.text(0)?;
        call.give_texts(|row| url_decoded(values.at(row)?))
    }),
    Definition::new("murmur_hash3_32", 1..=MANY, Returns::Int, |call| {
        let parts = call.texts()?;
        call.give_ints(|row| {
            let mut seed = 104_729;
            for part in &parts {
                seed = murmur3(part.at(row)?.as_bytes(), seed);
            }
            Some(i64::from(seed as i32))
        })
    }),
];

fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Of a number its digits of base 16, of a text its bytes.
fn hex(call: &Call) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let is_number = array.data_type().is_numeric() || *array.data_type() == DataType::Boolean;
    if !is_number {
        let values = call.bytes(0)?;
        return call.give_texts(|row| Some(hex_text(values.at(row)?).to_uppercase()));
    }
    if *array.data_type() == DataType::UInt64 {
        let values: Vec<Option<u64>> =
            arrow::array::AsArray::as_primitive::<arrow::datatypes::UInt64Type>(&array)
                .iter()
                .collect();
        return call.give_texts(|row| Some(format!("{:X}", values[row]?)));
    }
    let values = call.ints(0)?;
    call.give_texts(|row| Some(format!("{:X}", values.at(row)?)))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let padded = if text.len() % 2 == 1 { format!("0{text}") } else { text.to_string() };
    let digit = |b: u8| char::from(b).to_digit(16);
    padded
        .as_bytes()
        .chunks(2)
        .map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8))
        .collect()
}

/// The bytes of numbers, 65 is `A`; NULLs are left out.
fn char(call: &Call) -> Result<ArrayRef> {
    let values = (0..call.len()).map(|i| call.ints(i)).collect::<Result<Vec<_>>>()?;
    call.give_bytes(|row| {
        let mut bytes = vec![];
        for value in values.iter().filter_map(|v| v.at(row)) {
            let all = (value as u32).to_be_bytes();
            let first = all.iter().position(|b| *b != 0).unwrap_or(3);
            bytes.extend_from_slice(&all[first..]);
        }
        Some(bytes)
    })
}

/// MySQL breaks Base64 after 76 characters.
fn lines(text: &str) -> String {
    let chunks: Vec<&str> =
        (0..text.len()).step_by(76).map(|at| &text[at..text.len().min(at + 76)]).collect();
    chunks.join("\n")
}

fn digest(call: &Call, f: fn(&[u8]) -> String) -> Result<ArrayRef> {
    let values = call.bytes(0)?;
    call.give_texts(|row| Some(f(values.at(row)?)))
}

fn sha2(call: &Call) -> Result<ArrayRef> {
    let (values, lengths) = (call.bytes(0)?, call.ints(1)?);
    call.give_texts(|row| {
        let bytes = values.at(row)?;
        Some(match lengths.at(row)? {
            224 => hex_text(&sha2::Sha224::digest(bytes)),
            0 | 256 => hex_text(&sha2::Sha256::digest(bytes)),
            384 => hex_text(&sha2::Sha384::digest(bytes)),
            512 => hex_text(&sha2::Sha512::digest(bytes)),
            _ => return None,
        })
    })
}

fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            '\0' => out.push_str("\\0"),
            '\u{1a}' => out.push_str("\\Z"),
            _ => out.push(c),
        }
    }
    out + "'"
}

/// MySQL's: of any length, vowels dropped before duplicates.
fn soundex(text: &str) -> String {
    let code = |c: char| match c.to_ascii_uppercase() {
        'B' | 'F' | 'P' | 'V' => b'1',
        'C' | 'G' | 'J' | 'K' | 'Q' | 'S' | 'X' | 'Z' => b'2',
        'D' | 'T' => b'3',
        'L' => b'4',
        'M' | 'N' => b'5',
        'R' => b'6',
        _ => b'0',
    };
    let mut letters = text.chars().filter(|c| c.is_alphabetic());
    let Some(first) = letters.next() else { return String::new() };
    let mut out: String = first.to_uppercase().collect();
    let mut last = code(first);
    for c in letters {
        let code = code(c);
        if code != b'0' && code != last {
            out.push(char::from(code));
            last = code;
        }
    }
    while out.chars().count() < 4 {
        out.push('0');
    }
    out
}

fn inet_aton(call: &Call) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.give_ints(|row| {
        let text = values.at(row)?;
        let parts: Option<Vec<i64>> =
            text.split('.').map(|part| part.parse::<u8>().ok().map(i64::from)).collect();
        // of a short form the last part is the end of the address: 127.1
        Some(match parts?[..] {
            [a] => a,
            [a, b] => (a << 24) + b,
            [a, b, c] => (a << 24) + (b << 16) + c,
            [a, b, c, d] => (a << 24) + (b << 16) + (c << 8) + d,
            _ => return None,
        })
    })
}

/// Numbers of a seed repeat, from the same generator that MySQL has (`my_rnd`).
fn rand(call: &Call) -> Result<ArrayRef> {
    const MAX: u64 = 0x3FFF_FFFF;
    if call.len() == 0 {
        return call.give_doubles(|_| Some(rand::random::<f64>()));
    }
    let seed = call.ints(0)?.iter().next().flatten().unwrap_or(0) as u32;
    let mut first = u64::from(seed.wrapping_mul(0x10001).wrapping_add(55_555_555)) % MAX;
    let mut second = u64::from(seed.wrapping_mul(0x1000_0001)) % MAX;
    let values: arrow::array::Float64Array = (0..call.rows)
        .map(|_| {
            first = (first * 3 + second) % MAX;
            second = (first + second + 33) % MAX;
            Some(first as f64 / MAX as f64)
        })
        .collect();
    Ok(std::sync::Arc::new(values))
}

fn url_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte.into())
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn url_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = vec![];
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                out.push(u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok()?);
                at += 3;
            }
            byte => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

/// MurmurHash3 for x86, 32 bits (Austin Appleby).
fn murmur3(bytes: &[u8], seed: u32) -> u32 {
    let mix = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash = seed;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        let k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        hash = (hash ^ mix(k)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let rest = chunks.remainder().iter().rev().fold(0u32, |all, b| all << 8 | u32::from(*b));
    if !chunks.remainder().is_empty() {
        hash ^= mix(rest);
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}
