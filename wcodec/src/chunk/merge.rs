//! Symbols and stored bits to elements, a block at a time.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::bitplane::Plane;
use crate::entropy::rans::Values;
use crate::entropy::simd::{Isa, Work};
use crate::samples::{Mapping, Sample, Split};

/// Samples merged at a time: codes, stored bits and elements of a block stay in the first-level cache.
pub(super) const BLOCK: usize = 1024;

/// What the symbols of a chunk are merged with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) isa: Isa,
    pub(super) split: Split,
    pub(super) values: Values<'a>,
    /// Each plane with its bytes, most significant first: the narrow ones lead.
    pub(super) planes: &'a [(Plane, &'a [u8])],
}

impl Stored<'_> {
    /// The sample at `index` with the symbol `symbol`.
    pub(super) fn sample<S: Sample>(&self, index: usize, symbol: u16) -> S {
        let planes = self.planes.iter();
        let stored = planes.fold(S::ZERO, |stored, (plane, bytes)| {
            stored.with_bits_at(plane.at(index, bytes), plane.shift)
        });
        S::inverse(symbol, stored, self.split)
    }
}

/// At most [`BLOCK`] samples of a chunk.
pub(super) struct Block<'a, T> {
    /// The number of the first one within the chunk, a multiple of 8.
    pub(super) first: usize,
    pub(super) codes: &'a [u8],
    /// Where the elements go; as many as codes.
    pub(super) out: &'a mut [T],
}

/// The conversion, and buffers of one block, kept from one to the next.
pub(super) struct Merger<'a, S, F> {
    convert: &'a F,
    /// The bits of the narrow planes together, a byte a sample.
    narrow: [u8; BLOCK],
    stored: [S; BLOCK],
}

impl<'a, S: Sample, F> Merger<'a, S, F> {
    pub(super) fn new(convert: &'a F) -> Self {
        Self {
            convert,
            narrow: [0; BLOCK],
            stored: [S::ZERO; BLOCK],
        }
    }

    pub(super) fn convert<T>(&self, sample: S) -> T
    where
        F: Fn(S) -> T,
    {
        (self.convert)(sample)
    }

    /// Joins the symbols that the block's codes stand for with the stored bits, and converts the samples into its
    /// elements.
    ///
    /// # Panics
    ///
    /// Never; of planes that are too short the missing bits are 0.
    pub(super) fn merge<T>(&mut self, chunk: Stored<'_>, block: Block<'_, T>)
    where
        F: Fn(S) -> T,
    {
        let Block { first, codes, out } = block;
        let num_narrow = chunk.planes.partition_point(|(plane, _)| plane.is_narrow());
        let (narrow_planes, wide) = chunk.planes.split_at(num_narrow);
        let narrow_shift = narrow_planes.last().map(|(plane, _)| plane.shift);
        let narrow = self.narrow.get_mut(..codes.len()).unwrap_or_default();
        if narrow_shift.is_some() {
            narrow.fill(0);
        }
        for (plane, bytes) in narrow_planes {
            let shift = plane.shift - narrow_shift.unwrap_or(0);
            plane.expand(chunk.isa, shift, plane.bytes_from(first, bytes), narrow);
        }
        chunk.isa.run(Merge {
            chunk,
            first,
            codes,
            narrow: narrow_shift.map(|shift| (shift, &*narrow)),
            wide,
            stored: &mut self.stored,
            out,
            convert: self.convert,
        });
    }
}

struct Merge<'a, S, T, F> {
    chunk: Stored<'a>,
    first: usize,
    codes: &'a [u8],
    /// The narrow planes' bits, and where they belong in the stored bits.
    narrow: Option<(u32, &'a [u8])>,
    wide: &'a [(Plane, &'a [u8])],
    stored: &'a mut [S; BLOCK],
    out: &'a mut [T],
    convert: &'a F,
}

impl<S: Sample, T, F: Fn(S) -> T> Work for Merge<'_, S, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let codes = self.codes;
        match self.chunk.values {
            Values::Above(base) => self.join(codes, base),
            Values::Table(values) => {
                let mut symbols = [0u16; BLOCK];
                let symbols = symbols.get_mut(..codes.len()).unwrap_or_default();
                for (symbol, &code) in symbols.iter_mut().zip(codes) {
                    *symbol = values.get(usize::from(code)).copied().unwrap_or(0);
                }
                self.join(symbols, 0);
            }
        }
    }
}

impl<S: Sample, T, F: Fn(S) -> T> Merge<'_, S, T, F> {
    /// Joins symbols, which are `base` more than given, and stored bits. What the stored bits of weights mostly are has
    /// a loop of its own, in one pass: 8 of BF16, 3 and 8 of F16, 8 and 16 of F32, few of FP8 and where mantissa bits
    /// are coded.
    #[inline(always)]
    fn join<Y: Copy + Into<u16>>(self, symbols: &[Y], base: u16) {
        // A symbol has at most 14 bits.
        let symbol = |above: Y| base.wrapping_add(above.into());
        let Self { chunk, first, .. } = self;
        let split = Split {
            mapping: Mapping::Float,
            ..chunk.split
        };
        let is_float = chunk.split.mapping == Mapping::Float;
        match (self.narrow, self.wide) {
            (Some((0, narrow)), []) if is_float => {
                for ((to, &above), &bits) in self.out.iter_mut().zip(symbols).zip(narrow) {
                    let stored = S::ZERO.with_bits_at(bits.into(), 0);
                    *to = (self.convert)(S::inverse(symbol(above), stored, split));
                }
            }
            (None, [(high @ Plane { width: 8, shift: 0 }, bytes)]) if is_float => {
                let bytes = high.bytes_from(first, bytes);
                for ((to, &above), &high) in self.out.iter_mut().zip(symbols).zip(bytes) {
                    let stored = S::ZERO.with_bits_at(high.into(), 0);
                    *to = (self.convert)(S::inverse(symbol(above), stored, split));
                }
            }
            (Some((8, narrow)), [(low @ Plane { width: 8, shift: 0 }, bytes)]) if is_float => {
                let stored = low.bytes_from(first, bytes).iter().zip(narrow);
                for ((to, &above), (&low, &high)) in self.out.iter_mut().zip(symbols).zip(stored) {
                    let stored = S::ZERO.with_bits_at(low.into(), 0);
                    let stored = stored.with_bits_at(high.into(), 8);
                    *to = (self.convert)(S::inverse(symbol(above), stored, split));
                }
            }
            (
                None,
                [
                    (high @ Plane { width: 8, .. }, bytes),
                    (
                        low @ Plane {
                            width: 16,
                            shift: 0,
                        },
                        words,
                    ),
                ],
            ) if is_float => {
                let (words, _) = low.bytes_from(first, words).as_chunks::<2>();
                let stored = high.bytes_from(first, bytes).iter().zip(words);
                for ((to, &above), (&high, low)) in self.out.iter_mut().zip(symbols).zip(stored) {
                    let stored = S::ZERO.with_bits_at(u16::from_le_bytes(*low), 0);
                    let stored = stored.with_bits_at(high.into(), 16);
                    *to = (self.convert)(S::inverse(symbol(above), stored, split));
                }
            }
            _ => self.join_any(symbols, base),
        }
    }

    /// Any planes, any mapping.
    #[inline(always)]
    fn join_any<Y: Copy + Into<u16>>(self, symbols: &[Y], base: u16) {
        let symbol = |above: Y| base.wrapping_add(above.into());
        let stored = self.stored.get_mut(..symbols.len()).unwrap_or_default();
        stored.fill(S::ZERO);
        if let Some((shift, narrow)) = self.narrow {
            for (stored, &bits) in stored.iter_mut().zip(narrow) {
                *stored = stored.with_bits_at(bits.into(), shift);
            }
        }
        for (plane, bytes) in self.wide {
            plane.inverse(plane.bytes_from(self.first, bytes), stored);
        }
        self.chunk.split.with_known_mapping(|split| {
            for ((to, &above), &stored) in self.out.iter_mut().zip(symbols).zip(&*stored) {
                *to = (self.convert)(S::inverse(symbol(above), stored, split));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitplane::planes;
    use crate::samples::FloatElement;
    use half::{bf16, f16};

    /// Numbers without a pattern.
    fn noise(count: usize) -> Vec<u64> {
        let mut state = 1u64;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d)
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    /// Merges at every path of this machine and compares with samples put together one by one.
    fn check<S: Sample, T: Copy + Default + PartialEq + std::fmt::Debug>(
        split: Split,
        values: Values<'_>,
        convert: impl Fn(S) -> T,
    ) {
        for len in [1, 7, 31, 32, 33, 64, 500, BLOCK - 1, BLOCK] {
            let first = 40;
            let codes: Vec<u8> = noise(len)
                .iter()
                .map(|noise| noise.to_le_bytes()[3] & (u8::MAX >> (8 - split.symbol_bits.min(8))))
                .collect();
            let packed: Vec<(Plane, Vec<u8>)> = planes(split.stored_bits)
                .map(|plane| {
                    let bytes = noise(plane.padded_bytes(first + len));
                    (
                        plane,
                        bytes.iter().map(|noise| noise.to_le_bytes()[5]).collect(),
                    )
                })
                .collect();
            let planes: Vec<(Plane, &[u8])> = packed
                .iter()
                .map(|(plane, bytes)| (*plane, bytes.as_slice()))
                .collect();
            for isa in Isa::available() {
                let stored = Stored {
                    isa,
                    split,
                    values,
                    planes: &planes,
                };
                let symbol = |&code: &u8| match values {
                    Values::Above(base) => base + u16::from(code),
                    Values::Table(values) => values[usize::from(code)],
                };
                let expected: Vec<T> = (first..)
                    .zip(&codes)
                    .map(|(index, code)| convert(stored.sample(index, symbol(code))))
                    .collect();
                let mut out = vec![T::default(); len];
                let block = Block {
                    first,
                    codes: &codes,
                    out: &mut out,
                };
                Merger::new(&convert).merge(stored, block);
                assert_eq!(out, expected, "{isa:?}, {split:?}, {len} samples");
            }
        }
    }

    fn check_splits<S: Sample>() {
        let bits = u8::try_from(S::BITS).unwrap();
        for mapping in [Mapping::Unsigned, Mapping::Zigzag, Mapping::Float] {
            for symbol_bits in [1, 5, 7, 8] {
                for stored_bits in
                    u8::from(mapping == Mapping::Float)..=bits.saturating_sub(symbol_bits)
                {
                    let zero_bits = (bits - symbol_bits - stored_bits) / 2;
                    let split = Split {
                        mapping,
                        symbol_bits,
                        stored_bits,
                        zero_bits,
                    };
                    check::<S, u64>(split, Values::Above(0), Sample::widen);
                }
            }
        }
    }

    #[test]
    fn every_split_of_every_width_merges_alike_on_every_path() {
        check_splits::<u8>();
        check_splits::<u16>();
        check_splits::<u32>();
        check_splits::<u64>();
    }

    #[test]
    fn wide_symbols_are_looked_up() {
        let mut values = [0; 256];
        values
            .iter_mut()
            .zip(noise(256))
            .for_each(|(to, noise)| *to = (noise & 0x7ff) as u16);
        let split = Split {
            mapping: Mapping::Float,
            symbol_bits: 11,
            stored_bits: 5,
            zero_bits: 0,
        };
        check::<u16, u64>(split, Values::Table(&values), Sample::widen);
        check::<u16, u64>(split, Values::Above(900), Sample::widen);
    }

    #[test]
    fn conversions_are_the_same_on_every_path() {
        let split = |symbol_bits, stored_bits| Split {
            mapping: Mapping::Float,
            symbol_bits,
            stored_bits,
            zero_bits: 0,
        };
        let (bf16, half, single) = (split(8, 8), split(5, 11), split(8, 24));
        check::<u16, u32>(bf16, Values::Above(0), |bits| {
            f32::from_bf16(bits).to_bits()
        });
        check::<u16, u16>(bf16, Values::Above(0), |bits| {
            f16::from_bf16(bits).to_bits()
        });
        check::<u16, u32>(half, Values::Above(0), |bits| f32::from_f16(bits).to_bits());
        check::<u16, u16>(half, Values::Above(0), |bits| {
            bf16::from_f16(bits).to_bits()
        });
        check::<u32, u16>(single, Values::Above(0), |bits| {
            <bf16 as FloatElement>::from_f32(bits).to_bits()
        });
        check::<u32, u16>(single, Values::Above(0), |bits| {
            <f16 as FloatElement>::from_f32(bits).to_bits()
        });
    }
}
