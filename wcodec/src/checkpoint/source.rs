//! A checkpoint on disk: its safetensors files, their headers checked, and the files that belong to it.

use super::shards::Shards;
use crate::Dtype;
use crate::container::{FileSource, ReadAt, TensorSpec, valid_file_name};
use crate::error::{Error, ErrorKind, Result};
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The files that ride along by default, where a checkpoint's folder has them.
pub const DEFAULT_ATTACHMENTS: [&str; 5] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
];

const SINGLE_FILE: &str = "model.safetensors";
const SHARD_INDEX: &str = "model.safetensors.index.json";
const LENGTH_BYTES: usize = 8;
/// What the safetensors library accepts.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// A checkpoint to import.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A `.safetensors` file, a folder with one, a folder with a sharded one, or a shard index.
    Path(&'a Path),
    /// One safetensors file, in memory or wherever it can be read.
    Safetensors {
        /// The name under which exporting restores it: a plain file name.
        name: &'a str,
        /// Its bytes.
        bytes: &'a dyn ReadAt,
    },
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Safetensors { name, .. } => f
                .debug_struct("Safetensors")
                .field("name", name)
                .finish_non_exhaustive(),
        }
    }
}

/// One safetensors file, its header read and checked.
pub(super) struct SourceFile<'a> {
    pub(super) name: String,
    pub(super) path: PathBuf,
    bytes: SourceBytes<'a>,
    /// The header's length and the header, as they are.
    pub(super) header: Vec<u8>,
    pub(super) file_bytes: u64,
}

enum SourceBytes<'a> {
    File(FileSource),
    Elsewhere(&'a dyn ReadAt),
}

impl SourceBytes<'_> {
    fn get(&self) -> &dyn ReadAt {
        match self {
            Self::File(file) => file,
            Self::Elsewhere(bytes) => *bytes,
        }
    }
}

/// A checkpoint's files and tensors.
pub(super) struct Checkpoint<'a> {
    pub(super) sources: Vec<SourceFile<'a>>,
    /// In the order of the files, and of the data in each.
    pub(super) tensors: Vec<TensorSpec>,
    /// Files to carry along whatever the caller attaches: the shards' index.
    pub(super) required_attachments: Vec<PathBuf>,
    /// The folder, if the checkpoint is one.
    pub(super) folder: Option<PathBuf>,
}

pub(super) fn invalid(path: &Path, detail: impl Into<Box<str>>) -> Error {
    Error::from(ErrorKind::InvalidCheckpoint {
        detail: detail.into(),
    })
    .in_file(path)
}

pub(super) fn in_file<T>(path: &Path, result: std::io::Result<T>) -> Result<T> {
    result.map_err(|error| Error::from(error).in_file(path))
}

/// A file's own name; empty if it has none that is UTF-8.
pub(super) fn file_name_of(path: &Path) -> String {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
        .to_owned()
}

impl<'a> Checkpoint<'a> {
    /// Opens a source and checks every header.
    ///
    /// # Errors
    ///
    /// `InvalidCheckpoint`, `Io`, with the file.
    pub(super) fn open(source: Source<'a>) -> Result<Self> {
        let path = match source {
            Source::Path(path) => path,
            Source::Safetensors { name, bytes } => {
                let mut checkpoint = Self {
                    sources: Vec::new(),
                    tensors: Vec::new(),
                    required_attachments: Vec::new(),
                    folder: None,
                };
                let path = Path::new(name);
                if file_name_of(path) != name {
                    return Err(invalid(path, "not a plain file name"));
                }
                checkpoint.add_source(path.to_owned(), SourceBytes::Elsewhere(bytes))?;
                return Ok(checkpoint);
            }
        };
        let is_folder = in_file(path, std::fs::metadata(path))?.is_dir();
        let (files, shards) = if is_folder {
            find_files(path)?
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let shards = Shards::read(path)?;
            (shards.files()?, Some(shards))
        } else {
            (vec![path.to_owned()], None)
        };
        let mut checkpoint = Self {
            sources: Vec::new(),
            tensors: Vec::new(),
            required_attachments: shards.iter().map(|shards| shards.index.clone()).collect(),
            folder: is_folder.then(|| path.to_owned()),
        };
        for file in files {
            checkpoint.add_file(file)?;
        }
        let mut seen = HashSet::new();
        if let Some(twice) = checkpoint
            .tensors
            .iter()
            .find(|tensor| !seen.insert(&tensor.name))
        {
            let file = &checkpoint.sources[twice.source].path;
            return Err(invalid(file, "the tensor is in another shard too").in_tensor(&twice.name));
        }
        if let Some(shards) = shards {
            checkpoint.check_weight_map(&shards)?;
        }
        Ok(checkpoint)
    }

    /// Every tensor that the index promises is in the shard it names.
    fn check_weight_map(&self, shards: &Shards) -> Result<()> {
        let held: HashMap<&str, &str> = self
            .tensors
            .iter()
            .map(|tensor| {
                (
                    tensor.name.as_str(),
                    self.sources[tensor.source].name.as_str(),
                )
            })
            .collect();
        let astray = |(tensor, shard): &(&String, &String)| {
            held.get(tensor.as_str()) != Some(&shard.as_str())
        };
        match shards.weight_map.iter().find(astray) {
            Some((tensor, shard)) => {
                let detail =
                    format!("the tensor is not in the shard `{shard}` that the index names");
                Err(invalid(&shards.index, detail).in_tensor(tensor))
            }
            None => Ok(()),
        }
    }

    fn add_file(&mut self, path: PathBuf) -> Result<()> {
        check_name(&path)?;
        if !in_file(&path, path.metadata())?.is_file() {
            return Err(invalid(&path, "not a regular file")); // opening a pipe would wait for ever
        }
        let file = FileSource::new(in_file(&path, File::open(&path))?);
        self.add_source(path, SourceBytes::File(file))
    }

    fn add_source(&mut self, path: PathBuf, bytes: SourceBytes<'a>) -> Result<()> {
        check_name(&path)?;
        let file_bytes = in_file(&path, bytes.get().byte_len())?;
        let header = read_header(&path, bytes.get(), file_bytes)?;
        let text = std::str::from_utf8(&header[LENGTH_BYTES..])
            .map_err(|_| invalid(&path, "the header is not UTF-8"))?;
        let metadata: Metadata =
            serde_json::from_str(text).map_err(|error| bad_header(&path, text, &error))?;
        let (data_bytes, held) = (metadata.data_len() as u64, file_bytes - header.len() as u64);
        if data_bytes != held {
            return Err(invalid(
                &path,
                format!(
                    "the header speaks of {data_bytes} bytes of data, the file holds {held}; fetch the file again"
                ),
            ));
        }
        let source = self.sources.len();
        let mut names = metadata.offset_keys();
        // Tensors without elements lie where others begin: by their names, so that the order is always the same.
        names.sort_by_cached_key(|name| {
            (
                metadata.info(name).map(|info| info.data_offsets),
                name.clone(),
            )
        });
        for name in names {
            let Some(info) = metadata.info(&name) else {
                continue;
            };
            if name.len() > usize::from(u16::MAX) || info.shape.len() > usize::from(u8::MAX) {
                return Err(
                    invalid(&path, "a tensor with a name or a shape this long").in_tensor(&name)
                );
            }
            let dtype = Dtype::try_from(info.dtype)
                .map_err(|kind| Error::from(kind).in_tensor(&name).in_file(&path))?;
            let (start, end) = info.data_offsets;
            self.tensors.push(TensorSpec {
                name,
                dtype,
                shape: info.shape.iter().map(|&dim| dim as u64).collect(),
                source,
                data_offset: start as u64,
                raw_bytes: (end - start) as u64,
            });
        }
        self.sources.push(SourceFile {
            name: file_name_of(&path),
            path,
            bytes,
            header,
            file_bytes,
        });
        Ok(())
    }

    /// `len` bytes of a tensor, `first` bytes into it, if they lie in memory.
    pub(super) fn bytes(&self, tensor: &TensorSpec, first: u64, len: usize) -> Option<&[u8]> {
        let source = &self.sources[tensor.source];
        let start = source.header.len() as u64 + tensor.data_offset + first;
        let start = usize::try_from(start).ok()?;
        source.bytes.get().as_bytes()?.get(start..)?.get(..len)
    }

    /// Reads bytes of a tensor, `first` bytes into it.
    pub(super) fn read(&self, tensor: &TensorSpec, first: u64, buf: &mut [u8]) -> Result<()> {
        let source = &self.sources[tensor.source];
        let offset = source.header.len() as u64 + tensor.data_offset + first;
        let read = source.bytes.get().read_exact_at(buf, offset);
        read.map_err(|error| {
            let error = match error.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    std::io::Error::other("the file became shorter while it was read")
                }
                _ => error,
            };
            Error::from(error)
                .in_tensor(&tensor.name)
                .in_file(&source.path)
        })
    }

    /// Bytes of all tensors.
    pub(super) fn total_bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.raw_bytes).sum()
    }
}

/// The error of a header that is not valid, with the first tensor, by name, that contradicts itself.
fn bad_header(path: &Path, text: &str, error: &serde_json::Error) -> Error {
    let entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(text).unwrap_or_default();
    let is_right = |value: serde_json::Value| {
        let info: Option<TensorInfo> = serde_json::from_value(value).ok();
        info.and_then(|info| {
            let (start, end) = info.data_offsets;
            let num_elems = info
                .shape
                .iter()
                .try_fold(1usize, |product, &dim| product.checked_mul(dim))?;
            Some(
                num_elems.checked_mul(info.dtype.bitsize())?
                    == end.checked_sub(start)?.checked_mul(8)?,
            )
        })
    };
    let mut tensors = entries
        .into_iter()
        .filter(|(name, _)| name != "__metadata__");
    let wrong = tensors.find_map(|(name, value)| (is_right(value) != Some(true)).then_some(name));
    let error = invalid(path, format!("bad header: {error}"));
    match wrong {
        Some(name) => error.in_tensor(&name),
        None => error,
    }
}

/// A source's name is restored by exporting.
fn check_name(path: &Path) -> Result<()> {
    if valid_file_name(&file_name_of(path)) {
        return Ok(());
    }
    let detail = "the file's name is not one that every system can restore";
    Err(invalid(path, detail))
}

/// The length field and the header, once the file is known to be long enough for both.
fn read_header(path: &Path, file: &dyn ReadAt, file_bytes: u64) -> Result<Vec<u8>> {
    let mut length = [0; LENGTH_BYTES];
    if file_bytes < LENGTH_BYTES as u64 {
        return Err(invalid(path, "the file is too short for a header"));
    }
    in_file(path, file.read_exact_at(&mut length, 0))?;
    let header_bytes = u64::from_le_bytes(length);
    if header_bytes > MAX_HEADER_BYTES {
        return Err(invalid(
            path,
            format!("a header of {header_bytes} bytes (at most {MAX_HEADER_BYTES} are allowed)"),
        ));
    }
    if header_bytes > file_bytes - LENGTH_BYTES as u64 {
        return Err(invalid(
            path,
            format!(
                "the file ends within its header of {header_bytes} bytes; fetch the file again"
            ),
        ));
    }
    let mut header = vec![0; LENGTH_BYTES + usize::try_from(header_bytes).unwrap_or(usize::MAX)];
    in_file(path, file.read_exact_at(&mut header, 0))?;
    Ok(header)
}

/// The safetensors files of a folder: one named `model.safetensors`, the shards of an index, or the only one there is.
fn find_files(folder: &Path) -> Result<(Vec<PathBuf>, Option<Shards>)> {
    let single = folder.join(SINGLE_FILE);
    if single.is_file() {
        return Ok((vec![single], None));
    }
    let index = folder.join(SHARD_INDEX);
    if index.is_file() {
        let shards = Shards::read(&index)?;
        return Ok((shards.files()?, Some(shards)));
    }
    let mut found = Vec::new();
    for entry in in_file(folder, std::fs::read_dir(folder))? {
        let path = in_file(folder, entry)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            found.push(path);
        }
    }
    match found.len() {
        1 => Ok((found, None)),
        0 => Err(invalid(
            folder,
            "the folder holds no .safetensors file; name one that does, or the file itself",
        )),
        more => Err(invalid(
            folder,
            format!("{more} .safetensors files but no {SHARD_INDEX}; name one of them"),
        )),
    }
}
