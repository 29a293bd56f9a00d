//! Which symbols get codes of fixed length, and what that costs.

use super::alphabet::Histograms;
use crate::chunk::{CodeBook, MAX_CODE_BITS};
use crate::entropy::cost::COST_BITS;

/// Bits of an escape's position and literal.
const ESCAPE_BITS: u64 = 32;

/// Escapes are what decodes slowly: at most one symbol in so many, if longer codes can help it.
const ESCAPES_WORTH: u64 = 256;

/// The code book that costs least for all chunks together, and what the symbols then cost.
///
/// # Panics
///
/// If nothing was counted.
pub(super) fn best(histograms: &Histograms, symbol_bits: u8) -> (u64, CodeBook) {
    let mut totals: Vec<(u64, u16)> = histograms
        .values
        .iter()
        .enumerate()
        .map(|(index, &value)| {
            let counts = histograms
                .chunks
                .iter()
                .map(|counts| u64::from(counts[index]));
            (counts.sum(), value)
        })
        .collect();
    // The most frequent first, of equally frequent ones the least.
    totals.sort_unstable_by_key(|&(count, value)| (std::cmp::Reverse(count), value));
    let all: u64 = totals.iter().map(|(count, _)| count).sum();
    let of_length = |code_bits: u8| {
        let most = 1usize << code_bits;
        let has_escape = histograms.is_sampled || totals.len() > most;
        let kept = &totals[..totals.len().min(most - usize::from(has_escape))];
        let coded: u64 = kept.iter().map(|(count, _)| count).sum();
        let escapes = all - coded;
        let bits = all * u64::from(code_bits) + escapes * ESCAPE_BITS;
        let is_slow = escapes * ESCAPES_WORTH > all;
        let mut values: Vec<u16> = kept.iter().map(|&(_, value)| value).collect();
        values.sort_unstable();
        let book = CodeBook::new(code_bits, has_escape, values, symbol_bits);
        (is_slow, bits << COST_BITS, book)
    };
    let all_lengths = (1..=MAX_CODE_BITS).map(of_length);
    let best = all_lengths.min_by_key(|&(is_slow, cost, _)| (is_slow, cost));
    let (_, cost, book) = best.unwrap_or_else(|| of_length(MAX_CODE_BITS));
    (cost, book)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_as_long_as_pays() {
        let histograms = |counts: &[u32], is_sampled| Histograms {
            values: (10..).take(counts.len()).collect(),
            chunks: vec![counts.to_vec()],
            is_sampled,
        };
        let (cost, book) = best(&histograms(&[500, 500], false), 8);
        assert_eq!(
            (cost, book),
            (1000 << COST_BITS, CodeBook::new(1, false, vec![10, 11], 8))
        );
        let (_, book) = best(&histograms(&[500, 500], true), 8);
        assert_eq!(book, CodeBook::new(2, true, vec![10, 11], 8));
        // 15 exponents and a few strays.
        let mut weights = [1u32; 20];
        weights[3..18].fill(10_000);
        let (cost, book) = best(&histograms(&weights, false), 8);
        assert_eq!(book, CodeBook::new(4, true, (13..28).collect(), 8));
        assert_eq!(cost, (150_005 * 4 + 5 * 32) << COST_BITS);
    }
}
