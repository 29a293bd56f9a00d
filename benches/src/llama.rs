//! A checkpoint in the shapes of TinyLlama 1.1B, with random weights of realistic spread.

use anyhow::Context;
use half::bf16;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::{View, serialize_to_file};
use std::borrow::Cow;
use std::path::Path;

const HIDDEN: usize = 2048;
const INTERMEDIATE: usize = 5632;
const KEY_VALUE: usize = 256;
const VOCABULARY: usize = 32_000;
/// Layers of the whole model.
pub const LAYERS: usize = 22;

/// A tensor that is drawn when it is written, so that one is in memory at a time.
#[derive(Debug, Clone)]
struct Drawn {
    shape: Vec<usize>,
    seed: u64,
}

impl Drawn {
    /// Row `row`: normal weights of the row's own scale; ones, nearly, for a norm.
    fn draw_row(&self, row: usize, out: &mut [bf16]) {
        let mut random = SmallRng::seed_from_u64(self.seed.wrapping_add(row as u64));
        let spread: f32 = StandardNormal.sample(&mut random);
        let (mean, scale) = match self.shape.len() {
            1 => (1.0, 0.1),
            _ => (0.0, 0.02 * (0.3 * spread).exp()),
        };
        for weight in out {
            let normal: f32 = StandardNormal.sample(&mut random);
            *weight = bf16::from_f32(mean + scale * normal);
        }
    }
}

impl View for Drawn {
    fn dtype(&self) -> Dtype {
        Dtype::BF16
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut weights = vec![bf16::ZERO; self.shape.iter().product()];
        let columns = self.shape.last().copied().unwrap_or(1);
        let rows = weights.par_chunks_mut(columns).enumerate();
        rows.for_each(|(row, out)| self.draw_row(row, out));
        weights
            .iter()
            .flat_map(|weight| weight.to_le_bytes())
            .collect::<Vec<u8>>()
            .into()
    }

    fn data_len(&self) -> usize {
        2 * self.shape.iter().product::<usize>()
    }
}

/// Writes the model with `layers` layers ([`LAYERS`] for 1.1 billion weights) in BF16.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write(layers: usize, path: &Path) -> anyhow::Result<()> {
    let outside = [
        (
            "model.embed_tokens.weight".to_owned(),
            vec![VOCABULARY, HIDDEN],
        ),
        ("lm_head.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
    ];
    let of_layer: [(&str, &[usize]); 9] = [
        ("self_attn.q_proj", &[HIDDEN, HIDDEN]),
        ("self_attn.k_proj", &[KEY_VALUE, HIDDEN]),
        ("self_attn.v_proj", &[KEY_VALUE, HIDDEN]),
        ("self_attn.o_proj", &[HIDDEN, HIDDEN]),
        ("mlp.gate_proj", &[INTERMEDIATE, HIDDEN]),
        ("mlp.up_proj", &[INTERMEDIATE, HIDDEN]),
        ("mlp.down_proj", &[HIDDEN, INTERMEDIATE]),
        ("input_layernorm", &[HIDDEN]),
        ("post_attention_layernorm", &[HIDDEN]),
    ];
    let in_layers = (0..layers).flat_map(|layer| {
        of_layer.map(|(name, shape)| {
            (
                format!("model.layers.{layer}.{name}.weight"),
                shape.to_vec(),
            )
        })
    });
    let tensors = outside.into_iter().chain(in_layers).zip(0u64..);
    // Rows count their seeds up from their tensor's.
    let tensors = tensors.map(|((name, shape), number)| {
        (
            name,
            Drawn {
                shape,
                seed: number << 32,
            },
        )
    });
    serialize_to_file(tensors, None, path).with_context(|| format!("writing {}", path.display()))
}
