//! How far the work is, for people; and whether it was told to stop.

use crate::failure::{Failure, INTERRUPTED, Outcome};
use crate::units;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wcodec::checkpoint::Progress;

/// Set by the first Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C, or a request to terminate, stop the work at its next report, and the second one at once.
pub(crate) fn catch_interrupts() -> Outcome {
    let stop = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
    };
    ctrlc::set_handler(stop)
        .map_err(|error| Failure::Usage(format!("cannot watch for Ctrl-C: {error}")))
}

/// A bar on the standard error stream if that is a terminal, and a clock.
#[derive(Debug)]
pub(crate) struct Meter {
    bar: ProgressBar,
    start: Instant,
}

impl Meter {
    /// Starts the clock. `verb` stands before the bar.
    pub(crate) fn start(verb: &'static str, quiet: bool) -> Self {
        let bar = if quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::no_length()
        };
        let speed = |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&units::speed(state.per_sec())); // the bar is only a bar
        };
        let template = "{prefix} [{bar:30}] {decimal_bytes}/{decimal_total_bytes}, {speed}, {eta} left  {wide_msg:.dim}";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.with_key("speed", speed).progress_chars("=> "));
        bar.set_prefix(verb);
        Self {
            bar,
            start: Instant::now(),
        }
    }

    /// Takes a report of the codec, and answers whether to go on.
    pub(crate) fn update(&self, progress: Progress<'_>) -> ControlFlow<()> {
        if !self.bar.is_hidden() {
            self.bar.set_length(progress.total_bytes);
            self.bar
                .set_message(crate::output::printable(progress.tensor).into_owned());
            self.bar.set_position(progress.done_bytes);
        }
        if STOP.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Removes the bar and reads the clock.
    pub(crate) fn finish(self) -> Duration {
        self.start.elapsed()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
