//! The forward pass of a Llama, every position at once.

use anyhow::Context;
use candle_core::quantized::{QMatMul, QTensor};
use candle_core::{D, DType, Device, Tensor};
use candle_nn::{Embedding, Linear, Module, RmsNorm, VarBuilder};
use candle_transformers::models::llama::{Config, Llama3RopeType};
use candle_transformers::utils::{build_causal_mask, repeat_kv};

/// A matrix to multiply with.
#[derive(Debug, Clone)]
pub(super) enum Projection {
    Dense(Linear),
    Quantised(QMatMul),
}

impl Projection {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Self::Dense(matrix) => matrix.forward(x),
            Self::Quantised(matrix) => matrix.forward(x),
        }
    }
}

/// How the halves of a head turn: as Hugging Face stores them, or neighbours with each other, as GGUF does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rotation {
    Halves,
    Neighbours,
}

/// One block.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) input_norm: RmsNorm,
    pub(super) query: Projection,
    pub(super) key: Projection,
    pub(super) value: Projection,
    pub(super) output: Projection,
    pub(super) mlp_norm: RmsNorm,
    pub(super) gate: Projection,
    pub(super) up: Projection,
    pub(super) down: Projection,
}

/// A Llama.
#[derive(Debug, Clone)]
pub(crate) struct Llama {
    pub(super) embedding: Embedding,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: RmsNorm,
    pub(super) head: Projection,
    pub(super) rotation: Rotation,
    /// Cosines and sines, a row a position.
    pub(super) angles: (Tensor, Tensor),
    pub(super) config: Config,
    pub(super) device: Device,
}

impl Llama {
    /// Builds the model out of a source of tensors with the names of Hugging Face.
    ///
    /// # Errors
    ///
    /// If a tensor is missing or has another shape.
    pub(crate) fn load(vb: &VarBuilder<'_>, config: &Config) -> anyhow::Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let kv = hidden / config.num_attention_heads * config.num_key_value_heads;
        let embedding =
            candle_nn::embedding(config.vocab_size, hidden, vb.pp("model.embed_tokens"))?;
        let head = match config.tie_word_embeddings {
            true => Projection::Dense(Linear::new(embedding.embeddings().clone(), None)),
            false => dense(hidden, config.vocab_size, vb.pp("lm_head"))?,
        };
        let norm = |vb| candle_nn::rms_norm(hidden, config.rms_norm_eps, vb);
        let layer = |index: usize| -> candle_core::Result<Layer> {
            let vb = vb.pp(format!("model.layers.{index}"));
            let (attention, mlp) = (vb.pp("self_attn"), vb.pp("mlp"));
            Ok(Layer {
                query: dense(hidden, hidden, attention.pp("q_proj"))?,
                key: dense(hidden, kv, attention.pp("k_proj"))?,
                value: dense(hidden, kv, attention.pp("v_proj"))?,
                output: dense(hidden, hidden, attention.pp("o_proj"))?,
                gate: dense(hidden, inner, mlp.pp("gate_proj"))?,
                up: dense(hidden, inner, mlp.pp("up_proj"))?,
                down: dense(inner, hidden, mlp.pp("down_proj"))?,
                input_norm: norm(vb.pp("input_layernorm"))?,
                mlp_norm: norm(vb.pp("post_attention_layernorm"))?,
            })
        };
        let norm = norm(vb.pp("model.norm"))?;
        let layers = (0..config.num_hidden_layers).map(layer);
        Ok(Self {
            layers: layers.collect::<candle_core::Result<_>>()?,
            embedding,
            norm,
            head,
            rotation: Rotation::Halves,
            angles: angles(config, vb.dtype(), vb.device())?,
            config: config.clone(),
            device: vb.device().clone(),
        })
    }

    /// What it was built by.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Every position's state behind the last norm: `[1, tokens, hidden]`.
    ///
    /// # Errors
    ///
    /// If there are no tokens, more than positions, or one outside the vocabulary.
    pub(crate) fn hidden(&self, tokens: &[u32]) -> anyhow::Result<Tensor> {
        let most = self.config.max_position_embeddings;
        anyhow::ensure!(
            (1..=most).contains(&tokens.len()),
            "{} tokens at once: the model has {most} positions, choose a smaller --context",
            tokens.len()
        );
        let input = Tensor::new(tokens, &self.device)?.unsqueeze(0)?;
        let mut x = self
            .embedding
            .forward(&input)
            .context("a token is outside the model's vocabulary: is this its tokenizer?")?;
        let mask = build_causal_mask(tokens.len(), 0, &self.device)?;
        for layer in &self.layers {
            let attention = self.attention(layer, &layer.input_norm.forward(&x)?, &mask)?;
            let residual = (attention + &x)?;
            x = (layer.mlp(&layer.mlp_norm.forward(&residual)?)? + residual)?;
        }
        Ok(self.norm.forward(&x)?)
    }

    /// The scores of the next token behind each state: F32, `[.., vocabulary]`.
    ///
    /// # Errors
    ///
    /// candle's own.
    pub(crate) fn logits(&self, hidden: &Tensor) -> anyhow::Result<Tensor> {
        Ok(self.head.forward(hidden)?.to_dtype(DType::F32)?)
    }

    /// Attention over the whole of `x`, `[1, tokens, hidden]`.
    fn attention(&self, layer: &Layer, x: &Tensor, mask: &Tensor) -> candle_core::Result<Tensor> {
        let (batch, len, hidden) = x.dims3()?;
        let (heads, kv_heads) = (
            self.config.num_attention_heads,
            self.config.num_key_value_heads,
        );
        let split = |x: Tensor, heads| {
            x.reshape((batch, len, heads, hidden / self.config.num_attention_heads))?
                .transpose(1, 2)?
                .contiguous()
        };
        let query = self.rotate(&split(layer.query.forward(x)?, heads)?)?;
        let key = self.rotate(&split(layer.key.forward(x)?, kv_heads)?)?;
        let value = split(layer.value.forward(x)?, kv_heads)?;
        let key = repeat_kv(key, heads / kv_heads)?.to_dtype(DType::F32)?;
        let value = repeat_kv(value, heads / kv_heads)?.to_dtype(DType::F32)?;
        // Scores and their softmax are F32 in every dtype, as candle has them.
        let scores = query.to_dtype(DType::F32)?.matmul(&key.t()?)?;
        let head_dim = hidden / heads;
        let scores = (scores / (head_dim as f64).sqrt())?;
        let scores = match len {
            1 => scores,
            _ => {
                let never = Tensor::new(f32::NEG_INFINITY, &self.device)?;
                let mask = mask.broadcast_as(scores.shape())?;
                mask.where_cond(&never.broadcast_as(scores.shape())?, &scores)?
            }
        };
        let weights = candle_nn::ops::softmax_last_dim(&scores)?;
        let mixed = weights.matmul(&value.contiguous()?)?.to_dtype(x.dtype())?;
        let mixed = mixed.transpose(1, 2)?.reshape(&[batch, len, hidden])?;
        layer.output.forward(&mixed)
    }

    fn rotate(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let len = x.dim(D::Minus2)?;
        let (cos, sin) = &self.angles;
        let (cos, sin) = (cos.narrow(0, 0, len)?, sin.narrow(0, 0, len)?);
        match self.rotation {
            Rotation::Halves => candle_nn::rotary_emb::rope(x, &cos, &sin),
            Rotation::Neighbours => candle_nn::rotary_emb::rope_i(x, &cos, &sin),
        }
    }
}

impl Layer {
    fn mlp(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let gated = (candle_nn::ops::silu(&self.gate.forward(x)?)? * self.up.forward(x)?)?;
        self.down.forward(&gated)
    }
}

fn dense(inputs: usize, outputs: usize, vb: VarBuilder<'_>) -> candle_core::Result<Projection> {
    candle_nn::linear_no_bias(inputs, outputs, vb).map(Projection::Dense)
}

impl Projection {
    /// A matrix of a GGUF file.
    pub(super) fn quantised(matrix: QTensor) -> candle_core::Result<Self> {
        QMatMul::from_qtensor(matrix).map(Self::Quantised)
    }
}

/// The rotation of each position and pair: cosines and sines, `[positions, head / 2]`.
pub(super) fn angles(
    config: &Config,
    dtype: DType,
    device: &Device,
) -> anyhow::Result<(Tensor, Tensor)> {
    let frequencies = frequencies(config);
    let pairs = frequencies.len();
    let positions = u32::try_from(config.max_position_embeddings)?;
    let angles = Tensor::arange(0, positions, device)?
        .to_dtype(DType::F32)?
        .reshape((config.max_position_embeddings, 1))?
        .matmul(&Tensor::new(frequencies, device)?.reshape((1, pairs))?)?;
    Ok((
        angles.cos()?.to_dtype(dtype)?,
        angles.sin()?.to_dtype(dtype)?,
    ))
}

/// Angle for a step of one position, for each pair of a head.
fn frequencies(config: &Config) -> Vec<f32> {
    let head_dim = config.hidden_size / config.num_attention_heads;
    let plain = (0..head_dim)
        .step_by(2)
        .map(|i| 1.0 / config.rope_theta.powf(i as f32 / head_dim as f32));
    match &config.rope_scaling {
        Some(scaling) if matches!(scaling.rope_type, Llama3RopeType::Llama3) => {
            // Llama 3.1: long waves are slowed by the factor, those between are blended.
            let positions = scaling.original_max_position_embeddings as f32;
            let long_wave = positions / scaling.low_freq_factor;
            let short_wave = positions / scaling.high_freq_factor;
            let scaled = plain.map(|frequency| {
                let wave = 2.0 * std::f32::consts::PI / frequency;
                if wave < short_wave {
                    frequency
                } else if wave > long_wave {
                    frequency / scaling.factor
                } else {
                    let smooth = (positions / wave - scaling.low_freq_factor)
                        / (scaling.high_freq_factor - scaling.low_freq_factor);
                    (1.0 - smooth) * frequency / scaling.factor + smooth * frequency
                }
            });
            scaled.collect()
        }
        _ => plain.collect(),
    }
}
