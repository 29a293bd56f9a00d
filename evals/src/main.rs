//! `evals`: what wcodec saves, on real and on synthetic checkpoints.

mod effort;
mod gpu_check;
mod quantise;
mod size;
mod synthetic;
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
    /// Sizes of checkpoints and of quantised versions of them.
    Size(size::SizeArgs),
    /// Each coding tool alone beside the encoder's choice, zstd and xz, on real and structured tensors.
    Tools(tools::ToolsArgs),
    /// Decode on a GPU: every tool, dtype and shape compared with the CPU, orderings, drops, speeds; as JSON.
    GpuCheck(gpu_check::GpuCheckArgs),
    /// Write a synthetic Llama-shaped checkpoint of any size.
    Synthetic(synthetic::SyntheticArgs),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Size(args) => size::run(&args),
        Command::Tools(args) => tools::run(&args),
        Command::GpuCheck(args) => gpu_check::run(&args),
        Command::Synthetic(args) => synthetic::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evals: {error:#}");
            ExitCode::FAILURE
        }
    }
}
