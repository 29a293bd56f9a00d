//! Time from nothing to the first token, out of each kind of file, in a fresh process for each run.

mod cache;
mod cast;
mod child;
mod contender;
mod device_memory;
mod eager;
mod paged;
mod prepared;
mod recorder;
mod rows;
mod safetensors_header;
mod storage;
mod task;
#[cfg(test)]
mod tests;
mod throttle;
mod timeline;
mod trace;
mod verdict;
mod zst;

use crate::device::{DeviceArg, DtypeArg};
use crate::json;
use crate::origin::{Measured, Origin};
use crate::target::Target;
use anyhow::Context;
use std::path::PathBuf;

pub(crate) use cache::warm;
#[cfg(feature = "cuda")]
pub(crate) use cache::{Evicted, evict};
pub(crate) use child::{LoadOneArgs, run as run_one};
pub(crate) use prepared::Prepared;
#[cfg(test)]
pub(crate) use rows::tests::row;
pub(crate) use rows::{LoadRow, Spread, Storage, evictions, grid};
pub(crate) use safetensors_header::Header;
pub(crate) use task::Loader;
pub(crate) use timeline::{Span, Stage, Timeline};
pub(crate) use trace::trace_json;
pub(crate) use verdict::verdict;

/// `evals load-time`
#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    /// A safetensors file, or a folder of Hugging Face's, sharded or not.
    #[arg(long, value_name = "PATH")]
    weights: PathBuf,
    /// The same as a .wcodec file [default: encoded into --work-dir].
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    how: How,
    /// The model's config.json [default: the one beside the weights].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A folder on a disk, for files made on the way: as much space as the weights take.
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    work_dir: PathBuf,
    /// Record one load of each kind and write it as a Chrome trace, for Perfetto.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// One JSON object on stdout instead of the table.
    #[arg(long)]
    json: bool,
}

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct How {
    /// Loads of each kind; medians are shown.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: u32,
    /// Load from files that are not in the page cache, too.
    #[arg(long)]
    pub(crate) cold: bool,
    /// Load from storage slowed down to these speeds in GB/s, too, all files together, for example 0.2,1,3,7.
    #[arg(long, value_name = "SPEEDS", value_delimiter = ',', value_parser = speed)]
    pub(crate) storage: Vec<f64>,
    /// Number type to load as.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) dtype: DtypeArg,
    /// Where the model is loaded to: cpu or cuda:N.
    #[arg(long, default_value_t)]
    pub(crate) device: DeviceArg,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
        _ => Err("must be a number above 0".into()),
    }
}

impl LoadArgs {
    /// The files and folders that are read: with a single file, the config beside it.
    fn inputs(&self) -> Vec<PathBuf> {
        let mut inputs = vec![self.weights.clone()];
        inputs.extend([&self.against, &self.config].into_iter().flatten().cloned());
        let beside = self.weights.with_file_name("config.json");
        if self.config.is_none() && self.weights.is_file() && beside.is_file() {
            inputs.push(beside);
        }
        inputs
    }
}

pub(crate) fn run(args: &LoadArgs) -> anyhow::Result<()> {
    let trace = Target::maybe(args.trace.as_ref())?;
    let folder = tempfile::tempdir_in(&args.work_dir).with_context(|| {
        format!(
            "cannot write into `{}` (--work-dir)",
            args.work_dir.display()
        )
    })?;
    args.how.device.open()?;
    let name = args.weights.display().to_string();
    let prepared = Prepared::make(
        name,
        &args.weights,
        args.against.as_deref(),
        args.config.as_deref(),
        folder.path(),
    )?;
    let origin = args.json.then(|| Origin::read(None, &args.inputs(), &[]));
    let origin = origin.transpose()?;
    let rows = prepared.measure(&args.how)?;
    if let Some(origin) = origin {
        let results = rows;
        print!("{}", json::rows(&Measured { origin, results })?);
    } else {
        print!("{}", grid(&rows).plain());
        let evicted = evictions(&rows);
        if !evicted.is_empty() {
            println!("cold: {evicted}");
        }
        println!("{}", verdict(&rows));
    }
    if let Some(target) = trace {
        let timelines = prepared.record(Storage::Warm, &args.how)?;
        target.write(&trace_json(&timelines).to_string())?;
    }
    Ok(())
}
