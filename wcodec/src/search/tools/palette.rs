//! The values that occur.

use std::collections::HashSet;

/// Most values of a palette: as many as a large table has symbols, less the escape.
const MOST_VALUES: usize = 255;

/// The values that occur in `samples`, rising; `None` if they are too many.
pub(super) fn collect(samples: impl Iterator<Item = u64>) -> Option<Vec<u64>> {
    // The last few values by their hash: most samples are one of them and need no set.
    let mut recent = [None; 256];
    let mut values = HashSet::new();
    for value in samples {
        let [at, ..] = value.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let recent = &mut recent[usize::from(at)];
        if *recent != Some(value) {
            *recent = Some(value);
            values.insert(value);
            if values.len() > MOST_VALUES {
                return None;
            }
        }
    }
    let mut values: Vec<u64> = values.into_iter().collect();
    values.sort_unstable();
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_collected_up_to_a_number() {
        let samples = |count| (0..10_000u64).map(move |i| (i * 7919 % count) << 32);
        let expected: Vec<u64> = (0..255).map(|value| value << 32).collect();
        assert_eq!(collect(samples(255)), Some(expected));
        assert_eq!(collect(samples(256)), None);
    }
}
