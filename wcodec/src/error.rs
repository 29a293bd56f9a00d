//! What can go wrong, and where.
//!
//! [`ErrorKind`] says what, and is all that the codec's inner layers know; the layer that knows the place adds
//! it to the [`Location`].

use std::fmt;
use std::path::Path;

/// The result of everything that knows a file or a tensor.
pub type Result<T> = std::result::Result<T, Error>;

/// An error and the place it happened at.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    location: Location,
}

const _: () = assert!(size_of::<Error>() <= 128);
const _: () = assert!(size_of::<ErrorKind>() <= 40);

/// What went wrong. Who must act decides the kind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The first bytes are not those of a wcodec file.
    #[error("not a wcodec file (it begins with {found:02x?})")]
    BadMagic {
        /// The first eight bytes.
        found: [u8; 8],
    },
    /// Written by a newer format. Never returned for damage.
    #[error(
        "format version {found} is newer than {newest}, the newest this build reads; upgrade wcodec"
    )]
    UnsupportedVersion {
        /// The file's version.
        found: u16,
        /// The newest version this build reads.
        newest: u16,
    },
    /// A known version, but an id or flag that this build does not know.
    #[error("{what} {id} is not supported by this build; upgrade wcodec")]
    UnsupportedFeature {
        /// The field.
        what: &'static str,
        /// Its value.
        id: u32,
    },
    /// The input ends before `what`.
    #[error("truncated: {what} needs {needed} bytes, {available} are there")]
    Truncated {
        /// What was to be read.
        what: &'static str,
        /// Its length in bytes.
        needed: u64,
        /// The bytes that are there.
        available: u64,
    },
    /// `what` breaks a rule of FORMAT.md.
    #[error("{what} breaks rule {rule} of FORMAT.md")]
    Malformed {
        /// The field or structure.
        what: &'static str,
        /// The section of FORMAT.md that states the rule.
        rule: &'static str,
    },
    /// Bytes are not the ones that were written.
    #[error("{what} is damaged (CRC32C {computed:08x}, {stored:08x} expected)")]
    ChecksumMismatch {
        /// The bytes the checksum covers.
        what: &'static str,
        /// The checksum in the file.
        stored: u32,
        /// The checksum of the bytes found.
        computed: u32,
    },
    /// A valid file asks for more than the caller's [`Limits`](crate::Limits).
    #[error("{what} is {value}, over the limit of {limit}")]
    LimitExceeded {
        /// The quantity.
        what: &'static str,
        /// What the file asks for.
        value: u64,
        /// What the caller allows.
        limit: u64,
    },
    /// The file holds no tensor of that name.
    #[error("no such tensor in the file")]
    TensorNotFound,
    /// The caller's argument is wrong.
    #[error("{what}")]
    InvalidArgument {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The checkpoint to encode is not a valid safetensors checkpoint.
    #[error("not a valid safetensors checkpoint: {detail}")]
    InvalidCheckpoint {
        /// What is wrong with it.
        detail: Box<str>,
    },
    /// The decoded data are not the data they are compared with.
    #[error("differs: {detail}")]
    Differs {
        /// What differs, and where.
        detail: Box<str>,
    },
    /// The target stands already.
    #[error("exists already; use --force to replace it")]
    TargetExists,
    /// The caller's progress callback asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A device decoder failed.
    #[error("{what} failed on the device (code {code})")]
    Device {
        /// The operation.
        what: &'static str,
        /// The device's result, or the kernel's chunk code.
        code: i32,
    },
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Where an error happened; filled outward, each layer adding what it knows.
#[derive(Debug, Default)]
pub struct Location {
    /// The file.
    pub file: Option<Box<Path>>,
    /// The tensor's name.
    pub tensor: Option<Box<str>>,
    /// The chunk's number within the tensor.
    pub chunk: Option<u32>,
    /// The offset of the first wrong byte within the file.
    pub byte: Option<u64>,
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Where it happened, as far as it is known.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Whether the bytes read are damaged or not what FORMAT.md allows.
    pub fn is_corrupt(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::BadMagic { .. }
                | ErrorKind::Truncated { .. }
                | ErrorKind::Malformed { .. }
                | ErrorKind::ChecksumMismatch { .. }
        )
    }

    /// Whether a newer build may read what this one does not.
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::UnsupportedVersion { .. } | ErrorKind::UnsupportedFeature { .. }
        )
    }

    /// Whether larger [`Limits`](crate::Limits) would let the call succeed.
    pub fn is_limit(&self) -> bool {
        matches!(self.kind, ErrorKind::LimitExceeded { .. })
    }

    /// Adds the chunk, unless an inner layer did.
    #[must_use]
    pub fn in_chunk(mut self, chunk: u32) -> Self {
        self.location.chunk.get_or_insert(chunk);
        self
    }

    /// Adds the tensor, unless an inner layer did.
    #[must_use]
    pub fn in_tensor(mut self, name: &str) -> Self {
        self.location.tensor.get_or_insert_with(|| name.into());
        self
    }

    /// Adds the file, unless an inner layer did.
    #[must_use]
    pub fn in_file(mut self, path: &Path) -> Self {
        self.location.file.get_or_insert_with(|| path.into());
        self
    }

    /// Adds the offset of the first wrong byte.
    #[must_use]
    pub fn at_byte(mut self, offset: u64) -> Self {
        self.location.byte.get_or_insert(offset);
        self
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self {
            kind,
            location: Location::default(),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        ErrorKind::Io(error).into()
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match &error.kind {
            ErrorKind::Io(inner) => inner.kind(),
            ErrorKind::Truncated { .. } => Io::UnexpectedEof,
            ErrorKind::TensorNotFound => Io::NotFound,
            ErrorKind::InvalidArgument { .. } => Io::InvalidInput,
            ErrorKind::TargetExists => Io::AlreadyExists,
            ErrorKind::Interrupted => Io::Interrupted,
            _ => Io::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ErrorKind::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Location {
            file,
            tensor,
            chunk,
            byte,
        } = &self.location;
        let mut places = 0;
        let mut place = |f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>| {
            places += 1;
            write!(f, "{}{text}", if places > 1 { ", " } else { "" })
        };
        if let Some(path) = file {
            place(f, format_args!("{}", path.display()))?;
        }
        if let Some(name) = tensor {
            place(f, format_args!("tensor `{name}`"))?;
        }
        if let Some(number) = chunk {
            place(f, format_args!("chunk {number}"))?;
        }
        if let Some(offset) = byte {
            place(f, format_args!("byte {offset}"))?;
        }
        write!(f, "{}{}", if places > 0 { ": " } else { "" }, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_file_tensor_chunk_and_rule() {
        let kind = ErrorKind::Malformed {
            what: "sum of frequencies",
            rule: "4.2",
        };
        let error = Error::from(kind)
            .in_chunk(17)
            .in_tensor("lm_head.weight")
            .in_file(Path::new("m.wcodec"));
        assert_eq!(
            error.to_string(),
            "m.wcodec, tensor `lm_head.weight`, chunk 17: sum of frequencies breaks rule 4.2 of FORMAT.md"
        );
        assert!(error.is_corrupt() && !error.is_unsupported() && !error.is_limit());
        assert_eq!(
            std::io::Error::from(error).kind(),
            std::io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn the_innermost_place_stays() {
        let error = Error::from(ErrorKind::TensorNotFound)
            .in_tensor("inner")
            .in_tensor("outer");
        assert_eq!(error.location().tensor.as_deref(), Some("inner"));
    }
}
