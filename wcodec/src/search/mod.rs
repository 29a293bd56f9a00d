//! The encoder's decisions. Nothing here changes what a decoder does; everything here is measured in
//! fixed-point bits, so that every machine decides alike.

mod alphabet;
mod cluster;
mod considered;
pub(crate) mod layout;
mod measure;
mod packed;
mod plain;
mod tool;
mod tools;

use crate::chunk::Symbols;
use crate::entropy::cost::COST_BITS;
use crate::samples::{Mapping, Number, Sample, SampleForm, Split};
use alphabet::Histograms;
use measure::SymbolForm;

pub use considered::{Considered, Verdict};
pub use tool::Tool;

/// What is to be decided about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) form: SampleForm,
    /// Samples of a row, 0 if that is not a whole number.
    pub(crate) row: u64,
    pub(crate) effort: Effort,
    /// A tool to use alone.
    pub(crate) only: Option<Tool>,
}

/// How hard the encoder tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Effort {
    /// One frequency table a part, made from samples of a large one.
    Fast,
    /// Frequency tables clustered over the chunks.
    #[default]
    Default,
    /// Also joins up to three mantissa bits with the exponent, and clusters further.
    Max,
}

impl Effort {
    fn max_tables(self) -> usize {
        match self {
            Self::Fast => 1,
            Self::Default => 8,
            Self::Max => 32,
        }
    }

    /// Of a part of `num_samples`, one run of samples in so many is counted: frequencies of large parts do not need
    /// all, and those of the few exponents of floats need less than those of all the values of integers and of FP8.
    fn count_one_in(self, num_samples: usize, form: SampleForm) -> usize {
        let is_narrow = form.mapping == Mapping::Float && form.bytes > 1;
        match self {
            Self::Fast if num_samples >= 1 << 19 => 8,
            Self::Default if num_samples >= 1 << 21 => 4,
            Self::Fast if num_samples >= 1 << 16 => 2,
            Self::Default if num_samples >= 1 << 16 && is_narrow => 2,
            _ => 1,
        }
    }

    /// Most mantissa bits that are tried as part of a symbol.
    fn most_joined(self) -> u32 {
        match self {
            Self::Max => MAX_JOINED_BITS,
            Self::Fast | Self::Default => 0,
        }
    }
}

/// How to encode the chunks of a part.
#[derive(Debug)]
pub(crate) struct Decision {
    /// How samples are split; with tools, how many bits a symbol has.
    pub(crate) split: Split,
    pub(crate) symbols: Symbols,
    /// Each chunk's table.
    pub(crate) assignment: Vec<u8>,
    /// This and what else was considered.
    pub(crate) considered: Vec<Considered>,
}

/// Most bits of a symbol: an integer's upper eight, or a float's exponent and a few mantissa bits.
const INTEGER_SYMBOL_BITS: u32 = 8;
const FLOAT_SYMBOL_BITS: u32 = 14;
/// Mantissa bits below the third are noise on every model measured.
const MAX_JOINED_BITS: u32 = 3;

/// Decides for the samples in `chunks` (little-endian bytes, none empty). `and_then` is called with the lengths of runs
/// of chunks, in order, each while the run is in a cache.
pub(crate) fn decide<S: Number>(
    chunks: &[&[u8]],
    wanted: Wanted,
    and_then: &mut (dyn FnMut(usize) + Send),
) -> Decision {
    let Wanted { form, effort, .. } = wanted;
    let num_samples = chunks.iter().map(|raw| raw.len() / S::BYTES).sum::<usize>();
    let one_in = effort.count_one_in(num_samples, form);
    let symbols = symbol_form::<S>(chunks, form, effort);
    let measured = measure::measure::<S>(chunks, symbols, one_in, and_then);
    let splits = candidates(form, measured.seen_bits, effort).into_iter();
    let plain = splits.flat_map(|split| {
        let drop_bits = split.symbol_shift().saturating_sub(symbols.shift);
        let histograms = Histograms::new(&measured.counts, drop_bits, one_in > 1);
        plain::ways(split, &histograms, wanted, num_samples as u64)
    });
    tools::decide::<S>(chunks, wanted, plain.collect())
}

/// A decision, and what the part then costs.
#[derive(Debug)]
struct Costed {
    cost: u64,
    tool: Tool,
    how: String,
    estimated_cost: Option<u64>,
    decision: Decision,
}

impl Costed {
    fn considered(&self, verdict: Verdict) -> Considered {
        Considered {
            tool: self.tool,
            how: self.how.clone(),
            estimated_bits: self.estimated_cost.map(in_bits),
            measured_bits: Some(in_bits(self.cost)),
            verdict,
        }
    }
}

/// A cost in bits.
fn in_bits(cost: u64) -> u64 {
    cost >> COST_BITS
}

/// What to count: the symbols of the candidate that joins most, of which all others' can be made.
fn symbol_form<S: Sample>(chunks: &[&[u8]], form: SampleForm, effort: Effort) -> SymbolForm {
    let mapping = form.mapping;
    let sample_bits = 8 * u32::from(form.bytes);
    let (shift, used_bits) = match (mapping, form.bytes) {
        (Mapping::Float, _) => {
            let fraction_bits = u32::from(form.fraction_bits);
            (
                fraction_bits - effort.most_joined().min(fraction_bits),
                sample_bits - 1,
            )
        }
        (_, 1) => (0, sample_bits),
        _ => {
            let seen = measure::seen_bits::<S>(chunks, mapping);
            let finest = candidates(form, seen, effort);
            let shift = finest.iter().map(|split| split.symbol_shift()).min();
            (shift.unwrap_or(0), 64 - seen.leading_zeros())
        }
    };
    SymbolForm {
        mapping,
        shift,
        bits: used_bits.saturating_sub(shift).max(1),
    }
}

/// The splits worth measuring, for samples whose magnitudes have no bit outside `seen_bits`.
fn candidates(form: SampleForm, seen_bits: u64, effort: Effort) -> Vec<Split> {
    let split = |symbol_bits: u32, stored_bits: u32, zero_bits: u32| {
        let [symbol_bits, stored_bits, zero_bits] =
            [symbol_bits, stored_bits, zero_bits].map(|bits| u8::try_from(bits).unwrap_or(u8::MAX));
        Split {
            mapping: form.mapping,
            symbol_bits,
            stored_bits,
            zero_bits,
        }
    };
    let used_bits = 64 - seen_bits.leading_zeros();
    if form.mapping != Mapping::Float {
        let zero_bits = seen_bits.trailing_zeros().min(used_bits);
        let symbol_bits = (used_bits - zero_bits).clamp(1, INTEGER_SYMBOL_BITS);
        return vec![split(
            symbol_bits,
            (used_bits - zero_bits).saturating_sub(symbol_bits),
            zero_bits,
        )];
    }
    let fraction_bits = u32::from(form.fraction_bits);
    let zero_bits = seen_bits.trailing_zeros().min(fraction_bits);
    let exponent_bits = used_bits.saturating_sub(fraction_bits).max(1);
    let mantissa_bits = fraction_bits - zero_bits;
    (0..=effort.most_joined().min(mantissa_bits))
        .filter(|joined| exponent_bits + joined <= FLOAT_SYMBOL_BITS)
        .map(|joined| {
            split(
                exponent_bits + joined,
                1 + mantissa_bits - joined,
                zero_bits,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dtype;

    fn bits(dtype: Dtype, seen_bits: u64, effort: Effort) -> Vec<(u8, u8, u8)> {
        let splits = candidates(dtype.sample_form(), seen_bits, effort);
        splits
            .iter()
            .map(|split| (split.symbol_bits, split.stored_bits, split.zero_bits))
            .collect()
    }

    #[test]
    fn floats_split_below_the_exponent() {
        assert_eq!(bits(Dtype::BF16, 0x7fff, Effort::Default), [(8, 8, 0)]);
        assert_eq!(bits(Dtype::BF16, 0x3fff, Effort::Default), [(7, 8, 0)]); // magnitudes below 2
        assert_eq!(bits(Dtype::F16, 0x7fff, Effort::Default), [(5, 11, 0)]);
        assert_eq!(bits(Dtype::F32, 0x7fff_ffff, Effort::Default), [(8, 24, 0)]);
        assert_eq!(bits(Dtype::F32, 0x7fff_0000, Effort::Default), [(8, 8, 16)]); // BF16 upcast
        assert_eq!(
            bits(Dtype::F32, 0x7fff_e000, Effort::Default),
            [(8, 11, 13)]
        ); // F16 upcast
        assert_eq!(bits(Dtype::F64, u64::MAX >> 1, Effort::Fast), [(11, 53, 0)]);
        assert_eq!(
            bits(Dtype::BF16, 0x7fff, Effort::Max),
            [(8, 8, 0), (9, 7, 0), (10, 6, 0), (11, 5, 0)]
        );
        assert_eq!(bits(Dtype::F32, 0x7f80_0000, Effort::Max), [(8, 1, 23)]); // powers of two
        assert_eq!(bits(Dtype::BF16, 0, Effort::Default), [(1, 1, 7)]); // zeros of both signs
    }

    #[test]
    fn integers_drop_unused_bits_at_both_ends() {
        assert_eq!(bits(Dtype::I8, 0xff, Effort::Default), [(8, 0, 0)]);
        assert_eq!(bits(Dtype::U8, 0xf0, Effort::Default), [(4, 0, 4)]);
        assert_eq!(bits(Dtype::I64, 0x7ff, Effort::Default), [(8, 3, 0)]);
        assert_eq!(
            bits(Dtype::U32, u64::from(u32::MAX), Effort::Default),
            [(8, 24, 0)]
        );
    }
}
