//! What a report measures, and the files that keep it.

use super::{Machine, ReportArgs, Suite};
use crate::accuracy::{self, AccuracyRow, TEXT};
use crate::baseline::{Baseline, Model, Quant, Size, Spec};
use crate::device::{DeviceArg, DtypeArg};
use crate::effort::EffortArg;
use crate::json;
use crate::load::{How, LoadRow, Prepared, Storage, Timeline};
use crate::origin::{Measured, Origin};
use crate::perplexity::{self, Outcome};
use crate::size::{self, SizeRow};
use crate::target::Target;
use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use wcodec::Effort;
use wcodec::checkpoint::{ImportOptions, import};

/// The models that speak, smallest first.
const MODELS: [&str; 4] = ["stories260K", "tiny1m", "tinystories-3m", "stories7m"];
/// The dtypes that each of them is stored in.
const STORED: [DtypeArg; 3] = [DtypeArg::F32, DtypeArg::BF16, DtypeArg::F16];
/// Tokens that a quick run predicts.
pub(super) const QUICK_TOKENS: usize = 1000;
/// Tokens that are predicted in BF16 and F16, in which candle is slow on a CPU.
pub(super) const HALF_TOKENS: usize = 2000;

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
    pub(crate) const ALL: [Self; 6] = [
        Self::Perplexity,
        Self::Accuracy,
        Self::Size,
        Self::Load,
        Self::Baseline,
        Self::Baseline7b,
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

    /// The models that it measures.
    fn models(self, suite: Suite) -> Vec<String> {
        let models = match (self, suite) {
            (Self::Perplexity, Suite::Full) => MODELS.to_vec(),
            (Self::Accuracy, Suite::Full) => vec![MODELS[3], MODELS[2]],
            (Self::Size, Suite::Full) => size::REAL_MODELS.to_vec(),
            (Self::Load, _) => vec![MODELS[3]],
            (Self::Baseline | Self::Baseline7b, _) => Vec::new(),
            _ => vec![MODELS[2]],
        };
        models.into_iter().map(str::to_owned).collect()
    }

    /// The files and folders that it reads.
    fn inputs(self, args: &ReportArgs, models: &[String]) -> Vec<PathBuf> {
        match self {
            Self::Perplexity => {
                let text = args.text.join(TEXT);
                let models = models.iter().map(|model| args.models.join(model));
                let folders = models.flat_map(|model| STORED.map(|it| model.join(it.to_string())));
                folders.chain([text]).collect()
            }
            Self::Accuracy => accuracy::inputs(models, &args.models, &args.text),
            Self::Size => size::inputs(models, &args.models),
            Self::Load => {
                let models = models.iter().map(|model| args.models.join(model));
                models.map(|model| model.join("bf16")).collect()
            }
            Self::Baseline | Self::Baseline7b => Vec::new(),
        }
    }

    /// Measures it on the machine, as it was before everything, and writes its file.
    ///
    /// # Errors
    ///
    /// If an input is missing, or anything fails.
    pub(crate) fn measure(
        self,
        args: &ReportArgs,
        machine: Machine,
        output: &Path,
    ) -> anyhow::Result<()> {
        let full = args.suite == Suite::Full;
        let models = self.models(args.suite);
        let target = Target::open(&self.file(output))?;
        let roots: [&Path; 2] = [&args.models, &args.text];
        let origin = Origin::on(machine, &self.inputs(args, &models), &roots)?;
        let most = (!full).then_some(QUICK_TOKENS);
        match self {
            Self::Perplexity => {
                let text = args.text.join(TEXT);
                keep(target, origin, perplexities(args, &models, &text)?)
            }
            Self::Accuracy => {
                let rows = accuracy::measure(&models, &args.models, &args.text, most)?;
                keep(target, origin, rows)
            }
            Self::Size => {
                let rows = size::measure(&models, &args.models, Effort::Default, true)?;
                keep(target, origin, rows)
            }
            Self::Load => keep(target, origin, loads(args, full)?),
            Self::Baseline => keep(target, origin, baseline(args, Model::Tiny)?),
            Self::Baseline7b => keep(target, origin, baseline(args, Model::Llama2)?),
        }
    }

    /// Makes sure that what was measured last, if it was, can be drawn.
    ///
    /// # Errors
    ///
    /// If the file holds something else.
    pub(crate) fn check(self, output: &Path) -> anyhow::Result<()> {
        match self {
            Self::Perplexity => self.read::<Vec<PerplexityRow>>(output).map(drop),
            Self::Accuracy => self.read::<Vec<AccuracyRow>>(output).map(drop),
            Self::Size => self.read::<Vec<SizeRow>>(output).map(drop),
            Self::Load => self.read::<Loads>(output).map(drop),
            Self::Baseline | Self::Baseline7b => self.read::<Baseline>(output).map(drop),
        }
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
        let file = File::open(&path).with_context(|| format!("reading {}", path.display()))?;
        let measured = serde_json::from_reader(BufReader::new(file));
        Ok(Some(measured.with_context(|| {
            format!(
                "{} is not of this version: measure it again",
                path.display()
            )
        })?))
    }
}

/// Writes a part's file.
fn keep(target: Target, origin: Origin, results: impl Serialize) -> anyhow::Result<()> {
    target.write(&json::rows(&Measured { origin, results })?)
}

fn baseline(args: &ReportArgs, model: Model) -> anyhow::Result<Baseline> {
    let size = match args.suite {
        Suite::Full => Size::Full,
        Suite::Quick => Size::Small,
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
    spec.measure(&args.work_dir)
}

fn perplexities(
    args: &ReportArgs,
    models: &[String],
    text: &Path,
) -> anyhow::Result<Vec<PerplexityRow>> {
    let quick = (args.suite == Suite::Quick).then_some(QUICK_TOKENS);
    let mut rows = Vec::new();
    for model in models {
        for stored in STORED {
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
                outcome.name = format!("{model}/{stored}");
                outcome.against = Some(format!("{model}/{stored} as .wcodec"));
                rows.push(PerplexityRow {
                    model: model.clone(),
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
