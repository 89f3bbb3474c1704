//! What an input says that a client does.

/// What a client does next: `op | DEFLATED | pieces << 4`, then what the op takes. `pieces` 0: as much as fits is sent at once, else
/// 2^(pieces − 1) bytes at a time.
pub mod op {
    /// A packet under number 0: `length u8 | payload`.
    pub const PACKET: u8 = 0;
    /// One under any number: `number u8 | length u8 | payload`.
    pub const NUMBERED: u8 = 1;
    /// Bytes, whatever they are: `length u8 | bytes`.
    pub const RAW: u8 = 2;
    /// A long packet: `steps u8 | byte u8 | length u8 | beginning`.
    pub const LONG: u8 = 3;
    /// A packet of some length: `length u16 | payload`.
    pub const MIDDLE: u8 = 4;
    /// A compressed frame that may lie: `number u8 | before u16 | length u8 | content`.
    pub const FRAME: u8 = 5;
    /// COM_STMT_EXECUTE: `statement u8 | flags u8 | length u8 | parameters`.
    pub const EXECUTE: u8 = 6;
    /// The end of this client.
    pub const NEXT: u8 = 7;
    /// In a compressed frame that is compressed, not as it was.
    pub const DEFLATED: u8 = 8;
}

/// One step of a client.
pub struct Op<'a> {
    /// The most bytes that are sent at a time.
    pub piece: usize,
    /// Whether a compressed frame around it is compressed.
    pub deflated: bool,
    /// What is sent.
    pub bytes: Bytes<'a>,
}

/// What is sent.
pub enum Bytes<'a> {
    /// No packet.
    Raw(&'a [u8]),
    /// A compressed frame.
    Frame { number: u8, before: u16, content: &'a [u8] },
    /// A packet whose payload has these parts.
    Packet { number: u8, parts: [&'a [u8]; 3] },
    /// A packet that begins like this and goes on with one byte.
    Long { steps: u8, byte: u8, beginning: &'a [u8] },
}

/// The steps of one client, and of those behind it.
pub struct Ops<'a>(&'a [u8]);

impl<'a> Ops<'a> {
    /// Those of an input.
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Bytes that were not looked at.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// Goes to the next client.
    pub fn next_client(mut self) -> &'a [u8] {
        while self.next_op().is_some() {}
        self.0
    }

    /// The next step; `None` behind the last. What is missing at the end of an input is shorter.
    pub fn next_op(&mut self) -> Option<Op<'a>> {
        let kind = *self.take(1).first()?;
        let pieces = kind >> 4;
        let piece = if pieces == 0 { usize::MAX } else { 1 << (pieces - 1) };
        let bytes = match kind & 7 {
            op::NEXT => return None,
            op::NUMBERED => self.packet(1, 1, 0),
            op::MIDDLE => self.packet(0, 2, 0),
            op::EXECUTE => self.packet(0, 1, 2),
            op::RAW => Bytes::Raw(self.bytes(1)),
            op::LONG => {
                let (steps, byte) = (self.u8(), self.u8());
                Bytes::Long { steps, byte, beginning: self.bytes(1) }
            }
            op::FRAME => {
                let (number, before) = (self.u8(), u16::from_le_bytes([self.u8(), self.u8()]));
                Bytes::Frame { number, before, content: self.bytes(1) }
            }
            _ => self.packet(0, 1, 0),
        };
        Some(Op { piece, deflated: kind & op::DEFLATED != 0, bytes })
    }

    /// A packet: bytes of its number, of its length, and of what an execution begins with.
    fn packet(&mut self, number: usize, length: usize, execution: usize) -> Bytes<'a> {
        let number = self.take(number).first().copied().unwrap_or(0);
        let head: [&[u8]; 2] = match self.take(execution) {
            [statement, flags] => [statement_id(*statement), execute_flags(*flags)],
            _ => [&[], &[]],
        };
        Bytes::Packet { number, parts: [head[0], head[1], self.bytes(length)] }
    }

    fn u8(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Bytes behind a length of so many bytes.
    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let length = self.take(length).iter().rev().fold(0, |l, byte| l << 8 | usize::from(*byte));
        self.take(length)
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// COM_STMT_EXECUTE of one of the first statements.
fn statement_id(choice: u8) -> &'static [u8] {
    const IDS: [[u8; 5]; 4] =
        [[0x17, 1, 0, 0, 0], [0x17, 2, 0, 0, 0], [0x17, 3, 0, 0, 0], [0x17, 9, 0, 0, 0]];
    &IDS[usize::from(choice & 3)]
}

/// Flags, and the number of iterations.
fn execute_flags(choice: u8) -> &'static [u8] {
    const FLAGS: [[u8; 5]; 4] =
        [[0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [2, 1, 0, 0, 0], [0, 9, 9, 9, 9]];
    &FLAGS[usize::from(choice & 3)]
}
