//! Checkpoints of published architectures, with drawn weights: size, encoding, decoding and loading at full size, in
//! bounded memory.

mod architecture;
mod check;
mod draw;
mod encode;
mod folder;
mod measure;
mod outcome;
mod shard;
mod timed;

use crate::effort::EffortArg;
use crate::json;
use crate::origin::{Measured, Origin};
use std::path::PathBuf;

pub(crate) use architecture::{Model, Size};
pub(crate) use measure::Spec;
pub(crate) use outcome::Baseline;
pub(crate) use shard::Quant;

/// `evals baseline`
#[derive(Debug, clap::Args)]
pub(crate) struct BaselineArgs {
    /// The architecture.
    #[arg(long, value_enum, default_value = "tiny")]
    model: Model,
    /// What the matrices are stored as.
    #[arg(long, value_enum, default_value = "bf16")]
    quant: Quant,
    /// How many of the layers; nothing is extrapolated from some of them.
    #[arg(long, value_enum, default_value = "small")]
    size: Size,
    /// Encoder effort: fast, default or max.
    #[arg(long, default_value = "default")]
    effort: EffortArg,
    /// Times that everything is decoded.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// The same seed draws the same weights.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A folder on a disk, for the encoded files and one uncompressed shard at a time: about as much space as the
    /// encoded model takes, and 1 GB more.
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    work_dir: PathBuf,
    /// Leave out the loading into candle.
    #[arg(long)]
    no_load: bool,
    /// Only write the uncompressed checkpoint into this folder, sharded, with its config.json.
    #[arg(long, value_name = "FOLDER")]
    write_to: Option<PathBuf>,
    /// One JSON object on stdout instead of the table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &BaselineArgs) -> anyhow::Result<()> {
    let spec = Spec {
        name: args.model.name().to_owned(),
        architecture: args.model.architecture(args.size),
        quant: args.quant,
        seed: args.seed,
        effort: args.effort,
        runs: args.runs,
        load: !args.no_load,
    };
    if let Some(folder) = &args.write_to {
        return spec.write_folder(folder);
    }
    let origin = Origin::read(None, &[], &[])?;
    let results = spec.measure(&args.work_dir)?;
    if args.json {
        print!("{}", json::rows(&Measured { origin, results })?);
    } else {
        println!("{}", results.title());
        print!("{}", results.grid().plain());
    }
    Ok(())
}
