//! Frames: `length u24 | sequence u8 | payload`. A payload of 2²⁴−1 bytes or more goes over several frames, of which the last one is
//! shorter than that, if need be empty.

use bytes::{Buf, Bytes, BytesMut};

use crate::{Error, Result};

/// Bytes before a payload.
const HEADER: usize = 4;
/// The longest payload of one frame.
pub const FRAME_MAX: usize = 0xff_ffff;
/// The longest payload that is left where it arrived. A longer one is gathered in memory of its own, so that no more than a piece
/// of it is held twice.
const IN_PLACE_MAX: usize = 64 << 10;

/// Puts frames together to packets, whatever the pieces are in which bytes arrive.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    packet: Vec<u8>,
    gathering: Option<Gathering>,
    sequence: u8,
    any_sequence: bool,
    max: usize,
}

/// A frame whose payload goes to the packet as it arrives.
#[derive(Debug)]
struct Gathering {
    /// Bytes that are missing.
    left: usize,
    /// Whether the packet ends with it.
    last: bool,
}

impl Decoder {
    /// A decoder that refuses packets of more than `max` bytes.
    pub fn new(max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            packet: vec![],
            gathering: None,
            sequence: 0,
            any_sequence: false,
            max,
        }
    }

    /// Changes the limit: it is small before a login.
    pub fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Takes packets whatever their numbers are: inside of compressed frames, whose numbers count, clients differ.
    pub fn set_any_sequence(&mut self) {
        self.any_sequence = true;
    }

    /// The next command begins: sequence numbers start again.
    pub fn reset_sequence(&mut self) {
        self.sequence = 0;
    }

    /// The sequence number of the next frame in either direction.
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    /// Sets the number of the next frame, after frames were written.
    pub fn set_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// Where arriving bytes are put.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether nothing has arrived of a next packet.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.gathering.is_none() && self.packet.is_empty()
    }

    /// How many bytes are missing of the present frame: reading no more leaves what follows it in the stream.
    pub fn missing(&self) -> usize {
        if let Some(gathering) = &self.gathering {
            return gathering.left;
        }
        let Some(header) = self.buffer.first_chunk::<HEADER>() else {
            return HEADER - self.buffer.len();
        };
        (HEADER + length(header)).saturating_sub(self.buffer.len())
    }

    /// The next packet, once it is whole.
    ///
    /// # Errors
    /// `TooLarge` as soon as a header announces it; `Protocol` for a frame out of sequence.
    pub fn next_packet(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(gathering) = &mut self.gathering {
                let arrived = gathering.left.min(self.buffer.len());
                self.packet.extend_from_slice(&self.buffer[..arrived]);
                self.buffer.advance(arrived);
                gathering.left -= arrived;
                if gathering.left > 0 {
                    return Ok(None);
                }
                let last = gathering.last;
                self.gathering = None;
                if last {
                    return Ok(Some(std::mem::take(&mut self.packet).into()));
                }
            }
            let Some(length) = self.next_length()? else { return Ok(None) };
            let in_place = self.packet.is_empty() && length <= IN_PLACE_MAX;
            if in_place && self.buffer.len() < HEADER + length {
                return Ok(None);
            }
            self.sequence = self.sequence.wrapping_add(1);
            self.buffer.advance(HEADER);
            if in_place {
                return Ok(Some(self.buffer.split_to(length).freeze()));
            }
            self.gather(length);
        }
    }

    /// The length of the next frame, once its header is there.
    fn next_length(&self) -> Result<Option<usize>> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else { return Ok(None) };
        let length = length(header);
        let bytes = self.packet.len() + length;
        if bytes > self.max {
            return Err(Error::TooLarge { bytes, max: self.max });
        }
        if header[3] != self.sequence && !self.any_sequence {
            let (got, due) = (header[3], self.sequence);
            return Err(Error::protocol(format!("frame {got} arrived where {due} was due")));
        }
        Ok(Some(length))
    }

    /// Begins to gather a frame. Room is made at once, and for what may follow a full one too, since memory that grows is held
    /// twice while it is copied; pages are taken as bytes arrive.
    fn gather(&mut self, length: usize) {
        let last = length < FRAME_MAX;
        // two full frames are some bytes short of what is likely to be the limit
        let follows = if last { 0 } else { FRAME_MAX + IN_PLACE_MAX };
        let total = self.max.min(self.packet.len() + length + follows);
        self.packet.reserve_exact(total - self.packet.len());
        self.gathering = Some(Gathering { left: length, last });
    }
}

fn length(header: &[u8; HEADER]) -> usize {
    usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16
}

/// Begins a packet in a buffer of frames; [`finish`] ends it.
pub fn begin(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; HEADER]);
    out.len() - HEADER
}

/// Ends the packet that began at `start`: writes its header, and cuts it into frames where it is long.
pub fn finish(out: &mut Vec<u8>, start: usize, sequence: &mut u8) {
    let payload = out.len() - start - HEADER;
    if payload < FRAME_MAX {
        put_header(&mut out[start..], payload, sequence);
        return;
    }
    let long = out.split_off(start + HEADER);
    out.truncate(start);
    let mut rest = &long[..];
    loop {
        let (part, left) = rest.split_at(rest.len().min(FRAME_MAX));
        let at = begin(out);
        put_header(&mut out[at..], part.len(), sequence);
        out.extend_from_slice(part);
        if part.len() < FRAME_MAX {
            return;
        }
        rest = left;
    }
}

fn put_header(header: &mut [u8], length: usize, sequence: &mut u8) {
    header[..3].copy_from_slice(&(length as u32).to_le_bytes()[..3]);
    header[3] = *sequence;
    *sequence = sequence.wrapping_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(payload: &[u8]) -> Vec<u8> {
        let (mut out, mut sequence) = (vec![], 0);
        let start = begin(&mut out);
        out.extend_from_slice(payload);
        finish(&mut out, start, &mut sequence);
        out
    }

    #[test]
    fn long_packets_round_trip() {
        for length in [0, 1, FRAME_MAX - 1, FRAME_MAX, FRAME_MAX + 1, 2 * FRAME_MAX] {
            let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let bytes = frames(&payload);
            assert_eq!(bytes.len(), length + HEADER * (length / FRAME_MAX + 1));
            let mut decoder = Decoder::new(usize::MAX);
            decoder.buffer().extend_from_slice(&bytes);
            assert!(decoder.next_packet().unwrap().unwrap() == payload, "{length}");
            assert!(decoder.next_packet().unwrap().is_none());
        }
    }

    #[test]
    fn pieces_do_not_matter() {
        let mut bytes = frames(b"one");
        let second = frames(b"");
        bytes.extend_from_slice(&second);
        let mut decoder = Decoder::new(100);
        let mut got = vec![];
        for byte in bytes {
            decoder.buffer().extend_from_slice(&[byte]);
            while let Some(packet) = decoder.next_packet().unwrap() {
                got.push(packet);
                decoder.reset_sequence();
            }
        }
        assert_eq!(got, [&b"one"[..], b""]);
    }

    #[test]
    fn a_header_is_enough_to_refuse() {
        let mut decoder = Decoder::new(10);
        decoder.buffer().extend_from_slice(&[11, 0, 0, 0]);
        assert!(matches!(decoder.next_packet(), Err(Error::TooLarge { bytes: 11, max: 10 })));
        let mut decoder = Decoder::new(10);
        decoder.buffer().extend_from_slice(&[1, 0, 0, 7, 1]);
        assert!(matches!(decoder.next_packet(), Err(Error::Protocol(_))));
    }

    #[test]
    fn a_long_packet_in_pieces_is_held_once() {
        let payload: Vec<u8> = (0..FRAME_MAX + 5).map(|i| (i / 3) as u8).collect();
        let mut decoder = Decoder::new(FRAME_MAX + 5);
        let mut got = None;
        for piece in frames(&payload).chunks(50_000) {
            assert!(got.is_none());
            decoder.buffer().extend_from_slice(piece);
            got = decoder.next_packet().unwrap();
            assert!(decoder.buffer.len() < HEADER && decoder.packet.capacity() <= FRAME_MAX + 5);
        }
        assert!(got.unwrap() == payload && decoder.is_empty());
        assert_eq!(decoder.packet.capacity(), 0);
    }
}
