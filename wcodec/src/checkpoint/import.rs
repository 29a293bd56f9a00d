//! Checkpoint to container: one thread reads ahead, the caller's encodes on its rayon pool, one writes behind.

use super::attachments::{self, Attachment};
use super::duplicates::{Job, find_duplicates};
use super::order::first_use;
use super::source::Checkpoint;
use super::{OnProgress, Progress, report};
use crate::container::{TensorId, TensorSpec, Writer, target};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{Limits, check};
use crate::search::{Effort, layout};
use crate::tensor::{PartEntry, PartSpec, encode_part};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How [`import`] encodes.
#[derive(Clone, Default)]
pub struct ImportOptions<'a> {
    /// How hard the encoder tries.
    pub effort: Effort,
    /// Whether the target may stand already.
    pub replace: bool,
    /// Whether to leave out the [`DEFAULT_ATTACHMENTS`](super::DEFAULT_ATTACHMENTS) of a folder.
    pub no_default_attachments: bool,
    /// More files to carry along, each under its own name.
    pub attachments: Vec<PathBuf>,
    /// Told how far the encoder is.
    pub on_progress: Option<OnProgress<'a>>,
}

impl fmt::Debug for ImportOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportOptions")
            .field("effort", &self.effort)
            .field("replace", &self.replace)
            .field("no_default_attachments", &self.no_default_attachments)
            .field("attachments", &self.attachments)
            .finish_non_exhaustive()
    }
}

/// What [`import`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportSummary {
    /// Length of the safetensors files.
    pub source_bytes: u64,
    /// Length of the container, attachments included.
    pub file_bytes: u64,
    /// Length of the attachments in it.
    pub attachment_bytes: u64,
    /// Tensors.
    pub num_tensors: usize,
    /// Elements of all tensors.
    pub num_elems: u64,
}

/// Encodes the checkpoint at `source` (a file, a folder or a shard index) into the file `target`.
///
/// The bytes written depend on the checkpoint, the effort and the version of this crate alone, not on the number
/// of threads. Memory is bounded by a few parts of 32 MiB, whatever the size of the model.
///
/// # Errors
///
/// `TargetExists`, `InvalidArgument` (the target is not a regular file or one of the checkpoint's own),
/// `InvalidCheckpoint`, `LimitExceeded` (more than a reader's default [`Limits`]), `Io`, `Interrupted`; nothing then stands under the target's name that
/// did not stand there before.
pub fn import(source: &Path, target: &Path, options: &ImportOptions<'_>) -> Result<ImportSummary> {
    target::check(target, options.replace)?;
    let checkpoint = Checkpoint::open(source)?;
    let attachments = attachments::read(&checkpoint, options)?;
    refuse_own_files(&checkpoint, &attachments, target)?;
    let limits = Limits::default();
    for tensor in &checkpoint.tensors {
        let checked = check(
            "length of a tensor",
            tensor.raw_bytes,
            limits.max_tensor_bytes,
        );
        checked.map_err(|kind| Error::from(kind).in_tensor(&tensor.name))?;
    }
    let mut writer = Writer::create(target)?;
    write_tensors(&checkpoint, &mut writer, options)?;
    let mut attachment_bytes = 0;
    for Attachment { name, bytes, .. } in attachments {
        writer.add_attachment(&name, &bytes)?;
        attachment_bytes += bytes.len() as u64;
    }
    for source in &checkpoint.sources {
        writer.add_source(&source.name, &source.header, source.file_bytes)?;
    }
    let num_elems = writer
        .tensors()
        .iter()
        .map(crate::TensorInfo::num_elems)
        .sum();
    Ok(ImportSummary {
        source_bytes: checkpoint
            .sources
            .iter()
            .map(|source| source.file_bytes)
            .sum(),
        file_bytes: writer.finish(options.replace)?,
        attachment_bytes,
        num_tensors: checkpoint.tensors.len(),
        num_elems,
    })
}

/// A target that is one of the files the container is made of would be gone with its encoding.
fn refuse_own_files(
    checkpoint: &Checkpoint,
    attachments: &[Attachment],
    target: &Path,
) -> Result<()> {
    let Ok(place) = target.canonicalize() else {
        return Ok(()); // nothing stands there
    };
    let sources = checkpoint.sources.iter().map(|source| &source.path);
    let mut own = sources.chain(attachments.iter().map(|attachment| &attachment.path));
    if own.any(|path| path.canonicalize().is_ok_and(|path| path == place)) {
        let what = "is one of the checkpoint's own files; name another target";
        return Err(Error::from(ErrorKind::InvalidArgument { what }).in_file(target));
    }
    Ok(())
}

/// The raw bytes of one part.
struct RawPart {
    job: usize,
    first_chunk: u32,
    raw: Vec<u8>,
}

/// What the writing thread gets.
enum Piece {
    Part(PartEntry, Vec<u8>),
    /// All parts of the next tensor are there.
    Tensor([u8; 32]),
}

fn write_tensors(
    checkpoint: &Checkpoint,
    writer: &mut Writer,
    options: &ImportOptions<'_>,
) -> Result<()> {
    let mut specs: Vec<&TensorSpec> = checkpoint.tensors.iter().collect();
    specs.sort_by_key(|spec| first_use(&spec.name)); // stable: ties keep the order of the data
    let jobs = find_duplicates(checkpoint, specs)?;
    std::thread::scope(|scope| {
        // One part waits while another is worked on.
        let (raw_sender, raw_receiver) = sync_channel(1);
        let (piece_sender, piece_receiver) = sync_channel(1);
        let jobs = &jobs;
        scope.spawn(move || read_parts(checkpoint, jobs, &raw_sender));
        let writing = scope.spawn(move || write_pieces(jobs, writer, &piece_receiver));
        let encoded = encode_parts(
            jobs,
            &raw_receiver,
            piece_sender,
            checkpoint.total_bytes(),
            options,
        );
        drop(raw_receiver); // the reading thread ends at its next send
        let written = writing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A failed write also ends the encoder, whose error then says less.
        written.and(encoded)
    })
}

/// Reads every part of every job that is not a duplicate. Ends early when nobody listens.
fn read_parts(checkpoint: &Checkpoint, jobs: &[Job<'_>], sender: &SyncSender<Result<RawPart>>) {
    for (job, Job { spec, .. }) in jobs
        .iter()
        .enumerate()
        .filter(|(_, job)| job.duplicate_of.is_none())
    {
        let sample_bytes = usize::from(spec.dtype.sample_form().bytes);
        let chunk_samples = spec.chunk_samples();
        let part_chunks = layout::chunks_per_part(chunk_samples, sample_bytes);
        let part_bytes = u64::from(part_chunks) * u64::from(chunk_samples) * sample_bytes as u64;
        let (mut first, mut first_chunk) = (0, 0);
        while first < spec.raw_bytes {
            let len = part_bytes.min(spec.raw_bytes - first);
            let mut raw = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
            let part = checkpoint.read(spec, first, &mut raw).map(|()| RawPart {
                job,
                first_chunk,
                raw,
            });
            let failed = part.is_err();
            if sender.send(part).is_err() || failed {
                return;
            }
            first += len;
            first_chunk += part_chunks;
        }
    }
}

/// Encodes the parts as they come, on the current rayon pool, and hands pieces on in the order of the jobs.
fn encode_parts(
    jobs: &[Job<'_>],
    parts: &Receiver<Result<RawPart>>,
    pieces: SyncSender<Piece>,
    total_bytes: u64,
    options: &ImportOptions<'_>,
) -> Result<()> {
    let stopped = || Error::from(ErrorKind::Interrupted);
    let mut digests: Vec<[u8; 32]> = Vec::with_capacity(jobs.len());
    let mut done_bytes = 0;
    for job in jobs {
        let spec = job.spec;
        if let Some(original) = job.duplicate_of {
            digests.push(digests[original]);
            done_bytes += spec.raw_bytes;
        } else {
            let mut hasher = blake3::Hasher::new();
            let mut left = spec.raw_bytes;
            while left > 0 {
                let RawPart {
                    job: number,
                    first_chunk,
                    raw,
                } = parts.recv().map_err(|_| stopped())??;
                debug_assert_eq!(number, digests.len());
                let (form, chunk_samples) =
                    (spec.dtype.sample_form(), spec.chunk_samples() as usize);
                let part_spec = PartSpec {
                    form,
                    chunk_samples,
                    first_chunk,
                    effort: options.effort,
                };
                let (encoded, ()) = rayon::join(
                    || encode_part(&raw, part_spec),
                    || {
                        hasher.update_rayon(&raw);
                    },
                );
                left -= raw.len() as u64;
                done_bytes += raw.len() as u64;
                let payload = encoded.payload.unwrap_or(raw);
                pieces
                    .send(Piece::Part(encoded.entry, payload))
                    .map_err(|_| stopped())?;
                report(
                    options.on_progress,
                    Progress {
                        done_bytes,
                        total_bytes,
                        tensor: &spec.name,
                    },
                )?;
            }
            digests.push(hasher.finalize().into());
        }
        let digest = digests.last().copied().unwrap_or_default();
        pieces.send(Piece::Tensor(digest)).map_err(|_| stopped())?;
    }
    Ok(())
}

fn write_pieces(jobs: &[Job<'_>], writer: &mut Writer, pieces: &Receiver<Piece>) -> Result<()> {
    let mut entries = Vec::new();
    let mut ids: Vec<TensorId> = Vec::with_capacity(jobs.len());
    for piece in pieces {
        match piece {
            Piece::Part(entry, payload) => entries.push(writer.add_part(entry, &payload)?),
            Piece::Tensor(digest) => {
                let job = &jobs[ids.len()];
                let original = job.duplicate_of.map(|original| ids[original]);
                ids.push(writer.add_tensor(
                    job.spec.clone(),
                    digest,
                    original,
                    std::mem::take(&mut entries),
                ));
            }
        }
    }
    Ok(())
}
