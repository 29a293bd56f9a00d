//! Section 5.6, the recurrence.

use super::numbers::{number, predict, sample, wrap};
use super::{Fields, Refusal, must};
use half::{bf16, f16};

const FLOAT: u8 = 2;

pub(super) struct Recurrence {
    exponent_bits: u32,
    factors: Vec<i32>,
}

impl Recurrence {
    pub(super) fn read(fields: &mut Fields<'_>, n: u32, w: u32) -> Result<Self, Refusal> {
        let exponent_bits = u32::from(fields.u8()?);
        must(
            [(16, 8), (16, 5), (32, 8)].contains(&(n, exponent_bits)),
            "exponent bits",
        )?;
        let factors = (0..w).map(|_| Ok(fields.u32()?.cast_signed()));
        Ok(Self {
            exponent_bits,
            factors: factors.collect::<Result<_, Refusal>>()?,
        })
    }

    /// By the definition: sign, exponent, fraction. `None` if it is not finite.
    fn value(&self, number: i128, n: u32) -> Option<f64> {
        let bits = sample(number, FLOAT, n);
        let fraction_bits = n - 1 - self.exponent_bits;
        let largest = (1 << self.exponent_bits) - 1;
        let exponent = i32::try_from(bits >> fraction_bits & largest).ok()?;
        let fraction = (bits & ((1 << fraction_bits) - 1)) as f64 / (1u64 << fraction_bits) as f64;
        let bias = (1 << (self.exponent_bits - 1)) - 1;
        let magnitude = match exponent {
            0 => fraction * 2f64.powi(1 - bias),
            _ => (1.0 + fraction) * 2f64.powi(exponent - bias),
        };
        let is_finite = bits >> fraction_bits & largest != largest;
        let sign = if bits >> (n - 1) == 1 { -1.0 } else { 1.0 };
        is_finite.then_some(sign * magnitude)
    }

    /// The number of the nearest float.
    fn nearest(&self, value: f64, n: u32) -> i128 {
        let single = value as f32;
        let bits = match (n, self.exponent_bits) {
            (16, 8) => bf16::from_f32(single).to_bits().into(),
            (16, _) => f16::from_f32(single).to_bits().into(),
            _ => single.to_bits().into(),
        };
        number(bits, FLOAT, n)
    }

    /// Numbers of `n` bits from residuals.
    pub(super) fn inverse(&self, numbers: &mut [i128], n: u32) {
        let w = self.factors.len();
        for i in 0..numbers.len() {
            let prediction = if i < 2 * w {
                predict(numbers, i, w, 5, n)
            } else {
                let top = numbers[i - w];
                let values = (self.value(top, n), self.value(numbers[i - 2 * w], n));
                let factor = f64::from(self.factors[i % w]) / 2f64.powi(29);
                match values {
                    (Some(a), Some(b)) => self.nearest(factor * a - b, n),
                    _ => top,
                }
            };
            numbers[i] = wrap(numbers[i] + prediction, n);
        }
    }
}
