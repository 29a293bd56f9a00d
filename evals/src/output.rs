//! What the commands tell. Of this program `println!` and its like are those below, which do not panic when nobody
//! listens any more.

use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;

/// The first failure of the standard output.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Prints to the standard output. A reader that has gone, as after `| head`, is no failure; another one is kept for
/// [`check`].
pub(crate) fn print(text: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    keep(
        &FAILED,
        stdout.write_fmt(text).and_then(|()| stdout.flush()),
    );
}

/// Prints to the standard error, where there is nobody to tell a failure to.
pub(crate) fn print_error(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Whether all that was printed has been written.
///
/// # Errors
///
/// If it has not, for another reason than that nobody reads it.
pub(crate) fn check() -> anyhow::Result<()> {
    match FAILED.get() {
        Some(error) => anyhow::bail!("cannot write to the standard output: {error}"),
        None => Ok(()),
    }
}

fn keep(failed: &OnceLock<io::Error>, outcome: io::Result<()>) {
    if let Err(error) = outcome
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = failed.set(error); // the first one stays
    }
}

macro_rules! print {
    ($($text:tt)*) => { $crate::output::print(format_args!($($text)*)) };
}

macro_rules! println {
    () => { $crate::output::print(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprintln {
    () => { $crate::output::print_error(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::print_error(format_args!("{}\n", format_args!($($text)*))) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_has_gone_is_no_failure() {
        let failed = OnceLock::new();
        keep(&failed, Ok(()));
        keep(&failed, Err(io::ErrorKind::BrokenPipe.into()));
        assert!(failed.get().is_none());
        keep(&failed, Err(io::ErrorKind::StorageFull.into()));
        keep(&failed, Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(failed.get().unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
