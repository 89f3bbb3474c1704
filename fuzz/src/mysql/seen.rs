//! What is seen of a connection from outside: packets that were read, and answers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Bytes before the content of a plain and of a compressed frame.
const HEADERS: [usize; 2] = [4, 7];

/// What a client has seen.
#[derive(Default)]
pub struct Seen {
    packets: AtomicU64,
    left: AtomicUsize,
    is_compressed: AtomicBool,
    ignores_answers: AtomicBool,
    frames: Mutex<Frames>,
}

/// Where in its frames the stream of answers is.
#[derive(Default)]
struct Frames {
    header: Vec<u8>,
    left: usize,
}

impl Seen {
    /// The server has read a packet.
    pub fn packet(&self) {
        self.packets.fetch_add(1, Relaxed);
    }

    /// Packets that the server has read.
    pub fn packets(&self) -> u64 {
        self.packets.load(Relaxed)
    }

    /// So many bytes of the input are left.
    pub fn set_left(&self, left: usize) {
        self.left.store(left, Relaxed);
    }

    /// Bytes of the input that the client did not come to.
    pub fn left(&self) -> usize {
        self.left.load(Relaxed)
    }

    /// Answers may become TLS, which is not looked at.
    pub fn ignore_answers(&self) {
        self.ignores_answers.store(true, Relaxed);
    }

    /// Answers are compressed from here on.
    pub fn compress(&self) {
        self.is_compressed.store(true, Relaxed);
    }

    /// Bytes of an answer arrive.
    pub fn answer(&self, mut bytes: &[u8]) {
        if self.ignores_answers.load(Relaxed) {
            return;
        }
        let header = HEADERS[usize::from(self.is_compressed.load(Relaxed))];
        let mut frames = self.frames.lock().expect("one thread");
        while !bytes.is_empty() {
            let taken = frames.left.min(bytes.len());
            frames.left -= taken;
            bytes = &bytes[taken..];
            let taken = (header - frames.header.len()).min(bytes.len());
            if frames.left == 0 && taken > 0 {
                frames.header.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
            }
            if let Some([low, middle, high]) = frames.header.first_chunk::<3>()
                && frames.header.len() == header
            {
                frames.left = u32::from_le_bytes([*low, *middle, *high, 0]) as usize;
                frames.header.clear();
            }
        }
    }

    /// The connection has ended: the last answer is whole.
    pub fn assert_whole(&self) {
        let frames = self.frames.lock().expect("one thread");
        assert!(frames.left == 0 && frames.header.is_empty(), "an answer ends inside of a frame");
    }
}
