//! `wcodec encode --explain`: why each tensor is coded as it is, as JSON.

use crate::failure::{Failure, Outcome};
use crate::output;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use wcodec::checkpoint::Explanation;
use wcodec::{Considered, Error, ErrorKind};

/// A part of a tensor.
#[derive(Serialize)]
struct Part {
    tensor: String,
    part: usize,
    raw_bytes: u64,
    coded_bytes: u64,
    method: &'static str,
    considered: Vec<Way>,
}

/// A way to code it. Bits are of the whole part.
#[derive(Serialize)]
struct Way {
    tool: &'static str,
    how: String,
    estimated_bits: Option<u64>,
    measured_bits: Option<u64>,
    verdict: &'static str,
}

/// What is written.
#[derive(Serialize)]
struct Report<'a> {
    checkpoint: &'a Path,
    file: &'a Path,
    parts: &'a [Part],
}

/// The explanations so far, for a file that is not there yet.
pub(crate) struct Explainer {
    path: PathBuf,
    replace: bool,
    parts: Mutex<Vec<Part>>,
}

impl Explainer {
    /// Refuses, before any work, a file that may not be written.
    pub(crate) fn new(path: &Path, target: &Path, replace: bool) -> Outcome<Self> {
        output::check_folder_of(path)?;
        if path == target {
            let what = format!(
                "{}: is the container's own name; name another file",
                path.display()
            );
            return Err(Failure::Usage(what));
        }
        match path.symlink_metadata() {
            Ok(found) if !found.is_file() => {
                let what = format!(
                    "{}: is there and not a regular file; name another one",
                    path.display()
                );
                return Err(Failure::Usage(what));
            }
            Ok(_) if !replace => {
                return Err(Error::from(ErrorKind::TargetExists).in_file(path).into());
            }
            _ => {}
        }
        Ok(Self {
            path: path.to_owned(),
            replace,
            parts: Mutex::default(),
        })
    }

    /// Notes why a part is coded as it is.
    pub(crate) fn note(&self, explanation: Explanation<'_>) {
        let part = Part {
            tensor: explanation.tensor.to_owned(),
            part: explanation.part,
            raw_bytes: explanation.raw_bytes,
            coded_bytes: explanation.coded_bytes,
            method: explanation.method,
            considered: explanation.considered.iter().map(way).collect(),
        };
        // A poisoned lock is of another note that failed: the list is whole all the same.
        let mut parts = self
            .parts
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        parts.push(part);
    }

    /// Writes the file.
    pub(crate) fn write(self, checkpoint: &Path, file: &Path) -> Outcome {
        let parts = self
            .parts
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let report = Report {
            checkpoint,
            file,
            parts: &parts,
        };
        let write = || -> io::Result<()> {
            let mut options = File::options();
            options.write(true).truncate(true);
            let options = if self.replace {
                options.create(true)
            } else {
                options.create_new(true)
            };
            let mut out = io::BufWriter::new(options.open(&self.path)?);
            serde_json::to_writer_pretty(&mut out, &report)?;
            out.write_all(b"\n")?;
            out.flush()
        };
        write().map_err(|error| Error::from(error).in_file(&self.path).into())
    }
}

fn way(considered: &Considered) -> Way {
    Way {
        tool: considered.tool.name(),
        how: considered.how.clone(),
        estimated_bits: considered.estimated_bits,
        measured_bits: considered.measured_bits,
        verdict: considered.verdict.name(),
    }
}
