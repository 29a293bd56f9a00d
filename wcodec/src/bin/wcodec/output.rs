//! What the subcommands tell: results on the standard output, and nothing else there.

use crate::failure::{Failure, Outcome};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use wcodec::Error;

/// Prints a text as it is. A reader that has gone, as after `| head`, is no failure.
pub(crate) fn print(text: &str) -> Outcome {
    print_bytes(text.as_bytes())
}

/// Prints bytes as they are.
pub(crate) fn print_bytes(bytes: &[u8]) -> Outcome {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// Prints one JSON object and a line end.
pub(crate) fn print_json(object: &impl Serialize) -> Outcome {
    let text =
        serde_json::to_string_pretty(object).map_err(|error| Failure::Output(error.into()))?;
    print(&(text + "\n"))
}

/// Says now, and by its name, if the folder that a target is to stand in is not there.
pub(crate) fn check_folder_of(target: &Path) -> Outcome {
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            let error = io::Error::other("no such folder to write to; make it first");
            Err(Error::from(error).in_file(folder).into())
        }
        _ => Ok(()),
    }
}

/// `text` on one line, its control characters escaped: names come from files, and files from anywhere.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("ünï.weight"), "ünï.weight");
        assert_eq!(printable("a\n\u{1b}[2Jb"), "a\\n\\u{1b}[2Jb");
    }
}
