//! The formats that a model's weights are tried in.

use super::input::{Counted, Input, Promise};
use crate::quantise::Scheme;
use crate::tensor::{Float, Tensor};

/// A version of an F32 checkpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Version {
    /// All weights rounded to a float format.
    Rounded(Float),
    /// F32 of weights that were rounded to a narrower format.
    Upcast(Float),
    /// F32 of which every second row was rounded to BF16.
    PartUpcast,
    /// BF16 of matrices that were quantised.
    Restored(Scheme),
    /// Matrices quantised, vectors in F32.
    Quantised(Scheme),
    /// BF16 of which so many per cent are zero, those nearest to it.
    Sparse(usize),
}

impl Version {
    pub(crate) const ALL: [Self; 16] = [
        Self::Rounded(Float::F32),
        Self::Rounded(Float::Bf16),
        Self::Rounded(Float::F16),
        Self::Upcast(Float::Bf16),
        Self::Upcast(Float::F16),
        Self::PartUpcast,
        Self::Restored(Scheme::Fp8Tensor),
        Self::Restored(Scheme::Int8Tensor),
        Self::Quantised(Scheme::Int8Tensor),
        Self::Quantised(Scheme::Int8Row),
        Self::Quantised(Scheme::Int8Group128),
        Self::Quantised(Scheme::Fp8Row),
        Self::Quantised(Scheme::Int4Group128),
        Self::Quantised(Scheme::Int4Words),
        Self::Sparse(50),
        Self::Sparse(90),
    ];

    pub(crate) fn name(self) -> String {
        match self {
            Self::Rounded(float) => float.name().to_owned(),
            Self::Upcast(float) => format!("F32 of {}", float.name()),
            Self::PartUpcast => "F32, half of BF16".to_owned(),
            Self::Restored(scheme) => format!("BF16 of {}", scheme.name()),
            Self::Quantised(scheme) => scheme.name().to_owned(),
            Self::Sparse(percent) => format!("BF16, {percent} % zero"),
        }
    }

    /// The version of the F32 checkpoint `model`.
    ///
    /// # Errors
    ///
    /// If a tensor is not F32.
    pub(crate) fn input(self, group: &str, model: &[Tensor]) -> anyhow::Result<Input> {
        let mut tensors = Vec::new();
        let mut num_weights = 0;
        for tensor in model {
            let weights = tensor.weights()?;
            num_weights += weights.len() as u64;
            tensors.extend(self.tensors(tensor, &weights));
        }
        Ok(Input {
            group: group.to_owned(),
            name: self.name(),
            tensors,
            weights: num_weights,
            counted: Counted::File,
            promises: self.promises(),
        })
    }

    fn promises(self) -> Vec<Promise> {
        match self {
            Self::Upcast(Float::Bf16) => vec![Promise::NotAbove(Float::Bf16.name())],
            // At most 45 % of raw.
            Self::Restored(Scheme::Fp8Tensor) => vec![Promise::SmallerThanRaw(1.0 / 0.45)],
            Self::Quantised(_) => vec![Promise::WithinEntropy],
            _ => Vec::new(),
        }
    }

    /// The tensor in this version: itself, or codes and scales.
    fn tensors(self, tensor: &Tensor, weights: &[f32]) -> Vec<Tensor> {
        let columns = tensor.columns();
        let float = |float: Float, weights: &[f32]| {
            vec![float.tensor(&tensor.name, &tensor.shape, weights)]
        };
        match self {
            Self::Rounded(format) => float(format, weights),
            Self::Upcast(format) => {
                let weights: Vec<f32> =
                    weights.iter().map(|&weight| format.round(weight)).collect();
                float(Float::F32, &weights)
            }
            Self::PartUpcast => {
                let mut weights = weights.to_vec();
                for row in weights.chunks_mut(columns).skip(1).step_by(2) {
                    for weight in row {
                        *weight = Float::Bf16.round(*weight);
                    }
                }
                float(Float::F32, &weights)
            }
            Self::Restored(scheme) if tensor.is_matrix() => {
                float(Float::Bf16, &scheme.restored(weights, columns))
            }
            Self::Restored(_) => float(Float::Bf16, weights),
            Self::Quantised(scheme) if tensor.is_matrix() => {
                scheme.apply(&tensor.name, weights, columns).into()
            }
            Self::Quantised(_) => vec![tensor.clone()],
            Self::Sparse(percent) => float(Float::Bf16, &pruned(weights, percent)),
        }
    }
}

/// The weights with so many per cent of them +0, those of the smallest magnitudes.
fn pruned(weights: &[f32], percent: usize) -> Vec<f32> {
    let num_zero = weights.len() * percent / 100;
    let mut order: Vec<usize> = (0..weights.len()).collect();
    if num_zero < order.len() {
        order.select_nth_unstable_by(num_zero, |&a, &b| {
            let (left, right) = (weights[a].abs(), weights[b].abs());
            left.total_cmp(&right).then(a.cmp(&b))
        });
    }
    let mut weights = weights.to_vec();
    for &index in &order[..num_zero] {
        weights[index] = 0.0;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::Dtype;

    fn model() -> Vec<Tensor> {
        let weights: Vec<f32> = (0..64).map(|i| (i as f32 * 0.77).sin()).collect();
        vec![
            Float::F32.tensor("matrix", &[4, 16], &weights),
            Float::F32.tensor("vector", &[16], &weights[..16]),
        ]
    }

    #[test]
    fn every_version_has_a_name_and_the_models_weights() {
        let model = model();
        let mut names: Vec<String> = Version::ALL.map(Version::name).into();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Version::ALL.len());
        for version in Version::ALL {
            let input = version.input("m", &model).unwrap();
            assert_eq!(input.weights, 80);
            crate::tensor::safetensors_file(&input.tensors).unwrap();
        }
        let halves = [Float::F16.tensor("x", &[1], &[1.0])];
        assert!(Version::PartUpcast.input("m", &halves).is_err());
    }

    #[test]
    fn versions_are_what_they_say() {
        let model = model();
        let of = |version: Version| version.input("m", &model).unwrap().tensors;
        assert_eq!(of(Version::Rounded(Float::F32)), model);
        let low_half = |word: &[u8]| word[..2] == [0, 0];
        let upcast = of(Version::Upcast(Float::Bf16));
        assert!(upcast[0].bytes.chunks(4).all(low_half));
        let part = of(Version::PartUpcast);
        let rows: Vec<bool> = part[0]
            .bytes
            .chunks(64)
            .map(|row| row.chunks(4).all(low_half))
            .collect();
        assert_eq!(rows, [false, true, false, true]);
        assert_eq!(part[1], model[1]);
        let words = of(Version::Quantised(Scheme::Int4Words));
        let dtypes: Vec<Dtype> = words.iter().map(|tensor| tensor.dtype).collect();
        assert_eq!(dtypes, [Dtype::I32, Dtype::F16, Dtype::F32]);
    }

    #[test]
    fn pruning_takes_the_smallest_magnitudes() {
        assert_eq!(pruned(&[3.0, -1.0, 2.0, -4.0], 50), [3.0, 0.0, 0.0, -4.0]);
        assert_eq!(pruned(&[1.0, -1.0, 1.0], 34), [0.0, -1.0, 1.0]);
        assert_eq!(pruned(&[5.0], 100), [0.0]);
        let bits: Vec<u32> = pruned(&[-1.0, 2.0], 50)
            .iter()
            .map(|w| w.to_bits())
            .collect();
        assert_eq!(bits, [0, 2f32.to_bits()]);
    }
}
