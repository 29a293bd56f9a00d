//! Quantised versions of float matrices, as checkpoints in those formats hold them.
//!
//! A matrix has a row for each output and a column for each input. Groups lie in rows: `GROUP` weights, and what is
//! left at
//! the end of a row. Scales are F16, codes are those of the F32 scales before that rounding.

mod fp8;

use crate::tensor::Tensor;
use half::f16;
use safetensors::Dtype;

/// Weights that share a scale in the formats with groups.
const GROUP: usize = 128;
/// Codes of 4 bits in a word of 32.
const CODES_PER_WORD: usize = 8;

/// A way to quantise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// INT8, one scale a tensor.
    Int8Tensor,
    /// INT8, one scale a row.
    Int8Row,
    /// INT8, one scale for each 128 weights of a row.
    Int8Group128,
    /// INT4, two to a byte, one scale a tensor.
    Int4Tensor,
    /// INT4, two to a byte, one scale a row.
    Int4Row,
    /// INT4, two to a byte, one scale for each 128 weights of a row.
    Int4Group128,
    /// INT4, eight to an I32 down a column of the transposed matrix, one scale for each 128 weights of a row: GPTQ's.
    Int4Words,
    /// FP8 E4M3, one scale a tensor.
    Fp8Tensor,
    /// FP8 E4M3, one scale a row.
    Fp8Row,
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Int8Tensor => "INT8 per tensor",
            Self::Int8Row => "INT8 per row",
            Self::Int8Group128 => "INT8, groups of 128",
            Self::Int4Tensor => "INT4 per tensor",
            Self::Int4Row => "INT4 per row",
            Self::Int4Group128 => "INT4, groups of 128",
            Self::Int4Words => "INT4, eight to an I32",
            Self::Fp8Tensor => "FP8 E4M3 per tensor",
            Self::Fp8Row => "FP8 E4M3 per row",
        }
    }

    /// A checkpoint's tensors with its matrices quantised, each followed by its scales, and the others as they are.
    ///
    /// # Errors
    ///
    /// If a matrix is not F32.
    pub(crate) fn checkpoint(self, tensors: &[Tensor]) -> anyhow::Result<Vec<Tensor>> {
        let mut quantised = Vec::new();
        for tensor in tensors {
            match tensor.is_matrix() {
                true => {
                    quantised.extend(self.apply(&tensor.name, &tensor.weights()?, tensor.columns()))
                }
                false => quantised.push(tensor.clone()),
            }
        }
        Ok(quantised)
    }

    /// Quantises a matrix of rows of `columns` weights, by the largest magnitude of each group: the codes as a tensor
    /// of that name, the scales, a row of them for each row of the matrix, as one with `_scale` behind it.
    pub(crate) fn apply(self, name: &str, weights: &[f32], columns: usize) -> [Tensor; 2] {
        let columns = columns.max(1);
        let rows = weights.len() / columns;
        let (codes, scales) = self.codes(weights, columns);
        let scales: Vec<f16> = scales.into_iter().map(f16::from_f32).collect();
        // One scale of a whole tensor is a row, too.
        let scale_rows = rows.min(scales.len());
        let groups = scales.len() / scale_rows.max(1);
        let (dtype, shape, bytes) = match self {
            Self::Int4Words => {
                let words = gptq_words(&codes, columns);
                let shape = [columns.div_ceil(CODES_PER_WORD), rows];
                let scales = transposed(&scales, groups);
                return [
                    Tensor {
                        nibbles: true,
                        ..Tensor::new(name, Dtype::I32, &shape, words)
                    },
                    scale_tensor(name, &[groups, rows], scales),
                ];
            }
            Self::Int4Tensor | Self::Int4Row | Self::Int4Group128 => {
                let pairs = codes.chunks(columns).flat_map(|row| row.chunks(2));
                let packed = pairs.map(|pair| pair[0] | pair.get(1).map_or(0, |high| high << 4));
                (Dtype::U8, [rows, columns.div_ceil(2)], packed.collect())
            }
            Self::Fp8Tensor | Self::Fp8Row => (Dtype::F8_E4M3, [rows, columns], codes),
            Self::Int8Tensor | Self::Int8Row | Self::Int8Group128 => {
                (Dtype::I8, [rows, columns], codes)
            }
        };
        [
            Tensor {
                nibbles: dtype == Dtype::U8,
                ..Tensor::new(name, dtype, &shape, bytes)
            },
            scale_tensor(name, &[scale_rows, groups], scales),
        ]
    }

    /// The weights that the codes of a matrix stand for: what a tool writes that undoes a quantisation.
    pub(crate) fn restored(self, weights: &[f32], columns: usize) -> Vec<f32> {
        let (codes, scales) = self.codes(weights, columns);
        self.values(&codes, &scales, columns)
    }

    /// The weights that a model computes with that was stored so: as [`restored`](Self::restored), with the scales
    /// rounded to the F16 that they are stored in.
    pub(crate) fn as_stored(self, weights: &[f32], columns: usize) -> Vec<f32> {
        let (codes, scales) = self.codes(weights, columns);
        let scales = scales.iter().map(|scale| f16::from_f32(*scale).to_f32());
        self.values(&codes, &scales.collect::<Vec<_>>(), columns)
    }

    fn values(self, codes: &[u8], scales: &[f32], columns: usize) -> Vec<f32> {
        let groups = self.groups(codes, columns).zip(scales);
        groups
            .flat_map(|(codes, scale)| codes.iter().map(move |&code| self.value(code) * scale))
            .collect()
    }

    /// The code of each weight and the scale of each group.
    fn codes(self, weights: &[f32], columns: usize) -> (Vec<u8>, Vec<f32>) {
        let largest_value = match self {
            Self::Int8Tensor | Self::Int8Row | Self::Int8Group128 => 127.0,
            Self::Int4Tensor | Self::Int4Row | Self::Int4Group128 | Self::Int4Words => 7.0,
            Self::Fp8Tensor | Self::Fp8Row => 448.0,
        };
        let mut scales = Vec::new();
        let mut codes = Vec::with_capacity(weights.len());
        for group in self.groups(weights, columns) {
            let largest = group
                .iter()
                .fold(0f32, |largest, weight| largest.max(weight.abs()));
            let scale = if largest > 0.0 {
                largest / largest_value
            } else {
                1.0
            };
            scales.push(scale);
            codes.extend(group.iter().map(|weight| self.code(weight / scale)));
        }
        (codes, scales)
    }

    /// What shares a scale, in order.
    fn groups<T>(self, elements: &[T], columns: usize) -> impl Iterator<Item = &[T]> {
        let all = elements.len();
        let (run, group) = match self {
            Self::Int8Tensor | Self::Int4Tensor | Self::Fp8Tensor => (all, all),
            Self::Int8Row | Self::Int4Row | Self::Fp8Row => (columns, columns),
            Self::Int8Group128 | Self::Int4Group128 | Self::Int4Words => (columns, GROUP),
        };
        let runs = elements.chunks(run.max(1));
        runs.flat_map(move |run| run.chunks(group.max(1)))
    }

    /// The byte of one scaled weight.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is rounded and in range"
    )]
    fn code(self, scaled: f32) -> u8 {
        match self {
            Self::Int8Tensor | Self::Int8Row | Self::Int8Group128 => {
                scaled.round_ties_even().clamp(-127.0, 127.0) as i8 as u8
            }
            // Unsigned with a zero point of 8, as GPTQ and AWQ store it.
            Self::Int4Tensor | Self::Int4Row | Self::Int4Group128 | Self::Int4Words => {
                (scaled.round_ties_even().clamp(-8.0, 7.0) + 8.0) as u8
            }
            Self::Fp8Tensor | Self::Fp8Row => fp8::e4m3(scaled),
        }
    }

    /// Inverse of [`code`](Self::code), but for the rounding.
    fn value(self, code: u8) -> f32 {
        match self {
            Self::Int8Tensor | Self::Int8Row | Self::Int8Group128 => {
                f32::from(i8::from_le_bytes([code]))
            }
            Self::Int4Tensor | Self::Int4Row | Self::Int4Group128 | Self::Int4Words => {
                f32::from(code) - 8.0
            }
            Self::Fp8Tensor | Self::Fp8Row => fp8::value(code),
        }
    }
}

fn scale_tensor(name: &str, shape: &[usize], scales: impl IntoIterator<Item = f16>) -> Tensor {
    let bytes = scales.into_iter().flat_map(f16::to_le_bytes).collect();
    Tensor::new(&format!("{name}_scale"), Dtype::F16, shape, bytes)
}

/// Eight codes of a row to a word, the first in the low bits; the words of the rows side by side.
fn gptq_words(codes: &[u8], columns: usize) -> Vec<u8> {
    let rows = codes.chunks(columns.max(1));
    let words: Vec<u32> = rows
        .flat_map(|row| row.chunks(CODES_PER_WORD))
        .map(|eight| {
            let codes = eight.iter().rev();
            codes.fold(0, |word, &code| word << 4 | u32::from(code))
        })
        .collect();
    let words = transposed(&words, columns.div_ceil(CODES_PER_WORD));
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// The matrix with its rows of `columns` elements as columns.
fn transposed<T: Copy>(matrix: &[T], columns: usize) -> Vec<T> {
    let column = |first| matrix.iter().skip(first).step_by(columns.max(1)).copied();
    (0..columns).flat_map(column).collect()
}

#[cfg(test)]
mod tests;
