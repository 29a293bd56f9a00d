//! Code lengths in fixed point, so that every machine takes the same decisions.

use crate::format::RANS_SCALE_BITS;
use std::sync::LazyLock;

/// Fraction bits of a cost: costs are in units of 2^-16 bit.
pub(crate) const COST_BITS: u32 = 16;

/// The most that one symbol costs: a frequency of 1.
pub(crate) const MAX_COST: u32 = RANS_SCALE_BITS << COST_BITS;

const SUM: usize = 1 << RANS_SCALE_BITS;

static COSTS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    // log2 is increasing and its argument at most 4096, so the difference is never negative.
    let cost = |freq: u64| MAX_COST - log2(freq.max(1));
    (0..=SUM as u64).map(cost).collect()
});

/// The least that symbols cost which occur so often: their entropy, in units of 2^-16 bit.
pub(crate) fn entropy(counts: &[u32]) -> u64 {
    let total: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    let all = u64::from(log2(total.max(1)));
    let of = |&count: &u32| u64::from(count) * all.saturating_sub(log2_of_count(count).into());
    counts.iter().filter(|count| **count > 0).map(of).sum()
}

/// log2 of a count, most of which are small.
fn log2_of_count(count: u32) -> u32 {
    let small = usize::try_from(count)
        .ok()
        .and_then(|count| costs().get(count));
    small.map_or_else(|| log2(count.into()), |cost| MAX_COST - cost)
}

/// log2 of `value` (1 ..= 2^32) in fixed point, by repeated squaring.
fn log2(value: u64) -> u32 {
    let whole = value.ilog2();
    let mut mantissa = value << (32 - whole); // in [2^32, 2^33)
    let mut fraction = 0;
    for _ in 0..COST_BITS {
        mantissa = square(mantissa);
        let bit = u32::from(mantissa >> 33 != 0);
        mantissa >>= bit;
        fraction = (fraction << 1) | bit;
    }
    (whole << COST_BITS) | fraction
}

/// The square of a number in [1, 2) with 32 fraction bits.
fn square(mantissa: u64) -> u64 {
    // Below 4 * 2^32, so it fits.
    u64::try_from((u128::from(mantissa) * u128::from(mantissa)) >> 32).unwrap_or(u64::MAX)
}

/// The cost of a symbol by frequency: `costs()[freq]` for `freq` in 1 ..= 4096.
pub(crate) fn costs() -> &'static [u32] {
    &COSTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_what_symbols_cost() {
        assert_eq!(entropy(&[]), 0);
        assert_eq!(entropy(&[0, 9]), 0);
        assert_eq!(entropy(&[4, 0, 2, 2]), 12 << COST_BITS);
        assert_eq!(entropy(&[1 << 20; 4]), (8 << 20) << COST_BITS);
    }

    #[test]
    fn costs_are_logarithms() {
        assert_eq!(costs()[4096], 0);
        assert_eq!(costs()[2048], 1 << COST_BITS);
        assert_eq!(costs()[1], MAX_COST);
        for freq in 1..=4096u32 {
            let exact = 12.0 - f64::from(freq).log2();
            assert!(
                (f64::from(costs()[freq as usize]) / 65536.0 - exact).abs() < 1e-4,
                "{freq}"
            );
        }
    }
}
