//! Whether a container is whole, and whether it holds what a checkpoint holds.

use super::source::{Checkpoint, Source};
use super::{OnProgress, Progress, report};
use crate::container::{Reader, TensorId, TensorInfo, TensorSpec};
use crate::error::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// What [`verify`] compares with.
#[derive(Clone, Copy, Default)]
pub struct VerifyOptions<'a> {
    /// The checkpoint that the container must hold byte for byte.
    pub against: Option<&'a Path>,
    /// Told how far it is.
    pub on_progress: Option<OnProgress<'a>>,
}

impl fmt::Debug for VerifyOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyOptions")
            .field("against", &self.against)
            .finish_non_exhaustive()
    }
}

/// What [`verify`] looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifySummary {
    /// Tensors.
    pub num_tensors: usize,
    /// Decoded bytes.
    pub raw_bytes: u64,
}

/// Decodes everything in the container and checks it: each checksum, each tensor's BLAKE3 digest, the padding and,
/// if asked, every byte against a checkpoint.
///
/// # Errors
///
/// `Differs` if the checkpoint holds something else, with the tensor and the first byte; otherwise the first
/// damage found, or `Io`.
pub fn verify(reader: &Reader, options: &VerifyOptions<'_>) -> Result<VerifySummary> {
    reader.check_padding()?;
    let checkpoint = options
        .against
        .map(|path| Checkpoint::open(Source::Path(path)))
        .transpose()?;
    if let (Some(checkpoint), Some(path)) = (&checkpoint, options.against) {
        compare_files(reader, checkpoint, path)?;
    }
    for attachment in reader.attachments() {
        reader.attachment(&attachment.name)?;
    }
    for source in 0..reader.sources().len() {
        reader.source_header(source)?;
    }
    let total_bytes = reader.tensors().iter().map(|info| info.raw_bytes).sum();
    let tensors = checkpoint.iter().flat_map(|checkpoint| &checkpoint.tensors);
    let specs: HashMap<&str, &TensorSpec> =
        tensors.map(|spec| (spec.name.as_str(), spec)).collect();
    let mut done_bytes = 0;
    let mut buffer = Vec::new();
    for id in reader.ids() {
        let info = reader.info(id);
        let expected = match &checkpoint {
            Some(checkpoint) => {
                let spec = specs.get(info.name.as_str());
                let missing = || differs(&info.name, "the checkpoint has no such tensor");
                Some((checkpoint, *spec.ok_or_else(missing)?))
            }
            None => None,
        };
        buffer = decode_windows(reader, id, buffer, |first, bytes| {
            if let Some((checkpoint, spec)) = expected {
                compare_bytes(checkpoint, spec, first, &bytes)?;
            }
            done_bytes += bytes.len() as u64;
            let tensor = &info.name;
            let progress = Progress {
                done_bytes,
                total_bytes,
                tensor,
            };
            report(options.on_progress, progress)?;
            Ok(bytes)
        })?;
    }
    Ok(VerifySummary {
        num_tensors: reader.tensors().len(),
        raw_bytes: total_bytes,
    })
}

/// Compares decoded bytes with those of the checkpoint, `first` bytes into the tensor.
fn compare_bytes(
    checkpoint: &Checkpoint<'_>,
    spec: &TensorSpec,
    first: u64,
    bytes: &[u8],
) -> Result<()> {
    let mut expected = vec![0; bytes.len()];
    checkpoint.read(spec, first, &mut expected)?;
    if bytes == expected {
        return Ok(());
    }
    let at = bytes
        .iter()
        .zip(&expected)
        .take_while(|(a, b)| a == b)
        .count();
    Err(differs(
        &spec.name,
        format!("first at its byte {}", first + at as u64),
    ))
}

fn differs(tensor: &str, detail: impl Into<Box<str>>) -> Error {
    Error::from(ErrorKind::Differs {
        detail: detail.into(),
    })
    .in_tensor(tensor)
}

/// Bytes decoded at a time: a multiple of every sample size.
const WINDOW_BYTES: u64 = 32 << 20;

/// Decodes a tensor window by window, passes each on with its first byte, and checks the whole against its digest.
///
/// `take` returns a buffer to decode into next, one it is done with or an empty one: fresh pages cost as much
/// as decoding into them.
///
/// # Errors
///
/// `Malformed` (rule 3.2) if the bytes are not those that were encoded; otherwise that of decoding or of `take`.
pub(super) fn decode_windows(
    reader: &Reader,
    id: TensorId,
    mut buffer: Vec<u8>,
    mut take: impl FnMut(u64, Vec<u8>) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let info = reader.info(id);
    let window_bytes = window_bytes(info);
    let mut hasher = blake3::Hasher::new();
    let mut first = 0;
    while first < info.raw_bytes {
        let len = window_bytes.min(info.raw_bytes - first);
        buffer.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
        reader.decode_byte_range(id, first, &mut buffer)?;
        hasher.update_rayon(&buffer);
        buffer = take(first, buffer)?;
        first += len;
    }
    if *hasher.finalize().as_bytes() != info.digest {
        let kind = ErrorKind::Malformed {
            what: "digest of the decoded bytes",
            rule: "3.2",
        };
        return Err(Error::from(kind).in_tensor(&info.name));
    }
    Ok(buffer)
}

/// Whole chunks, so that none is decoded twice.
fn window_bytes(info: &TensorInfo) -> u64 {
    let chunk_bytes = u64::from(info.chunk_samples) * info.sample_bytes() as u64;
    (WINDOW_BYTES / chunk_bytes).max(1) * chunk_bytes
}

/// Compares names, headers and attachments.
fn compare_files(reader: &Reader, checkpoint: &Checkpoint<'_>, path: &Path) -> Result<()> {
    let differ = |detail: String| {
        Error::from(ErrorKind::Differs {
            detail: detail.into(),
        })
        .in_file(path)
    };
    let (ours, theirs) = (reader.sources(), &checkpoint.sources);
    if ours.len() != theirs.len() {
        return Err(differ(format!(
            "{} safetensors files, {} in the container",
            theirs.len(),
            ours.len()
        )));
    }
    for (number, our) in ours.iter().enumerate() {
        // A single file may have been renamed; shards are told apart by their names.
        let their = theirs
            .iter()
            .find(|their| their.name == our.name || ours.len() == 1);
        let their = their.ok_or_else(|| differ(format!("no file `{}`", our.name)))?;
        if their.header != reader.source_header(number)? {
            return Err(differ(format!("the header of `{}`", their.name)));
        }
    }
    let folder = checkpoint.folder.as_deref().or(checkpoint
        .required_attachments
        .first()
        .and_then(|file| file.parent()));
    for attachment in reader.attachments().iter().filter(|_| folder.is_some()) {
        let file = folder.unwrap_or(path).join(&attachment.name);
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => Some(bytes),
            // An attachment from elsewhere.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::from(error).in_file(&file)),
        };
        if bytes.is_some() && bytes != reader.attachment(&attachment.name)? {
            return Err(differ(format!("the file `{}`", attachment.name)));
        }
    }
    Ok(())
}
