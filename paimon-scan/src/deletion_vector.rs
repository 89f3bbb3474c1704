//! Deletion vectors: which rows of a file Paimon has marked as deleted.
//!
//! Both versions of Paimon's format (`BitmapDeletionVector`, `Bitmap64DeletionVector`):
//!
//! ```text
//! v1: i32 BE length of (magic + bitmap) │ i32 BE 1581511376 │ 32-bit Roaring bitmap │ i32 BE CRC-32
//! v2: i32 BE length of (magic + bitmap) │ i32 LE 1681511377 │ 64-bit Roaring bitmap │ i32 BE CRC-32
//! ```
//!
//! The checksum covers magic and bitmap. The length in the index manifest is the prefix's in version 1, and
//! that plus 8 in version 2.

use std::fmt::Display;

use bytes::Buf;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore};
use roaring::RoaringBitmap;

use crate::error::{LakeError, Result};
use crate::file::DeletionVectorRef;

const MAGIC_32: u32 = 1_581_511_376;
const MAGIC_64: u32 = 1_681_511_377;
/// Length prefix and checksum.
const FRAME: u64 = 8;
/// A bitmap of every row of the largest file is 512 MiB; more is not a deletion vector.
const MAX_BYTES: u64 = 600 << 20;

fn corrupt(path: &Path, what: impl Display) -> LakeError {
    LakeError::corrupt(format!("deletion vector in {path}: {what}"))
}

/// Reads a deletion vector.
pub(crate) async fn read(
    store: &dyn ObjectStore,
    path: &Path,
    vector: &DeletionVectorRef,
) -> Result<RoaringBitmap> {
    let context = |what| corrupt(path, what);
    if vector.length > MAX_BYTES {
        return Err(context(format!("{} bytes", vector.length)));
    }
    // stores cut a range that reaches beyond the end of the file
    let range = vector.offset..vector.offset.saturating_add(vector.length).saturating_add(FRAME);
    let options = GetOptions::new().with_range(Some(range));
    let found = store.get_opts(path, options).await.map_err(LakeError::from_store)?;
    let bytes = found.bytes().await.map_err(LakeError::from_store)?;
    decode(&bytes).map_err(context)
}

/// Checks a deletion vector against what the manifest says of it and against the rows of its file.
pub(crate) fn check(
    deleted: &RoaringBitmap,
    path: &Path,
    vector: &DeletionVectorRef,
    rows: u64,
) -> Result<()> {
    let context = |what: String| corrupt(path, what);
    if vector.cardinality.is_some_and(|expected| expected != deleted.len()) {
        return Err(context(format!("{} rows, the manifest says {vector:?}", deleted.len())));
    }
    if deleted.max().is_some_and(|last| u64::from(last) >= rows) {
        return Err(context(format!("row {:?} of a file with {rows}", deleted.max())));
    }
    Ok(())
}

/// Decodes a deletion vector; bytes after it are ignored.
fn decode(bytes: &[u8]) -> Result<RoaringBitmap, String> {
    let mut rest = bytes;
    let length = rest.try_get_u32().map_err(|_| "cut off before its length")? as usize;
    let framed = length.checked_add(4).filter(|framed| *framed <= rest.len() && length >= 4);
    let Some(framed) = framed else {
        return Err(format!("{length} bytes long, {} present", rest.len()));
    };
    let (body, checksum) = (&rest[..length], (&rest[length..framed]).get_u32());
    if crc32fast::hash(body) != checksum {
        return Err("wrong checksum".into());
    }
    let (magic, bitmap) = body.split_at(4);
    match ((&magic[..]).get_u32(), (&magic[..]).get_u32_le()) {
        (MAGIC_32, _) => RoaringBitmap::deserialize_from(bitmap).map_err(|error| error.to_string()),
        (_, MAGIC_64) => decode_64(bitmap),
        (other, _) => Err(format!("unknown magic number {other}")),
    }
}

/// A 64-bit Roaring bitmap is a list of 32-bit ones, each with the upper half of its values. Rows of one
/// file have the upper half 0.
fn decode_64(mut bytes: &[u8]) -> Result<RoaringBitmap, String> {
    let parts = bytes.try_get_u64_le().map_err(|error| error.to_string())?;
    let mut all = RoaringBitmap::new();
    for _ in 0..parts {
        if bytes.try_get_u32_le().map_err(|error| error.to_string())? != 0 {
            return Err("row position beyond 32 bits".into());
        }
        all |= RoaringBitmap::deserialize_from(&mut bytes).map_err(|error| error.to_string())?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn encode(deleted: &RoaringBitmap, wide: bool) -> Vec<u8> {
        let mut body = Vec::new();
        match wide {
            false => body.extend(MAGIC_32.to_be_bytes()),
            true => {
                body.extend(MAGIC_64.to_le_bytes());
                body.extend(1u64.to_le_bytes());
                body.extend(0u32.to_le_bytes());
            }
        }
        deleted.serialize_into(&mut body).unwrap();
        let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
        bytes.extend(&body);
        bytes.extend(crc32fast::hash(&body).to_be_bytes());
        bytes
    }

    fn sample() -> RoaringBitmap {
        (0..5000u32).filter(|row| row % 3 == 0 || (1000..2000).contains(row)).collect()
    }

    #[test]
    fn both_versions_decode() {
        for wide in [false, true] {
            assert_eq!(decode(&encode(&sample(), wide)), Ok(sample()));
        }
    }

    #[test]
    fn corrupted_bytes_are_errors() {
        let mut random = StdRng::seed_from_u64(17);
        for wide in [false, true] {
            let good = encode(&sample(), wide);
            for _ in 0..2000 {
                let mut bad = good.clone();
                match random.random_range(0..3) {
                    0 => bad.truncate(random.random_range(0..good.len())),
                    1 => {
                        let at = random.random_range(0..good.len());
                        bad[at] ^= 1 << random.random_range(0..8);
                    }
                    _ => bad = (0..random.random_range(0..64)).map(|_| random.random()).collect(),
                }
                assert!(decode(&bad).is_err());
                // the parsers behind the checksum must hold as well
                let _ = RoaringBitmap::deserialize_from(bad.as_slice());
                let _ = decode_64(bad.get(8..).unwrap_or_default());
            }
        }
    }
}
