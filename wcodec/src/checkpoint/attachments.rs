//! The files that ride along in a container.

use super::import::ImportOptions;
use super::source::{Checkpoint, DEFAULT_ATTACHMENTS, file_name_of};
use crate::container::valid_file_name;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{Limits, check};
use std::collections::HashMap;
use std::path::PathBuf;

/// A file to attach.
pub(super) struct Attachment {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Reads every attachment: the shard index, the default ones of a folder, those asked for. A file that is asked for
/// twice is attached once.
///
/// # Errors
///
/// `InvalidArgument` if a name is no plain file name or is taken, or the path is no regular file; `LimitExceeded`
/// if it is larger than a reader's default [`Limits`] allow; `Io`.
pub(super) fn read(
    checkpoint: &Checkpoint<'_>,
    options: &ImportOptions<'_>,
) -> Result<Vec<Attachment>> {
    let mut paths = checkpoint.required_attachments.clone();
    let folder = checkpoint
        .folder
        .as_ref()
        .filter(|_| !options.no_default_attachments);
    if let Some(folder) = folder {
        let defaults = DEFAULT_ATTACHMENTS.map(|name| folder.join(name));
        paths.extend(defaults.into_iter().filter(|path| path.is_file()));
    }
    paths.extend(options.attachments.iter().cloned());
    // The place of each name's file; the checkpoint's own files are no attachments.
    let sources = checkpoint.sources.iter();
    let mut names: HashMap<String, Option<PathBuf>> =
        sources.map(|source| (source.name.clone(), None)).collect();
    let mut found = Vec::new();
    for path in paths {
        let in_file = |error: std::io::Error| Error::from(error).in_file(&path);
        let invalid = |what| Error::from(ErrorKind::InvalidArgument { what }).in_file(&path);
        let name = file_name_of(&path);
        if !valid_file_name(&name) {
            return Err(invalid(
                "not a name that every system can restore; rename the file",
            ));
        }
        let metadata = path.metadata().map_err(in_file)?;
        if !metadata.is_file() {
            return Err(invalid("not a regular file, so it cannot be attached"));
        }
        let len = metadata.len();
        check(
            "length of an attachment",
            len,
            Limits::default().max_attachment_bytes,
        )
        .map_err(|kind| Error::from(kind).in_file(&path))?;
        let place = path.canonicalize().ok();
        match names.insert(name.clone(), place.clone()) {
            Some(taken) if taken == place && place.is_some() => continue,
            Some(_) => {
                return Err(invalid(
                    "another file of that name is in the container already",
                ));
            }
            None => {}
        }
        let bytes = std::fs::read(&path).map_err(in_file)?;
        found.push(Attachment { path, name, bytes });
    }
    Ok(found)
}
