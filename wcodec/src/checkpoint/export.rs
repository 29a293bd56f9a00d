//! Container to checkpoint: the same safetensors files, byte for byte.

use super::verify::decode_windows;
use super::{OnProgress, Progress, report};
use crate::container::{Reader, TensorId, target};
use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{channel, sync_channel};
use tempfile::NamedTempFile;

/// How [`export`] writes.
#[derive(Clone, Copy, Default)]
pub struct ExportOptions<'a> {
    /// Whether files of the same names may stand in the target already.
    pub replace: bool,
    /// Whether to leave out the attachments.
    pub no_attachments: bool,
    /// Told how far it is.
    pub on_progress: Option<OnProgress<'a>>,
}

impl fmt::Debug for ExportOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportOptions")
            .field("replace", &self.replace)
            .field("no_attachments", &self.no_attachments)
            .finish_non_exhaustive()
    }
}

/// What [`export`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportSummary {
    /// The files, in the order in which they were written.
    pub files: Vec<PathBuf>,
    /// Length of the safetensors files.
    pub source_bytes: u64,
}

/// Restores the checkpoint: to the file `target` if its name ends in `.safetensors`, else to the folder `target`,
/// with the original file names and the attachments.
///
/// Every tensor is checked against its digest before its file gets a name.
///
/// # Errors
///
/// `TargetExists`; `InvalidArgument` if a sharded checkpoint is to become one file; the first damage found; `Io`;
/// `Interrupted`. Files that are not whole never stand under their names.
pub fn export(
    reader: &Reader,
    target: &Path,
    options: &ExportOptions<'_>,
) -> Result<ExportSummary> {
    reader.check_padding()?;
    let extension = target.extension().filter(|_| !target::names_folder(target));
    let one_file = extension.is_some_and(|extension| extension == "safetensors");
    // Without a separator or a `.` at its end, which a folder that is to be renamed must not have.
    let target: &Path = &target.components().collect::<PathBuf>();
    if one_file && reader.sources().len() != 1 {
        let what = "a checkpoint of several files cannot become one; name a folder";
        return Err(Error::from(ErrorKind::InvalidArgument { what }).in_file(target));
    }
    let in_target = |error: std::io::Error| Error::from(error).in_file(target);
    let files = plan_files(reader, target, one_file, options);
    for (path, _) in &files {
        target::check(path, options.replace)?;
    }
    // A folder that is not there yet is made under another name and renamed when all its files are whole.
    let parent = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let new_folder = if one_file || target.exists() {
        None
    } else {
        Some(temp_folder_in(parent).map_err(in_target)?)
    };
    let folder = match &new_folder {
        Some(folder) => folder.path(),
        None if one_file => parent,
        None => target,
    };
    let mut whole = Vec::with_capacity(files.len());
    let mut done_bytes = 0;
    for (path, content) in &files {
        let written = target::temp_file_in(folder)
            .map_err(Error::from)
            .and_then(|file| match content {
                Content::Source(source) => {
                    write_source(reader, *source, file, &mut done_bytes, options)
                }
                Content::Attachment(name) => write_attachment(reader, name, file),
            });
        let file = written.map_err(|error| error.in_file(path))?;
        whole.push((path, target::flushed(file, path)?));
    }
    for (path, file) in whole {
        let name = path.file_name().unwrap_or_default();
        let place = if new_folder.is_some() {
            folder.join(name)
        } else {
            path.clone()
        };
        target::persist(file, &place, options.replace)?;
    }
    if let Some(folder) = new_folder {
        // Fails if somebody else made the target meanwhile.
        std::fs::rename(folder.path(), target).map_err(in_target)?;
        let _ = folder.keep(); // it has another name now
    }
    let source_bytes = reader
        .sources()
        .iter()
        .map(|source| source.file_bytes)
        .sum();
    Ok(ExportSummary {
        files: files.into_iter().map(|(path, _)| path).collect(),
        source_bytes,
    })
}

enum Content<'a> {
    Source(usize),
    Attachment(&'a str),
}

/// Each file to write and what goes into it.
fn plan_files<'a>(
    reader: &'a Reader,
    target: &Path,
    one_file: bool,
    options: &ExportOptions<'_>,
) -> Vec<(PathBuf, Content<'a>)> {
    if one_file {
        return vec![(target.to_owned(), Content::Source(0))];
    }
    let sources = reader.sources().iter().enumerate();
    let mut files: Vec<_> = sources
        .map(|(number, source)| (target.join(&source.name), Content::Source(number)))
        .collect();
    if !options.no_attachments {
        let attachments = reader
            .attachments()
            .iter()
            .map(|attachment| attachment.name.as_str());
        files.extend(attachments.map(|name| (target.join(name), Content::Attachment(name))));
    }
    files
}

fn temp_folder_in(parent: &Path) -> std::io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wcodec-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o777)); // less the umask
    }
    builder.tempdir_in(parent)
}

fn write_attachment(reader: &Reader, name: &str, mut file: NamedTempFile) -> Result<NamedTempFile> {
    let bytes = reader.attachment(name)?.ok_or(ErrorKind::TensorNotFound)?;
    file.write_all(&bytes)?;
    Ok(file)
}

/// Writes one safetensors file from its first byte to its last, decoding the next window while one is written.
fn write_source(
    reader: &Reader,
    source: usize,
    mut file: NamedTempFile,
    done_bytes: &mut u64,
    options: &ExportOptions<'_>,
) -> Result<NamedTempFile> {
    file.write_all(&reader.source_header(source)?)?;
    let mut ids: Vec<TensorId> = reader
        .ids()
        .filter(|&id| reader.info(id).source == source)
        .collect();
    ids.sort_by_key(|&id| (reader.info(id).data_offset, reader.info(id).raw_bytes));
    let total_bytes = reader.tensors().iter().map(|info| info.raw_bytes).sum();
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Vec<u8>>(1);
        // Written buffers come back to be decoded into again.
        let (return_sender, returned) = channel();
        let writing = scope.spawn(move || -> std::io::Result<NamedTempFile> {
            for bytes in receiver {
                file.write_all(&bytes)?;
                // Nobody takes them back after the last window.
                let _ = return_sender.send(bytes);
            }
            Ok(file)
        });
        let mut buffer = Ok(Vec::new());
        for id in ids {
            let tensor = &reader.info(id).name;
            let Ok(free) = buffer else { break };
            buffer = decode_windows(reader, id, free, |_, bytes| {
                *done_bytes += bytes.len() as u64;
                sender.send(bytes).map_err(|_| ErrorKind::Interrupted)?;
                let done_bytes = *done_bytes;
                report(
                    options.on_progress,
                    Progress {
                        done_bytes,
                        total_bytes,
                        tensor,
                    },
                )?;
                Ok(returned.try_recv().unwrap_or_default())
            });
        }
        drop(sender);
        // A failed write also ends the decoder, whose error then says less.
        let file = writing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        buffer.map(|_| file)
    })
}
