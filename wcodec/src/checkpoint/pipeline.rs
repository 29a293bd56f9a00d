//! Parts on their way: read ahead, encoded, written behind. Buffers go back to where they came from, so that memory is asked
//! for, and touched for the first time, only as often as there are parts on the way.

use super::duplicates::{Digest, Job, find_duplicates};
use super::import::ImportOptions;
use super::order::first_use;
use super::source::Checkpoint;
use super::{Progress, report};
use crate::container::{EncodedTensor, TensorId, TensorSpec, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::search::{Effort, layout};
use crate::tensor::{Method, PartEntry, PartSpec, Payload, encode_part};
use std::io::{Seek, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// The raw bytes of a part.
enum Raw<'a> {
    /// Where they lie in memory.
    InMemory(&'a [u8]),
    /// So many of a buffer's bytes.
    Read(Vec<u8>, usize),
}

impl Raw<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::InMemory(bytes) => bytes,
            Self::Read(buffer, len) => &buffer[..*len],
        }
    }

    /// Gives the buffer, if it has one, to be read into again.
    fn give_back(self, spare: &Sender<Vec<u8>>) {
        if let Self::Read(buffer, _) = self {
            let _ = spare.send(buffer); // the reading thread may be done
        }
    }
}

/// What the encoder gets.
struct RawPart<'a> {
    first_chunk: u32,
    raw: Raw<'a>,
}

/// What the writing thread gets.
enum Piece<'a> {
    Part(PartEntry, Payload, Raw<'a>),
    /// All parts of the next tensor are there.
    Tensor(Digest),
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
    std::thread::scope(|scope| {
        // One part waits while another is worked on.
        let (parts, encoder_parts) = sync_channel(1);
        let (pieces, writer_pieces) = sync_channel(1);
        let (spare_buffers, reader_buffers) = channel();
        let (spare_payloads, encoder_payloads) = channel();
        let (jobs, effort) = (&jobs, options.effort);
        scope.spawn(move || read_parts((checkpoint, jobs), effort, &reader_buffers, &parts));
        let writing = scope.spawn(move || {
            let give_back = (spare_buffers, spare_payloads);
            write_pieces(jobs, effort, writer, &writer_pieces, &give_back)
        });
        let total_bytes = checkpoint.total_bytes();
        let encoder = Encoder {
            parts: encoder_parts,
            pieces,
            spare: encoder_payloads,
        };
        let encoded = encoder.run(jobs, total_bytes, options); // drops its ends: the others end at their next turn
        let written = writing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A failed write also ends the encoder, whose error then says less.
        written.and(encoded)
    })
}

/// Reads every part of every job that is not a duplicate. Ends early when nobody listens.
fn read_parts<'a>(
    (checkpoint, jobs): (&'a Checkpoint<'_>, &[Job<'_>]),
    effort: Effort,
    spare: &Receiver<Vec<u8>>,
    parts: &SyncSender<Result<RawPart<'a>>>,
) {
    let originals = jobs.iter().filter(|job| job.duplicate_of.is_none());
    for spec in originals.map(|job| job.spec) {
        let sample_bytes = usize::from(spec.dtype.sample_form().bytes);
        let chunk_samples = spec.chunk_samples(effort);
        let part_chunks = layout::chunks_per_part(chunk_samples, sample_bytes);
        let part_bytes = u64::from(part_chunks) * u64::from(chunk_samples) * sample_bytes as u64;
        let (mut first, mut first_chunk) = (0, 0);
        while first < spec.raw_bytes {
            let len = part_bytes.min(spec.raw_bytes - first);
            let len_in_memory = usize::try_from(len).unwrap_or(usize::MAX);
            let raw = match checkpoint.bytes(spec, first, len_in_memory) {
                Some(bytes) => Ok(Raw::InMemory(bytes)),
                None => {
                    let mut buffer = spare.try_recv().unwrap_or_default();
                    if buffer.len() < len_in_memory {
                        buffer = vec![0; len_in_memory];
                    }
                    let read = checkpoint.read(spec, first, &mut buffer[..len_in_memory]);
                    read.map(|()| Raw::Read(buffer, len_in_memory))
                }
            };
            let part = raw.map(|raw| RawPart { first_chunk, raw });
            let failed = part.is_err();
            if parts.send(part).is_err() || failed {
                return;
            }
            first += len;
            first_chunk += part_chunks;
        }
    }
}

/// The encoding thread's ends of the channels.
struct Encoder<'a> {
    parts: Receiver<Result<RawPart<'a>>>,
    pieces: SyncSender<Piece<'a>>,
    spare: Receiver<Payload>,
}

impl Encoder<'_> {
    /// Encodes the parts as they come, and hands pieces on in the order of the jobs.
    fn run(self, jobs: &[Job<'_>], total_bytes: u64, options: &ImportOptions<'_>) -> Result<()> {
        let mut digests: Vec<Digest> = Vec::with_capacity(jobs.len());
        let mut done_bytes = 0;
        for job in jobs {
            let digest = match job.duplicate_of {
                Some(original) => digests[original],
                None => self.encode(job, options, |bytes| {
                    let progress = Progress {
                        done_bytes: done_bytes + bytes,
                        total_bytes,
                        tensor: &job.spec.name,
                    };
                    report(options.on_progress, progress)
                })?,
            };
            done_bytes += job.spec.raw_bytes;
            digests.push(digest);
            self.hand_on(Piece::Tensor(digest))?;
        }
        Ok(())
    }

    /// Encodes the parts of one tensor, and tells how far it is; returns the digest of its bytes.
    fn encode(
        &self,
        job: &Job<'_>,
        options: &ImportOptions<'_>,
        report: impl Fn(u64) -> Result<()>,
    ) -> Result<Digest> {
        let spec = job.spec;
        let mut hasher = blake3::Hasher::new();
        let mut done = 0;
        while done < spec.raw_bytes {
            let RawPart { first_chunk, raw } = self.parts.recv().map_err(|_| stopped())??;
            let bytes = raw.bytes();
            let part_spec = PartSpec {
                form: spec.dtype.sample_form(),
                chunk_samples: spec.chunk_samples(options.effort) as usize,
                first_chunk,
                effort: options.effort,
            };
            let mut payload = self.spare.try_recv().unwrap_or_default();
            let asked = job.digest.is_none().then_some(&mut hasher);
            // Enters the pool once, not with every step.
            let entry = rayon::scope(|_| encode_part(bytes, part_spec, &mut payload, asked));
            done += bytes.len() as u64;
            self.hand_on(Piece::Part(entry, payload, raw))?;
            report(done)?;
        }
        Ok(job.digest.unwrap_or_else(|| hasher.finalize().into()))
    }
}

impl<'a> Encoder<'a> {
    fn hand_on(&self, piece: Piece<'a>) -> Result<()> {
        self.pieces.send(piece).map_err(|_| stopped())
    }
}

/// Another thread has ended before its time, and says why.
fn stopped() -> Error {
    Error::from(ErrorKind::Interrupted)
}

fn write_pieces<W: Write + Seek>(
    jobs: &[Job<'_>],
    effort: Effort,
    writer: &mut Writer<W>,
    pieces: &Receiver<Piece<'_>>,
    (spare_buffers, spare_payloads): &(Sender<Vec<u8>>, Sender<Payload>),
) -> Result<()> {
    let mut entries = Vec::new();
    let mut ids: Vec<TensorId> = Vec::with_capacity(jobs.len());
    for piece in pieces {
        match piece {
            Piece::Part(entry, payload, raw) => {
                let is_stored = entry.method == Method::Stored;
                entries.push(if is_stored {
                    writer.add_part(entry, &[raw.bytes()])?
                } else {
                    writer.add_part(entry, &payload.pieces())?
                });
                raw.give_back(spare_buffers);
                let _ = spare_payloads.send(payload); // the encoder may be done
            }
            Piece::Tensor(digest) => {
                let job = &jobs[ids.len()];
                let encoded = EncodedTensor {
                    chunk_samples: job.spec.chunk_samples(effort),
                    digest,
                    duplicate_of: job.duplicate_of.map(|original| ids[original]),
                    parts: std::mem::take(&mut entries),
                };
                ids.push(writer.add_tensor(job.spec.clone(), encoded));
            }
        }
    }
    Ok(())
}
