//! In which bucket a key lies.
//!
//! Both functions begin with Flink's variant of murmur 3, which mixes the bytes behind the last whole word one
//! by one. (No library has it; keys that the lake shares are whole words, where it is plain murmur 3.)

/// Flink's seed.
const SEED: u32 = 42;

/// How keys are spread over buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bucketing {
    /// Fluss's own, of tables in clusters without a lake.
    Fluss,
    /// That of Paimon.
    Paimon,
}

/// The bucket of a key, and the other one where clients disagree about it.
pub(crate) type Candidates = (i32, Option<i32>);

impl Bucketing {
    /// The bucket of a key among `buckets` (at least one).
    ///
    /// Java clients take the bytes behind the last word as signed, Rust's and Python's as unsigned, so that
    /// they put the same key into different buckets: both are candidates.
    pub(super) fn buckets(self, key: &[u8], buckets: i32) -> Candidates {
        let buckets = buckets.max(1);
        let [signed, unsigned] = [true, false].map(|is_signed| {
            let hash = murmur(key, is_signed);
            match self {
                Self::Fluss => mixed(hash) % buckets,
                Self::Paimon => (hash % buckets).abs(),
            }
        });
        (signed, (unsigned != signed).then_some(unsigned))
    }
}

fn murmur(bytes: &[u8], is_signed: bool) -> i32 {
    let (words, tail) = bytes.as_chunks::<4>();
    let words = words.iter().map(|word| u32::from_le_bytes(*word));
    let tail = tail.iter().map(|byte| match is_signed {
        true => i32::from(*byte as i8) as u32,
        false => u32::from(*byte),
    });
    let hash = words.chain(tail).fold(SEED, |hash, word| step(hash ^ scrambled(word)));
    finished(hash ^ bytes.len() as u32) as i32
}

/// Fluss hashes the hash once more, as one word without a seed; never negative.
fn mixed(hash: i32) -> i32 {
    let hash = finished(step(scrambled(hash as u32)) ^ 4) as i32;
    hash.checked_abs().unwrap_or(0)
}

fn scrambled(word: u32) -> u32 {
    word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

fn step(hash: u32) -> u32 {
    hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

fn finished(mut hash: u32) -> u32 {
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}
