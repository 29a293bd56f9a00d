//! Tensors in memory, and the safetensors files they make.

use anyhow::{Context, ensure};
use half::{bf16, f16};
use safetensors::tensor::{TensorView, serialize};
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// One tensor of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Its elements, as safetensors holds them.
    pub(crate) bytes: Vec<u8>,
    /// Whether a byte of it is two codes of four bits, whatever its dtype says.
    pub(crate) nibbles: bool,
}

impl Tensor {
    pub(crate) fn new(name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            dtype,
            shape: shape.to_vec(),
            bytes,
            nibbles: false,
        }
    }

    /// Whether it has rows and columns and no more.
    pub(crate) fn is_matrix(&self) -> bool {
        self.shape.len() == 2
    }

    /// Length of a row: the last dimension.
    pub(crate) fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1).max(1)
    }

    /// The elements of an F32 tensor.
    ///
    /// # Errors
    ///
    /// If it is of another dtype.
    pub(crate) fn weights(&self) -> anyhow::Result<Vec<f32>> {
        ensure!(
            self.dtype == Dtype::F32,
            "tensor `{}` is not F32",
            self.name
        );
        let words = self.bytes.as_chunks::<4>().0.iter();
        Ok(words.map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

/// A float format that checkpoints come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    F32,
    F16,
    Bf16,
}

impl Float {
    pub(crate) const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    /// A tensor of these values, each rounded to the nearest of the format, ties to even.
    pub(crate) fn tensor(self, name: &str, shape: &[usize], values: &[f32]) -> Tensor {
        let values = values.iter();
        let (dtype, bytes) = match self {
            Self::F32 => (Dtype::F32, values.flat_map(|v| v.to_le_bytes()).collect()),
            Self::F16 => (
                Dtype::F16,
                values
                    .flat_map(|&v| f16::from_f32(v).to_le_bytes())
                    .collect(),
            ),
            Self::Bf16 => (
                Dtype::BF16,
                values
                    .flat_map(|&v| bf16::from_f32(v).to_le_bytes())
                    .collect(),
            ),
        };
        Tensor::new(name, dtype, shape, bytes)
    }

    /// The nearest value of the format.
    pub(crate) fn round(self, value: f32) -> f32 {
        match self {
            Self::F32 => value,
            Self::F16 => f16::from_f32(value).to_f32(),
            Self::Bf16 => bf16::from_f32(value).to_f32(),
        }
    }
}

/// The tensors of a safetensors file, by name.
///
/// # Errors
///
/// If the file cannot be read or is none.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Tensor>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let file = SafeTensors::deserialize(&bytes)
        .with_context(|| format!("{} is not a safetensors file", path.display()))?;
    let views = file.iter();
    let mut tensors: Vec<Tensor> = views
        .map(|(name, view)| Tensor::new(name, view.dtype(), view.shape(), view.data().to_vec()))
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

/// A safetensors file of the tensors.
///
/// # Errors
///
/// If a shape and its bytes do not fit together.
pub(crate) fn safetensors_file(tensors: &[Tensor]) -> anyhow::Result<Vec<u8>> {
    let views = tensors.iter().map(|tensor| {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes);
        Ok((&tensor.name, view.with_context(|| tensor.name.clone())?))
    });
    let views = views.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(serialize(views, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_tensors_back() {
        let b = Float::Bf16.tensor("b", &[2, 1], &[1.0, -2.0]);
        let a = Float::F32.tensor("a", &[3], &[0.5, f32::NEG_INFINITY, 0.0]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        std::fs::write(&path, safetensors_file(&[b.clone(), a.clone()]).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), [a, b]);
    }

    #[test]
    fn floats_round_to_nearest_even() {
        let value = 1.0 + 2f32.powi(-8); // halfway between two of BF16
        assert_eq!(Float::Bf16.round(value), 1.0);
        assert_eq!(
            Float::Bf16.tensor("x", &[1], &[value]).bytes,
            0x3f80u16.to_le_bytes()
        );
        assert_eq!(Float::F16.round(value), value);
        assert_eq!(
            Float::F32.tensor("x", &[1], &[value]).weights().unwrap(),
            [value]
        );
        assert!(Float::F16.tensor("x", &[1], &[value]).weights().is_err());
    }
}
