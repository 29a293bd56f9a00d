//! Perplexity of one model, and what another makes of the same text.

mod compare;
mod predictions;
mod score;
#[cfg(test)]
mod tests;
mod text;

use crate::device::{DeviceArg, DtypeArg};
use crate::table::{Align, Grid};
use anyhow::{Context, bail, ensure};
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
    /// Predict the last N documents of the text (set apart by <|endoftext|>), each on its own, instead of sliding a window
    /// over all of it.
    #[arg(long, value_name = "N", conflicts_with = "stride")]
    documents: Option<usize>,
    /// Most tokens that the model sees at once [default: 256, or the model's positions if they are fewer].
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// Tokens between the starts of two windows [default: half of the context].
    #[arg(long, value_name = "N")]
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

/// The outcome, as `--json` prints it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) weights: String,
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
            "--context must be 2 to {positions}, the model's positions"
        );
        if let Some(count) = self.documents {
            return Ok(Cut::Documents { count, context });
        }
        let stride = self.stride.unwrap_or(context / 2);
        ensure!(
            (1..context).contains(&stride),
            "--stride must be 1 to {}, less than --context",
            context - 1
        );
        Ok(Cut::Sliding { context, stride })
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
            weights: self.weights.display().to_string(),
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
    let (outcome, predictions) = args.measure()?;
    if let Some(path) = &args.tokens {
        let header = if args.against.is_some() {
            "nll,nll_against\n"
        } else {
            "nll\n"
        };
        let mut text = header.to_owned();
        for (index, score) in predictions.first.iter().enumerate() {
            let other = predictions.second.get(index);
            text += &other.map_or(format!("{}\n", score.nll), |other| {
                format!("{},{}\n", score.nll, other.nll)
            });
        }
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
    } else {
        print!("{}", outcome.table());
    }
    let equal = outcome.difference.as_ref().is_none_or(Difference::is_none);
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
        add(&self.weights, &self.quality);
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
            return "lossless: every logit is the same bits; perplexity, accuracy and divergence differ by exactly 0".to_owned();
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
