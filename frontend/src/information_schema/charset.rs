//! Character sets and collations: text is UTF-8 and compared byte by byte.

use super::definition::{Cell, Row};

/// The character set of everything.
pub const CHARSET: &str = "utf8mb4";
/// The collation of everything.
pub const COLLATION: &str = "utf8mb4_bin";

/// Character sets: name, default collation, description, bytes of the longest character.
const CHARSETS: &[(&str, &str, &str, i64)] = &[
    ("binary", "binary", "Binary pseudo charset", 1),
    ("utf8mb3", "utf8mb3_general_ci", "UTF-8 Unicode", 3),
    ("utf8mb4", "utf8mb4_bin", "UTF-8 Unicode", 4),
];

/// Collations that clients name at login or look up by the number of a column: name, character set, MySQL's id, pad
/// attribute. Those that ignore case may be set and read back; what is compared is bytes.
const COLLATIONS: &[(&str, &str, i64, &str)] = &[
    ("binary", "binary", 63, "NO PAD"),
    ("utf8mb3_bin", "utf8mb3", 83, "PAD SPACE"),
    ("utf8mb3_general_ci", "utf8mb3", 33, "PAD SPACE"),
    ("utf8mb3_unicode_ci", "utf8mb3", 192, "PAD SPACE"),
    ("utf8mb4_0900_ai_ci", "utf8mb4", 255, "NO PAD"),
    ("utf8mb4_bin", "utf8mb4", 46, "PAD SPACE"),
    ("utf8mb4_general_ci", "utf8mb4", 45, "PAD SPACE"),
    ("utf8mb4_unicode_ci", "utf8mb4", 224, "PAD SPACE"),
];

/// Rows of `character_sets`.
pub fn character_sets() -> Vec<Row> {
    let row = |(name, collation, told, bytes): &(&str, &str, &str, i64)| {
        vec![(*name).into(), (*collation).into(), (*told).into(), Cell::Int(*bytes)]
    };
    CHARSETS.iter().map(row).collect()
}

/// Rows of `collations`.
pub fn collations() -> Vec<Row> {
    let row = |(name, charset, id, pad): &(&str, &str, i64, &str)| {
        let is_default = CHARSETS.iter().any(|(_, default, ..)| default == name);
        vec![
            (*name).into(),
            (*charset).into(),
            Cell::Int(*id),
            if is_default { "Yes" } else { "" }.into(),
            "Yes".into(),
            Cell::Int(1),
            (*pad).into(),
        ]
    };
    COLLATIONS.iter().map(row).collect()
}

/// Rows of `collation_character_set_applicability`.
pub fn applicability() -> Vec<Row> {
    COLLATIONS.iter().map(|(name, charset, ..)| vec![(*name).into(), (*charset).into()]).collect()
}

/// Whether a collation is known, in any case.
pub fn is_collation(name: &str) -> bool {
    COLLATIONS.iter().any(|(known, ..)| known.eq_ignore_ascii_case(name))
}
