//! A network with faults in its bytes, over any other: simulated servers or real ones.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fluss_scan::network::{Network, Reader, Writer};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What goes wrong with one connection. Positions count the bytes that were received on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFault {
    /// Nobody listens.
    Refused,
    /// The connection takes this time to open.
    SlowToOpen(Duration),
    /// The connection ends here.
    CutAt(u64),
    /// Nothing comes for this time.
    StallAt(u64, Duration),
    /// Nothing comes any more, and what is sent goes nowhere: a half-open connection.
    DroppedAt(u64),
    /// This bit of the byte at this position (modulo 8) is the other one.
    FlipBit(u64, u8),
}

/// A connection that is about to be opened.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// `host:port`.
    pub address: &'a str,
    /// How many connections were opened to it before.
    pub nth: u64,
    /// How many connections were opened before at all.
    pub nth_of_all: u64,
}

type Decide = Box<dyn Fn(&Opening<'_>) -> Vec<WireFault> + Send + Sync>;

/// A network whose connections have faults as a script says.
pub struct Faulty {
    inner: Arc<dyn Network>,
    decide: Decide,
    counts: Mutex<BTreeMap<String, u64>>,
    received: Mutex<Vec<Arc<AtomicU64>>>,
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Faulty {
    /// Faults over a network.
    pub fn new(
        inner: Arc<dyn Network>,
        decide: impl Fn(&Opening<'_>) -> Vec<WireFault> + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner,
            decide: Box::new(decide),
            counts: Mutex::default(),
            received: Mutex::default(),
        }
    }

    /// Bytes that were received on each connection, in the order in which they were opened.
    pub fn received(&self) -> Vec<u64> {
        self.received.lock().iter().map(|bytes| bytes.load(Ordering::Relaxed)).collect()
    }

    fn faults(&self, address: &str) -> Vec<WireFault> {
        let mut counts = self.counts.lock();
        let nth_of_all = counts.values().sum();
        let count = counts.entry(address.to_string()).or_default();
        let opening = Opening { address, nth: *count, nth_of_all };
        *count += 1;
        (self.decide)(&opening)
    }
}

impl Network for Faulty {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<(Reader, Writer)>> {
        async move {
            let mut faults = self.faults(address);
            let received = Arc::<AtomicU64>::default();
            self.received.lock().push(Arc::clone(&received));
            for fault in &faults {
                match fault {
                    WireFault::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
                    WireFault::SlowToOpen(time) => sleep(*time).await,
                    _ => {}
                }
            }
            faults.retain(|fault| fault.position().is_some());
            faults.sort_by_key(|fault| std::cmp::Reverse(fault.position()));
            let (reader, writer) = self.inner.connect(address).await?;
            let is_dropped = Arc::new(Mutex::new(false));
            let writer = FaultyWriter { inner: writer, is_dropped: Arc::clone(&is_dropped) };
            let reader = FaultyReader { inner: reader, received, faults, stall: None, is_dropped };
            Ok((Box::new(reader) as Reader, Box::new(writer) as Writer))
        }
        .boxed()
    }
}

impl WireFault {
    fn position(&self) -> Option<u64> {
        match self {
            Self::Refused | Self::SlowToOpen(_) => None,
            Self::CutAt(at) | Self::DroppedAt(at) => Some(*at),
            Self::StallAt(at, _) | Self::FlipBit(at, _) => Some(*at),
        }
    }
}

struct FaultyReader {
    inner: Reader,
    received: Arc<AtomicU64>,
    /// The next one last.
    faults: Vec<WireFault>,
    stall: Option<Pin<Box<Sleep>>>,
    is_dropped: Arc<Mutex<bool>>,
}

impl AsyncRead for FaultyReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if let Some(stall) = &mut this.stall {
                ready!(stall.as_mut().poll(cx));
                this.stall = None;
            }
            let fault = this.faults.last().copied();
            let until = fault.and_then(|fault| fault.position()).unwrap_or(u64::MAX);
            let position = this.received.load(Ordering::Relaxed);
            if position < until {
                let limit = usize::try_from(until - position).unwrap_or(usize::MAX);
                return this.read(cx, buffer, limit.min(buffer.remaining()), None);
            }
            match fault {
                Some(WireFault::CutAt(_)) => return Poll::Ready(Ok(())),
                Some(WireFault::DroppedAt(_)) => {
                    *this.is_dropped.lock() = true;
                    // nobody wakes this reader: the other side cannot be heard
                    return Poll::Pending;
                }
                Some(WireFault::StallAt(_, time)) => this.stall = Some(Box::pin(sleep(time))),
                Some(WireFault::FlipBit(_, bit)) => {
                    let read = ready!(this.read(cx, buffer, 1, Some(bit)));
                    this.faults.pop();
                    return Poll::Ready(read);
                }
                _ => {}
            }
            this.faults.pop();
        }
    }
}

impl FaultyReader {
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        limit: usize,
        flip: Option<u8>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = vec![0; limit];
        let mut part = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
        let read = part.filled_mut();
        if let (Some(bit), Some(first)) = (flip, read.first_mut()) {
            *first ^= 1 << (bit % 8);
        }
        self.received.fetch_add(read.len() as u64, Ordering::Relaxed);
        buffer.put_slice(read);
        Poll::Ready(Ok(()))
    }
}

struct FaultyWriter {
    inner: Writer,
    is_dropped: Arc<Mutex<bool>>,
}

impl AsyncWrite for FaultyWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if *self.is_dropped.lock() {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
