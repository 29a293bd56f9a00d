//! Bits per weight of checkpoints and of quantised versions of them, whole and by tensor class, beside general codecs.

mod peers;
mod tables;
mod version;

use crate::effort::EffortArg;
use crate::progress;
use anyhow::Context;
use peers::Peer;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use version::versions;
use wcodec::Effort;

pub(crate) use tables::codecs;
use tables::{markdown, summary};

/// `evals size`
#[derive(Debug, clap::Args)]
pub(crate) struct SizeArgs {
    /// Folders of models, each with a folder `f32` (and maybe `bf16` and `f16`) that holds model.safetensors.
    #[arg(default_values = DEFAULT_MODELS)]
    models: Vec<String>,
    /// Where the models are.
    #[arg(long, env = "WCODEC_MODELS", default_value = "../shared/models")]
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
pub(crate) const DEFAULT_MODELS: [&str; 3] = ["stories15M-layers", "stories7m", "tinystories-3m"];

/// The class of all tensors together, as a file with its header.
pub(crate) const WHOLE: &str = "whole file";

/// A codec on a class.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CodecSize {
    pub(crate) codec: String,
    pub(crate) bytes: u64,
    /// GB/s of decoded bytes, with one thread; of whole files only.
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
        self.codecs.first().map_or(0, |codec| codec.bytes)
    }

    /// Of the raw bytes, in per cent.
    pub(crate) fn percent(&self, bytes: u64) -> f64 {
        100.0 * bytes as f64 / self.raw_bytes as f64
    }
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
    let rows = measure(
        &args.models,
        &args.folder,
        args.effort.into(),
        !args.no_peers,
    )?;
    if let Some(path) = &args.markdown {
        std::fs::write(path, markdown(&rows))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print!("{}", summary(&rows).plain());
        if !args.no_peers {
            print!(
                "\n{}\n{}",
                codecs(&rows, true).plain(),
                codecs(&rows, false).plain()
            );
        }
    }
    Ok(())
}
