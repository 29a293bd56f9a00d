//! Prediction of columns that oscillate (FORMAT.md, section 5.6): a value is a factor of its column times the value
//! above, less the one above that.
//!
//! Samples of any sine or cosine at equal steps obey that with the factor 2 cos(step), whatever phase and amplitude
//! (G. Goertzel, An algorithm for the evaluation of finite trigonometric series, American Mathematical Monthly 65,
//! 1958). The arithmetic is that of IEEE 754 binary64, one rounding an operation, so that all machines agree.

use super::Predictor;
use super::row::Row;
use crate::format::RECURRENCE_FACTOR_BITS;
use crate::samples::{Number, Order};
use half::{bf16, f16};

/// Which floats the samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FloatFormat {
    Bf16,
    F16,
    F32,
}

impl FloatFormat {
    /// That of samples of so many bits, so many of them exponent.
    pub(crate) fn new(sample_bits: u8, exponent_bits: u8) -> Option<Self> {
        match (sample_bits, exponent_bits) {
            (16, 8) => Some(Self::Bf16),
            (16, 5) => Some(Self::F16),
            (32, 8) => Some(Self::F32),
            _ => None,
        }
    }

    pub(crate) fn exponent_bits(self) -> u8 {
        match self {
            Self::Bf16 | Self::F32 => 8,
            Self::F16 => 5,
        }
    }

    /// The value of a number.
    fn value<S: Number>(self, number: S) -> f64 {
        let bits = number.ordered(Order::Float);
        match self {
            Self::Bf16 => bf16::from_bits(bits.bits_at(0)).to_f64(),
            Self::F16 => f16::from_bits(bits.bits_at(0)).to_f64(),
            Self::F32 => {
                let bits = bits.widen() & u64::from(u32::MAX);
                f64::from(f32::from_bits(u32::try_from(bits).unwrap_or(0)))
            }
        }
    }

    /// The number of a value, rounded to nearest and ties to even: to binary32 first.
    fn number<S: Number>(self, value: f64) -> S {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounds, to infinity if need be"
        )]
        let single = value as f32;
        let bits = match self {
            Self::Bf16 => u32::from(bf16::from_f32(single).to_bits()),
            Self::F16 => u32::from(f16::from_f32(single).to_bits()),
            Self::F32 => single.to_bits(),
        };
        S::from_low_bits(bits.into()).ordered(Order::Float)
    }
}

/// The factors of a part's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recurrence {
    pub(crate) format: FloatFormat,
    /// In units of 2^-[`RECURRENCE_FACTOR_BITS`], as many as a row has samples.
    pub(crate) factors: Vec<i32>,
}

impl Recurrence {
    /// The factors that leave the least squares in chunks of numbers, in rows of `row`.
    pub(crate) fn fit<S: Number>(
        format: FloatFormat,
        row: usize,
        chunks: impl Iterator<Item = Vec<S>>,
    ) -> Self {
        // Of each column the sums of products and of squares.
        let mut sums = vec![(0f64, 0f64); row];
        for chunk in chunks {
            let values: Vec<f64> = chunk.iter().map(|&number| format.value(number)).collect();
            let rows: Vec<&[f64]> = values.chunks(row).collect();
            for window in rows.windows(3) {
                let &[top_tops, tops, values] = window else {
                    continue;
                };
                let above = top_tops.iter().zip(tops);
                for ((sum, value), (top_top, top)) in sums.iter_mut().zip(values).zip(above) {
                    let (product, square) = (top * (value + top_top), top * top);
                    if product.is_finite() && square.is_finite() {
                        *sum = (sum.0 + product, sum.1 + square);
                    }
                }
            }
        }
        let scale = f64::from(1u32 << RECURRENCE_FACTOR_BITS);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates; 0 if there is none"
        )]
        let factor = |(products, squares): (f64, f64)| (products / squares * scale).round() as i32;
        Self {
            format,
            factors: sums.into_iter().map(factor).collect(),
        }
    }

    /// The sums of squares of what the best factors leave of a chunk, and of its values, both from the third row on.
    pub(crate) fn energies<S: Number>(format: FloatFormat, row: usize, chunk: Vec<S>) -> [f64; 2] {
        let values: Vec<f64> = chunk.iter().map(|&number| format.value(number)).collect();
        let fit = Self::fit(format, row, std::iter::once(chunk));
        let mut energies = [0.0; 2];
        let rows: Vec<&[f64]> = values.chunks(row).collect();
        for window in rows.windows(3) {
            let &[top_tops, tops, values] = window else {
                continue;
            };
            let above = top_tops.iter().zip(tops);
            for ((value, (top_top, top)), &factor) in values.iter().zip(above).zip(&fit.factors) {
                let residual = value + top_top - scaled(factor) * top;
                energies[0] += residual * residual;
                energies[1] += value * value;
            }
        }
        energies
    }

    /// Replaces numbers by residuals, in rows of as many as there are factors.
    pub(crate) fn forward<S: Number>(&self, numbers: &mut [S]) {
        let row = self.factors.len().max(1);
        for index in (0..numbers.len().div_ceil(row)).rev() {
            let mut numbers = Row::new(row, index, numbers);
            if index < 2 {
                let all = 0..numbers.len();
                numbers.forward(Predictor::TopSlope, all);
            } else {
                numbers.by_recurrence(self, S::minus);
            }
        }
    }

    /// Replaces residuals by numbers, in rows of as many as there are factors.
    ///
    /// # Panics
    ///
    /// Never, for any residuals.
    pub(crate) fn inverse<S: Number>(&self, numbers: &mut [S]) {
        let row = self.factors.len().max(1);
        for index in 0..numbers.len().div_ceil(row) {
            let mut numbers = Row::new(row, index, numbers);
            if index < 2 {
                let all = 0..numbers.len();
                numbers.inverse(Predictor::TopSlope, all);
            } else {
                numbers.by_recurrence(self, S::plus);
            }
        }
    }

    /// The number below `top`, in a column with `factor`.
    #[inline]
    pub(super) fn predict<S: Number>(&self, factor: i32, top_top: S, top: S) -> S {
        let [far, near] = [top_top, top].map(|number| self.format.value(number));
        if !(far.is_finite() && near.is_finite()) {
            return top;
        }
        self.format.number(scaled(factor) * near - far)
    }
}

/// The value of a factor.
#[inline]
fn scaled(factor: i32) -> f64 {
    f64::from(factor) / f64::from(1u32 << RECURRENCE_FACTOR_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Sample;

    const FORMATS: [FloatFormat; 3] = [FloatFormat::Bf16, FloatFormat::F16, FloatFormat::F32];

    fn numbers<S: Number>(format: FloatFormat, values: impl Iterator<Item = f64>) -> Vec<S> {
        values.map(|value| format.number(value)).collect()
    }

    /// Waves of every speed, in columns.
    fn waves(row: usize, rows: usize) -> impl Iterator<Item = f64> {
        (0..row * rows).map(move |index| {
            let (r, c) = (index / row, index % row);
            (r as f64 * (0.05 + c as f64 * 0.4) + c as f64).sin() * f64::from(1 << (c % 5))
        })
    }

    fn check_waves<S: Number>(format: FloatFormat) {
        let (row, rows) = (7, 200);
        let numbers: Vec<S> = numbers(format, waves(row, rows));
        let recurrence = Recurrence::fit(format, row, std::iter::once(numbers.clone()));
        for (column, &factor) in recurrence.factors.iter().enumerate() {
            let exact = 2.0 * (0.05 + column as f64 * 0.4).cos() * f64::from(1 << 29);
            let error = (f64::from(factor) - exact).abs() / f64::from(1 << 29);
            assert!(error < 0.01, "{format:?}, column {column}: {error}");
        }
        let mut residuals = numbers.clone();
        recurrence.forward(&mut residuals);
        // Rounding moves values by half a unit, and their sums by two; near zero units are smaller.
        let small = residuals[2 * row..]
            .iter()
            .filter(|residual| residual.zigzag().widen() < 8);
        assert!(small.count() * 10 > residuals.len() * 8, "{format:?}");
        recurrence.inverse(&mut residuals);
        assert!(residuals == numbers, "{format:?}");
    }

    #[test]
    fn waves_leave_rounding_alone() {
        check_waves::<u16>(FloatFormat::Bf16);
        check_waves::<u16>(FloatFormat::F16);
        check_waves::<u32>(FloatFormat::F32);
    }

    #[test]
    fn any_numbers_with_any_factors_come_back() {
        let mut state = 1u64;
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for format in FORMATS {
            for (row, len) in [(1, 1), (1, 50), (3, 2), (3, 8), (5, 64), (40, 90)] {
                let factors = (0..row)
                    .map(|_| noise().to_le_bytes())
                    .map(|bytes| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
                let recurrence = Recurrence {
                    format,
                    factors: factors.collect(),
                };
                let numbers: Vec<u32> = (0..len).map(|_| u32::from_low_bits(noise())).collect();
                let mut there = numbers.clone();
                recurrence.forward(&mut there);
                recurrence.inverse(&mut there);
                assert_eq!(there, numbers, "{format:?}, {len} in rows of {row}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_predicts_the_number_above() {
        let format = FloatFormat::F32;
        let recurrence = Recurrence {
            format,
            factors: vec![1 << 29],
        };
        let [one, infinity] = [1.0, f64::INFINITY].map(|value| format.number::<u32>(value));
        let nan = f32::NAN.to_bits().ordered(Order::Float);
        assert_eq!(recurrence.predict(1 << 29, infinity, one), one);
        assert_eq!(recurrence.predict(1 << 29, one, nan), nan);
        let two = format.number::<u32>(2.0);
        assert_eq!(recurrence.predict(1 << 29, one, two), one);
    }
}
