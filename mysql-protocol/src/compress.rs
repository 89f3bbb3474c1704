//! Compressed frames, each around some bytes of packets: `length u24 | sequence u8 | length before compression u24`; the last is
//! 0 where the bytes are as they were.

mod inflate;

use std::io::Read;

use bytes::{Buf, BytesMut};
use flate2::Compression;
use flate2::read::ZlibEncoder;
use inflate::Frame;

use crate::packet::FRAME_MAX;
use crate::{Error, Result, capability as cap};

/// Bytes before the content of a frame.
const HEADER: usize = 7;
/// Shorter contents do not get smaller.
const MIN: usize = 50;
/// The level of zstd that MySQL's clients ask for when nobody says otherwise.
const ZSTD_LEVEL: i32 = 3;

/// How contents are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// By zlib.
    Zlib,
    /// By zstd.
    Zstd,
}

impl Algorithm {
    /// What a session with these capabilities uses.
    pub fn of(capabilities: u32) -> Option<Self> {
        if capabilities & cap::COMPRESS != 0 {
            return Some(Algorithm::Zlib);
        }
        (capabilities & cap::ZSTD_COMPRESSION != 0).then_some(Algorithm::Zstd)
    }
}

/// Both directions of one connection.
#[derive(Debug)]
pub struct Compressed {
    algorithm: Algorithm,
    arrived: BytesMut,
    frame: Option<Frame>,
    sequence: u8,
}

impl Compressed {
    /// Frames that begin with the next command.
    pub fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, arrived: BytesMut::new(), frame: None, sequence: 0 }
    }

    /// Where arriving bytes are put.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.arrived
    }

    /// Whether nothing has arrived of a next frame.
    pub fn is_empty(&self) -> bool {
        self.arrived.is_empty() && self.frame.is_none()
    }

    /// The next command begins: sequence numbers start again.
    pub fn reset_sequence(&mut self) {
        self.sequence = 0;
    }

    /// Takes a piece of a frame, and puts what was in it into `out`; `false` when more bytes must arrive first.
    ///
    /// # Errors
    /// `Protocol` for a frame out of sequence or one that does not hold what its header says.
    pub fn next_piece(&mut self, out: &mut BytesMut) -> Result<bool> {
        let frame = match &mut self.frame {
            Some(frame) => frame,
            None => match self.next_header()? {
                Some(frame) => self.frame.insert(frame),
                None => return Ok(false),
            },
        };
        let took = frame.is_over() || frame.take(&mut self.arrived, out)?;
        if frame.is_over() {
            self.frame = None;
        }
        Ok(took)
    }

    fn next_header(&mut self) -> Result<Option<Frame>> {
        let Some(header) = self.arrived.first_chunk::<HEADER>() else { return Ok(None) };
        let u24 = |at: usize| {
            usize::from(header[at])
                | usize::from(header[at + 1]) << 8
                | usize::from(header[at + 2]) << 16
        };
        let (length, before, sequence) = (u24(0), u24(4), header[3]);
        if sequence != self.sequence {
            let due = self.sequence;
            return Err(Error::protocol(format!("frame {sequence} arrived where {due} was due")));
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.arrived.advance(HEADER);
        Frame::new(self.algorithm, length, before).map(Some)
    }

    /// Packets as frames.
    ///
    /// # Errors
    /// `Io`, where memory is short.
    pub fn frames(&mut self, packets: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(packets.len() / 2);
        for piece in packets.chunks(FRAME_MAX) {
            let packed = if piece.len() < MIN { None } else { Some(self.deflated(piece)?) };
            let (content, before) = match &packed {
                Some(packed) if packed.len() < piece.len() => (&packed[..], piece.len()),
                _ => (piece, 0),
            };
            out.extend_from_slice(&(content.len() as u32).to_le_bytes()[..3]);
            out.push(self.sequence);
            out.extend_from_slice(&(before as u32).to_le_bytes()[..3]);
            out.extend_from_slice(content);
            self.sequence = self.sequence.wrapping_add(1);
        }
        Ok(out)
    }

    fn deflated(&self, piece: &[u8]) -> Result<Vec<u8>> {
        match self.algorithm {
            Algorithm::Zlib => {
                let mut packed = vec![];
                ZlibEncoder::new(piece, Compression::fast()).read_to_end(&mut packed)?;
                Ok(packed)
            }
            Algorithm::Zstd => Ok(zstd::encode_all(piece, ZSTD_LEVEL)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_in_pieces() {
        for algorithm in [Algorithm::Zlib, Algorithm::Zstd] {
            for length in [0, 1, MIN, 100_000, FRAME_MAX + 1] {
                let packets: Vec<u8> = (0..length).map(|i| (i / 7) as u8).collect();
                let frames = Compressed::new(algorithm).frames(&packets).unwrap();
                assert!(length <= MIN || frames.len() < length / 2, "{algorithm:?} {length}");
                let (mut to, mut out) = (Compressed::new(algorithm), BytesMut::new());
                for piece in frames.chunks(1000) {
                    to.buffer().extend_from_slice(piece);
                    while to.next_piece(&mut out).unwrap() {}
                }
                assert!(out == packets, "{algorithm:?} {length}");
            }
        }
    }

    #[test]
    fn frames_that_lie_are_refused() {
        for algorithm in [Algorithm::Zlib, Algorithm::Zstd] {
            let good = Compressed::new(algorithm).frames(&[7; 1000]).unwrap();
            let told = |change: &dyn Fn(&mut Vec<u8>)| {
                let mut bytes = good.clone();
                change(&mut bytes);
                let (mut to, mut out) = (Compressed::new(algorithm), BytesMut::new());
                to.buffer().extend_from_slice(&bytes);
                while to.next_piece(&mut out)? {}
                Ok::<_, Error>((out.len(), to.is_empty()))
            };
            assert_eq!(told(&|_| ()).unwrap(), (1000, true));
            assert!(!told(&|bytes| bytes.truncate(bytes.len() - 1)).unwrap().1);
            // out of sequence; longer and shorter than it says; no compressed bytes at all; cut; followed by more
            assert!(told(&|bytes| bytes[3] = 1).is_err());
            assert!(told(&|bytes| bytes[4] += 1).is_err());
            assert!(told(&|bytes| bytes[4] -= 1).is_err());
            assert!(told(&|bytes| bytes[HEADER..].fill(0xee)).is_err());
            assert!(told(&|bytes| bytes[0] -= 1).is_err());
            assert!(told(&|bytes| bytes[0] = 0).is_err());
            assert!(
                told(&|bytes| {
                    bytes[0] += 1;
                    bytes.push(0)
                })
                .is_err()
            );
        }
    }

    /// A frame of zstd may ask for so much memory that nobody has it.
    #[test]
    fn a_window_of_zstd_has_a_limit() {
        // magic number; a descriptor without a single segment; a window of 2^(10 + 31) bytes
        let content = [0x28, 0xb5, 0x2f, 0xfd, 0, 31 << 3, 1, 0, 0];
        let mut to = Compressed::new(Algorithm::Zstd);
        to.buffer().extend_from_slice(&[content.len() as u8, 0, 0, 0, 9, 0, 0]);
        to.buffer().extend_from_slice(&content);
        let told = to.next_piece(&mut BytesMut::new()).unwrap_err().to_string();
        assert!(told.contains("too much memory"), "{told}");
    }
}
