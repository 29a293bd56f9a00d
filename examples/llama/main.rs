//! Text from a Llama, with its weights in a `.wcodec` file or in safetensors files.
//!
//! ```text
//! cargo run --release --example llama
//! cargo run --release --example llama -- --weights model.wcodec --prompt "My favourite theorem is"
//! cargo run --release --example llama -- --weights folder/of/safetensors --temperature 0
//! cargo run --release --features cuda --example llama -- --weights model.wcodec --device 1
//! ```
//!
//! The model is candle's own, unmodified; what differs from a program for safetensors is one line of
//! `source.rs`, the one that makes the `VarBuilder`. The files, in the order in which they act:
//!
//! - `args.rs`: the options;
//! - `files.rs`: the files that `--weights` stands for;
//! - `source.rs`: weights, config.json and tokenizer.json out of those files;
//! - `model.rs`: the config checked, the tensors checked against it, the model built;
//! - `generate.rs`: prompt to tokens, tokens to more tokens;
//! - `text.rs`: tokens to text on stdout;
//! - `report.rs`: times and memory, to stderr.

mod args;
mod files;
mod generate;
mod model;
mod report;
mod source;
mod text;

use anyhow::{Context, Result};
use args::Args;
use candle_core::Device;
use clap::Parser;
use generate::{End, Generation};
use report::Report;
use source::Source;
use std::io;
use std::process::ExitCode;
use text::TextStream;

/// Exit code when a file is missing or cannot be read. Wrong usage is 2, from `clap`; all else is 1.
const EXIT_IO: u8 = 3;

fn main() -> ExitCode {
    let args = Args::parse();
    let Err(error) = run(&args) else {
        return ExitCode::SUCCESS;
    };
    match io_error(&error) {
        // The reader of our text has seen enough (`llama | head`): no reason to complain.
        Some(io::ErrorKind::BrokenPipe) => ExitCode::SUCCESS,
        kind => {
            eprintln!("error: {}", message(&error));
            kind.map_or(ExitCode::FAILURE, |_| ExitCode::from(EXIT_IO))
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let mut report = Report::start();

    let source = Source::open(args.weights.as_deref())?;
    report.opened();

    let device = device(args)?;
    let config = model::read_config(&source.config(args.config.as_deref())?)?;
    let tokenizer = generate::read_tokenizer(&source.tokenizer(args.tokenizer.as_deref())?)?;
    let prompt = generate::encode(&tokenizer, &args.prompt, &config)?;
    let dtype = model::choose_dtype(args.dtype, &source, &device);
    model::check_tensors(&config, &source)?;
    let place = if device.is_cuda() { "CUDA" } else { "the CPU" };
    eprintln!("{}, {dtype:?} on {place}", source.describe());

    let model = model::build(source.var_builder(dtype, &device)?, config)?;
    report.built();

    let mut text = TextStream::start(&tokenizer, &args.prompt, &prompt)?;
    let mut generation = Generation::new(&model, prompt, args)?;
    let mut token = generation.next_token()?;
    report.first_token();
    source.finish()?;
    while let Some(chosen) = token {
        text.write(chosen)?;
        token = generation.next_token()?;
    }
    text.finish()?;
    report.finished(generation.num_generated());

    if generation.end() == Some(End::Positions) {
        eprintln!(
            "note: stopped, all {} positions of the model are used",
            model.config.max_position_embeddings
        );
    }
    if args.print_tokens {
        eprintln!("tokens: {:?}", generation.tokens());
    }
    eprint!("{report}");
    Ok(())
}

/// The CUDA device asked for where this build can use one and `--cpu` is not given.
fn device(args: &Args) -> Result<Device> {
    if args.cpu || !candle_core::utils::cuda_is_available() {
        return Ok(Device::Cpu);
    }
    let number = args.device;
    Device::new_cuda(number)
        .with_context(|| format!("cannot use CUDA device {number}; pass --cpu to do without it"))
}

/// The whole error on one line.
fn message(error: &anyhow::Error) -> String {
    let text = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref() {
        Some(candle) => without_backtrace(candle).to_string(),
        None => cause.to_string(),
    };
    let causes: Vec<_> = error.chain().map(text).collect();
    let line = causes.join(": ").replace('\n', ": ");
    // Names come from files, and files from anywhere: nothing of them reaches the terminal unescaped.
    let escaped = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    line.chars().map(escaped).collect()
}

/// With `RUST_BACKTRACE` set, candle's errors print a backtrace too.
fn without_backtrace(error: &candle_core::Error) -> &candle_core::Error {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => without_backtrace(inner),
        _ => error,
    }
}

/// The kind of the I/O error at the root of `error`, if there is one.
fn io_error(error: &anyhow::Error) -> Option<io::ErrorKind> {
    error.chain().find_map(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.map(io::Error::kind)
            .or_else(|| cause.downcast_ref().and_then(candle_io_error))
    })
}

fn candle_io_error(error: &candle_core::Error) -> Option<io::ErrorKind> {
    use candle_core::Error::{Context, Io, WithPath};
    match without_backtrace(error) {
        Io(io) => Some(io.kind()),
        WithPath { inner, .. } | Context { inner, .. } => candle_io_error(inner),
        _ => None,
    }
}
