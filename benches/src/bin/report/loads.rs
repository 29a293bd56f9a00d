//! Loading into candle, each time in a process of its own, from a warm and from a cold file.

use crate::cache::{evict, resident_percent, warm};
use crate::rows::{LoadRow, Spread};
use anyhow::{Context, ensure};
use candle_core::DType;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wcodec::checkpoint::{ImportOptions, import};
use wcodec_benches::llama;
use wcodec_benches::loading::{Loader, Wanted, real_model, verify, wanted};

/// `report load`
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[arg(long, value_enum)]
    loader: Loader,
    #[arg(long)]
    file: PathBuf,
    #[arg(long)]
    dtype: DType,
    /// A JSON list of names and shapes.
    #[arg(long)]
    wanted: PathBuf,
}

/// What `report load` prints.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Measured {
    seconds: f64,
    peak_rss_bytes: Option<u64>,
}

/// Loads once and prints how long it took.
pub(crate) fn run_one(args: &LoadArgs) -> anyhow::Result<()> {
    let wanted: Vec<Wanted> = serde_json::from_reader(File::open(&args.wanted)?)?;
    let (elapsed, tensors) = args.loader.load(&args.file, args.dtype, &wanted)?;
    let measured = Measured {
        seconds: elapsed.as_secs_f64(),
        peak_rss_bytes: peak_rss_bytes(),
    };
    drop(tensors);
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// The most memory this process had, mapped files included. Linux only.
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// A checkpoint in both forms.
struct Model {
    name: String,
    safetensors: PathBuf,
    wcodec: PathBuf,
    names: PathBuf,
    wanted: Vec<Wanted>,
}

impl Model {
    fn encode(name: String, safetensors: PathBuf) -> anyhow::Result<Self> {
        eprintln!("encoding {name} ...");
        let wcodec = safetensors.with_extension("wcodec");
        let names = safetensors.with_extension("json");
        import(
            &safetensors,
            &wcodec,
            &ImportOptions {
                no_default_attachments: true,
                ..Default::default()
            },
        )?;
        let wanted = wanted(&wcodec)?;
        serde_json::to_writer(File::create(&names)?, &wanted)?;
        Ok(Self {
            name,
            safetensors,
            wcodec,
            names,
            wanted,
        })
    }

    fn file(&self, loader: Loader) -> &Path {
        match loader {
            Loader::Candle => &self.safetensors,
            Loader::Wcodec => &self.wcodec,
        }
    }
}

/// How the file lies before a load.
#[derive(Debug, Clone, Copy)]
enum Cache {
    Warm,
    Cold,
}

/// Loads the real model and one of a billion weights (`quick`: fewer), both in BF16.
pub(crate) fn run(disk: &Path, quick: bool) -> anyhow::Result<Vec<LoadRow>> {
    let folder = tempfile::tempdir_in(disk)?;
    let mut rows = Vec::new();
    if let Some(path) = real_model(folder.path())? {
        rows.extend(measure(
            &Model::encode("stories7m".to_owned(), path)?,
            if quick { 3 } else { 9 },
        )?);
    }
    let layers = if quick { 2 } else { llama::LAYERS };
    let name = if quick {
        "synthetic-llama-2-layers"
    } else {
        "synthetic-llama-1.1b"
    };
    let path = folder.path().join(format!("{name}.safetensors"));
    eprintln!("writing {name} ...");
    llama::write(layers, &path)?;
    rows.extend(measure(&Model::encode(name.to_owned(), path)?, 3)?);
    Ok(rows)
}

fn measure(model: &Model, repetitions: usize) -> anyhow::Result<Vec<LoadRow>> {
    let mut rows = Vec::new();
    for (dtype_name, dtype) in [("f32", DType::F32), ("native bf16", DType::BF16)] {
        eprintln!("{} as {dtype_name}: verifying ...", model.name);
        let loaded_bytes = verify(&model.safetensors, &model.wcodec, dtype, &model.wanted)?;
        for cache in [Cache::Warm, Cache::Cold] {
            let mut runs: [Vec<(Measured, Option<f64>)>; 2] = Default::default();
            for _ in 0..repetitions {
                for (runs, loader) in runs.iter_mut().zip([Loader::Candle, Loader::Wcodec]) {
                    runs.push(load(model, loader, dtype, cache)?);
                }
            }
            let candle = spread(&runs[0]).median;
            for (runs, loader) in runs.iter().zip([Loader::Candle, Loader::Wcodec]) {
                let spread = spread(runs);
                let row = LoadRow {
                    model: model.name.clone(),
                    dtype: dtype_name.to_owned(),
                    cache: format!("{cache:?}").to_lowercase(),
                    loader: loader.to_string(),
                    resident_percent: runs.iter().filter_map(|(_, resident)| *resident).reduce(
                        match cache {
                            Cache::Warm => f64::min,
                            Cache::Cold => f64::max,
                        },
                    ),
                    file_bytes: std::fs::metadata(model.file(loader))?.len(),
                    loaded_bytes,
                    threads: std::thread::available_parallelism().map_or(1, usize::from),
                    repetitions,
                    seconds_median: spread.median,
                    seconds_min: spread.min,
                    seconds_max: spread.max,
                    gb_per_s: loaded_bytes as f64 / spread.median / 1e9,
                    times_candle: candle / spread.median,
                    peak_rss_bytes: runs
                        .iter()
                        .filter_map(|(measured, _)| measured.peak_rss_bytes)
                        .max(),
                };
                let resident = row
                    .resident_percent
                    .map_or("unknown".to_owned(), |percent| format!("{percent:.1} %"));
                eprintln!(
                    "{} as {dtype_name}, {}, {loader}: {:.3} s, {:.2} x candle's speed (file in the page cache before: {resident})",
                    model.name, row.cache, row.seconds_median, row.times_candle
                );
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

fn spread(runs: &[(Measured, Option<f64>)]) -> Spread {
    Spread::of(
        &runs
            .iter()
            .map(|(measured, _)| measured.seconds)
            .collect::<Vec<_>>(),
    )
}

/// One load in a fresh process, and how much of the file lay in the page cache before it.
fn load(
    model: &Model,
    loader: Loader,
    dtype: DType,
    cache: Cache,
) -> anyhow::Result<(Measured, Option<f64>)> {
    let file = model.file(loader);
    match cache {
        Cache::Warm => warm(file)?,
        Cache::Cold => evict(file)?,
    }
    let resident = resident_percent(file);
    let value = clap::ValueEnum::to_possible_value(&loader).context("a loader without a name")?;
    let mut child = Command::new(std::env::current_exe()?);
    child
        .args([
            "load",
            "--loader",
            value.get_name(),
            "--dtype",
            dtype.as_str(),
            "--file",
        ])
        .arg(file)
        .arg("--wanted")
        .arg(&model.names);
    let output = child.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "loading {} failed", file.display());
    Ok((serde_json::from_slice(&output.stdout)?, resident))
}
