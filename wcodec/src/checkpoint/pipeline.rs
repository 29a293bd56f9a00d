//! Parts on their way, in batches: read ahead, encoded, written behind. Buffers go back to where they came from, so
//! that memory is asked for, and touched for the first time, only as often as there are batches on the way.

mod batch;
mod write;

use super::duplicates::{Digest, Job, find_duplicates};
use super::import::ImportOptions;
use super::order::first_use;
use super::source::Checkpoint;
use super::{Explanation, OnExplanation, Progress, report};
use crate::container::{TensorSpec, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{EncodedPart, Payload, encode_part};
use batch::{Batch, How, Place, Plan, RawPart};
use rayon::prelude::*;
use std::io::{Seek, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use write::Behind;

/// A batch on its way to the writing thread.
struct Encoded<'a> {
    batch: Batch<'a>,
    payload: Payload,
    /// Each part, and its tensor's digest with the last one.
    parts: Vec<(EncodedPart, Option<Digest>)>,
}

impl Encoded<'_> {
    /// Tells why its parts are coded as they are.
    fn explain(&self, jobs: &[Job<'_>], on_explanation: OnExplanation<'_>) {
        for (raw, (part, _)) in self.batch.parts.iter().zip(&self.parts) {
            on_explanation(Explanation {
                tensor: &jobs[raw.place.job].spec.name,
                part: raw.place.part,
                raw_bytes: self.batch.bytes(raw).len() as u64,
                coded_bytes: part.entry.len,
                method: part.entry.method.name(),
                considered: &part.considered,
            });
        }
    }
}

/// Encodes and writes all tensors in the order of their first use, on the current rayon pool and two threads more.
pub(super) fn write_tensors<W: Write + Seek + Send>(
    checkpoint: &Checkpoint<'_>,
    writer: &mut Writer<W>,
    options: &ImportOptions<'_>,
) -> Result<()> {
    let mut specs: Vec<&TensorSpec> = checkpoint.tensors.iter().collect();
    specs.sort_by_key(|spec| first_use(&spec.name)); // stable: ties keep the order of the data
    let jobs = find_duplicates(checkpoint, specs)?;
    let how = How {
        effort: options.effort,
        only: options.only,
    };
    let plan = Plan::new(&jobs, how);
    std::thread::scope(|scope| {
        // One batch waits while another is encoded and a third is read; one is encoded while another is written.
        let (batches, encoder_batches) = sync_channel(1);
        let (encoded, writer_encoded) = sync_channel(0);
        let (spare_buffers, reader_buffers) = channel();
        let (spare_payloads, encoder_payloads) = channel();
        let (jobs, plan) = (&jobs, &plan);
        scope.spawn(move || plan.read((checkpoint, jobs), &reader_buffers, &batches));
        let behind = Behind {
            jobs,
            effort: options.effort,
            spare_buffers,
            spare_payloads,
        };
        let writing = scope.spawn(move || behind.write(writer, &writer_encoded));
        let encoder = Encoder {
            batches: encoder_batches,
            encoded,
            spare: encoder_payloads,
        };
        let progress = |place: &Place| {
            let progress = Progress {
                done_bytes: place.done_bytes,
                total_bytes: checkpoint.total_bytes(),
                tensor: &jobs[place.job].spec.name,
            };
            report(options.on_progress, progress)
        };
        let explain = |encoded: &Encoded<'_>| {
            if let Some(on_explanation) = options.on_explanation {
                encoded.explain(jobs, on_explanation);
            }
        };
        let encoding = encoder.run(jobs, progress, explain); // drops its ends: the others end at their next turn
        let written = writing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A failed write also ends the encoder, whose error then says less.
        written.and(encoding)
    })
}

/// The encoding thread's ends of the channels.
struct Encoder<'a> {
    batches: Receiver<Result<Batch<'a>>>,
    encoded: SyncSender<Encoded<'a>>,
    spare: Receiver<Payload>,
}

impl Encoder<'_> {
    /// Encodes the batches as they come, and hands them on.
    fn run(
        self,
        jobs: &[Job<'_>],
        report: impl Fn(&Place) -> Result<()>,
        explain: impl Fn(&Encoded<'_>),
    ) -> Result<()> {
        let mut unfinished = None;
        for batch in &self.batches {
            let batch = batch?;
            let payload = self.spare.try_recv().unwrap_or_default();
            // Enters the pool once, not with every step.
            let encoded = rayon::scope(|_| encode(batch, payload, jobs, &mut unfinished));
            explain(&encoded);
            let places = encoded.batch.parts.iter().map(|part| part.place);
            let places: Vec<Place> = places.collect();
            let handed_on = self.encoded.send(encoded);
            // The writing thread has ended before its time, and says why.
            handed_on.map_err(|_| Error::from(ErrorKind::Interrupted))?;
            places.iter().try_for_each(&report)?;
        }
        Ok(())
    }
}

/// Encodes a batch into `payload`. `unfinished` is the hasher of a tensor with parts before the batch, and then of one
/// with parts after it.
fn encode<'a>(
    batch: Batch<'a>,
    mut payload: Payload,
    jobs: &[Job<'_>],
    unfinished: &mut Option<blake3::Hasher>,
) -> Encoded<'a> {
    let hashers = batch.parts.iter().map(|part| {
        let is_asked = jobs[part.place.job].digest.is_none();
        let before = unfinished.take_if(|_| part.place.part > 0);
        is_asked.then(|| before.unwrap_or_default())
    });
    let hashers: Vec<Option<blake3::Hasher>> = hashers.collect();
    let raw_bytes = batch
        .parts
        .iter()
        .map(|part| (part.spec, batch.bytes(part).len()));
    let spaces = payload.spaces(raw_bytes);
    let encode = |((part, mut hasher), space): ((&RawPart<'_>, Option<blake3::Hasher>), _)| {
        let encoded = encode_part(batch.bytes(part), part.spec, space, hasher.as_mut());
        (encoded, hasher)
    };
    let parts = batch.parts.par_iter().zip(hashers).zip(spaces).map(encode);
    let parts: Vec<(EncodedPart, Option<blake3::Hasher>)> = parts.collect();
    let parts = parts.into_iter().zip(&batch.parts);
    let parts = parts.map(|((encoded, hasher), RawPart { place, .. })| {
        if !place.is_last {
            *unfinished = hasher;
            return (encoded, None);
        }
        let known = jobs[place.job].digest;
        (encoded, known.or_else(|| Some(hasher?.finalize().into())))
    });
    Encoded {
        parts: parts.collect(),
        batch,
        payload,
    }
}
