//! What goes through the pipeline at a time: a large part, or small ones together, so that work is handed on seldom.

use super::super::duplicates::Job;
use super::super::source::Checkpoint;
use crate::error::Result;
use crate::search::{Effort, Tool, layout};
use crate::tensor::PartSpec;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender};

/// Most raw bytes of a batch of several parts.
const BATCH_BYTES: usize = 4 << 20;

/// How parts are encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) effort: Effort,
    pub(super) only: Option<Tool>,
}

/// Parts that follow one another, no two of them of one tensor.
pub(super) struct Batch<'a> {
    pub(super) parts: Vec<RawPart<'a>>,
    /// The bytes of the parts that do not lie in memory.
    pub(super) buffer: Vec<u8>,
}

/// A part before it is encoded.
pub(super) struct RawPart<'a> {
    pub(super) place: Place,
    pub(super) spec: PartSpec,
    raw: Raw<'a>,
}

/// Which part it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Of which job's tensor.
    pub(super) job: usize,
    /// Which of its parts.
    pub(super) part: usize,
    pub(super) is_last: bool,
    /// Bytes of all jobs up to its end.
    pub(super) done_bytes: u64,
}

enum Raw<'a> {
    /// Where they lie in memory.
    InMemory(&'a [u8]),
    /// Where they are in the batch's buffer.
    Read(Range<usize>),
}

impl Batch<'_> {
    /// The bytes of one of its parts.
    pub(super) fn bytes<'s>(&'s self, part: &'s RawPart<'_>) -> &'s [u8] {
        match &part.raw {
            Raw::InMemory(bytes) => bytes,
            Raw::Read(place) => &self.buffer[place.clone()],
        }
    }
}

/// A part that is to be read.
struct Planned {
    place: Place,
    spec: PartSpec,
    first_byte: u64,
    len: usize,
}

/// All parts, in order, and how they are batched.
pub(super) struct Plan(Vec<Planned>);

impl Plan {
    pub(super) fn new(jobs: &[Job<'_>], how: How) -> Self {
        let mut planned = Vec::with_capacity(jobs.len());
        let mut done_bytes = 0;
        for (number, job) in jobs.iter().enumerate() {
            if job.duplicate_of.is_none() {
                planned.extend(parts(number, job, how, done_bytes));
            }
            done_bytes += job.spec.raw_bytes;
        }
        Self(planned)
    }

    /// Raw bytes of the longest batch, or more.
    pub(super) fn most_batch_bytes(&self) -> usize {
        let all = self
            .0
            .iter()
            .fold(0_usize, |sum, part| sum.saturating_add(part.len));
        let longest = self.0.iter().map(|part| part.len).max().unwrap_or(0);
        longest.max(BATCH_BYTES.min(all))
    }

    fn batches(&self) -> impl Iterator<Item = &[Planned]> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let batch;
            (batch, rest) = rest.split_at(batch_len(rest));
            (!batch.is_empty()).then_some(batch)
        })
    }

    /// Reads every part. Ends early when nobody listens, and after a failure.
    pub(super) fn read<'a>(
        &self,
        (checkpoint, jobs): (&'a Checkpoint<'_>, &[Job<'_>]),
        spare: &Receiver<Vec<u8>>,
        batches: &SyncSender<Result<Batch<'a>>>,
    ) {
        let most_bytes = self.most_batch_bytes();
        for planned in self.batches() {
            let mut batch = Batch {
                parts: Vec::with_capacity(planned.len()),
                buffer: Vec::new(),
            };
            let mut filled = 0;
            let read = planned.iter().try_for_each(|part| {
                let tensor = jobs[part.place.job].spec;
                let raw = match checkpoint.bytes(tensor, part.first_byte, part.len) {
                    Some(bytes) => Raw::InMemory(bytes),
                    None => {
                        if batch.buffer.is_empty() {
                            batch.buffer = spare.try_recv().unwrap_or_else(|_| vec![0; most_bytes]);
                        }
                        let place = filled..filled + part.len;
                        filled = place.end;
                        let buffer = &mut batch.buffer[place.clone()];
                        checkpoint.read(tensor, part.first_byte, buffer)?;
                        Raw::Read(place)
                    }
                };
                batch.parts.push(RawPart {
                    place: part.place,
                    spec: part.spec,
                    raw,
                });
                Ok(())
            });
            let failed = read.is_err();
            if batches.send(read.map(|()| batch)).is_err() || failed {
                return;
            }
        }
    }
}

/// How many of `parts` go together.
fn batch_len(parts: &[Planned]) -> usize {
    let mut bytes = 0;
    let fits = |(number, part): &(usize, &Planned)| {
        bytes += part.len;
        *number == 0 || (bytes <= BATCH_BYTES && part.place.part == 0)
    };
    parts.iter().enumerate().take_while(fits).count()
}

/// The parts of a job's tensor, `done_bytes` after the first.
fn parts(number: usize, job: &Job<'_>, how: How, done_bytes: u64) -> impl Iterator<Item = Planned> {
    let form = job.spec.dtype.sample_form();
    let chunk_samples = job.spec.chunk_samples(how.effort);
    let row = job.spec.row_samples();
    let part_chunks = layout::chunks_per_part(chunk_samples, form.bytes.into(), how.effort);
    let part_bytes = u64::from(part_chunks) * u64::from(chunk_samples) * u64::from(form.bytes);
    let total = job.spec.raw_bytes;
    (0..total.div_ceil(part_bytes)).map(move |part| {
        let first_byte = part * part_bytes;
        let len = part_bytes.min(total - first_byte);
        Planned {
            place: Place {
                job: number,
                part: usize::try_from(part).unwrap_or(usize::MAX),
                is_last: first_byte + len == total,
                done_bytes: done_bytes + first_byte + len,
            },
            spec: PartSpec {
                form,
                chunk_samples: chunk_samples as usize,
                row,
                first_chunk: u32::try_from(part * u64::from(part_chunks)).unwrap_or(u32::MAX),
                effort: how.effort,
                only: how.only,
            },
            first_byte,
            // A part fits into memory.
            len: usize::try_from(len).unwrap_or(usize::MAX),
        }
    })
}
