//! Sections 5.5 and 5.6: numbers, orders and prediction. A number is the integer itself, in more bits than it needs.

use super::{Bits, Refusal, must};

/// The number with the low n bits of the integer.
pub(super) fn wrap(v: i128, n: u32) -> i128 {
    v << (128 - n) >> (128 - n)
}

/// The low n bits of a number.
fn bits_of(number: i128, n: u32) -> u64 {
    let low = number & i128::from(u64::MAX >> (64 - n));
    u64::try_from(low).unwrap_or_default()
}

/// The sample that a number stands for in an order.
pub(super) fn sample(number: i128, order: u8, n: u32) -> u64 {
    let (bits, top) = (bits_of(number, n), 1 << (n - 1));
    match order {
        0 => bits,
        1 => bits ^ top,
        _ if bits & top == 0 => bits,
        _ => bits ^ (top - 1),
    }
}

/// The number that a sample is in an order: the way back is the way there.
pub(super) fn number(sample_bits: u64, order: u8, n: u32) -> i128 {
    wrap(sample(sample_bits.into(), order, n).into(), n)
}

/// The prediction of number `i` from those before it, as rows of `w`.
pub(super) fn predict(x: &[i128], i: usize, w: usize, predictor: u8, n: u32) -> i128 {
    let (r, c) = (i / w, i % w);
    if r == 0 && c == 0 {
        return 0;
    }
    let l = if c > 0 { x[i - 1] } else { x[i - w] };
    let t = if r > 0 { x[i - w] } else { x[i - 1] };
    let tl = match (r, c) {
        (0, _) => l,
        (_, 0) => t,
        _ => x[i - w - 1],
    };
    let tt = if r > 1 { x[i - 2 * w] } else { t };
    let ll = if c > 1 { x[i - 2] } else { l };
    match predictor {
        0 => 0,
        1 => l,
        2 => t,
        3 => (l + t) >> 1,
        4 => wrap(l + t - tl, n),
        5 => wrap(2 * t - tt, n),
        _ => wrap(2 * l - ll, n),
    }
}

/// Which predictor a number has.
pub(super) enum Predictors {
    One(u8),
    /// One for each tile of a chunk, in raster order.
    Tiles(Vec<u8>),
}

impl Predictors {
    /// Those of the tiles of a chunk of `s` numbers, in rows of `w`.
    pub(super) fn read_tiles(bits: &mut Bits<'_>, s: usize, w: usize) -> Result<Self, Refusal> {
        let num_tiles = w.div_ceil(16) * s.div_ceil(w).div_ceil(16);
        let mut predictors = Vec::new();
        let mut last = 0;
        for _ in 0..num_tiles {
            if bits.take(1)? == 0 {
                last = bits.take(3)? as u8;
                must(last <= 6, "unknown predictor of a tile")?;
            }
            predictors.push(last);
        }
        Ok(Self::Tiles(predictors))
    }

    /// Numbers of `n` bits from residuals, in rows of `w`.
    pub(super) fn inverse(&self, numbers: &mut [i128], w: usize, n: u32) {
        for i in 0..numbers.len() {
            let predictor = match self {
                Self::One(predictor) => *predictor,
                Self::Tiles(predictors) => {
                    let (r, c) = (i / w, i % w);
                    predictors[r / 16 * w.div_ceil(16) + c / 16]
                }
            };
            numbers[i] = wrap(numbers[i] + predict(numbers, i, w, predictor, n), n);
        }
    }
}
