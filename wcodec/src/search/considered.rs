//! What the encoder considered, for those who want to know why it decided so.

use super::Tool;

/// A way to code a part of a tensor that the encoder considered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Considered {
    /// The tool that makes the difference.
    pub tool: Tool,
    /// All of it: `rans 8 + 8 stored`, `top-slope, tokens, contexts by column`.
    pub how: String,
    /// Bits of the part, from a few samples of it.
    pub estimated_bits: Option<u64>,
    /// Bits of the part: symbols, what is stored with them and tables. From counts, some of them of a part of the
    /// samples; what is written differs by rounding and padding.
    pub measured_bits: Option<u64>,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a way to code a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It was taken.
    Taken,
    /// Another way costs less.
    CostsMore,
    /// The estimate promised too little to measure it.
    NotMeasured,
    /// It saves less than a 256th of the bits, and decodes slower.
    SavesTooLittle,
}

impl Verdict {
    /// For people and for JSON: `taken`, `costs more` ...
    pub fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::CostsMore => "costs more",
            Self::NotMeasured => "not measured",
            Self::SavesTooLittle => "saves too little",
        }
    }
}
