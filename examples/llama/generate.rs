//! Prompt to tokens, tokens to more tokens, tokens to text.

use super::args::Args;
use super::model::Model;
use super::source::NamedBytes;
use anyhow::{Context, Result, anyhow, ensure};
use candle_core::Tensor;
use candle_transformers::generation::LogitsProcessor;
use candle_transformers::models::llama::{Cache, Config, LlamaEosToks};
use candle_transformers::utils::apply_repeat_penalty;
use tokenizers::Tokenizer;

/// Reads a tokenizer.json.
pub(crate) fn read_tokenizer(file: &NamedBytes) -> Result<Tokenizer> {
    let mut tokenizer = Tokenizer::from_bytes(&file.bytes).map_err(|error| {
        anyhow!(
            "{} is not a tokenizer; pass another with --tokenizer: {error}",
            file.name
        )
    })?;
    // These serve training in batches; here they would cut or fill the prompt.
    tokenizer.with_padding(None);
    tokenizer
        .with_truncation(None)
        .map_err(|error| anyhow!(error))?;
    Ok(tokenizer)
}

/// The prompt as tokens, after the token that starts every text.
///
/// Most tokenizers put that token there themselves. One without a post-processor cannot: then the
/// `bos_token_id` of the config is used.
pub(crate) fn encode(tokenizer: &Tokenizer, prompt: &str, config: &Config) -> Result<Vec<u32>> {
    let encoding = tokenizer.encode(prompt, true);
    let mut tokens = encoding
        .map_err(|error| anyhow!("cannot tokenize the prompt: {error}"))?
        .get_ids()
        .to_vec();
    if let (None, Some(start)) = (tokenizer.get_post_processor(), config.bos_token_id) {
        tokens.insert(0, start);
    }
    ensure!(
        !tokens.is_empty(),
        "the prompt is empty and the model has no start token: pass some text with --prompt"
    );
    let positions = config.max_position_embeddings;
    ensure!(
        tokens.len() <= positions,
        "the prompt is {} tokens long, the model has {positions} positions: shorten --prompt",
        tokens.len()
    );
    let vocab_size = config.vocab_size;
    let outside = tokens
        .iter()
        .find(|&&token| usize::try_from(token).is_ok_and(|token| token >= vocab_size));
    if let Some(token) = outside {
        return Err(anyhow!(
            "the tokenizer gives token {token}, the model's vocabulary has {vocab_size}: \
             pass the tokenizer of this model with --tokenizer"
        ));
    }
    Ok(tokens)
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The model chose its end token.
    Chosen,
    /// `--sample-len` tokens are made.
    SampleLen,
    /// The model has no position for another token.
    Positions,
}

/// A text in the making.
pub(crate) struct Generation<'a> {
    model: &'a Model,
    args: &'a Args,
    cache: Cache,
    sampler: LogitsProcessor,
    tokens: Vec<u32>,
    prompt_len: usize,
    end: Option<End>,
}

impl<'a> Generation<'a> {
    /// A text that starts with the tokens `prompt`.
    pub(crate) fn new(model: &'a Model, prompt: Vec<u32>, args: &'a Args) -> Result<Self> {
        let cache = Cache::new(!args.no_kv_cache, model.dtype, &model.config, &model.device)?;
        let sampler = LogitsProcessor::from_sampling(args.seed, args.sampling());
        Ok(Self {
            model,
            args,
            cache,
            sampler,
            prompt_len: prompt.len(),
            tokens: prompt,
            end: None,
        })
    }

    /// Chooses one more token; `None` at the end of the text, for the reason in [`Self::end`].
    pub(crate) fn next_token(&mut self) -> Result<Option<u32>> {
        if self.num_generated() >= self.args.sample_len {
            self.end = Some(End::SampleLen);
        } else if self.tokens.len() > self.model.config.max_position_embeddings {
            self.end = Some(End::Positions);
        }
        if self.end.is_some() {
            return Ok(None);
        }
        let logits = self.logits()?;
        let token = self
            .sampler
            .sample(&logits)
            .context("cannot choose a token: are these weights damaged?")?;
        self.tokens.push(token);
        if is_end(&self.model.config, token) {
            self.end = Some(End::Chosen);
            return Ok(None);
        }
        Ok(Some(token))
    }

    /// The score of each token of the vocabulary to be the next one.
    fn logits(&mut self) -> Result<Tensor> {
        // With keys and values kept, all but the tokens that the model has not seen are done.
        let seen = match self.num_generated() {
            0 => 0,
            _ if self.args.no_kv_cache => 0,
            _ => self.tokens.len() - 1,
        };
        let input = Tensor::new(&self.tokens[seen..], &self.model.device)?.unsqueeze(0)?;
        let logits = self
            .model
            .llama
            .forward(&input, seen, &mut self.cache)?
            .squeeze(0)?;
        if self.args.repeat_penalty == 1.0 {
            return Ok(logits);
        }
        let recent = self.tokens.len().saturating_sub(self.args.repeat_last_n);
        Ok(apply_repeat_penalty(
            &logits,
            self.args.repeat_penalty,
            &self.tokens[recent..],
        )?)
    }

    /// Every token so far, the prompt's included.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Tokens chosen so far, an end token included.
    pub(crate) fn num_generated(&self) -> usize {
        self.tokens.len() - self.prompt_len
    }

    /// Why there are no more tokens, once there are none.
    pub(crate) fn end(&self) -> Option<End> {
        self.end
    }
}

fn is_end(config: &Config, token: u32) -> bool {
    match &config.eos_token_id {
        None => false,
        Some(LlamaEosToks::Single(end)) => *end == token,
        Some(LlamaEosToks::Multiple(ends)) => ends.contains(&token),
    }
}
