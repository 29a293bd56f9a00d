//! A checkpoint in every form, and loads of it in fresh processes.

use super::cache::{Evicted, evict, residency, warm};
use super::child;
use super::rows::{LoadRow, Residency, Spread, Storage};
use super::task::{Loader, Measured, Task, Watch};
use super::timeline::Timeline;
use super::{How, zst};
use crate::device::DeviceArg;
use crate::model::{Checkpoint, read_config};
use crate::progress;
use anyhow::{Context, ensure};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wcodec::checkpoint::{ImportOptions, import};

const ZSTD_LEVEL: i32 = 3;

/// A checkpoint in every form, on a disk.
pub(crate) struct Prepared {
    name: String,
    safetensors: Vec<PathBuf>,
    zstd: Vec<PathBuf>,
    wcodec: PathBuf,
    config: PathBuf,
}

/// The runs of one loader from one storage, so far.
#[derive(Default)]
struct Runs {
    measured: Vec<Measured>,
    /// The worst way of all of them.
    evicted: Option<Evicted>,
    /// What was found before each.
    found: Vec<Option<Residency>>,
    peak_device_bytes: Option<u64>,
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
                // The other forms hold no more than the weights.
                let options = ImportOptions {
                    no_default_attachments: true,
                    ..Default::default()
                };
                import(checkpoint.path(), &path, &options)?;
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

    /// Waits until all files are on the disk: what is still being written would be timed, too.
    fn settle(&self) -> anyhow::Result<()> {
        for path in Loader::ALL
            .into_iter()
            .flat_map(|loader| self.files(loader))
        {
            let file = File::open(&path).and_then(|file| file.sync_all());
            file.with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    pub(super) fn task(&self, loader: Loader, storage: Storage, how: &How) -> Task {
        Task {
            loader,
            files: self.files(loader),
            config: self.config.clone(),
            dtype: how.dtype,
            device: how.device.to_string(),
            bytes_per_second: match storage {
                Storage::Throttled(speed) => Some(speed * 1e9),
                _ => None,
            },
            watch: Watch::Times,
        }
    }

    /// Loads by everyone from every storage, in turn, each run beginning with another loader.
    ///
    /// # Errors
    ///
    /// If a load fails, or gives other logits than the first.
    pub(crate) fn measure(&self, how: &How) -> anyhow::Result<Vec<LoadRow>> {
        self.settle()?;
        let mut storages = vec![Storage::Warm];
        storages.extend(how.cold.then_some(Storage::Cold));
        storages.extend(how.storage.iter().map(|speed| Storage::Throttled(*speed)));
        let mut logits: Option<String> = None;
        let mut rows = Vec::new();
        for storage in storages {
            let mut runs = Loader::ALL.map(|loader| (loader, Runs::default()));
            for run in 0..usize::try_from(how.runs)? {
                let (last, first) = runs.split_at_mut(run % Loader::ALL.len());
                for (loader, runs) in first.iter_mut().chain(last) {
                    let measured = runs.another(&self.task(*loader, storage, how), storage)?;
                    let expected = logits.get_or_insert_with(|| measured.logits.clone());
                    ensure!(
                        *expected == measured.logits,
                        "{} gives other logits for {} than {}",
                        loader.words(),
                        self.name,
                        Loader::Candle.words()
                    );
                }
            }
            for (loader, mut runs) in runs {
                if how.device != DeviceArg::Cpu {
                    runs.watch_device(self.task(loader, storage, how))?;
                }
                rows.push(self.row(loader, storage, how, &runs)?);
            }
        }
        Ok(rows)
    }

    fn row(
        &self,
        loader: Loader,
        storage: Storage,
        how: &How,
        runs: &Runs,
    ) -> anyhow::Result<LoadRow> {
        let mut file_bytes = 0;
        for path in self.files(loader) {
            file_bytes += path.metadata()?.len();
        }
        let measured = &runs.measured;
        let spread = |stage: fn(&Measured) -> f64| Spread::of(measured.iter().map(stage));
        Ok(LoadRow {
            model: self.name.clone(),
            dtype: how.dtype,
            device: how.device.to_string(),
            storage,
            loader,
            file_bytes,
            runs: measured.len(),
            open: spread(|run| run.open),
            built: spread(|run| run.built),
            first_token: spread(|run| run.first_token),
            decoded: spread(|run| run.decoded),
            peak_bytes: measured.iter().filter_map(|run| run.peak_bytes).max(),
            peak_device_bytes: runs.peak_device_bytes,
            storage_bytes: measured.iter().filter_map(|run| run.storage_bytes).max(),
            evicted: runs.evicted.map(|evicted| evicted.words().to_owned()),
            residency: runs.residency(),
        })
    }

    /// Records one load by each from `storage`.
    ///
    /// # Errors
    ///
    /// If a load fails.
    pub(crate) fn record(&self, storage: Storage, how: &How) -> anyhow::Result<Vec<Timeline>> {
        self.settle()?;
        let mut timelines = Vec::new();
        for loader in Loader::ALL {
            let task = Task {
                watch: Watch::Timeline,
                ..self.task(loader, storage, how)
            };
            let mut runs = Runs::default();
            let spans = std::mem::take(&mut runs.another(&task, storage)?.spans);
            timelines.push(Timeline {
                model: self.name.clone(),
                loader,
                storage,
                residency: runs.residency(),
                spans,
            });
        }
        Ok(timelines)
    }
}

impl Runs {
    /// What was found before all of them; nothing if nobody could tell once.
    fn residency(&self) -> Option<Residency> {
        let found: Option<Vec<Residency>> = self.found.iter().copied().collect();
        found?.into_iter().reduce(Residency::or)
    }

    /// Puts the task's files where they are to be, looks whether they are there, and loads once.
    fn another(&mut self, task: &Task, storage: Storage) -> anyhow::Result<&mut Measured> {
        match storage {
            Storage::Cold => self.evicted = self.evicted.max(Some(evict(&task.files)?)),
            _ => warm(&task.files)?,
        }
        self.found.push(residency(&task.files));
        self.measured.push(spawn(task)?);
        self.measured.last_mut().context("no run")
    }

    /// Loads once more, for the device's memory and not for the time.
    fn watch_device(&mut self, task: Task) -> anyhow::Result<()> {
        let task = Task {
            watch: Watch::DeviceMemory,
            ..task
        };
        self.peak_device_bytes = spawn(&task)?.peak_device_bytes;
        Ok(())
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
