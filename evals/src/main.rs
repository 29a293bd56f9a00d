//! `evals`: what wcodec saves, on real and on synthetic checkpoints.

mod quantise;
mod size;
mod synthetic;

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
    /// Write a synthetic Llama-shaped checkpoint of any size.
    Synthetic(synthetic::SyntheticArgs),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Size(args) => size::run(&args),
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
