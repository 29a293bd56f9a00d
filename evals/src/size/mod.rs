//! Bits per weight of checkpoints and of quantised versions of them, whole and by tensor class, beside general codecs.

mod peers;
mod tables;
mod version;

use crate::effort::EffortArg;
use crate::inputs::DEFAULT_MODELS;
use crate::json;
use crate::origin::{Measured, Origin};
use crate::progress;
use crate::target::Target;
use anyhow::Context;
use peers::Peer;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use version::versions;
use wcodec::Effort;

pub(crate) use tables::{CODECS, QUANTISED, codecs, speeds};
use tables::{markdown, summary};

/// `evals size`
#[derive(Debug, clap::Args)]
pub(crate) struct SizeArgs {
    /// Folders of models, each with a folder `f32` (and maybe `bf16` and `f16`) that holds model.safetensors.
    #[arg(default_values = REAL_MODELS)]
    models: Vec<String>,
    /// Where the models are.
    #[arg(long, env = "WCODEC_MODELS", default_value = DEFAULT_MODELS)]
    folder: PathBuf,
    /// Encoder effort: fast, default or max.
    #[arg(long, default_value = "default")]
    effort: EffortArg,
    /// Leave out the general codecs, of which some are slow.
    #[arg(long)]
    no_peers: bool,
    /// Write Markdown to this file too.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// One JSON object on stdout instead of the tables.
    #[arg(long)]
    json: bool,
}

/// The models with real weights, the largest ones.
pub(crate) const REAL_MODELS: [&str; 3] = ["stories15M-layers", "stories7m", "tinystories-3m"];

/// Times that a whole file is decoded; the best counts.
pub(crate) const RUNS: usize = 3;

/// The class of all tensors together, as a file with its header.
pub(crate) const WHOLE: &str = "whole file";

/// A codec on a class.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CodecSize {
    pub(crate) codec: String,
    pub(crate) coded_bytes: u64,
    /// GB/s of decoded bytes, with one thread, the best of some runs; of whole files only.
    pub(crate) decode_gb_per_s: Option<f64>,
}

/// One line of the tables.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SizeRow {
    pub(crate) model: String,
    pub(crate) format: String,
    pub(crate) class: String,
    pub(crate) weights: u64,
    pub(crate) raw_bytes: u64,
    /// wcodec first, then the general codecs that were asked for.
    pub(crate) codecs: Vec<CodecSize>,
}

impl SizeRow {
    fn bpw(&self, bytes: u64) -> f64 {
        8.0 * bytes as f64 / self.weights as f64
    }

    fn ours(&self) -> u64 {
        self.codecs.first().map_or(0, |codec| codec.coded_bytes)
    }

    /// Of the raw bytes, in per cent.
    pub(crate) fn percent(&self, bytes: u64) -> f64 {
        100.0 * bytes as f64 / self.raw_bytes as f64
    }
}

/// What is read of the models.
pub(crate) fn inputs(models: &[String], folder: &Path) -> Vec<PathBuf> {
    let paths = models.iter().flat_map(|model| {
        let folder = folder.join(model);
        ["bf16", "f16", "f32"].map(|dtype| folder.join(dtype).join("model.safetensors"))
    });
    paths.filter(|path| path.is_file()).collect()
}

/// Every version of the models, each as a whole and by class.
///
/// # Errors
///
/// If a model cannot be read, or a codec does not give the bytes back.
pub(crate) fn measure(
    models: &[String],
    folder: &Path,
    effort: Effort,
    peers: bool,
) -> anyhow::Result<Vec<SizeRow>> {
    let peers: &[Peer] = if peers { &Peer::ALL } else { &[] };
    let mut rows = Vec::new();
    for model in models {
        let folder = folder.join(model);
        let versions =
            versions(model, &folder).with_context(|| format!("measuring {}", folder.display()))?;
        let bar = progress::bar(model, versions.len());
        for version in versions {
            rows.extend(version.rows(effort, peers)?);
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
    Ok(rows)
}

pub(crate) fn run(args: &SizeArgs) -> anyhow::Result<()> {
    let target = Target::maybe(args.markdown.as_ref())?;
    let inputs = inputs(&args.models, &args.folder);
    let origin = Origin::read(None, &inputs, &[&args.folder])?;
    let results = measure(
        &args.models,
        &args.folder,
        args.effort.into(),
        !args.no_peers,
    )?;
    if let Some(target) = target {
        target.write(&markdown(&results, args.effort.name(), &origin))?;
    }
    if args.json {
        print!("{}", json::rows(&Measured { origin, results })?);
        return Ok(());
    }
    print!("{}", summary(&results).plain());
    if !args.no_peers {
        for grid in [
            codecs(&results, true),
            speeds(&results),
            codecs(&results, false),
        ] {
            print!("\n{}", grid.plain());
        }
    }
    Ok(())
}
