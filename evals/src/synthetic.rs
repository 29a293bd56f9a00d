//! Synthetic checkpoints: Llama's names and shapes, weights with the statistics of trained ones.

use anyhow::{Context, ensure};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, View, serialize_to_file};
use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Instant;

/// `evals synthetic`
#[derive(Debug, clap::Args)]
pub(crate) struct SyntheticArgs {
    /// The file to write.
    #[arg(short, long)]
    output: PathBuf,
    /// About how large it becomes, in MiB.
    #[arg(long, default_value_t = 1024)]
    mebibytes: u64,
    /// Element type: bf16, f16 or f32.
    #[arg(long, default_value = "bf16")]
    dtype: FloatType,
    /// Width of the model; the number of layers follows from the size.
    #[arg(long, default_value_t = 2048)]
    hidden: usize,
    /// The same seed writes the same file.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FloatType {
    Bf16,
    F16,
    F32,
}

/// Rows of the embedding and of the head.
pub(crate) const VOCABULARY: usize = 32_000;

/// A tensor that is drawn when it is written, so that one is in memory at a time.
#[derive(Debug, Clone)]
struct Drawn {
    shape: Vec<usize>,
    dtype: FloatType,
    seed: u64,
}

impl View for Drawn {
    fn dtype(&self) -> Dtype {
        match self.dtype {
            FloatType::Bf16 => Dtype::BF16,
            FloatType::F16 => Dtype::F16,
            FloatType::F32 => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.draw().into()
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype().bitsize() / 8
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A standard normal value: the sum of twelve uniform ones, less six (good to about three deviations).
    pub(crate) fn normal(&mut self) -> f32 {
        let sixteenths = |bits: u64| (0..4).map(|i| (bits >> (16 * i)) & 0xffff).sum::<u64>();
        let sum = sixteenths(self.bits()) + sixteenths(self.bits()) + sixteenths(self.bits());
        sum as f32 / 65536.0 - 6.0
    }
}

impl Drawn {
    /// Normal weights times a scale for each row and each column: the two vary by a fifth in trained matrices.
    fn draw(&self) -> Vec<u8> {
        let mut random = Random(self.seed);
        let columns = self.shape.last().copied().unwrap_or(1).max(1);
        let spread = |random: &mut Random| (0.2 * random.normal()).exp();
        let column_scales: Vec<f32> = (0..columns).map(|_| spread(&mut random)).collect();
        let is_norm = self.shape.len() == 1;
        let normals: Vec<f32> = (0..1 << 16).map(|_| random.normal()).collect();
        let rows = self.shape.iter().product::<usize>() / columns;
        let mut bytes = Vec::with_capacity(self.data_len());
        for _ in 0..rows {
            let row_scale = 0.02 * spread(&mut random);
            for quad in column_scales.chunks(4) {
                let mut bits = random.bits();
                for column_scale in quad {
                    let normal = normals[usize::from(u16::from_le_bytes([
                        bits.to_le_bytes()[0],
                        bits.to_le_bytes()[1],
                    ]))];
                    bits >>= 16;
                    let weight = if is_norm {
                        1.0 + 0.1 * normal
                    } else {
                        normal * row_scale * column_scale
                    };
                    match self.dtype {
                        FloatType::Bf16 => bytes.extend(bf16::from_f32(weight).to_le_bytes()),
                        FloatType::F16 => bytes.extend(f16::from_f32(weight).to_le_bytes()),
                        FloatType::F32 => bytes.extend(weight.to_le_bytes()),
                    }
                }
            }
        }
        bytes
    }
}

/// Names and shapes of a Llama without a tied head, of as many layers as fit `elements`.
fn shapes(hidden: usize, elements: usize) -> Vec<(String, Vec<usize>)> {
    let intermediate = (hidden * 11 / 4).next_multiple_of(256);
    let layer_elements = 4 * hidden * hidden + 3 * hidden * intermediate + 2 * hidden;
    let outside = 2 * VOCABULARY * hidden + hidden;
    let layers = (elements.saturating_sub(outside) / layer_elements).max(1);
    let mut shapes = vec![
        (
            "model.embed_tokens.weight".to_owned(),
            vec![VOCABULARY, hidden],
        ),
        ("lm_head.weight".to_owned(), vec![VOCABULARY, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ];
    for layer in 0..layers {
        let mut add = |name: &str, shape: &[usize]| {
            shapes.push((
                format!("model.layers.{layer}.{name}.weight"),
                shape.to_vec(),
            ))
        };
        for name in ["q_proj", "k_proj", "v_proj", "o_proj"] {
            add(&format!("self_attn.{name}"), &[hidden, hidden]);
        }
        for name in ["gate_proj", "up_proj"] {
            add(&format!("mlp.{name}"), &[intermediate, hidden]);
        }
        add("mlp.down_proj", &[hidden, intermediate]);
        for name in ["input_layernorm", "post_attention_layernorm"] {
            add(name, &[hidden]);
        }
    }
    shapes
}

pub(crate) fn run(args: &SyntheticArgs) -> anyhow::Result<()> {
    ensure!(
        args.hidden >= 64 && args.hidden.is_multiple_of(64),
        "--hidden must be a multiple of 64"
    );
    let element_bytes = if matches!(args.dtype, FloatType::F32) {
        4
    } else {
        2
    };
    let elements = usize::try_from((args.mebibytes << 20) / element_bytes)
        .context("--mebibytes is too large")?;
    let start = Instant::now();
    let tensors =
        shapes(args.hidden, elements)
            .into_iter()
            .zip(0u64..)
            .map(|((name, shape), number)| {
                let seed = args.seed.wrapping_mul(1_000_003).wrapping_add(number);
                (
                    name,
                    Drawn {
                        shape,
                        dtype: args.dtype,
                        seed,
                    },
                )
            });
    let tensors: Vec<(String, Drawn)> = tensors.collect();
    let bytes: usize = tensors.iter().map(|(_, drawn)| drawn.data_len()).sum();
    let output = std::path::absolute(&args.output)?;
    serialize_to_file(tensors, None, &output)
        .with_context(|| format!("writing {}", output.display()))?;
    eprintln!(
        "{}: {:.2} GB in {:.1} s",
        args.output.display(),
        bytes as f64 / 1e9,
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_weights_of_the_scale_asked_for() {
        let drawn = Drawn {
            shape: vec![300, 200],
            dtype: FloatType::F32,
            seed: 7,
        };
        let bytes = drawn.draw();
        assert_eq!(bytes.len(), drawn.data_len());
        assert!(bytes == drawn.draw());
        let weights: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        let deviation = (weights.iter().map(|w| w * w).sum::<f32>() / weights.len() as f32).sqrt();
        assert!((0.015..0.030).contains(&deviation), "{deviation}");
    }

    #[test]
    fn layers_fill_the_size_asked_for() {
        let total = |elements| {
            shapes(256, elements)
                .iter()
                .map(|(_, shape)| shape.iter().product::<usize>())
                .sum::<usize>()
        };
        assert!((90_000_000..100_000_000).contains(&total(100_000_000)));
    }
}
