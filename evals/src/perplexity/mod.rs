//! Perplexity of one model, and what another makes of the same text.

mod compare;
mod predictions;
mod score;
#[cfg(test)]
mod tests;
mod text;

use crate::device::{DeviceArg, DtypeArg};
use crate::json;
use crate::origin::{Measured, Origin};
use crate::table::{Align, Grid};
use crate::target::Target;
use anyhow::{bail, ensure};
use predictions::Predictions;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

#[cfg(test)]
pub(crate) use compare::Mean;
pub(crate) use compare::{Difference, Quality};
pub(crate) use predictions::Opened;
pub(crate) use score::{Apart, Logits, Score};
pub(crate) use text::{Cut, Window, limit};

/// Documents and tokens of each in the protocol of the models' reference figures.
pub(crate) const REFERENCE: Cut = Cut::Documents {
    count: 60,
    context: 256,
};

/// `evals perplexity`
#[derive(Debug, clap::Args)]
pub(crate) struct PerplexityArgs {
    /// A safetensors file, a folder of Hugging Face's (sharded or not), a .wcodec or a GGUF file.
    #[arg(long, value_name = "PATH")]
    weights: PathBuf,
    /// Another one, to compare with the first on the same tokens.
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// The text to predict.
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Predict the last N documents of the text (set apart by <|endoftext|>), each on its own, instead of sliding a
    /// window over all of it.
    #[arg(long, value_name = "N", conflicts_with = "stride", value_parser = at_least(1))]
    documents: Option<usize>,
    /// Most tokens that the model sees at once, at least 2, since the first is not predicted [default: 256, or the
    /// model's positions if they are fewer].
    #[arg(long, value_name = "N", value_parser = at_least(2))]
    context: Option<usize>,
    /// Tokens between the starts of two windows, at least 1 and fewer than --context [default: half of the context].
    #[arg(long, value_name = "N", value_parser = at_least(1))]
    stride: Option<usize>,
    /// Predict no more than this many tokens, at least 1.
    #[arg(long, value_name = "N")]
    limit_tokens: Option<NonZeroUsize>,
    /// Number type to compute in; a GGUF file computes in f32 with matrices that stay quantised.
    #[arg(long, value_enum, default_value_t)]
    dtype: DtypeArg,
    /// Where to compute: cpu or cuda:N.
    #[arg(long, default_value_t)]
    device: DeviceArg,
    /// The model's config.json [default: the one that rides along, or lies beside the weights].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The model's tokenizer.json [default: the one that rides along, or lies beside the weights].
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Fail unless every logit of the two is the same bits.
    #[arg(long, requires = "against")]
    require_equal: bool,
    /// Write every token's negative log-likelihoods to this file, as CSV.
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// One JSON object on stdout instead of the table.
    #[arg(long)]
    json: bool,
}

fn at_least(least: u64) -> clap::builder::RangedU64ValueParser<usize> {
    clap::builder::RangedU64ValueParser::new().range(least..)
}

/// What the predictions of one model, or of two on the same tokens, come to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) against: Option<String>,
    pub(crate) dtype: DtypeArg,
    pub(crate) quality: Quality,
    pub(crate) quality_against: Option<Quality>,
    pub(crate) difference: Option<Difference>,
}

impl PerplexityArgs {
    /// How the text is cut for a model of so many positions.
    fn cut(&self, positions: usize) -> anyhow::Result<Cut> {
        let context = self.context.unwrap_or(positions.min(256));
        ensure!(
            (2..=positions).contains(&context),
            "--context {context}: it must be 2 to {positions}, the model's positions"
        );
        if let Some(count) = self.documents {
            return Ok(Cut::Documents { count, context });
        }
        let stride = self.stride.unwrap_or(context / 2);
        ensure!(
            (1..context).contains(&stride),
            "--stride {stride}: it must be 1 to {}, fewer than --context",
            context - 1
        );
        Ok(Cut::Sliding { context, stride })
    }

    /// The files and folders that are read: with a single safetensors file, what lies beside it.
    fn inputs(&self) -> Vec<PathBuf> {
        let mut inputs = vec![self.weights.clone(), self.text.clone()];
        let others = [&self.against, &self.config, &self.tokenizer];
        inputs.extend(others.into_iter().flatten().cloned());
        for weights in [Some(&self.weights), self.against.as_ref()]
            .into_iter()
            .flatten()
        {
            if weights.extension().is_some_and(|end| end == "safetensors") {
                let beside = ["config.json", "tokenizer.json"].map(|it| weights.with_file_name(it));
                inputs.extend(beside.into_iter().filter(|path| path.is_file()));
            }
        }
        inputs
    }

    fn measure(&self) -> anyhow::Result<(Outcome, Predictions)> {
        let device = self.device.open()?;
        let first = Opened::load(&self.weights, self.config.as_deref(), self.dtype, &device)?;
        let second = self.against.as_ref().map(|path| {
            // A GGUF file brings its own config; anything else may need the one that was named.
            let config = self
                .config
                .as_deref()
                .filter(|_| path.extension().is_none_or(|end| end != "gguf"));
            Opened::load(path, config, self.dtype, &device)
        });
        let second = second.transpose()?;
        let cut = self.cut(first.llama.config().max_position_embeddings)?;
        let windows = first.windows(self.tokenizer.as_deref(), &self.text, cut);
        let mut windows = match (&second, windows) {
            (Some(second), Err(_)) => second.windows(self.tokenizer.as_deref(), &self.text, cut)?,
            (_, windows) => windows?,
        };
        if let Some(most) = self.limit_tokens {
            limit(&mut windows, most.get());
        }
        let models = second.as_ref().map(|second| &second.llama);
        let predictions = Predictions::make(&first.llama, models, &windows)?;
        let outcome = Outcome {
            name: self.weights.display().to_string(),
            against: self.against.as_ref().map(|path| path.display().to_string()),
            dtype: self.dtype,
            quality: Quality::of(&predictions.first),
            quality_against: second.as_ref().map(|_| Quality::of(&predictions.second)),
            difference: second.as_ref().map(|_| {
                Difference::of(&predictions.first, &predictions.second, &predictions.apart)
            }),
        };
        Ok((outcome, predictions))
    }
}

/// Two checkpoints on the reference's protocol, no more than `most` tokens of it.
///
/// # Errors
///
/// If anything is missing or damaged.
pub(crate) fn compare(
    weights: &Path,
    against: &Path,
    text: &Path,
    dtype: DtypeArg,
    most: Option<usize>,
) -> anyhow::Result<Outcome> {
    let Cut::Documents { count, context } = REFERENCE else {
        bail!("the reference's protocol is of documents");
    };
    let args = PerplexityArgs {
        weights: weights.to_path_buf(),
        against: Some(against.to_path_buf()),
        text: text.to_path_buf(),
        documents: Some(count),
        context: Some(context),
        stride: None,
        limit_tokens: most.and_then(NonZeroUsize::new),
        dtype,
        device: DeviceArg::Cpu,
        config: None,
        tokenizer: None,
        require_equal: false,
        tokens: None,
        json: false,
    };
    Ok(args.measure()?.0)
}

pub(crate) fn run(args: &PerplexityArgs) -> anyhow::Result<()> {
    let tokens = Target::maybe(args.tokens.as_ref())?;
    let origin = args.json.then(|| Origin::read(None, &args.inputs(), &[]));
    let origin = origin.transpose()?;
    let (outcome, predictions) = args.measure()?;
    if let Some(target) = tokens {
        target.write(&predictions.csv())?;
    }
    let equal = outcome.difference.as_ref().is_none_or(Difference::is_none);
    if let Some(origin) = origin {
        let results = outcome;
        print!("{}", json::rows(&Measured { origin, results })?);
    } else {
        print!("{}", outcome.table());
    }
    ensure!(
        !args.require_equal || equal,
        "the logits differ (--require-equal)"
    );
    Ok(())
}

impl Outcome {
    /// For people.
    fn table(&self) -> String {
        let mut grid = Grid::new(&[
            ("", Align::Left),
            ("perplexity", Align::Right),
            ("nats a token", Align::Right),
            ("top-1", Align::Right),
            ("tokens", Align::Right),
        ]);
        let mut add = |name: &str, quality: &Quality| {
            grid.row([
                name.to_owned(),
                format!("{:.4}", quality.perplexity),
                format!("{:.5} ± {:.5}", quality.nll.value, quality.nll.error),
                format!("{:.2} %", quality.top1_percent),
                quality.tokens.to_string(),
            ]);
        };
        add(&self.name, &self.quality);
        if let (Some(name), Some(quality)) = (&self.against, &self.quality_against) {
            add(name, quality);
        }
        let mut text = grid.plain();
        if let Some(difference) = &self.difference {
            text += &format!("\n{}\n", difference.words());
        }
        text
    }
}

impl Difference {
    /// For people; an exact zero is said in words.
    pub(crate) fn words(&self) -> String {
        if self.is_none() {
            return "lossless: every logit is the same bits; perplexity, accuracy and divergence differ by exactly 0"
                .to_owned();
        }
        let equal = if self.logits_equal {
            "the same bits"
        } else {
            "not the same bits"
        };
        format!(
            "difference: {:+.6} ± {:.6} nats a token, {:+.4} ± {:.4} in perplexity, {:+.3} ± {:.3} points of top-1\n\
             divergence: {:.3e} ± {:.1e} nats, 99.9 % below {:.3e}; logits are {equal}, at most {:.3e} apart",
            self.nll.value,
            self.nll.error,
            self.perplexity.value,
            self.perplexity.error,
            self.top1_points.value,
            self.top1_points.error,
            self.divergence.value,
            self.divergence.error,
            self.divergence_999,
            self.largest_logit_difference,
        )
    }
}
