//! A stream on which parts are decoded, with the memory of its launches.

use super::machine::{Arguments, Lane, Machine, Staging, Stream};
use super::report::{Load, Report};
use super::slot::out_of_place;
use std::ops::Range;
use std::sync::Arc;
use wcodec::{Error, Result};
use wcodec_kernels::{Work, status_error};

/// Where work and statuses begin in a block.
const ALIGN: usize = 256;
const STATUS_BYTES: usize = 4;
/// Scratch grows to at least this.
const SMALLEST_SCRATCH_BYTES: usize = 1 << 20;

/// Blocks are used in turn; scratch is shared by all, since the stream runs in its order.
pub(super) struct LaneState<M: Machine> {
    lane: Lane,
    blocks: Vec<Block<M>>,
    block_bytes: usize,
    next: usize,
    scratch: Option<(M::Buffer, usize)>,
    scratch_limit: usize,
}

/// Memory for the work and the statuses of one sequence of launches.
struct Block<M: Machine> {
    staging: M::Staging,
    buffer: M::Buffer,
    pending: Option<Pending<M>>,
}

/// What a block is in use for.
struct Pending<M: Machine> {
    event: Arc<M::Event>,
    /// Where the statuses begin in the block.
    statuses: usize,
    load: Arc<Load>,
    parts: Vec<PartStatuses>,
}

/// Where the statuses of a part lie.
#[derive(Debug, Clone)]
pub(super) struct PartStatuses {
    /// The first of its statuses.
    pub(super) first_status: usize,
    /// The chunk that each status speaks of.
    pub(super) chunks: Vec<u32>,
}

/// What to enqueue.
pub(super) struct Sequence<'a, M: Machine> {
    pub(super) work: &'a Work,
    pub(super) load: &'a Arc<Load>,
    pub(super) parts: Vec<PartStatuses>,
    pub(super) payload: &'a M::Buffer,
    /// Over when the payload is on the device.
    pub(super) copied: &'a M::Event,
}

impl<M: Machine> LaneState<M> {
    pub(super) fn new(machine: &M, lane: Lane, budget: &super::Budget) -> Result<Self> {
        let block = |_| {
            Ok(Block {
                staging: machine.staging(budget.block_bytes)?,
                buffer: machine.buffer(budget.block_bytes)?,
                pending: None,
            })
        };
        Ok(Self {
            lane,
            blocks: (0..budget.num_blocks).map(block).collect::<Result<_>>()?,
            block_bytes: budget.block_bytes,
            next: 0,
            scratch: None,
            scratch_limit: budget.scratch_bytes,
        })
    }

    /// Enqueues a sequence of launches. `None` if it needs more memory than there is for it.
    pub(super) fn enqueue(
        &mut self,
        machine: &M,
        report: &Report,
        sequence: Sequence<'_, M>,
    ) -> Result<Option<Arc<M::Event>>> {
        let work_bytes = sequence.work.bytes.len();
        let statuses_at = work_bytes.next_multiple_of(ALIGN);
        let len = sequence.work.num_statuses.checked_mul(STATUS_BYTES);
        let end = len.and_then(|len| statuses_at.checked_add(len));
        let Some(end) = end.filter(|&end| end <= self.block_bytes) else {
            return Ok(None);
        };
        if !self.grow_scratch(machine, sequence.work.scratch_bytes)? {
            return Ok(None);
        }
        let stream = Stream::Lane(self.lane);
        let at = self.next;
        self.next = (at + 1) % self.blocks.len().max(1);
        let scratch = self.scratch.as_ref().map(|(buffer, _)| buffer);
        let block = self.blocks.get_mut(at).ok_or_else(out_of_place)?;
        block.settle(machine, report)?;
        let space = block.staging.bytes_mut().get_mut(..work_bytes);
        space
            .ok_or_else(out_of_place)?
            .copy_from_slice(&sequence.work.bytes);
        let enqueued = block.enqueue(machine, stream, &sequence, (scratch, statuses_at..end));
        match enqueued {
            Ok(event) => {
                let event = Arc::new(event);
                block.pending = Some(Pending {
                    event: Arc::clone(&event),
                    statuses: statuses_at,
                    load: Arc::clone(sequence.load),
                    parts: sequence.parts,
                });
                sequence.load.enqueued();
                Ok(Some(event))
            }
            Err(error) => {
                // Some of it may be under way all the same.
                let _ = machine.drain(stream);
                Err(error)
            }
        }
    }

    /// Makes the scratch large enough; whether it may be.
    fn grow_scratch(&mut self, machine: &M, bytes: u64) -> Result<bool> {
        let Some(bytes) = usize::try_from(bytes)
            .ok()
            .filter(|&bytes| bytes <= self.scratch_limit)
        else {
            return Ok(false);
        };
        if bytes > self.scratch.as_ref().map_or(0, |&(_, len)| len) {
            machine.drain(Stream::Lane(self.lane))?;
            self.scratch = None;
            let len = bytes
                .max(SMALLEST_SCRATCH_BYTES)
                .next_power_of_two()
                .min(self.scratch_limit);
            self.scratch = Some((machine.buffer(len)?, len));
        }
        Ok(true)
    }

    /// Notes the statuses of what is over, without waiting.
    pub(super) fn poll(&mut self, machine: &M, report: &Report) -> Result<()> {
        for block in &mut self.blocks {
            if let Some(pending) = &block.pending
                && machine
                    .is_over(&pending.event)
                    .map_err(|error| report.place(error, pending.load.id))?
            {
                block.settle(machine, report)?;
            }
        }
        Ok(())
    }

    /// Waits for everything that was enqueued and notes its statuses. The first failure, if waiting fails; nothing is
    /// left to wait for then, either.
    pub(super) fn finish(&mut self, machine: &M, report: &Report) -> Result<()> {
        let mut result = Ok(());
        for block in &mut self.blocks {
            result = result.and(block.settle(machine, report)); // its error names the tensor
            block.pending = None;
        }
        result = result.and(machine.drain(Stream::Lane(self.lane)));
        result
    }
}

impl<M: Machine> Block<M> {
    fn enqueue(
        &mut self,
        machine: &M,
        stream: Stream,
        sequence: &Sequence<'_, M>,
        (scratch, statuses): (Option<&M::Buffer>, Range<usize>),
    ) -> Result<M::Event> {
        machine.wait(stream, sequence.copied)?;
        machine.upload(
            stream,
            &self.staging,
            0..sequence.work.bytes.len(),
            &self.buffer,
        )?;
        machine.fill(stream, &self.buffer, statuses.clone())?;
        let arguments = Arguments {
            payload: sequence.payload,
            work: &self.buffer,
            statuses: statuses.start,
            scratch,
        };
        for launch in &sequence.work.launches {
            machine.launch(stream, launch, &arguments)?;
        }
        machine.download(stream, &self.buffer, statuses, &mut self.staging)?;
        machine.record(stream)
    }

    /// Waits until what the block was last used for is over, and reports what its statuses say.
    fn settle(&mut self, machine: &M, report: &Report) -> Result<()> {
        let Some(pending) = &self.pending else {
            return Ok(());
        };
        if let Err(error) = machine.synchronize(&pending.event) {
            return Err(report.place(error, pending.load.id));
        }
        let statuses = self
            .staging
            .bytes()
            .get(pending.statuses..)
            .unwrap_or_default();
        let codes = statuses
            .chunks_exact(STATUS_BYTES)
            .map(|code| <[u8; STATUS_BYTES]>::try_from(code).map_or(0, u32::from_le_bytes));
        for part in &pending.parts {
            let own = codes.clone().skip(part.first_status);
            if let Some((&chunk, code)) = part.chunks.iter().zip(own).find(|&(_, code)| code != 0) {
                pending.load.spoil();
                let error = Error::from(status_error(code)).in_chunk(chunk);
                report.fail(report.place(error, pending.load.id));
            }
        }
        report.over(&pending.load);
        self.pending = None;
        Ok(())
    }
}
