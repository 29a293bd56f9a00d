//! Models run over windows.

use super::score::{Apart, Logits, Score};
use super::text::{Cut, Window, windows};
use crate::device::DtypeArg;
use crate::model::{Checkpoint, Llama};
use crate::progress;
use anyhow::ensure;
use candle_core::Device;
use std::path::Path;

/// The token that starts a text where the config names none.
const DEFAULT_START: u32 = 1;

/// Everything that is predicted by one or two models.
#[derive(Debug, Default)]
pub(crate) struct Predictions {
    pub(crate) first: Vec<Score>,
    pub(crate) second: Vec<Score>,
    pub(crate) apart: Vec<Apart>,
}

impl Predictions {
    /// Runs one or two models over the windows.
    ///
    /// # Errors
    ///
    /// If a model fails, or the two have not the same vocabulary.
    pub(crate) fn make(
        first: &Llama,
        second: Option<&Llama>,
        windows: &[Window],
    ) -> anyhow::Result<Self> {
        if let Some(second) = second {
            let (one, other) = (first.config().vocab_size, second.config().vocab_size);
            ensure!(
                one == other,
                "the vocabularies have {one} and {other} tokens: these models cannot be compared"
            );
        }
        let mut predictions = Self::default();
        let bar = progress::bar("predicting", windows.len());
        for window in windows {
            let logits = Logits::of(first, window)?;
            predictions.first.extend(logits.scores(window.targets()));
            if let Some(second) = second {
                let others = Logits::of(second, window)?;
                predictions.second.extend(others.scores(window.targets()));
                predictions.apart.extend(logits.apart(&others));
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(predictions)
    }

    /// Every token's negative log-likelihood, of each model one.
    pub(super) fn csv(&self) -> String {
        let mut text = match self.second.is_empty() {
            true => "nll_nats\n".to_owned(),
            false => "nll_nats,nll_nats_against\n".to_owned(),
        };
        for (index, score) in self.first.iter().enumerate() {
            text += &score.nll.to_string();
            if let Some(other) = self.second.get(index) {
                text += &format!(",{}", other.nll);
            }
            text.push('\n');
        }
        text
    }
}

/// A checkpoint as a model, with what its tokens need.
pub(crate) struct Opened {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) llama: Llama,
}

impl Opened {
    /// Opens and loads.
    ///
    /// # Errors
    ///
    /// If anything is missing or damaged.
    pub(crate) fn load(
        path: &Path,
        config: Option<&Path>,
        dtype: DtypeArg,
        device: &Device,
    ) -> anyhow::Result<Self> {
        let checkpoint = Checkpoint::open(path)?;
        let config = checkpoint.config(config)?;
        let llama = checkpoint.llama(&config, dtype.into(), device)?;
        Ok(Self { checkpoint, llama })
    }

    /// The text in windows.
    ///
    /// # Errors
    ///
    /// If there is no tokenizer, or the text cannot be read.
    pub(crate) fn windows(
        &self,
        tokenizer: Option<&Path>,
        text: &Path,
        cut: Cut,
    ) -> anyhow::Result<Vec<Window>> {
        let tokenizer = self.checkpoint.tokenizer(tokenizer)?;
        let start = self.llama.config().bos_token_id.unwrap_or(DEFAULT_START);
        windows(text, &tokenizer, start, cut)
    }
}
