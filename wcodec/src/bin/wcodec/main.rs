//! The `wcodec` command: safetensors checkpoints to `.wcodec` files and back.
//!
//! Each subcommand is a file; `args` says what it takes, `failure` what goes wrong and with which exit code.

mod args;
mod decode;
mod encode;
mod explain;
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

/// What the working subcommands do first: the instruction set, the thread pool, and Ctrl-C.
fn prepare(work: &args::Work) -> Outcome {
    check_simd()?;
    if let Some(threads) = work.threads {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global();
        pool.map_err(|error| Failure::Usage(format!("cannot start {threads} threads: {error}")))?;
    }
    progress::catch_interrupts()
}

/// Refuses a `WCODEC_SIMD` that would silently mean another instruction set.
fn check_simd() -> Outcome {
    let asked = std::env::var_os("WCODEC_SIMD").filter(|asked| !asked.is_empty());
    match asked {
        Some(asked) if wcodec::simd::available().all(|name| asked != name) => {
            let names: Vec<&str> = wcodec::simd::available().collect();
            Err(Failure::Usage(format!(
                "WCODEC_SIMD={}: this machine has {}",
                asked.to_string_lossy(),
                names.join(", ")
            )))
        }
        _ => Ok(()),
    }
}
