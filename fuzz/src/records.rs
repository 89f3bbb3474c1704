//! Record batches under right checksums.

/// Bytes before those that a batch's length counts.
const PREFIX: usize = 12;
/// Where the version is.
const VERSION: usize = 12;
/// Where the checksum is; it covers all that follows it.
const CHECKSUM: usize = 21;
/// The version from which on four bytes stand before the checksum.
const LEADER_EPOCH: u8 = 2;

/// Puts the right checksum into each whole batch.
pub fn make_checksums_right(mut bytes: &mut [u8]) {
    while let Some(length) = bytes.get(8..PREFIX).and_then(|length| length.try_into().ok()) {
        let length = usize::try_from(i32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let end = PREFIX.saturating_add(length);
        let version = bytes.get(VERSION).copied().unwrap_or(0);
        let at = if version < LEADER_EPOCH { CHECKSUM } else { CHECKSUM + 4 };
        if bytes.len() < end || end < at + 4 {
            return;
        }
        let (batch, rest) = bytes.split_at_mut(end);
        let checksum = crc32c::crc32c(&batch[at + 4..]).to_le_bytes();
        batch[at..at + 4].copy_from_slice(&checksum);
        bytes = rest;
    }
}

/// A batch of version 0 as one of version 2: with a leader epoch, and with statistics that are empty.
pub fn as_version_2(batch: &[u8]) -> Vec<u8> {
    const STATISTICS: usize = 48;
    let length = i32::try_from(batch.len() - PREFIX + 8).unwrap_or(0).to_le_bytes();
    let parts = [
        &batch[..8],
        &length,
        &[LEADER_EPOCH],
        &batch[VERSION + 1..CHECKSUM],
        &[0; 4],
        &batch[CHECKSUM..STATISTICS],
        &[0; 4],
        &batch[STATISTICS..],
    ];
    let mut batch = parts.concat();
    make_checksums_right(&mut batch);
    batch
}
