//! Llama models: their files, and a forward pass that gives the logits of every position.
//!
//! candle's own Llama returns the last position's logits only; a perplexity needs them all. [`Llama`] does the same
//! operations in the same order, and the tests hold it to candle's, bit for bit.

mod checkpoint;
mod config;
mod gguf;
mod llama;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use checkpoint::{Checkpoint, map};
pub(crate) use config::read_config;
pub(crate) use gguf::write as write_gguf;
pub(crate) use llama::Llama;
