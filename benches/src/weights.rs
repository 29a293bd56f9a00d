//! The weights that inputs are made of: a real model's where there is one, normal ones otherwise.

use anyhow::{Context, ensure};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, StandardNormal};
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};

/// The model that inputs repeat.
const MODEL: &str = "stories15M-layers";

/// A tensor in F32.
#[derive(Debug)]
pub(crate) struct Weights {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// The folder of real models: `WCODEC_MODELS`, or the one beside the repository.
pub(crate) fn models() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    std::env::var_os("WCODEC_MODELS").map_or(default, PathBuf::from)
}

/// What the weights are called, and the weights.
///
/// # Errors
///
/// When the model is there but is not a safetensors file of F32 tensors.
pub(crate) fn load() -> anyhow::Result<(String, Vec<Weights>)> {
    let path = models().join(MODEL).join("f32/model.safetensors");
    if !path.is_file() {
        return Ok(("generated normal weights".to_owned(), generate()));
    }
    let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let mut weights = Vec::new();
    for (name, view) in tensors.iter() {
        ensure!(view.dtype() == Dtype::F32, "tensor `{name}` is not F32");
        let (values, _) = view.data().as_chunks::<4>();
        weights.push(Weights {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
            values: values
                .iter()
                .map(|value| f32::from_le_bytes(*value))
                .collect(),
        });
    }
    Ok((MODEL.to_owned(), weights))
}

/// Six million weights in the shapes of the real model, normal with a scale for each row.
fn generate() -> Vec<Weights> {
    let mut random = SmallRng::seed_from_u64(1);
    let mut draw = |name: String, shape: [usize; 2]| {
        let mut values = Vec::with_capacity(shape[0] * shape[1]);
        for _ in 0..shape[0] {
            let spread: f32 = StandardNormal.sample(&mut random);
            let scale = 0.05 * (0.3 * spread).exp();
            values.extend((0..shape[1]).map(|_| {
                let normal: f32 = StandardNormal.sample(&mut random);
                scale * normal
            }));
        }
        Weights {
            name,
            shape: shape.to_vec(),
            values,
        }
    };
    let shapes = [
        ("q_proj", [288, 288]),
        ("k_proj", [288, 288]),
        ("v_proj", [288, 288]),
        ("o_proj", [288, 288]),
        ("gate_proj", [768, 288]),
        ("up_proj", [768, 288]),
        ("down_proj", [288, 768]),
    ];
    let names = (0..6).flat_map(|layer| {
        shapes.map(|(name, shape)| (format!("layers.{layer}.{name}.weight"), shape))
    });
    names.map(|(name, shape)| draw(name, shape)).collect()
}
