//! `evals gpu-check`: everything that takes a GPU to find out, in one program that a machine without Rust can run.
//! GPU.md says how to build it and take it there.

#[cfg(feature = "cuda")]
mod bench;
#[cfg(feature = "cuda")]
mod endings;
#[cfg(feature = "cuda")]
mod inputs;
#[cfg(feature = "cuda")]
mod load;
#[cfg(feature = "cuda")]
mod ordering;
#[cfg(feature = "cuda")]
mod parity;
#[cfg(feature = "cuda")]
mod report;
#[cfg(feature = "cuda")]
mod several;
#[cfg(feature = "cuda")]
mod spin;

use std::path::PathBuf;

/// `evals gpu-check`
#[derive(Debug, clap::Args)]
pub(crate) struct GpuCheckArgs {
    /// The JSON file to write; without it, the JSON goes to stdout.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// The CUDA device.
    #[arg(long, default_value_t = 0)]
    device: usize,
    /// Only the checks and benches whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Size of the synthetic Llama whose load is timed, in MiB; 0 leaves that out.
    #[arg(long, default_value_t = 4096)]
    mebibytes: u64,
    /// Times a load is repeated.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
}

/// Says how to build what this build is not.
///
/// # Errors
///
/// Always.
#[cfg(not(feature = "cuda"))]
pub(crate) fn run(_: &GpuCheckArgs) -> anyhow::Result<()> {
    anyhow::bail!(
        "this build cannot use a GPU: build it with `--features cuda` (evals/GPU.md says how)"
    )
}

/// Runs the checks, then the benches, and writes what they found.
///
/// # Errors
///
/// No device; a check that failed, after all of them were run and written down.
#[cfg(feature = "cuda")]
pub(crate) fn run(args: &GpuCheckArgs) -> anyhow::Result<()> {
    use anyhow::Context;

    let device = candle_core::Device::new_cuda(args.device);
    let device = device.with_context(|| {
        format!(
            "cannot use CUDA device {}: it takes NVIDIA's driver, and cuBLAS and cuRAND where LD_LIBRARY_PATH says",
            args.device
        )
    })?;
    let mut report = report::Report::start(&device, args.only.clone())?;
    parity::run(&mut report, &device)?;
    ordering::run(&mut report, args.device)?;
    endings::run(&mut report, args.device)?;
    several::run(&mut report, args.device)?;
    bench::run(&mut report, &device)?;
    if args.mebibytes > 0 {
        load::run(&mut report, &device, (args.mebibytes, args.repeats))?;
    }
    report.finish(args.output.as_deref())
}
