//! Encoded batches to the container.

use super::super::duplicates::{Digest, Job};
use super::Encoded;
use crate::container::{EncodedTensor, TensorId, Writer};
use crate::error::Result;
use crate::search::Effort;
use crate::tensor::{Method, PartEntry, Payload};
use std::io::{Seek, Write};
use std::sync::mpsc::{Receiver, Sender};

/// The writing thread's part of the work.
pub(super) struct Behind<'a> {
    pub(super) jobs: &'a [Job<'a>],
    pub(super) effort: Effort,
    pub(super) spare_buffers: Sender<Vec<u8>>,
    pub(super) spare_payloads: Sender<Payload>,
}

impl Behind<'_> {
    /// Writes the parts of all jobs as they come, and lists the tensors in the order of the jobs.
    pub(super) fn write<W: Write + Seek>(
        self,
        writer: &mut Writer<W>,
        batches: &Receiver<Encoded<'_>>,
    ) -> Result<()> {
        let mut tensors = Tensors {
            jobs: self.jobs,
            effort: self.effort,
            written: Vec::with_capacity(self.jobs.len()),
        };
        let mut entries = Vec::new();
        for Encoded {
            batch,
            payload,
            parts,
        } in batches
        {
            for (raw, (part, digest)) in batch.parts.iter().zip(&parts) {
                let is_stored = part.entry.method == Method::Stored;
                entries.push(if is_stored {
                    writer.add_part(part.entry, &[batch.bytes(raw)])?
                } else {
                    writer.add_part(part.entry, &payload.pieces(part))?
                });
                if let Some(digest) = digest {
                    tensors.add_without_parts(writer, raw.place.job);
                    tensors.add(writer, *digest, std::mem::take(&mut entries));
                }
            }
            // Those who used them may be done.
            let _ = self.spare_buffers.send(batch.buffer);
            let _ = self.spare_payloads.send(payload);
        }
        tensors.add_without_parts(writer, self.jobs.len());
        Ok(())
    }
}

/// The tensors listed so far.
struct Tensors<'a> {
    jobs: &'a [Job<'a>],
    effort: Effort,
    written: Vec<(TensorId, Digest)>,
}

impl Tensors<'_> {
    /// Lists the next job's tensor.
    fn add<W: Write + Seek>(
        &mut self,
        writer: &mut Writer<W>,
        digest: Digest,
        parts: Vec<PartEntry>,
    ) {
        let job = &self.jobs[self.written.len()];
        let encoded = EncodedTensor {
            chunk_samples: job.spec.chunk_samples(self.effort),
            digest,
            duplicate_of: job.duplicate_of.map(|original| self.written[original].0),
            parts,
        };
        let id = writer.add_tensor(job.spec.clone(), encoded);
        self.written.push((id, digest));
    }

    /// Lists the tensors of the jobs before `job` that nobody encodes: duplicates, and tensors without elements.
    fn add_without_parts<W: Write + Seek>(&mut self, writer: &mut Writer<W>, job: usize) {
        while self.written.len() < job {
            let original = self.jobs[self.written.len()].duplicate_of;
            let digest = match original {
                Some(original) => self.written[original].1,
                None => blake3::hash(&[]).into(),
            };
            self.add(writer, digest, Vec::new());
        }
    }
}
