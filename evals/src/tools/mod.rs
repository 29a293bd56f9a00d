//! What each coding tool is worth: every input coded by each tool alone, by the encoder's own choice, by zstd and xz.
//!
//! The inputs are models in the formats that checkpoints come in ([`versions`]) and tensors that are not noise
//! ([`structured`]). Sizes are bits per weight: of whole containers for models, of payloads for single tensors, whose
//! container is the column `file`. `codes` and `entropy` are bits per code of the tensors with codes of at most
//! 8 bits alone, so without scales and vectors. Below the table stand the bounds that the choice has to keep
//! ([`checks`]).

mod checks;
mod entropy;
mod input;
mod measure;
mod structured;
mod table;
mod versions;

use crate::effort::EffortArg;
use crate::inputs::DEFAULT_MODELS;
use crate::json;
use crate::origin::{Measured, Origin};
use crate::target::Target;
use crate::tensor::{self, Tensor};
use anyhow::{Context, ensure};
use input::Input;
use measure::{FILE_NAME, Method, Row};
use std::io::{IsTerminal as _, stderr};
use std::path::{Path, PathBuf};
use std::time::Instant;
use versions::Version;

/// Weights of a model that `--quick` looks at, to the end of a tensor.
const QUICK_WEIGHTS: usize = 1 << 19;

/// `evals tools`
#[derive(Debug, clap::Args)]
pub(crate) struct ToolsArgs {
    /// Folders of models, each with f32/model.safetensors; one that is not there is left out.
    #[arg(long, num_args = 1.., default_values = ["stories15M-layers", "stories7m"])]
    models: Vec<String>,
    /// Where the models are.
    #[arg(long, env = "WCODEC_MODELS", default_value = DEFAULT_MODELS)]
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
    /// Leave out xz and all models but the beginning of the first.
    #[arg(long)]
    quick: bool,
    /// Fail if a bound below the table is missed.
    #[arg(long)]
    check: bool,
}

/// The weights of a model, or of its beginning; nothing, and a word on it, if it is not there.
fn model(folder: &Path, most_weights: usize) -> anyhow::Result<Option<Vec<Tensor>>> {
    let path = folder.join("f32").join(FILE_NAME);
    if !path.is_file() {
        eprintln!("evals: no {}, left out", path.display());
        return Ok(None);
    }
    let mut num_weights = 0;
    let mut tensors = tensor::read(&path)?;
    tensors.retain(|tensor| {
        let is_wanted = num_weights < most_weights;
        num_weights += tensor.shape.iter().product::<usize>();
        is_wanted
    });
    Ok(Some(tensors))
}

fn measure_one(input: &Input, method: Method) -> anyhow::Result<Row> {
    let start = Instant::now();
    let what = format!("{} {}", input.group, input.name);
    let row = measure::measure(input, method).with_context(|| format!("measuring {what}"))?;
    if stderr().is_terminal() {
        let seconds = start.elapsed().as_secs_f64();
        eprintln!(
            "{what}: {:.2} of {:.2} bits, {seconds:.1} s",
            row.choice, row.raw
        );
    }
    Ok(row)
}

/// Measures everything, a model at a time.
fn measure_all(args: &ToolsArgs) -> anyhow::Result<Vec<Row>> {
    let method = Method {
        effort: args.effort.into(),
        xz: !args.quick,
    };
    let (num_models, most_weights) = if args.quick {
        (1, QUICK_WEIGHTS)
    } else {
        (args.models.len(), usize::MAX)
    };
    let mut rows = Vec::new();
    for name in args.models.iter().take(num_models) {
        let Some(model) = model(&args.folder.join(name), most_weights)? else {
            continue;
        };
        for version in Version::ALL {
            rows.push(measure_one(&version.input(name, &model)?, method)?);
        }
    }
    for input in structured::inputs() {
        rows.push(measure_one(&input, method)?);
    }
    Ok(rows)
}

pub(crate) fn run(args: &ToolsArgs) -> anyhow::Result<()> {
    let target = Target::maybe(args.markdown.as_ref())?;
    let models = args.models.iter().map(|model| args.folder.join(model));
    let models = models.map(|model| model.join("f32").join(FILE_NAME));
    let inputs: Vec<PathBuf> = models.filter(|path| path.is_file()).collect();
    let origin = Origin::read(None, &inputs, &[&args.folder])?;
    let rows = measure_all(args)?;
    let checks = checks::checks(&rows);
    let effort = args.effort.name();
    if let Some(target) = target {
        target.write(&table::markdown(effort, &rows, &checks, &origin))?;
    }
    if args.json {
        let results = table::json(effort, &rows, &checks);
        print!("{}", json::rows(&Measured { origin, results })?);
    } else {
        println!("{}", table::table(&rows).plain());
        for check in &checks {
            println!("{check}");
        }
    }
    let num_missed = checks.iter().filter(|check| !check.is_ok()).count();
    ensure!(
        !args.check || num_missed == 0,
        "{num_missed} of {} bounds missed",
        checks.len()
    );
    Ok(())
}
