//! A bar on the standard error stream, if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `len` steps.
pub(crate) fn bar(what: &str, len: usize) -> ProgressBar {
    let bar = ProgressBar::new(len as u64); // hidden by itself where there is no terminal
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len}, {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar.set_prefix(what.to_owned());
    bar
}
