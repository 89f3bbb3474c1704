//! The content of one frame, taken piece by piece as it arrives: neither what is compressed nor what it becomes is held whole.

use bytes::{Buf, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::Algorithm;
use crate::{Error, Result};

/// The most bytes that one piece becomes.
const PIECE: usize = 64 << 10;
/// Log₂ of the most memory that zstd may look back into: no frame holds more, and a client could ask for gigabytes.
const ZSTD_WINDOW_LOG_MAX: u32 = 24;

/// A frame of which bytes are still to come.
pub(super) struct Frame {
    /// Compressed bytes that are to come.
    length: usize,
    /// Bytes that are to come of what they were before, as the header says.
    before: usize,
    content: Content,
}

/// How its bytes are to be read.
enum Content {
    Plain,
    Zlib(Box<Decompress>),
    Zstd(Decoder<'static>),
}

/// What one step did.
struct Step {
    read: usize,
    written: usize,
    ended: bool,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Frame {
    /// A frame of `length` bytes that were `before` bytes; 0: they are as they were.
    pub(super) fn new(algorithm: Algorithm, length: usize, before: usize) -> Result<Self> {
        let content = match algorithm {
            _ if before == 0 => Content::Plain,
            Algorithm::Zlib => Content::Zlib(Box::new(Decompress::new(true))),
            Algorithm::Zstd => Content::Zstd(zstd_decoder().map_err(wrong)?),
        };
        Ok(Self { length, before, content })
    }

    /// Whether all of it was taken.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.content, Content::Plain) && self.length == 0
    }

    /// Takes one piece; `false` when more of the frame must arrive first.
    ///
    /// # Errors
    /// `Protocol` for one that does not hold what its header says.
    pub(super) fn take(&mut self, arrived: &mut BytesMut, out: &mut BytesMut) -> Result<bool> {
        let input = &arrived[..arrived.len().min(self.length)];
        let start = out.len();
        let step = match &mut self.content {
            Content::Plain => {
                let taken = input.len().min(PIECE);
                out.extend_from_slice(&input[..taken]);
                Step { read: taken, written: 0, ended: false }
            }
            content => {
                // a byte of room beyond the end shows a frame that does not end there
                out.resize(start + PIECE.min(self.before + 1), 0);
                let step = content.step(input, &mut out[start..])?;
                out.truncate(start + step.written);
                step
            }
        };
        arrived.advance(step.read);
        self.length -= step.read;
        let ended_short = step.ended && (self.length > 0 || step.written < self.before);
        let stuck = step.read == 0 && step.written == 0 && !step.ended;
        let cut = stuck && self.length == 0 && !self.is_over();
        if step.written > self.before || ended_short || cut {
            return Err(Error::protocol("a compressed frame of another length than it says"));
        }
        self.before -= step.written;
        if step.ended {
            self.content = Content::Plain;
        }
        Ok(!stuck)
    }
}

impl Content {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step> {
        match self {
            Content::Plain => Ok(Step { read: 0, written: 0, ended: true }),
            Content::Zlib(zlib) => {
                let (read, written) = (zlib.total_in(), zlib.total_out());
                let status = zlib.decompress(input, output, FlushDecompress::None);
                let ended = status.map_err(wrong)? == Status::StreamEnd;
                let (read, written) = (zlib.total_in() - read, zlib.total_out() - written);
                // no more than the lengths of the slices
                Ok(Step { read: read as usize, written: written as usize, ended })
            }
            Content::Zstd(zstd) => {
                let status = zstd.run_on_buffers(input, output).map_err(wrong)?;
                let (read, written) = (status.bytes_read, status.bytes_written);
                Ok(Step { read, written, ended: status.remaining == 0 && read + written > 0 })
            }
        }
    }
}

fn zstd_decoder() -> std::io::Result<Decoder<'static>> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
    Ok(decoder)
}

fn wrong(error: impl std::fmt::Display) -> Error {
    Error::protocol(format!("a compressed frame: {error}"))
}
