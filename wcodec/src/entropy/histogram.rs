//! Counts to frequencies.

use crate::format::RANS_SCALE_BITS;

const SUM: u32 = 1 << RANS_SCALE_BITS;

/// Scales `counts` to frequencies that sum to 4,096, each at least 1 where its count is not zero.
///
/// Rounds, then moves single units to where they save most and from where they cost least. Integers only, so
/// that every machine gets the same frequencies.
///
/// # Panics
///
/// If all counts are zero, or more than 4,096 are not.
pub(crate) fn normalise(counts: &[u64]) -> Vec<u16> {
    let total: u64 = counts.iter().sum();
    let present = counts.iter().filter(|&&count| count > 0).count();
    assert!(
        total > 0 && present <= SUM as usize,
        "a histogram of 1 to 4096 symbols"
    );
    let scale = |&count: &u64| match count {
        0 => 0,
        _ => {
            let rounded = (u128::from(count) * u128::from(2 * SUM) / u128::from(total)).div_ceil(2);
            u32::try_from(rounded).unwrap_or(SUM).clamp(1, SUM)
        }
    };
    let mut freqs: Vec<u32> = counts.iter().map(scale).collect();
    let mut sum: u32 = freqs.iter().sum();
    while sum != SUM {
        // A unit more at frequency f saves about count / f, a unit less costs about count / (f - 1).
        let (up, step) = (sum < SUM, if sum < SUM { 1 } else { u32::MAX });
        let worth = |index: &usize| {
            let divisor = if up { freqs[*index] } else { freqs[*index] - 1 };
            u128::from(counts[*index]) * (1 << 32) / u128::from(divisor)
        };
        let candidates = (0..freqs.len()).filter(|&index| freqs[index] > u32::from(!up));
        // Ties go to the lowest index.
        let best = if up {
            candidates.rev().max_by_key(worth)
        } else {
            candidates.min_by_key(worth)
        };
        let Some(best) = best else { break };
        freqs[best] = freqs[best].wrapping_add(step);
        sum = sum.wrapping_add(step);
    }
    freqs
        .into_iter()
        .map(|freq| u16::try_from(freq).unwrap_or(u16::MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_sum_to_the_scale_and_keep_every_symbol() {
        let cases: [&[u64]; 6] = [
            &[1],
            &[5, 0, 3],
            &[1; 4096],
            &[u64::MAX / 2, 1, 1, 1],
            &[1_000_000, 1, 0, 1, 7],
            &[3; 100],
        ];
        for counts in cases {
            let freqs = normalise(counts);
            assert_eq!(
                freqs.iter().map(|&f| u32::from(f)).sum::<u32>(),
                SUM,
                "{counts:?}"
            );
            assert!(
                counts
                    .iter()
                    .zip(&freqs)
                    .all(|(&count, &freq)| (count > 0) == (freq > 0)),
                "{counts:?}"
            );
        }
        assert_eq!(normalise(&[1, 3]), [1024, 3072]);
    }
}
