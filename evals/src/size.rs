//! Bits per weight of checkpoints and of quantised versions of them.

use crate::effort::EffortArg;
use crate::quantise::Scheme;
use crate::tensor;
use anyhow::Context;
use comfy_table::{CellAlignment, Table, TableStyle, presets};
use std::path::{Path, PathBuf};
use wcodec::{Effort, Reader, checkpoint};

/// `evals size`
#[derive(Debug, clap::Args)]
pub(crate) struct SizeArgs {
    /// Folders of models, each with a folder `f32` (and maybe `bf16` and `f16`) that holds model.safetensors.
    #[arg(default_values = ["stories15M-layers", "stories7m", "tinystories-3m"])]
    models: Vec<String>,
    /// Where the models are.
    #[arg(long, env = "WCODEC_MODELS", default_value = "../shared/models")]
    folder: PathBuf,
    /// Encoder effort: fast, default or max.
    #[arg(long, default_value = "default")]
    effort: EffortArg,
    /// Write Markdown to this file too.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// One JSON object on stdout instead of the table.
    #[arg(long)]
    json: bool,
}

/// The quantised versions of each model.
const SCHEMES: [Scheme; 4] = [
    Scheme::Int8Tensor,
    Scheme::Int8Row,
    Scheme::Int4Group128,
    Scheme::Fp8Row,
];

/// One line of the table. Bits are per weight, of whole files with headers, index and checksums.
struct Row {
    model: String,
    format: String,
    weights: u64,
    raw_bpw: f64,
    coded_bpw: f64,
}

/// Encodes one checkpoint and measures it.
fn measure(
    model: &str,
    format: &str,
    source: &Path,
    weights: Option<u64>,
    effort: Effort,
) -> anyhow::Result<Row> {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("m.wcodec");
    let options = checkpoint::ImportOptions {
        effort,
        ..Default::default()
    };
    let summary = checkpoint::import(source, &target, &options)?;
    let verify = checkpoint::VerifyOptions {
        against: Some(source),
        ..Default::default()
    };
    checkpoint::verify(&Reader::open(&target)?, &verify)?;
    let weights = weights.unwrap_or(summary.num_elems);
    let bpw = |bytes: u64| 8.0 * bytes as f64 / weights as f64;
    Ok(Row {
        model: model.to_owned(),
        format: format.to_owned(),
        weights,
        raw_bpw: bpw(summary.source_bytes),
        coded_bpw: bpw(summary.file_bytes),
    })
}

/// Writes the F32 checkpoint `source` with all its matrices quantised to `target`; the number of weights.
fn quantise(source: &Path, scheme: Scheme, target: &Path) -> anyhow::Result<u64> {
    let mut out = Vec::new();
    let mut num_weights = 0;
    for tensor in tensor::read(source)? {
        let weights = tensor
            .weights()
            .with_context(|| source.display().to_string())?;
        num_weights += weights.len() as u64;
        if tensor.is_matrix() {
            out.extend(scheme.apply(&tensor.name, &weights, tensor.columns()));
        } else {
            out.push(tensor);
        }
    }
    std::fs::write(target, tensor::safetensors_file(&out)?)?;
    Ok(num_weights)
}

fn measure_model(model: &str, folder: &Path, effort: Effort) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (format, dtype) in [("BF16", "bf16"), ("F16", "f16"), ("F32", "f32")] {
        let source = folder.join(dtype).join("model.safetensors");
        if source.is_file() {
            rows.push(measure(model, format, &source, None, effort)?);
        }
    }
    let source = folder.join("f32").join("model.safetensors");
    for scheme in SCHEMES {
        let scratch = tempfile::tempdir()?;
        let target = scratch.path().join("model.safetensors");
        let weights = quantise(&source, scheme, &target)?;
        rows.push(measure(
            model,
            scheme.name(),
            &target,
            Some(weights),
            effort,
        )?);
    }
    Ok(rows)
}

fn table(rows: &[Row], preset: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(preset).set_header([
        "model",
        "format",
        "weights",
        "b/w raw",
        "b/w coded",
        "of raw",
        "smaller by",
    ]);
    for row in rows {
        let share = 100.0 * row.coded_bpw / row.raw_bpw;
        table.add_row([
            row.model.clone(),
            row.format.clone(),
            row.weights.to_string(),
            format!("{:.2}", row.raw_bpw),
            format!("{:.2}", row.coded_bpw),
            format!("{share:.1} %"),
            format!("{:.1} %", 100.0 - share),
        ]);
    }
    for column in 2..7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

pub(crate) fn run(args: &SizeArgs) -> anyhow::Result<()> {
    let effort = args.effort.into();
    let mut rows = Vec::new();
    for model in &args.models {
        let folder = args.folder.join(model);
        rows.extend(
            measure_model(model, &folder, effort)
                .with_context(|| format!("measuring {}", folder.display()))?,
        );
    }
    if let Some(path) = &args.markdown {
        let text = format!("{}\n", table(&rows, presets::ASCII_MARKDOWN));
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if args.json {
        let rows = rows.iter().map(|row| {
            serde_json::json!({
                "model": row.model, "format": row.format, "weights": row.weights,
                "raw_bits_per_weight": row.raw_bpw, "coded_bits_per_weight": row.coded_bpw,
            })
        });
        println!("{}", serde_json::Value::Array(rows.collect()));
    } else {
        println!("{}", table(&rows, presets::NOTHING));
    }
    Ok(())
}
