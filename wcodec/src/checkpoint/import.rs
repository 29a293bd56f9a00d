//! Checkpoint to container: one thread reads ahead, the caller's encodes on its rayon pool, one writes behind
//! ([`pipeline`]).

use super::attachments::{self, Attachment};
use super::source::{Checkpoint, Source};
use super::{OnExplanation, OnProgress, pipeline};
use crate::container::{Writer, target};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{Limits, check};
use crate::search::{Effort, Tool};
use std::fmt;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

/// How [`import`] encodes.
#[derive(Clone, Default)]
pub struct ImportOptions<'a> {
    /// How hard the encoder tries.
    pub effort: Effort,
    /// A tool to use wherever it can be used, and no other: to learn what it is worth.
    pub only: Option<Tool>,
    /// Whether the target may stand already.
    pub replace: bool,
    /// Whether to leave out the [`DEFAULT_ATTACHMENTS`](super::DEFAULT_ATTACHMENTS) of a folder.
    pub no_default_attachments: bool,
    /// More files to carry along, each under its own name.
    pub attachments: Vec<PathBuf>,
    /// Told how far the encoder is.
    pub on_progress: Option<OnProgress<'a>>,
    /// Told why parts are coded as they are.
    pub on_explanation: Option<OnExplanation<'a>>,
}

impl fmt::Debug for ImportOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportOptions")
            .field("effort", &self.effort)
            .field("only", &self.only)
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
/// The bytes written depend on the checkpoint, the effort and the version of this crate alone, not on the number of
/// threads. Memory is bounded by a few parts of 8 MiB (of 32 MiB at [`Effort::Max`]), whatever the size of the model.
///
/// # Errors
///
/// `TargetExists`, `InvalidArgument` (the target is not a regular file or one of the checkpoint's own),
/// `InvalidCheckpoint`, `LimitExceeded` (more than a reader's default [`Limits`]), `Io`, `Interrupted`; nothing then
/// stands under the target's name that did not stand there before.
pub fn import(source: &Path, target: &Path, options: &ImportOptions<'_>) -> Result<ImportSummary> {
    target::check(target, options.replace)?;
    let checkpoint = Checkpoint::open(Source::Path(source))?;
    let attachments = attachments::read(&checkpoint, options)?;
    refuse_own_files(&checkpoint, &attachments, target)?;
    let file = target::temp_file_beside(target)?;
    let writer = Writer::new(file, Some(target))?;
    let (file, summary) = write(&checkpoint, attachments, writer, options)?;
    target::persist(target::flushed(file, target)?, target, options.replace)?;
    Ok(summary)
}

/// Encodes the checkpoint `source` into `sink`, from the sink's start on: the same bytes that [`import`] writes to a
/// file. The sink had better be empty: what it holds beyond [`ImportSummary::file_bytes`] stays, and does not belong to
/// the container. [`ImportOptions::replace`] says nothing here.
///
/// # Errors
///
/// `InvalidCheckpoint`, `LimitExceeded` (more than a reader's default [`Limits`]), `InvalidArgument` (an attachment),
/// `Io`, `Interrupted`; the sink then holds nothing of use.
///
/// # Examples
///
/// From memory to memory:
///
/// ```
/// use std::io::Cursor;
/// use wcodec::checkpoint::{ImportOptions, Source, import_into};
/// # let header = br#"{"w":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}} "#;
/// # let mut safetensors = (header.len() as u64).to_le_bytes().to_vec();
/// # safetensors.extend_from_slice(header);
/// # safetensors.extend_from_slice(&[0x80, 0x3f, 0, 0x40, 0, 0xc0, 0, 0]);
/// let source = Source::Safetensors { name: "model.safetensors", bytes: &safetensors };
/// let mut container = Cursor::new(Vec::new());
/// let summary = import_into(source, &mut container, &ImportOptions::default())?;
/// assert_eq!(summary.file_bytes, container.get_ref().len() as u64);
///
/// let reader = wcodec::Reader::new(container.into_inner(), &wcodec::Limits::default())?;
/// let mut weights = [0f32; 4];
/// reader.decode_floats(reader.find("w").unwrap(), &mut weights)?;
/// assert_eq!(weights, [1.0, 2.0, -2.0, 0.0]);
/// # wcodec::Result::Ok(())
/// ```
pub fn import_into<W: Write + Seek + Send>(
    source: Source<'_>,
    sink: W,
    options: &ImportOptions<'_>,
) -> Result<ImportSummary> {
    let checkpoint = Checkpoint::open(source)?;
    let attachments = attachments::read(&checkpoint, options)?;
    let (_, summary) = write(&checkpoint, attachments, Writer::new(sink, None)?, options)?;
    Ok(summary)
}

/// Writes everything; returns the sink.
fn write<W: Write + Seek + Send>(
    checkpoint: &Checkpoint<'_>,
    attachments: Vec<Attachment>,
    mut writer: Writer<W>,
    options: &ImportOptions<'_>,
) -> Result<(W, ImportSummary)> {
    let limits = Limits::default();
    for tensor in &checkpoint.tensors {
        let checked = check(
            "length of a tensor",
            tensor.raw_bytes,
            limits.max_tensor_bytes,
        );
        checked.map_err(|kind| Error::from(kind).in_tensor(&tensor.name))?;
    }
    pipeline::write_tensors(checkpoint, &mut writer, options)?;
    let mut attachment_bytes = 0;
    for Attachment { name, bytes, .. } in attachments {
        writer.add_attachment(&name, &bytes)?;
        attachment_bytes += bytes.len() as u64;
    }
    for source in &checkpoint.sources {
        writer.add_source(&source.name, &source.header, source.file_bytes)?;
    }
    let tensors = writer.tensors().iter();
    let num_elems = tensors.map(crate::TensorInfo::num_elems).sum();
    let (sink, file_bytes) = writer.finish()?;
    let sources = checkpoint.sources.iter();
    let summary = ImportSummary {
        source_bytes: sources.map(|source| source.file_bytes).sum(),
        file_bytes,
        attachment_bytes,
        num_tensors: checkpoint.tensors.len(),
        num_elems,
    };
    Ok((sink, summary))
}

/// A target that is one of the files the container is made of would be gone with its encoding.
fn refuse_own_files(
    checkpoint: &Checkpoint<'_>,
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
