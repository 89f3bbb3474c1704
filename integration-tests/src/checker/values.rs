//! What a row says besides its key and version, so that a mixture of two versions shows.

/// The hash in a row.
pub(super) fn mix(key: i64, version: i64) -> i64 {
    let mut mixed = (key as u64) ^ (version as u64).rotate_left(32);
    // splitmix64
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) as i64
}

/// Part of a row that adds up to 1000 with its counterpart.
pub(super) fn part(key: i64, version: i64) -> i32 {
    (mix(version, key).rem_euclid(2001) - 500) as i32
}

/// The value of the n-th column that was added to a table (from 0).
pub(super) fn added(key: i64, version: i64, column: u16) -> i64 {
    mix(key ^ (i64::from(column) + 1), version)
}
