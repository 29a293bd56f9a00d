//! Formats that a model can be stored in.

use crate::quantise::Scheme;
use crate::tensor::Float;
use candle_core::quantized::GgmlDType;

/// A format that a model can be stored in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Format {
    /// Rounded.
    Float(Float),
    /// Matrices quantised; they run as what their codes stand for.
    Scheme(Scheme),
    /// candle's GGUF, which also multiplies with the codes.
    Gguf(GgmlDType),
}

/// Every format, in the order of the table.
pub(super) const FORMATS: [Format; 17] = [
    Format::Float(Float::F32),
    Format::Float(Float::Bf16),
    Format::Float(Float::F16),
    Format::Scheme(Scheme::Int8Tensor),
    Format::Scheme(Scheme::Int8Row),
    Format::Scheme(Scheme::Int8Group128),
    Format::Scheme(Scheme::Fp8Tensor),
    Format::Scheme(Scheme::Fp8Row),
    Format::Scheme(Scheme::Int4Tensor),
    Format::Scheme(Scheme::Int4Row),
    Format::Scheme(Scheme::Int4Group128),
    Format::Gguf(GgmlDType::Q8_0),
    Format::Gguf(GgmlDType::Q6K),
    Format::Gguf(GgmlDType::Q5K),
    Format::Gguf(GgmlDType::Q4K),
    Format::Gguf(GgmlDType::Q5_0),
    Format::Gguf(GgmlDType::Q4_0),
];

impl Format {
    pub(super) fn name(self) -> String {
        match self {
            Self::Float(float) => float.name().to_owned(),
            Self::Scheme(scheme) => scheme.name().to_owned(),
            Self::Gguf(format) => format!("GGUF {format:?}"),
        }
    }
}
