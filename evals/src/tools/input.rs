//! What the tools are tried on, and what is asked of the result.

use crate::tensor::Tensor;

/// Tensors that are encoded together.
#[derive(Debug)]
pub(crate) struct Input {
    /// The model, or what the structured tensors are called together.
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) tensors: Vec<Tensor>,
    /// Weights, or elements, that the bits are divided by.
    pub(crate) weights: u64,
    pub(crate) counted: Counted,
    pub(crate) promises: Vec<Promise>,
}

impl Input {
    /// Bytes of all tensors.
    pub(crate) fn raw_bytes(&self) -> u64 {
        self.tensors
            .iter()
            .map(|tensor| tensor.bytes.len() as u64)
            .sum()
    }
}

/// What of an encoding is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// The whole container.
    File,
    /// The payloads of the tensors: a container of one small tensor is mostly header.
    Payloads,
}

/// What the encoder's choice has to reach on an input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Promise {
    /// The codes take at most 1 % more than their entropy of order 0.
    WithinEntropy,
    /// Smaller than zstd -19 by this factor.
    SmallerThanZstd(f64),
    /// Smaller than the tensors' bytes by this factor.
    SmallerThanRaw(f64),
    /// At most 0.5 % larger than another input of the group.
    NotAbove(&'static str),
}
