//! The compressed buffers of an Arrow record batch → one body without compression.
//!
//! A compressed buffer is `length i64 | an LZ4 frame or ZSTD frames`, or `-1 i64 | bytes` where compression was of no use.
//! Arrow's own reader decompresses LZ4 without regard to the announced length, however much comes, and by way of a buffer
//! of its own. Here all output has its place, of its announced length, before anything is decompressed.

use std::io::Read;
use std::ops::Range;

use arrow::buffer::Buffer;
use arrow::ipc::{Buffer as Part, CompressionType, FieldNode, RecordBatch, RecordBatchArgs};
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use lz4_flex::frame::FrameDecoder;

use crate::cursor::Cursor;
use crate::{Error, Result};

/// Where buffers begin in the body: at what Arrow recommends.
const ALIGNMENT: usize = 64;

/// A record batch without compression.
pub(super) struct Decompressed {
    pub(super) body: Buffer,
    message: Vec<u8>,
}

impl Decompressed {
    /// What describes the body.
    pub(super) fn batch(&self) -> Result<RecordBatch<'_>> {
        flatbuffers::root::<RecordBatch<'_>>(&self.message)
            .map_err(|e| Error::corrupt(format!("a record batch: {e}")))
    }
}

/// Decompresses the buffers of a batch. `lengths` are those that they will have; a buffer without one is left out.
pub(super) fn decompress(
    batch: &RecordBatch<'_>,
    codec: CompressionType,
    body: &[u8],
    lengths: &[Option<usize>],
) -> Result<Decompressed> {
    let mut end = 0usize;
    let places = lengths.iter().map(|length| {
        let start = end;
        let length = length.unwrap_or(0);
        end = (start + length).next_multiple_of(ALIGNMENT);
        start..start + length
    });
    let places: Vec<Range<usize>> = places.collect();
    // zeroed by the system as it is touched
    let mut output = vec![0; end];
    let mut zstd = None;
    let parts = batch.buffers().into_iter().flatten();
    for (part, place) in parts.zip(&places).filter(|(_, place)| !place.is_empty()) {
        let range = part.offset() as usize..(part.offset() + part.length()) as usize;
        let input = body.get(range).ok_or_else(|| wrong("lies outside of its batch"))?;
        let mut input = Cursor::new(input);
        let is_compressed = input.i64()? != -1;
        let input = input.take(input.remaining())?;
        let output = &mut output[place.clone()];
        if !is_compressed {
            output.copy_from_slice(input);
        } else if codec == CompressionType::LZ4_FRAME {
            lz4_frame(input, output)?;
        } else if codec == CompressionType::ZSTD {
            let zstd = match &mut zstd {
                Some(zstd) => zstd,
                none => {
                    none.insert(zstd::bulk::Decompressor::new().map_err(|e| wrong(&e.to_string()))?)
                }
            };
            let written = zstd.decompress_to_buffer(input, output);
            let written = written.map_err(|e| wrong(&e.to_string()))?;
            check_length(written, output.len())?;
        } else {
            return Err(Error::Unsupported(format!("Arrow buffers compressed by {codec:?}")));
        }
    }
    let parts = places.iter().map(|place| Part::new(place.start as i64, place.len() as i64));
    let message = describe(batch, &parts.collect::<Vec<_>>());
    Ok(Decompressed { body: output.into(), message })
}

fn describe(batch: &RecordBatch<'_>, parts: &[Part]) -> Vec<u8> {
    let nodes: Vec<FieldNode> = batch.nodes().into_iter().flatten().copied().collect();
    let mut builder = FlatBufferBuilder::new();
    let (nodes, buffers) = (builder.create_vector(&nodes), builder.create_vector(parts));
    let arguments = RecordBatchArgs {
        length: batch.length(),
        nodes: Some(nodes),
        buffers: Some(buffers),
        ..RecordBatchArgs::default()
    };
    let root: WIPOffset<RecordBatch<'_>> = RecordBatch::create(&mut builder, &arguments);
    builder.finish(root, None);
    builder.finished_data().to_vec()
}

/// Flags of an LZ4 frame (`lz4_Frame_format.md`): all that is unusual about it, and that its blocks stand alone.
mod flag {
    pub(super) const VERSION: u8 = 0b1100_0000;
    pub(super) const VERSION_1: u8 = 0b0100_0000;
    pub(super) const INDEPENDENT: u8 = 0b0010_0000;
    pub(super) const CONTENT_SIZE: u8 = 0b0000_1000;
    /// Checksums of blocks and of all, a reserved bit, a dictionary.
    pub(super) const UNUSUAL: u8 = 0b0001_0111;
}

const LZ4_MAGIC: i32 = 0x184d_2204;
/// Set in the length of a block that is not compressed.
const STORED: u32 = 1 << 31;
/// How far a block may look back.
const WINDOW: usize = 64 << 10;

/// Decompresses a frame, block by block, straight to where it belongs.
fn lz4_frame(frame: &[u8], output: &mut [u8]) -> Result<()> {
    let mut input = Cursor::new(frame);
    if input.i32()? != LZ4_MAGIC {
        return Err(wrong("is no LZ4 frame"));
    }
    let flags = input.u8()?;
    if flags & flag::VERSION != flag::VERSION_1 || flags & flag::UNUSUAL != 0 {
        return any_lz4_frame(frame, output);
    }
    // the largest block, the size of all, the checksum of this header
    input.take(1 + if flags & flag::CONTENT_SIZE == 0 { 0 } else { 8 } + 1)?;
    let mut position = 0;
    loop {
        let length = input.i32()?.cast_unsigned();
        if length == 0 {
            break;
        }
        let block = input.take((length & !STORED) as usize)?;
        let (done, rest) = output.split_at_mut(position);
        let written = if length & STORED != 0 {
            let place = rest.get_mut(..block.len()).ok_or_else(|| wrong("is too long"))?;
            place.copy_from_slice(block);
            Ok(block.len())
        } else if flags & flag::INDEPENDENT != 0 {
            decompress_into(block, rest)
        } else {
            decompress_into_with_dict(block, rest, &done[done.len().saturating_sub(WINDOW)..])
        };
        position += written.map_err(|e| wrong(&e.to_string()))?;
    }
    if input.remaining() > 0 {
        return Err(wrong("goes on behind its LZ4 frame"));
    }
    check_length(position, output.len())
}

/// A frame with checksums or what else no writer of Fluss uses.
fn any_lz4_frame(frame: &[u8], output: &mut [u8]) -> Result<()> {
    let mut decoder = FrameDecoder::new(frame);
    decoder.read_exact(output).map_err(|e| wrong(&e.to_string()))?;
    match decoder.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(wrong("is longer than it announces")),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

fn check_length(written: usize, announced: usize) -> Result<()> {
    if written == announced {
        return Ok(());
    }
    Err(wrong(&format!("has {written} bytes where {announced} were announced")))
}

fn wrong(what: &str) -> Error {
    Error::corrupt(format!("a compressed Arrow buffer: {what}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

    use super::*;

    fn text() -> Vec<u8> {
        (0..60_000u32).flat_map(|i| (i / 7 % 1000).to_string().into_bytes()).collect()
    }

    fn frame(info: FrameInfo, text: &[u8]) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, vec![]);
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn frames_of_every_kind_are_read() {
        let info = |mode| FrameInfo::new().block_mode(mode).block_size(BlockSize::Max64KB);
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            for info in [
                info(mode),
                info(mode).block_checksums(true),
                info(mode).content_checksum(true),
                info(mode).content_size(Some(text().len() as u64)),
            ] {
                let mut output = vec![0; text().len()];
                lz4_frame(&frame(info.clone(), &text()), &mut output).unwrap();
                assert!(output == text(), "{info:?}");
            }
        }
        // blocks that do not become smaller are stored
        let noise: Vec<u8> =
            (0..100_000u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        let mut output = vec![0; noise.len()];
        lz4_frame(&frame(FrameInfo::new(), &noise), &mut output).unwrap();
        assert!(output == noise);
    }

    #[test]
    fn frames_of_another_length_are_refused() {
        let whole = frame(FrameInfo::new(), &text());
        let checked = frame(FrameInfo::new().content_checksum(true), &text());
        for frame in [&whole, &checked] {
            for length in [0, 1, text().len() - 1, text().len() + 1] {
                let error = lz4_frame(frame, &mut vec![0; length]).unwrap_err();
                assert!(matches!(error, Error::Corrupt(_)), "{length}: {error}");
            }
            for cut in [0, 3, 4, 6, 10, frame.len() - 1] {
                assert!(lz4_frame(&frame[..cut], &mut vec![0; text().len()]).is_err(), "{cut}");
            }
        }
        let twice = [&whole[..], &whole].concat();
        assert!(lz4_frame(&twice, &mut vec![0; text().len()]).is_err());
    }
}
