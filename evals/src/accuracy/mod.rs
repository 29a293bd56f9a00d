//! What quantisers cost in accuracy and what coding saves on top: format, bits per weight raw and coded, perplexity.

mod base;
mod blocks;
mod formats;

use crate::inputs::{DEFAULT_MODELS, DEFAULT_TEXT};
use crate::json;
use crate::origin::{Measured, Origin};
use crate::perplexity::{Difference, Quality};
use crate::progress;
use crate::table::{Align, Grid};
use anyhow::Context;
use base::Base;
use formats::FORMATS;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// `evals accuracy`
#[derive(Debug, clap::Args)]
pub(crate) struct AccuracyArgs {
    /// Folders of models, each with a folder `f32` of Hugging Face's files.
    #[arg(default_values = ["stories7m", "tinystories-3m"])]
    models: Vec<String>,
    /// Where the models are.
    #[arg(long, env = "WCODEC_MODELS", default_value = DEFAULT_MODELS)]
    folder: PathBuf,
    /// Where the text tinystories_2MB.txt is; its last 60 documents are predicted.
    #[arg(long, env = "WCODEC_TEXT", default_value = DEFAULT_TEXT)]
    text: PathBuf,
    /// Predict no more than this many tokens, at least 1.
    #[arg(long, value_name = "N")]
    limit_tokens: Option<NonZeroUsize>,
    /// One JSON object on stdout instead of the table.
    #[arg(long)]
    json: bool,
}

/// The text that the reference figures are of.
pub(crate) const TEXT: &str = "tinystories_2MB.txt";

/// One line of the table. Bytes are those of whole files, headers and all.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccuracyRow {
    pub(crate) model: String,
    pub(crate) format: String,
    pub(crate) weights: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) coded_bytes: u64,
    pub(crate) quality: Quality,
    /// Beside F32.
    pub(crate) difference: Difference,
}

impl AccuracyRow {
    /// Bits per weight, raw and coded.
    pub(crate) fn bpw(&self) -> (f64, f64) {
        let bpw = |bytes: u64| 8.0 * bytes as f64 / self.weights as f64;
        (bpw(self.raw_bytes), bpw(self.coded_bytes))
    }
}

/// What the table is measured from.
pub(crate) fn inputs(models: &[String], folder: &Path, text: &Path) -> Vec<PathBuf> {
    let models = models.iter().map(|model| folder.join(model).join("f32"));
    models.chain([text.join(TEXT)]).collect()
}

/// The table of some models.
///
/// # Errors
///
/// If a model or the text cannot be read.
pub(crate) fn measure(
    models: &[String],
    folder: &Path,
    text: &Path,
    most: Option<usize>,
) -> anyhow::Result<Vec<AccuracyRow>> {
    let mut rows = Vec::new();
    for model in models {
        let base =
            Base::load(model, folder, text, most).with_context(|| format!("the model {model}"))?;
        let bar = progress::bar(model, FORMATS.len());
        for format in FORMATS {
            let row = base
                .row(format)
                .with_context(|| format!("{model} as {}", format.name()))?;
            rows.extend(row);
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
    Ok(rows)
}

/// The rows for people.
pub(crate) fn grid(rows: &[AccuracyRow]) -> Grid {
    use Align::{Left, Right};
    let mut grid = Grid::new(&[
        ("model", Left),
        ("format", Left),
        ("b/w raw", Right),
        ("b/w coded", Right),
        ("smaller by", Right),
        ("tokens", Right),
        ("perplexity", Right),
        ("difference", Right),
        ("std. error", Right),
        ("top-1 points", Right),
        ("KL, nats", Right),
        ("KL 99.9 %", Right),
    ]);
    for row in rows {
        let difference = &row.difference;
        let (raw, coded) = row.bpw();
        grid.row([
            row.model.clone(),
            row.format.clone(),
            format!("{raw:.2}"),
            format!("{coded:.2}"),
            format!("{:.1} %", 100.0 - 100.0 * coded / raw),
            row.quality.tokens.to_string(),
            format!("{:.4}", row.quality.perplexity),
            if difference.is_none() {
                "0".to_owned()
            } else {
                format!("{:+.4}", difference.perplexity.value)
            },
            format!("{:.4}", difference.perplexity.error),
            format!("{:+.2}", difference.top1_points.value),
            small(difference.divergence.value),
            small(difference.divergence_999),
        ]);
    }
    grid
}

/// A number of any size; an exact zero is one.
fn small(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value < 0.1 => format!("{value:.1e}"),
        value => format!("{value:.2}"),
    }
}

pub(crate) fn run(args: &AccuracyArgs) -> anyhow::Result<()> {
    let limit = args.limit_tokens.map(NonZeroUsize::get);
    let inputs = inputs(&args.models, &args.folder, &args.text);
    let roots: [&Path; 2] = [&args.folder, &args.text];
    let origin = args.json.then(|| Origin::read(None, &inputs, &roots));
    let origin = origin.transpose()?;
    let results = measure(&args.models, &args.folder, &args.text, limit)?;
    if let Some(origin) = origin {
        print!("{}", json::rows(&Measured { origin, results })?);
    } else {
        print!("{}", grid(&results).plain());
    }
    Ok(())
}
