//! Inputs: the weights in one number format, repeated to any size, as a safetensors file and as its bytes.

use crate::weights::{self, Weights};
use anyhow::Context;
use float8::F8E4M3;
use half::{bf16, f16};
use safetensors::tensor::{View, serialize_to_file};
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// A number format that checkpoints come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// BF16.
    Bf16,
    /// F16.
    F16,
    /// F32.
    F32,
    /// INT8, one F16 scale a tensor.
    Int8,
    /// FP8 E4M3, one F16 scale a row.
    Fp8,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Bf16, Self::F16, Self::F32, Self::Int8, Self::Fp8];

    /// Bytes of an element of a matrix.
    pub fn element_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
            Self::Int8 | Self::Fp8 => 1,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::Int8 => "int8-tensor",
            Self::Fp8 => "fp8-e4m3-row",
        })
    }
}

/// A safetensors file, and the bytes of its tensors in memory.
#[derive(Debug)]
pub struct Input {
    /// The format of its matrices.
    pub format: Format,
    /// What its weights are.
    pub source: String,
    /// The file.
    pub path: PathBuf,
    /// The file's bytes: what wcodec encodes.
    pub safetensors: Vec<u8>,
    /// Where its data section begins.
    data_at: usize,
}

/// A tensor in its format, before it is repeated.
struct Base {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Base {
    /// Bytes of a row, or of an element where there are no rows.
    fn row_bytes(&self) -> usize {
        let element = self.dtype.bitsize() / 8;
        match self.shape.as_slice() {
            [_, columns] => columns * element,
            _ => element,
        }
    }
}

/// One copy of a tensor: its rows rotated, so that no two copies are the same tensor.
#[derive(Clone, Copy)]
struct Copied<'a> {
    base: &'a Base,
    rotation: usize,
}

impl View for Copied<'_> {
    fn dtype(&self) -> Dtype {
        self.base.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.base.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = self.base.bytes.clone();
        let by = self.rotation * self.base.row_bytes() % bytes.len().max(1);
        bytes.rotate_left(by);
        bytes.into()
    }

    fn data_len(&self) -> usize {
        self.base.bytes.len()
    }
}

impl Input {
    /// Writes `<format>.safetensors` into `folder`: the weights, copy after copy, until there are `raw_bytes` of them.
    ///
    /// The copies lie as far apart as the model is long, beyond the window of every peer.
    ///
    /// # Errors
    ///
    /// Whatever reading the weights or writing the file meets.
    pub fn write(format: Format, raw_bytes: usize, folder: &Path) -> anyhow::Result<Self> {
        let (source, weights) = weights::load()?;
        let bases: Vec<Base> = weights
            .iter()
            .flat_map(|weights| convert(weights, format))
            .collect();
        let model_bytes: usize = bases.iter().map(|base| base.bytes.len()).sum();
        let copies = raw_bytes.div_ceil(model_bytes).max(1);
        let tensors = (0..copies).flat_map(|rotation| {
            bases.iter().map(move |base| {
                (
                    format!("copy{rotation:03}.{}", base.name),
                    Copied { base, rotation },
                )
            })
        });
        let path = folder.join(format!("{format}.safetensors"));
        serialize_to_file(tensors, None, &path)
            .with_context(|| format!("writing {}", path.display()))?;
        let safetensors =
            std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let (header, _) = SafeTensors::read_metadata(&safetensors)?;
        Ok(Self {
            format,
            source,
            path,
            safetensors,
            data_at: size_of::<u64>() + header,
        })
    }

    /// The file's data section: what the peers encode.
    pub fn raw(&self) -> &[u8] {
        self.safetensors.get(self.data_at..).unwrap_or_default()
    }

    /// SHA-256 of the raw bytes, in hexadecimal.
    pub fn sha256(&self) -> String {
        Sha256::digest(self.raw())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// A tensor in `format`; with its scales, if it is a matrix to be quantised. Vectors are then left in F32.
fn convert(weights: &Weights, format: Format) -> Vec<Base> {
    let Weights {
        name,
        shape,
        values,
    } = weights;
    let base = |suffix: &str, dtype, shape: Vec<usize>, bytes| Base {
        name: format!("{name}{suffix}"),
        dtype,
        shape,
        bytes,
    };
    let float = |dtype, bytes| vec![base("", dtype, shape.clone(), bytes)];
    let largest = |values: &[f32]| {
        values
            .iter()
            .fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()))
    };
    match (format, shape.as_slice()) {
        (Format::Bf16, _) => float(
            Dtype::BF16,
            values
                .iter()
                .flat_map(|value| bf16::from_f32(*value).to_le_bytes())
                .collect(),
        ),
        (Format::F16, _) => float(
            Dtype::F16,
            values
                .iter()
                .flat_map(|value| f16::from_f32(*value).to_le_bytes())
                .collect(),
        ),
        (Format::Int8, &[_, _]) => {
            let scale = largest(values) / 127.0;
            #[expect(clippy::cast_possible_truncation, reason = "at most 127 in magnitude")]
            let codes = values
                .iter()
                .flat_map(|value| ((value / scale).round_ties_even() as i8).to_le_bytes())
                .collect();
            let scale = f16::from_f32(scale).to_le_bytes().to_vec();
            vec![
                base("", Dtype::I8, shape.clone(), codes),
                base("_scale", Dtype::F16, vec![1], scale),
            ]
        }
        (Format::Fp8, &[rows, columns]) => {
            let scales: Vec<f32> = values
                .chunks(columns)
                .map(|row| largest(row) / 448.0)
                .collect();
            let codes = values
                .chunks(columns)
                .zip(&scales)
                .flat_map(|(row, scale)| {
                    row.iter()
                        .map(move |value| F8E4M3::from_f32(value / scale).to_bits())
                });
            let codes = codes.collect();
            let scales = scales
                .iter()
                .flat_map(|scale| f16::from_f32(*scale).to_le_bytes())
                .collect();
            vec![
                base("", Dtype::F8_E4M3, shape.clone(), codes),
                base("_scale", Dtype::F16, vec![rows, 1], scales),
            ]
        }
        (Format::F32 | Format::Int8 | Format::Fp8, _) => float(
            Dtype::F32,
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_as_long_as_asked_for_and_no_two_tensors_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let input = Input::write(Format::Fp8, 13_000_000, folder.path()).unwrap();
        assert!((13_000_000..20_000_000).contains(&input.raw().len()));
        let bytes = std::fs::read(&input.path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let mut codes: Vec<&[u8]> = tensors
            .iter()
            .filter(|(_, view)| view.dtype() == Dtype::F8_E4M3)
            .map(|(_, view)| view.data())
            .collect();
        let total = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), total);
    }
}
