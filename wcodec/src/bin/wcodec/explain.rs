//! `wcodec encode --explain`: why each tensor is coded as it is, as JSON.

use crate::failure::{Failure, Outcome};
use crate::output;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use wcodec::checkpoint::Explanation;
use wcodec::{Considered, Error};

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

/// The explanations so far, and the file for them, which was not there before: nothing that stands is ever replaced.
pub(crate) struct Explainer {
    path: PathBuf,
    /// `None` once it is written.
    file: Option<File>,
    parts: Mutex<Vec<Part>>,
}

impl Drop for Explainer {
    /// Leaves no empty file where the encoder failed.
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.path); // it was ours; there is nothing else to say
        }
    }
}

impl Explainer {
    /// Makes the file, before any work, or refuses one that is there.
    pub(crate) fn new(path: &Path, target: &Path) -> Outcome<Self> {
        output::check_folder_of(path)?;
        if path == target {
            let what = format!(
                "{}: is the container's own name; name another file",
                path.display()
            );
            return Err(Failure::Usage(what));
        }
        let file = match File::create_new(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let what = "is there already, and an explanation replaces nothing; name a new file";
                return Err(Failure::Usage(format!("{}: {what}", path.display())));
            }
            Err(error) => return Err(Error::from(error).in_file(path).into()),
        };
        Ok(Self {
            path: path.to_owned(),
            file: Some(file),
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
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(part);
    }

    /// Writes the file.
    pub(crate) fn write(mut self, checkpoint: &Path, file: &Path) -> Outcome {
        let parts = std::mem::take(&mut self.parts).into_inner();
        let parts = parts.unwrap_or_else(PoisonError::into_inner);
        let report = Report {
            checkpoint,
            file,
            parts: &parts,
        };
        let write = |out: &File| -> io::Result<()> {
            let mut out = io::BufWriter::new(out);
            serde_json::to_writer_pretty(&mut out, &report)?;
            out.write_all(b"\n")?;
            out.flush()
        };
        if let Some(out) = &self.file {
            write(out).map_err(|error| Error::from(error).in_file(&self.path))?;
        }
        self.file = None;
        Ok(())
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
