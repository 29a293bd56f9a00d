//! What of the codecs to measure, as arguments.

use clap::Args;
use std::path::PathBuf;
use tempfile::TempDir;
use wcodec_benches::Format;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Measure {
    /// Number formats [default: all].
    #[arg(long, value_delimiter = ',', value_enum)]
    formats: Vec<Format>,
    /// Size of an input in MB.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    megabytes: u32,
    /// Rounds of decoding. Encoding has half as many, of a fourth of the bytes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repetitions: u32,
    /// A folder in memory, so that no disk is measured with the encoder [default: /dev/shm, or else the system's for
    /// temporary files].
    #[arg(long)]
    scratch: Option<PathBuf>,
}

impl Measure {
    pub(crate) fn shorten(&mut self) {
        self.megabytes = self.megabytes.div_ceil(4);
        self.repetitions = self.repetitions.min(3);
    }

    pub(crate) fn formats(&self) -> &[Format] {
        if self.formats.is_empty() {
            &Format::ALL
        } else {
            &self.formats
        }
    }

    pub(crate) fn raw_bytes(&self) -> usize {
        self.megabytes as usize * 1_000_000
    }

    /// The arguments that say the same to another process.
    pub(crate) fn as_arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments = vec![
            format!("--megabytes={}", self.megabytes).into(),
            format!("--repetitions={}", self.repetitions).into(),
        ];
        for format in &self.formats {
            let value = clap::ValueEnum::to_possible_value(format);
            arguments.extend(value.map(|value| format!("--formats={}", value.get_name()).into()));
        }
        if let Some(scratch) = &self.scratch {
            arguments.extend(["--scratch".into(), scratch.into()]);
        }
        arguments
    }

    /// The folder in memory.
    pub(crate) fn folder(&self) -> std::io::Result<TempDir> {
        let memory = PathBuf::from("/dev/shm");
        match &self.scratch {
            Some(folder) => tempfile::tempdir_in(folder),
            None if memory.is_dir() => tempfile::tempdir_in(memory),
            None => tempfile::tempdir(),
        }
    }
}
