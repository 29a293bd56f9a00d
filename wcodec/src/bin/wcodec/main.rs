//! The `wcodec` command: safetensors checkpoints to `.wcodec` files and back.
//!
//! Each subcommand is a file; `args` says what it takes, `failure` what goes wrong and with which exit code.

mod args;
mod decode;
mod encode;
mod failure;
mod inspect;
mod output;
mod progress;
mod sizes;
mod units;
mod verify;

use args::{Args, Command};
use clap::{CommandFactory, Parser};
use failure::{Failure, Outcome};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(&Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: &Command) -> Outcome {
    match command {
        Command::Encode(args) => encode::run(args),
        Command::Decode(args) => decode::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Args::command(), "wcodec", &mut script);
            output::print_bytes(&script)
        }
    }
}

/// What the working subcommands do first: the thread pool, and Ctrl-C.
fn prepare(work: &args::Work) -> Outcome {
    if let Some(threads) = work.threads {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global();
        pool.map_err(|error| Failure::Usage(format!("cannot start {threads} threads: {error}")))?;
    }
    progress::catch_interrupts()
}
