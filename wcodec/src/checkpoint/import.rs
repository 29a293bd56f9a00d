//! Checkpoint to container: one thread reads ahead, the caller's encodes on its rayon pool, one writes behind.

use super::duplicates::{Job, find_duplicates};
use super::order::first_use;
use super::source::{Checkpoint, DEFAULT_ATTACHMENTS};
use super::{OnProgress, Progress, report};
use crate::container::{TensorId, TensorSpec, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::search::{Effort, layout};
use crate::tensor::{PartEntry, PartSpec, encode_part};
use std::collections::HashSet;
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
    /// Whether to leave out the [`DEFAULT_ATTACHMENTS`] of a folder.
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
/// `TargetExists`, `InvalidCheckpoint`, `Io`, `Interrupted`; nothing then stands under the target's name that
/// did not stand there before.
pub fn import(source: &Path, target: &Path, options: &ImportOptions<'_>) -> Result<ImportSummary> {
    if !options.replace && target.symlink_metadata().is_ok() {
        return Err(Error::from(ErrorKind::TargetExists).in_file(target));
    }
    if target.is_dir() {
        return Err(
            Error::from(std::io::Error::from(std::io::ErrorKind::IsADirectory)).in_file(target),
        );
    }
    let checkpoint = Checkpoint::open(source)?;
    let attachments = read_attachments(&checkpoint, options)?;
    let mut writer = Writer::create(target)?;
    write_tensors(&checkpoint, &mut writer, options)?;
    let mut attachment_bytes = 0;
    for (name, bytes) in attachments {
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

/// Every attachment's name and bytes; a file is attached once even if it is asked for twice.
fn read_attachments(
    checkpoint: &Checkpoint,
    options: &ImportOptions<'_>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut paths = checkpoint.required_attachments.clone();
    if let Some(folder) = checkpoint
        .folder
        .as_ref()
        .filter(|_| !options.no_default_attachments)
    {
        paths.extend(
            DEFAULT_ATTACHMENTS
                .map(|name| folder.join(name))
                .into_iter()
                .filter(|path| path.is_file()),
        );
    }
    paths.extend(options.attachments.iter().cloned());
    let mut seen: HashSet<PathBuf> = HashSet::new();
    let mut names: HashSet<String> = checkpoint
        .sources
        .iter()
        .map(|source| source.name.clone())
        .collect();
    let mut found = Vec::new();
    for path in paths {
        let in_file = |error: std::io::Error| Error::from(error).in_file(&path);
        if !seen.insert(path.canonicalize().map_err(in_file)?) {
            continue;
        }
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if !names.insert(name.clone()) {
            let kind = ErrorKind::InvalidArgument {
                what: "another file of that name is in the container already",
            };
            return Err(Error::from(kind).in_file(&path));
        }
        found.push((name, std::fs::read(&path).map_err(in_file)?));
    }
    Ok(found)
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
