//! What the pipeline asks of a device. One implementation is CUDA, another is a slow fake in the tests.

use std::ops::Range;
use wcodec::device::Plan;
use wcodec::{Result, TensorId};
use wcodec_kernels::{Element, Launch, Work, WorkList};

/// Work on one stream runs in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Payloads on their way to the device.
    Copy,
    /// Decoding.
    Lane(Lane),
}

/// One of the two streams on which parts are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// What the model uses in the order in which it asks for it.
    Layers,
    /// What it may ask for early but uses last: on a stream of the least priority, and read behind the layers where
    /// nobody waits for it.
    Last,
}

impl Lane {
    pub(crate) const ALL: [Self; 2] = [Self::Layers, Self::Last];

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Layers => 0,
            Self::Last => 1,
        }
    }
}

/// Host memory that the device reads and writes by itself.
pub(crate) trait Staging: Send {
    fn bytes(&mut self) -> &[u8];
    fn bytes_mut(&mut self) -> &mut [u8];
}

/// A part to decode.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the kernels need no names, the tests' fake does")
)]
pub(crate) struct Piece<'a> {
    /// The tensor that holds it.
    pub(crate) id: TensorId,
    /// Its number within the tensor.
    pub(crate) part: usize,
    pub(crate) plan: &'a Plan,
    /// Where its payload begins in the payload buffer.
    pub(crate) payload: u64,
    /// The device address of its first element.
    pub(crate) output: u64,
    pub(crate) element: Element,
}

/// The buffers of a launch.
#[derive(Debug)]
pub(crate) struct Arguments<'a, B> {
    pub(crate) payload: &'a B,
    /// Work and, at `statuses`, statuses.
    pub(crate) work: &'a B,
    pub(crate) statuses: usize,
    pub(crate) scratch: Option<&'a B>,
}

/// A device. Everything but `synchronize`, `drain` and the allocations only enqueues and returns.
///
/// Memory and events are freed when they are dropped, which happens only when no work that uses them is left.
pub(crate) trait Machine: Send + Sync + 'static {
    type Staging: Staging;
    type Buffer: Send + Sync;
    type Event: Send + Sync;

    /// Host memory of so many bytes.
    fn staging(&self, bytes: usize) -> Result<Self::Staging>;
    /// Device memory of so many bytes, aligned to 256.
    fn buffer(&self, bytes: usize) -> Result<Self::Buffer>;
    /// Copies a range to the same place of `to`.
    fn upload(
        &self,
        stream: Stream,
        from: &Self::Staging,
        range: Range<usize>,
        to: &Self::Buffer,
    ) -> Result<()>;
    /// Sets all bits of a range: statuses that say that no kernel wrote them.
    fn fill(&self, stream: Stream, buffer: &Self::Buffer, range: Range<usize>) -> Result<()>;
    /// Copies a range to the same place of `to`.
    fn download(
        &self,
        stream: Stream,
        from: &Self::Buffer,
        range: Range<usize>,
        to: &mut Self::Staging,
    ) -> Result<()>;
    /// Runs a kernel.
    fn launch(
        &self,
        stream: Stream,
        launch: &Launch,
        arguments: &Arguments<'_, Self::Buffer>,
    ) -> Result<()>;
    /// An event that is over when everything enqueued so far is.
    fn record(&self, stream: Stream) -> Result<Self::Event>;
    /// What is enqueued from now on begins after the event.
    fn wait(&self, stream: Stream, event: &Self::Event) -> Result<()>;
    /// Whether an event is over.
    fn is_over(&self, event: &Self::Event) -> Result<bool>;
    /// Blocks until an event is over.
    fn synchronize(&self, event: &Self::Event) -> Result<()>;
    /// Blocks until everything on a stream is over.
    fn drain(&self, stream: Stream) -> Result<()>;

    /// The work of decoding some parts in launches that take at most `scratch_bytes` of scratch memory, with the status
    /// slots of each; `None` if the kernels refuse one of them.
    fn work(
        &self,
        pieces: &[Piece<'_>],
        scratch_bytes: usize,
    ) -> Option<(Work, Vec<Range<usize>>)> {
        work_list(pieces, scratch_bytes)
    }
}

/// See [`Machine::work`].
pub(super) fn work_list(
    pieces: &[Piece<'_>],
    scratch_bytes: usize,
) -> Option<(Work, Vec<Range<usize>>)> {
    let mut list = WorkList::with_scratch_bytes(scratch_bytes as u64);
    let push =
        |piece: &Piece<'_>| list.push(piece.plan, piece.payload, piece.output, piece.element);
    let statuses = pieces.iter().map(push).collect::<Result<_>>().ok()?;
    Some((list.finish(), statuses))
}
