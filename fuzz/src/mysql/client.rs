//! A client that sends what an input says, as fast as it is read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mysql_protocol::capability as cap;
use mysql_protocol::compress::{Algorithm, Compressed};
use mysql_protocol::packet::FRAME_MAX;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ops::{Bytes, Ops};
use super::seen::Seen;

/// Bits of an input's first byte: what a client that logs in can do.
pub mod can {
    pub const ZLIB: u8 = 1;
    pub const ZSTD: u8 = 2;
    pub const DEPRECATE_EOF: u8 = 4;
    pub const MULTI_STATEMENTS: u8 = 8;
}

/// Bytes of a long packet that are made at a time.
const CHUNK: usize = 32 << 10;
/// The fewest of them that are sent at a time.
const LONG_PIECE_MIN: usize = 4 << 10;

/// One client.
pub struct Client<'a> {
    ops: Ops<'a>,
    seen: Arc<Seen>,
    compression: Option<Algorithm>,
    /// Made and not yet read.
    ready: Vec<u8>,
    at: usize,
    /// The most bytes that the server reads at a time.
    piece: usize,
    long: Option<Long>,
    /// Whether `ready` is a packet that counts.
    counts: bool,
    /// Bytes that one step of a long packet's length stands for.
    unit: usize,
    /// The number of the next compressed frame.
    number: u8,
}

/// What is still to come of a long packet.
struct Long {
    byte: u8,
    /// Bytes behind the present frame.
    left: usize,
    /// Bytes of the present frame.
    frame: usize,
    last: bool,
    number: u8,
}

impl Long {
    /// Begins the next frame.
    fn next_frame(&mut self, out: &mut Vec<u8>) {
        self.frame = self.left.min(FRAME_MAX);
        self.left -= self.frame;
        self.last = self.frame < FRAME_MAX;
        header(out, self.frame, self.number);
        self.number = self.number.wrapping_add(1);
    }
}

impl<'a> Client<'a> {
    /// A client that does these; a step of a long packet's length is `unit` bytes.
    pub fn new(ops: Ops<'a>, unit: usize, seen: &Arc<Seen>) -> Self {
        Self {
            ops,
            seen: Arc::clone(seen),
            compression: None,
            ready: vec![],
            at: 0,
            piece: usize::MAX,
            long: None,
            counts: false,
            unit,
            number: 0,
        }
    }

    /// One that logs in as `u` first, with these abilities, and compresses from there on.
    pub fn logging_in(mut self, choice: u8) -> Self {
        let mut capabilities = cap::PROTOCOL_41 | cap::SECURE_CONNECTION | cap::PLUGIN_AUTH;
        for (bit, capability) in [
            (can::ZLIB, cap::COMPRESS),
            (can::ZSTD, cap::ZSTD_COMPRESSION),
            (can::DEPRECATE_EOF, cap::DEPRECATE_EOF),
            (can::MULTI_STATEMENTS, cap::MULTI_STATEMENTS),
        ] {
            if choice & bit != 0 {
                capabilities |= capability;
            }
        }
        let mut payload = capabilities.to_le_bytes().to_vec();
        payload.resize(32, 0);
        payload.extend_from_slice(b"u\0\0caching_sha2_password\0");
        header(&mut self.ready, payload.len(), 1);
        self.ready.extend_from_slice(&payload);
        self.compression = Algorithm::of(capabilities);
        self
    }

    /// Makes the next bytes; `false` at the end.
    fn make(&mut self) -> bool {
        self.at = 0;
        self.ready.clear();
        if std::mem::take(&mut self.counts) {
            self.seen.packet();
        }
        if self.long.is_some() {
            self.make_long();
            return true;
        }
        let Some(op) = self.ops.next_op() else { return false };
        self.piece = op.piece;
        self.number = 0;
        self.counts = true;
        match op.bytes {
            Bytes::Raw(bytes) => {
                self.counts = false;
                self.ready.extend_from_slice(bytes);
                return true;
            }
            Bytes::Frame { number, before, content } => {
                self.frame(number, before, content);
                return true;
            }
            Bytes::Packet { number, parts } => {
                let length = parts.iter().map(|part| part.len()).sum();
                header(&mut self.ready, length, number);
                parts.iter().for_each(|part| self.ready.extend_from_slice(part));
            }
            Bytes::Long { steps, byte, beginning } => {
                let left = beginning.len() + usize::from(steps) * self.unit;
                let mut long = Long { byte, left, frame: 0, last: false, number: 0 };
                long.next_frame(&mut self.ready);
                self.ready.extend_from_slice(beginning);
                long.frame -= beginning.len();
                // byte by byte it would take longer than an input may
                self.piece = self.piece.max(LONG_PIECE_MIN);
                self.go_on(long);
            }
        }
        self.compress(op.deflated);
        true
    }

    /// The next bytes of a long packet.
    fn make_long(&mut self) {
        let Some(mut long) = self.long.take() else { return };
        let piece = CHUNK.min(long.frame);
        self.ready.resize(piece, long.byte);
        long.frame -= piece;
        if long.frame == 0 && !long.last {
            long.next_frame(&mut self.ready);
        }
        self.go_on(long);
        self.compress(true);
    }

    /// A long packet counts when its last byte is ready.
    fn go_on(&mut self, long: Long) {
        self.counts = long.frame == 0 && long.last;
        self.long = (!self.counts).then_some(long);
    }

    /// Puts what is ready into a frame, if there is compression.
    fn compress(&mut self, deflated: bool) {
        let Some(algorithm) = self.compression else { return };
        if deflated {
            let frames = Compressed::new(algorithm).frames(&self.ready);
            self.ready = frames.expect("memory for a frame");
            self.ready[3] = self.number;
        } else {
            let mut frame = vec![];
            header(&mut frame, self.ready.len(), self.number);
            frame.extend_from_slice(&[0; 3]);
            frame.append(&mut self.ready);
            self.ready = frame;
        }
        self.number = self.number.wrapping_add(1);
    }

    /// A frame as it is, which may lie. Without compression it is nothing but its content.
    fn frame(&mut self, number: u8, before: u16, content: &[u8]) {
        if self.compression.is_some() {
            header(&mut self.ready, content.len(), number);
            self.ready.extend_from_slice(&before.to_le_bytes());
            self.ready.push(0);
        }
        self.ready.extend_from_slice(content);
    }
}

fn header(out: &mut Vec<u8>, length: usize, number: u8) {
    let length = u32::try_from(length).expect("a frame").to_le_bytes();
    out.extend_from_slice(&[length[0], length[1], length[2], number]);
}

impl AsyncRead for Client<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while self.at == self.ready.len() {
            if !self.make() {
                return Poll::Ready(Ok(()));
            }
        }
        let read = buffer.remaining().min(self.ready.len() - self.at).min(self.piece);
        buffer.put_slice(&self.ready[self.at..self.at + read]);
        self.at += read;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.seen.answer(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.seen.set_left(self.ops.left());
    }
}
