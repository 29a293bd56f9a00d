//! Times and memory of one run.

use std::fmt;
use std::time::{Duration, Instant};

/// When each step of a run ended, and how much text came of it.
#[derive(Debug)]
pub(crate) struct Report {
    start: Instant,
    open: Duration,
    build: Duration,
    first_token: Option<Duration>,
    end: Duration,
    num_tokens: usize,
}

impl Report {
    pub(crate) fn start() -> Self {
        let zero = Duration::ZERO;
        Self {
            start: Instant::now(),
            open: zero,
            build: zero,
            first_token: None,
            end: zero,
            num_tokens: 0,
        }
    }

    /// The weights are open.
    pub(crate) fn opened(&mut self) {
        self.open = self.start.elapsed();
    }

    /// The model is built.
    pub(crate) fn built(&mut self) {
        self.build = self.start.elapsed().saturating_sub(self.open);
    }

    /// The first token is known.
    pub(crate) fn first_token(&mut self) {
        self.first_token = Some(self.start.elapsed());
    }

    /// The text is complete, after `num_tokens` tokens.
    pub(crate) fn finished(&mut self, num_tokens: usize) {
        self.end = self.start.elapsed();
        self.num_tokens = num_tokens;
    }

    /// Tokens a second, the first one left out: it also pays for the prompt.
    fn speed(&self) -> Option<f64> {
        let seconds = self.end.checked_sub(self.first_token?)?.as_secs_f64();
        let num_tokens = self.num_tokens.checked_sub(1).filter(|&n| n > 0)?;
        (seconds > 0.0).then(|| num_tokens as f64 / seconds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line =
            |f: &mut fmt::Formatter<'_>, what: &str, value: Option<f64>, unit: &str| match value {
                Some(value) => writeln!(f, "{what:<20}{value:>9.1} {unit}"),
                None => writeln!(f, "{what:<20}{:>9}", "n/a"),
            };
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        line(f, "open", Some(milliseconds(self.open)), "ms")?;
        line(f, "build the model", Some(milliseconds(self.build)), "ms")?;
        let first = self.first_token.map(milliseconds);
        line(f, "to the first token", first, "ms (from the start)")?;
        line(f, "after it", self.speed(), "tokens/s")?;
        let mebibytes = peak_memory_bytes().map(|bytes| bytes as f64 / f64::from(1 << 20));
        line(f, "peak memory", mebibytes, "MiB")
    }
}

/// The most memory this process has held, where the system tells (Linux).
fn peak_memory_bytes() -> Option<u64> {
    peak_in_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_in_status(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_memory_is_read_from_the_status_file() {
        assert_eq!(
            peak_in_status("Name:\tllama\nVmHWM:\t   40960 kB\nVmRSS:\t 1 kB\n"),
            Some(40 << 20)
        );
        assert_eq!(peak_in_status("Name:\tllama\n"), None);
        assert_eq!(peak_in_status("VmHWM:\tmany kB\n"), None);
    }

    #[test]
    fn speed_leaves_the_first_token_out() {
        let mut report = Report::start();
        report.first_token = Some(Duration::from_secs(1));
        report.end = Duration::from_secs(3);
        report.num_tokens = 9;
        assert_eq!(report.speed(), Some(4.0));
        report.num_tokens = 1;
        assert_eq!(report.speed(), None);
        assert!(
            report
                .to_string()
                .contains("after it                  n/a\n")
        );
    }
}
