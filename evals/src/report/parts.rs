//! What a report measures, and the files that keep it.

use super::machine::Machine;
use super::{ReportArgs, Suite};
use crate::accuracy::{self, TEXT};
use crate::baseline::{Model, Quant, Size, Spec};
use crate::device::{DeviceArg, DtypeArg};
use crate::effort::EffortArg;
use crate::load::{How, LoadRow, Prepared, Storage, Timeline};
use crate::memory::hex;
use crate::perplexity::{self, Outcome};
use crate::size;
use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use wcodec::Effort;
use wcodec::checkpoint::{ImportOptions, import};

/// The models that speak, smallest first.
const MODELS: [&str; 4] = ["stories260K", "tiny1m", "tinystories-3m", "stories7m"];
/// Tokens that a quick run predicts.
const QUICK_TOKENS: usize = 1000;
/// Tokens that are predicted in BF16 and F16, in which candle is slow on a CPU.
const HALF_TOKENS: usize = 2000;

/// A part of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Models against their .wcodec files.
    Perplexity,
    /// What quantisers cost.
    Accuracy,
    /// Sizes beside general codecs.
    Size,
    /// Time to the first token.
    Load,
    /// TinyLlama 1.1B, drawn.
    Baseline,
    /// Llama 2 7B, drawn: 10 GB of disk.
    #[value(name = "baseline-7b")]
    Baseline7b,
}

/// What is in a part's file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured<T> {
    pub(crate) machine: Machine,
    /// SHA-256 of each input file; drawn inputs follow from the program.
    pub(crate) inputs: BTreeMap<String, String>,
    pub(crate) results: T,
}

/// One model in one format, as safetensors and as .wcodec.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PerplexityRow {
    pub(crate) model: String,
    pub(crate) stored: String,
    pub(crate) outcome: Outcome,
}

/// Loads, and a recorded one of each kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Loads {
    pub(crate) rows: Vec<LoadRow>,
    pub(crate) timelines: Vec<Timeline>,
}

impl Part {
    pub(crate) const DEFAULT: [Self; 5] = [
        Self::Perplexity,
        Self::Accuracy,
        Self::Size,
        Self::Load,
        Self::Baseline,
    ];

    /// Its name on the command line and of its file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Perplexity => "perplexity",
            Self::Accuracy => "accuracy",
            Self::Size => "size",
            Self::Load => "load",
            Self::Baseline => "baseline",
            Self::Baseline7b => "baseline-7b",
        }
    }

    /// Measures it and writes its file.
    ///
    /// # Errors
    ///
    /// If an input is missing, or anything fails.
    pub(crate) fn measure(
        self,
        args: &ReportArgs,
        machine: &Machine,
        output: &Path,
    ) -> anyhow::Result<()> {
        let full = args.suite == Suite::Full;
        let text = args.text.join(TEXT);
        let models: &[&str] = if full { &MODELS[2..] } else { &MODELS[2..3] };
        let names: Vec<String> = models
            .iter()
            .rev()
            .map(|model| (*model).to_owned())
            .collect();
        let weights = |model: &str, dtype: &str| {
            args.models
                .join(model)
                .join(dtype)
                .join("model.safetensors")
        };
        let mut inputs: Vec<PathBuf> = Vec::new();
        let results = match self {
            Self::Perplexity => {
                let models: &[&str] = if full { &MODELS } else { &MODELS[2..3] };
                for model in models {
                    inputs.extend(["f32", "bf16", "f16"].map(|dtype| weights(model, dtype)));
                }
                inputs.push(text.clone());
                serde_json::to_value(perplexities(args, models, &text)?)?
            }
            Self::Accuracy => {
                inputs.extend(names.iter().map(|model| weights(model, "f32")));
                inputs.push(text);
                let most = (!full).then_some(QUICK_TOKENS);
                serde_json::to_value(accuracy::measure(&names, &args.models, &args.text, most)?)?
            }
            Self::Size => {
                let names = if full {
                    size::DEFAULT_MODELS.map(str::to_owned).to_vec()
                } else {
                    names
                };
                inputs.extend(names.iter().map(|model| weights(model, "f32")));
                serde_json::to_value(size::measure(&names, &args.models, Effort::Default, true)?)?
            }
            Self::Load => {
                inputs.push(weights("stories7m", "bf16"));
                serde_json::to_value(loads(args, full)?)?
            }
            Self::Baseline | Self::Baseline7b => {
                let size = if full { Size::Full } else { Size::Small };
                let model = match self {
                    Self::Baseline => Model::Tiny,
                    _ => Model::Llama2,
                };
                let spec = Spec {
                    name: model.name().to_owned(),
                    architecture: model.architecture(size),
                    quant: Quant::Bf16,
                    seed: 1,
                    effort: EffortArg::Default,
                    runs: 3,
                    load: true,
                };
                serde_json::to_value(spec.measure(&args.work_dir)?)?
            }
        };
        let inputs = inputs.iter().map(|path| {
            let name = path
                .strip_prefix(&args.models)
                .or_else(|_| path.strip_prefix(&args.text));
            Ok((name.unwrap_or(path).display().to_string(), sha256(path)?))
        });
        let measured = Measured {
            machine: machine.clone(),
            inputs: inputs.collect::<anyhow::Result<_>>()?,
            results,
        };
        let path = self.file(output);
        std::fs::write(&path, format!("{:#}\n", serde_json::to_value(&measured)?))
            .with_context(|| path.display().to_string())
    }

    fn file(self, output: &Path) -> PathBuf {
        output.join(format!("{}.json", self.name()))
    }

    /// What was measured last, if it was.
    ///
    /// # Errors
    ///
    /// If the file holds something else.
    pub(crate) fn read<T: DeserializeOwned>(
        self,
        output: &Path,
    ) -> anyhow::Result<Option<Measured<T>>> {
        let path = self.file(output);
        if !path.exists() {
            return Ok(None);
        }
        let file = std::io::BufReader::new(File::open(&path)?);
        let measured = serde_json::from_reader(file);
        Ok(Some(measured.with_context(|| {
            format!(
                "{} is not of this version: measure it again",
                path.display()
            )
        })?))
    }
}

fn perplexities(
    args: &ReportArgs,
    models: &[&str],
    text: &Path,
) -> anyhow::Result<Vec<PerplexityRow>> {
    let quick = (args.suite == Suite::Quick).then_some(QUICK_TOKENS);
    let mut rows = Vec::new();
    for model in models {
        for stored in [DtypeArg::F32, DtypeArg::BF16, DtypeArg::F16] {
            let folder = args.models.join(model).join(stored.to_string());
            let scratch = tempfile::tempdir()?;
            let coded = scratch.path().join("model.wcodec");
            import(&folder, &coded, &ImportOptions::default())?;
            let mut computed = vec![(DtypeArg::F32, quick)];
            if stored != DtypeArg::F32 {
                computed.push((stored, Some(quick.unwrap_or(HALF_TOKENS))));
            }
            for (dtype, most) in computed {
                let mut outcome = perplexity::compare(&folder, &coded, text, dtype, most)?;
                outcome.weights = format!("{model}/{stored}");
                outcome.against = Some(format!("{model}/{stored} as .wcodec"));
                rows.push(PerplexityRow {
                    model: (*model).to_owned(),
                    stored: stored.to_string(),
                    outcome,
                });
            }
        }
    }
    Ok(rows)
}

fn loads(args: &ReportArgs, full: bool) -> anyhow::Result<Loads> {
    let folder = tempfile::tempdir_in(&args.work_dir)?;
    let how = How {
        runs: if full { 9 } else { 3 },
        cold: true,
        storage: vec![0.2, 1.0, 3.0, 7.0],
        dtype: DtypeArg::F32,
        device: DeviceArg::Cpu,
    };
    let real = args.models.join("stories7m").join("bf16");
    let small = folder.path().join("small");
    std::fs::create_dir_all(&small)?;
    let prepared = Prepared::make("stories7m".to_owned(), &real, None, None, &small)?;
    let mut rows = prepared.measure(&how)?;
    let mut timelines = prepared.record(Storage::Warm, &how)?;
    if full {
        let spec = Spec {
            name: Model::Tiny.name().to_owned(),
            architecture: Model::Tiny.architecture(Size::Full),
            quant: Quant::Bf16,
            seed: 1,
            effort: EffortArg::Default,
            runs: 1,
            load: false,
        };
        let raw = folder.path().join("raw");
        spec.write_folder(&raw)?;
        let large = folder.path().join("large");
        std::fs::create_dir_all(&large)?;
        let prepared = Prepared::make("drawn 1.1 B".to_owned(), &raw, None, None, &large)?;
        rows.extend(prepared.measure(&How {
            runs: 5,
            ..how.clone()
        })?);
        timelines.extend(prepared.record(Storage::Cold, &how)?);
    }
    for timeline in &mut timelines {
        timeline.merge();
    }
    Ok(Loads { rows, timelines })
}

/// SHA-256 of a file.
fn sha256(path: &Path) -> anyhow::Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let len = std::io::Read::read(&mut file, &mut buffer)?;
        if len == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..len]);
    }
}
