//! What ends the command early: one line on the standard error stream, and an exit code.

use crate::output::printable;
use std::io::{self, Write};
use std::process::ExitCode;
use wcodec::{Error, ErrorKind};

/// The data differ, are damaged, or are not what the command reads.
const DATA: u8 = 1;
/// The command was asked for something that it does not do.
const USAGE: u8 = 2;
/// Reading or writing failed.
const IO: u8 = 3;
/// Stopped by a signal, as shells report it.
pub(crate) const INTERRUPTED: u8 = 130;

/// The result of a subcommand.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a subcommand did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The codec's error.
    Codec(Error),
    /// The command line asks for something that cannot be.
    Usage(String),
    /// The standard output cannot be written.
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Codec(error)
    }
}

impl Failure {
    /// Prints the line and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let line = match self {
            // Where it was does not matter then.
            Self::Codec(error) if matches!(error.kind(), ErrorKind::Interrupted) => {
                "interrupted".to_owned()
            }
            Self::Codec(error) => format!("{error}{}", advice(error.kind())),
            Self::Usage(text) => text.clone(),
            Self::Output(error) => format!("standard output: {error}"),
        };
        // Nobody is left to hear of a failure here.
        let _ = writeln!(io::stderr(), "wcodec: {}", printable(&line));
        ExitCode::from(self.exit_code())
    }

    fn exit_code(&self) -> u8 {
        let error = match self {
            Self::Codec(error) => error,
            Self::Usage(_) => return USAGE,
            Self::Output(_) => return IO,
        };
        match error.kind() {
            ErrorKind::Io(_) => IO,
            ErrorKind::InvalidArgument { .. }
            | ErrorKind::TargetExists
            | ErrorKind::TensorNotFound => USAGE,
            ErrorKind::Interrupted => INTERRUPTED,
            _ => DATA,
        }
    }
}

/// What to do next, where the error does not say it itself.
fn advice(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::BadMagic { .. } => "; name a file that `wcodec encode` wrote",
        ErrorKind::Truncated { .. }
        | ErrorKind::Malformed { .. }
        | ErrorKind::ChecksumMismatch { .. } => {
            "; fetch the file again, or encode the checkpoint again"
        }
        ErrorKind::Io(error) => match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory => "; check the path",
            io::ErrorKind::PermissionDenied => "; check the permissions",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "; free some space, or name another target"
            }
            io::ErrorKind::FileTooLarge => {
                "; raise the limit on the length of files, or name another target"
            }
            _ => "",
        },
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_say_who_must_act() {
        let code = |kind: ErrorKind| Failure::from(Error::from(kind)).exit_code();
        assert_eq!(code(ErrorKind::BadMagic { found: [0; 8] }), 1);
        assert_eq!(
            code(ErrorKind::UnsupportedVersion {
                found: 2,
                newest: 1
            }),
            1
        );
        assert_eq!(
            code(ErrorKind::LimitExceeded {
                what: "length",
                value: 2,
                limit: 1
            }),
            1
        );
        assert_eq!(
            code(ErrorKind::InvalidCheckpoint {
                detail: "holes".into()
            }),
            1
        );
        assert_eq!(code(ErrorKind::TargetExists), 2);
        assert_eq!(
            code(ErrorKind::InvalidArgument {
                what: "several files"
            }),
            2
        );
        assert_eq!(code(ErrorKind::Io(io::ErrorKind::NotFound.into())), 3);
        assert_eq!(code(ErrorKind::Interrupted), 130);
        assert_eq!(Failure::Usage(String::new()).exit_code(), 2);
        assert_eq!(
            Failure::Output(io::ErrorKind::StorageFull.into()).exit_code(),
            3
        );
    }
}
