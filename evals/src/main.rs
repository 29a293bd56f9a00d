//! `evals`: what wcodec saves, on real and on synthetic checkpoints.

// Its macros stand in for those of the standard library, in every module below.
#[macro_use]
mod output;

mod accuracy;
mod baseline;
mod device;
mod effort;
mod gpu_check;
mod inputs;
mod json;
mod load;
mod memory;
mod model;
mod origin;
mod perplexity;
mod progress;
mod quantise;
mod report;
mod size;
mod synthetic;
mod table;
mod target;
mod tensor;
mod tools;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Evaluations of wcodec.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Perplexity of a model, and whether another, or another file of it, predicts the same.
    Perplexity(perplexity::PerplexityArgs),
    /// Seconds to the first token out of .wcodec and out of safetensors, warm, cold, and from slower storage.
    LoadTime(load::LoadArgs),
    /// Load once and print the times; `load-time` starts it.
    #[command(hide = true)]
    LoadOne(load::LoadOneArgs),
    /// Sizes of checkpoints and of quantised versions of them.
    Size(size::SizeArgs),
    /// Each coding tool alone beside the encoder's choice, zstd and xz, on real and structured tensors.
    Tools(tools::ToolsArgs),
    /// Decode on a GPU: every tool, dtype and shape compared with the CPU, orderings, drops, speeds; as JSON.
    GpuCheck(gpu_check::GpuCheckArgs),
    /// What quantisers cost in perplexity, and what coding saves on top of them.
    Accuracy(accuracy::AccuracyArgs),
    /// Everything in one run, as JSON, a page and plots.
    Report(report::ReportArgs),
    /// A published architecture with drawn weights, at full size: size, encoding, decoding, loading.
    Baseline(baseline::BaselineArgs),
    /// Write a synthetic Llama-shaped checkpoint of any size.
    Synthetic(synthetic::SyntheticArgs),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Perplexity(args) => perplexity::run(&args),
        Command::LoadTime(args) => load::run(&args),
        Command::LoadOne(args) => load::run_one(&args),
        Command::Baseline(args) => baseline::run(&args),
        Command::Accuracy(args) => accuracy::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Size(args) => size::run(&args),
        Command::Tools(args) => tools::run(&args),
        Command::GpuCheck(args) => gpu_check::run(&args),
        Command::Synthetic(args) => synthetic::run(&args),
    };
    match result.and_then(|()| output::check()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evals: {error:#}");
            ExitCode::FAILURE
        }
    }
}
