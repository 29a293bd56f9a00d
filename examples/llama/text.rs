//! Tokens to text, written to stdout as they come.

use anyhow::{Result, anyhow};
use std::io::{self, StdoutLock, Write};
use tokenizers::{
    DecodeStream, DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper,
    PreTokenizerWrapper, Tokenizer,
};

type Decoder<'a> = DecodeStream<
    'a,
    ModelWrapper,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// A text that is on stdout up to the last token given. Special tokens, like the start token, are not shown.
pub(crate) struct TextStream<'a> {
    decoder: Decoder<'a>,
    out: StdoutLock<'static>,
}

impl<'a> TextStream<'a> {
    /// Writes the prompt.
    pub(crate) fn start(tokenizer: &'a Tokenizer, prompt: &str, tokens: &[u32]) -> Result<Self> {
        let mut stream = Self {
            decoder: tokenizer.decode_stream(true),
            out: io::stdout().lock(),
        };
        stream.show(prompt)?;
        for &token in tokens {
            // The decoder has to know what comes before, since spaces depend on it; its text is the prompt.
            stream.decode(token)?;
        }
        Ok(stream)
    }

    /// Writes what `token` adds: nothing yet if it ends inside a character.
    pub(crate) fn write(&mut self, token: u32) -> Result<()> {
        match self.decode(token)? {
            Some(text) => self.show(&text),
            None => Ok(()),
        }
    }

    /// Ends the last line.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.show("\n")
    }

    fn decode(&mut self, token: u32) -> Result<Option<String>> {
        self.decoder
            .step(token)
            .map_err(|error| anyhow!("cannot turn token {token} into text: {error}"))
    }

    fn show(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }
}
