//! Everything in one run: JSON, a page, plots.

mod machine;
mod origins;
mod page;
mod parts;
mod plots;
#[cfg(test)]
mod tests;
mod write;

use crate::inputs::{DEFAULT_MODELS, DEFAULT_TEXT};
use crate::target::Target;
use anyhow::Context;
use parts::Part;
use std::path::PathBuf;

pub(crate) use machine::Machine;
pub(crate) use page::escaped;

/// `evals report`
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// How much of everything: `quick` takes minutes, `full` the better part of an hour and 10 GB of disk.
    #[arg(long, value_enum, default_value = "quick")]
    suite: Suite,
    /// What to measure; what is left out stays as it was measured before [default: all; of `quick` all but
    /// baseline-7b].
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Option<Vec<Part>>,
    /// Only write the page and the plots again, from what was measured before.
    #[arg(long, conflicts_with = "parts")]
    draw: bool,
    /// What the machine is called [default: its CPU and number of cores].
    #[arg(long)]
    machine: Option<String>,
    /// Where the results go [default: the machine's name in evals/results].
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// A folder on a disk, for large files.
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    work_dir: PathBuf,
    /// Where the models are.
    #[arg(long, env = "WCODEC_MODELS", default_value = DEFAULT_MODELS)]
    models: PathBuf,
    /// Where the text tinystories_2MB.txt is.
    #[arg(long, env = "WCODEC_TEXT", default_value = DEFAULT_TEXT)]
    text: PathBuf,
    /// Write the load timelines as a Chrome trace, for Perfetto.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// How much to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Suite {
    Quick,
    Full,
}

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<()> {
    // Asked before anything is read: what is measured and digested counts to nobody's load average.
    let machine = Machine::read(args.machine.as_deref());
    let output = args.output.clone().unwrap_or_else(|| {
        let results = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results");
        results.join(machine.slug())
    });
    std::fs::create_dir_all(&output).with_context(|| format!("creating {}", output.display()))?;
    let quick = args.suite == Suite::Quick;
    let parts: Vec<Part> = match &args.parts {
        _ if args.draw => Vec::new(),
        Some(parts) => parts.clone(),
        None => Part::ALL
            .into_iter()
            .filter(|part| !quick || *part != Part::Baseline7b)
            .collect(),
    };
    // What cannot be written, or drawn, is found before anything is measured.
    let pages = ["report.md", "report.html"].map(|name| output.join(name));
    for path in pages.iter().chain(&args.trace) {
        Target::open(path)?;
    }
    let mut kept = Part::ALL.into_iter().filter(|part| !parts.contains(part));
    kept.try_for_each(|part| part.check(&output))?;
    if !parts.is_empty() {
        let work = &args.work_dir;
        tempfile::tempdir_in(work)
            .with_context(|| format!("cannot write into `{}` (--work-dir)", work.display()))?;
    }
    for part in parts {
        eprintln!("measuring {} ...", part.name());
        part.measure(args, machine.clone(), &output)
            .with_context(|| format!("measuring {}", part.name()))?;
    }
    write::page(&output, args.trace.as_deref())?;
    eprintln!("{}", output.join("report.md").display());
    Ok(())
}
