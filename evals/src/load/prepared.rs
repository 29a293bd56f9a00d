//! A checkpoint in every form, and loads of it in fresh processes.

use super::cache::{evict, warm};
use super::child::{self, Loader, Measured, Task};
use super::rows::{LoadRow, Spread, Storage};
use super::timeline::Span;
use super::{How, zst};
use crate::device::{DeviceArg, DtypeArg};
use crate::model::{Checkpoint, read_config};
use crate::progress;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wcodec::checkpoint::{ImportOptions, import};

const ZSTD_LEVEL: i32 = 3;

/// One recorded load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) model: String,
    pub(crate) loader: Loader,
    pub(crate) storage: Storage,
    pub(crate) spans: Vec<Span>,
}

impl Timeline {
    /// Joins work of one kind and thread that follows closely on each other: what a picture cannot show apart.
    pub(crate) fn merge(&mut self) {
        let end = self.spans.iter().map(|span| span.end).fold(0.0, f64::max);
        let mut merged: Vec<Span> = Vec::new();
        for span in std::mem::take(&mut self.spans) {
            let alike =
                |other: &&mut Span| other.stage == span.stage && other.thread == span.thread;
            match merged.iter_mut().rev().find(alike) {
                Some(last) if span.begin - last.end < end / 500.0 => {
                    last.end = last.end.max(span.end);
                    last.name.clear();
                }
                _ => merged.push(span),
            }
        }
        self.spans = merged;
    }
}

/// A checkpoint in every form, on a disk.
pub(crate) struct Prepared {
    name: String,
    safetensors: Vec<PathBuf>,
    zstd: Vec<PathBuf>,
    wcodec: PathBuf,
    config: PathBuf,
}

impl Prepared {
    /// Makes the forms that are missing in `folder`.
    ///
    /// # Errors
    ///
    /// If the weights are not safetensors, or the disk is full.
    pub(crate) fn make(
        name: String,
        weights: &Path,
        against: Option<&Path>,
        config: Option<&Path>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let checkpoint = Checkpoint::open(weights)?;
        ensure!(
            checkpoint.is_safetensors(),
            "--weights must be safetensors: a .wcodec file goes to --against"
        );
        let text = checkpoint.config_bytes(config)?;
        child::check(&read_config("config.json", &text)?)?;
        let config = folder.join("config.json");
        std::fs::write(&config, text).with_context(|| config.display().to_string())?;
        let safetensors = checkpoint.files();
        let wcodec = match against {
            Some(path) => path.to_path_buf(),
            None => {
                let path = folder.join("model.wcodec");
                import(checkpoint.path(), &path, &ImportOptions::default())?;
                path
            }
        };
        let mut zstd = Vec::new();
        let bar = progress::bar("zstd", safetensors.len());
        for (index, file) in safetensors.iter().enumerate() {
            let path = folder.join(format!("{index}.safetensors.zst"));
            zst::compress(file, &path, ZSTD_LEVEL)?;
            zstd.push(path);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(Self {
            name,
            safetensors,
            zstd,
            wcodec,
            config,
        })
    }

    pub(super) fn files(&self, loader: Loader) -> Vec<PathBuf> {
        match loader {
            Loader::Candle | Loader::Pread => self.safetensors.clone(),
            Loader::Zstd => self.zstd.clone(),
            Loader::Wcodec => vec![self.wcodec.clone()],
        }
    }

    pub(super) fn task(
        &self,
        loader: Loader,
        storage: Storage,
        dtype: DtypeArg,
        device: DeviceArg,
    ) -> Task {
        Task {
            loader,
            files: self.files(loader),
            config: self.config.clone(),
            dtype,
            device: device.to_string(),
            bytes_per_second: match storage {
                Storage::Throttled(speed) => Some(speed * 1e9),
                _ => None,
            },
            trace: false,
        }
    }

    /// Loads by everyone from every storage, in turn.
    ///
    /// # Errors
    ///
    /// If a load fails, or gives other logits than the first.
    pub(crate) fn measure(&self, how: &How, device: DeviceArg) -> anyhow::Result<Vec<LoadRow>> {
        let mut storages = vec![Storage::Warm];
        storages.extend(how.cold.then_some(Storage::Cold));
        storages.extend(how.storage.iter().map(|speed| Storage::Throttled(*speed)));
        let mut logits: Option<String> = None;
        let mut rows = Vec::new();
        for storage in storages {
            // A memory map cannot be slowed down.
            let loaders = Loader::ALL.into_iter();
            let loaders = loaders.filter(|loader| {
                *loader != Loader::Candle || !matches!(storage, Storage::Throttled(_))
            });
            let loaders: Vec<Loader> = loaders.collect();
            let mut runs: Vec<Vec<Measured>> = vec![Vec::new(); loaders.len()];
            let mut evicted = vec![None; loaders.len()];
            for _ in 0..how.runs {
                for (index, loader) in loaders.iter().enumerate() {
                    let task = self.task(*loader, storage, how.dtype, device);
                    match storage {
                        Storage::Cold => {
                            evicted[index] = Some(evict(&task.files)?.words().to_owned())
                        }
                        _ => warm(&task.files)?,
                    }
                    let measured = spawn(&task)?;
                    let expected = logits.get_or_insert_with(|| measured.logits.clone());
                    ensure!(
                        *expected == measured.logits,
                        "{} gives other logits for {} than {}",
                        loader.words(),
                        self.name,
                        Loader::Candle.words()
                    );
                    runs[index].push(measured);
                }
            }
            for ((loader, runs), evicted) in loaders.iter().zip(&runs).zip(evicted) {
                let row = self.row(*loader, storage, runs, evicted)?;
                rows.push(LoadRow {
                    dtype: how.dtype,
                    device: device.to_string(),
                    ..row
                });
            }
        }
        Ok(rows)
    }

    fn row(
        &self,
        loader: Loader,
        storage: Storage,
        runs: &[Measured],
        evicted: Option<String>,
    ) -> anyhow::Result<LoadRow> {
        let mut file_bytes = 0;
        for path in self.files(loader) {
            file_bytes += path.metadata()?.len();
        }
        let spread = |stage: fn(&Measured) -> f64| Spread::of(runs.iter().map(stage));
        Ok(LoadRow {
            model: self.name.clone(),
            dtype: DtypeArg::default(),
            device: String::new(),
            storage,
            loader,
            file_bytes,
            runs: runs.len(),
            open: spread(|run| run.open),
            built: spread(|run| run.built),
            first_token: spread(|run| run.first_token),
            decoded: spread(|run| run.decoded),
            peak_bytes: runs.iter().filter_map(|run| run.peak_bytes).max(),
            evicted,
        })
    }

    /// Records one load by each from `storage`.
    ///
    /// # Errors
    ///
    /// If a load fails.
    pub(crate) fn record(
        &self,
        storage: Storage,
        dtype: DtypeArg,
        device: DeviceArg,
    ) -> anyhow::Result<Vec<Timeline>> {
        let mut timelines = Vec::new();
        for loader in Loader::ALL {
            if loader == Loader::Candle && matches!(storage, Storage::Throttled(_)) {
                continue;
            }
            let mut task = self.task(loader, storage, dtype, device);
            task.trace = true;
            match storage {
                Storage::Cold => drop(evict(&task.files)?),
                _ => warm(&task.files)?,
            }
            timelines.push(Timeline {
                model: self.name.clone(),
                loader,
                storage,
                spans: spawn(&task)?.spans,
            });
        }
        Ok(timelines)
    }
}

/// A load in a fresh process.
fn spawn(task: &Task) -> anyhow::Result<Measured> {
    let output = Command::new(std::env::current_exe()?)
        .arg("load-one")
        .arg(serde_json::to_string(task)?)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(
        output.status.success(),
        "loading by {} failed",
        task.loader.words()
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}
