//! Which symbol owns which slot: the alias method (Walker 1977; linear construction by Vose 1991).
//!
//! The construction is normative (FORMAT.md 6.2): encoder and every decoder must agree on each slot.

use crate::format::RANS_SCALE_BITS;

/// The symbols of one bucket: its own in slots below `threshold`, `alias` in the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) threshold: u16,
    pub(crate) alias: u8,
}

/// Distributes the slots of `freqs` (at most 2^`buckets_log2` symbols, sum 4,096) over 2^`buckets_log2` buckets.
/// Bucket i belongs to symbol i.
///
/// # Panics
///
/// If there are more symbols than buckets, or the frequencies do not sum to 4,096.
pub(crate) fn buckets(freqs: &[u16], buckets_log2: u32) -> Vec<Bucket> {
    let num_buckets = 1usize << buckets_log2;
    let bucket_slots = 1u16 << (RANS_SCALE_BITS - buckets_log2);
    let sum: u32 = freqs.iter().map(|&freq| u32::from(freq)).sum();
    assert!(
        freqs.len() <= num_buckets && sum == 1 << RANS_SCALE_BITS,
        "a validated table"
    );

    // What of each symbol's frequency is not placed yet.
    let mut remaining = vec![0u16; num_buckets];
    remaining[..freqs.len()].copy_from_slice(freqs);
    let mut result: Vec<Bucket> = (0..=u8::MAX)
        .take(num_buckets)
        .map(|alias| Bucket {
            threshold: bucket_slots,
            alias,
        })
        .collect();
    let (mut under, mut over): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
    for (symbol, &slots) in (0..=u8::MAX).zip(&remaining) {
        match slots.cmp(&bucket_slots) {
            std::cmp::Ordering::Less => under.push(symbol),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => over.push(symbol),
        }
    }
    while let (Some(small), Some(large)) = (under.pop(), over.pop()) {
        let placed = remaining[usize::from(small)];
        result[usize::from(small)] = Bucket {
            threshold: placed,
            alias: large,
        };
        let left = &mut remaining[usize::from(large)];
        *left -= bucket_slots - placed;
        match (*left).cmp(&bucket_slots) {
            std::cmp::Ordering::Less => under.push(large),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => over.push(large),
        }
    }
    result
}

/// What the slots of one symbol in one bucket have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) symbol: u8,
    pub(crate) freq: u16,
    /// What to add to a slot's place in its bucket, modulo 2^16, to get its rank among its symbol's slots.
    pub(crate) bias: u16,
}

/// A bucket with all that decoding one of its slots takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecodeBucket {
    /// Slots of the bucket's own symbol; at most the bucket's slots.
    pub(crate) threshold: u16,
    pub(crate) own: Share,
    pub(crate) alias: Share,
}

impl DecodeBucket {
    /// The share of the slot at `place`.
    pub(crate) fn share(&self, place: u16) -> Share {
        if place < self.threshold {
            self.own
        } else {
            self.alias
        }
    }
}

/// The buckets of `freqs` with frequencies and ranks, in order.
///
/// # Panics
///
/// As [`buckets`].
pub(crate) fn decode_buckets(freqs: &[u16], buckets_log2: u32) -> Vec<DecodeBucket> {
    let bucket_slots = 1u16 << (RANS_SCALE_BITS - buckets_log2);
    let mut placed = [0u16; 256];
    let mut share = |symbol: u8, first: u16, end: u16| {
        let placed = &mut placed[usize::from(symbol)];
        let bias = placed.wrapping_sub(first);
        *placed += end - first;
        let freq = freqs.get(usize::from(symbol)).copied().unwrap_or(0);
        Share { symbol, freq, bias }
    };
    (0..=u8::MAX)
        .zip(buckets(freqs, buckets_log2))
        .map(|(owner, Bucket { threshold, alias })| DecodeBucket {
            threshold,
            own: share(owner, 0, threshold),
            alias: share(alias, threshold, bucket_slots),
        })
        .collect()
}

/// The symbol of each of the 4,096 slots.
pub(crate) fn slot_symbols(buckets: &[Bucket]) -> impl Iterator<Item = u8> + '_ {
    let bucket_slots = (1u16 << RANS_SCALE_BITS) / u16::try_from(buckets.len()).unwrap_or(u16::MAX);
    (0..=u8::MAX)
        .zip(buckets)
        .flat_map(move |(symbol, bucket)| {
            (0..bucket_slots).map(move |slot| {
                if slot < bucket.threshold {
                    symbol
                } else {
                    bucket.alias
                }
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(freqs: &[u16], buckets_log2: u32) {
        let table = buckets(freqs, buckets_log2);
        let mut owned = vec![0u16; 1 << buckets_log2];
        slot_symbols(&table).for_each(|symbol| owned[usize::from(symbol)] += 1);
        assert_eq!(owned[..freqs.len()], *freqs);
        assert_eq!(slot_symbols(&table).count(), 4096);
    }

    #[test]
    fn every_symbol_gets_its_frequency() {
        check(&[4096], 5);
        check(&[1, 4095], 5);
        check(&[128; 32], 5);
        check(&[16; 256], 8);
        check(&[1, 2, 3, 4090], 8);
        let skewed: Vec<u16> = (0..31).map(|i| 1 << (i % 8)).collect();
        let rest = 4096 - skewed.iter().sum::<u16>();
        check(&[skewed, vec![rest]].concat(), 5);
    }

    #[test]
    fn ranks_number_each_symbols_slots_from_zero() {
        let freqs = [1, 700, 95, 3000, 300];
        let mut next = [0u16; 5];
        for (bucket, log2) in [(128u16, 5), (16, 8)] {
            next.fill(0);
            for entry in decode_buckets(&freqs, log2) {
                for place in 0..bucket {
                    let share = entry.share(place);
                    let symbol = usize::from(share.symbol);
                    assert_eq!(share.freq, freqs[symbol]);
                    assert_eq!(place.wrapping_add(share.bias), next[symbol]);
                    next[symbol] += 1;
                }
            }
            assert_eq!(next, freqs);
        }
    }

    #[test]
    fn known_buckets() {
        // 2048 + 1024 + 1024 over 32 buckets of 128: buckets 3 to 31 are empty and filled from the last large symbol
        // on.
        let table = buckets(&[2048, 1024, 1024], 5);
        assert_eq!(
            table[0],
            Bucket {
                threshold: 128,
                alias: 0
            }
        );
        assert_eq!(
            table[31],
            Bucket {
                threshold: 0,
                alias: 2
            }
        );
        assert_eq!(
            table[3],
            Bucket {
                threshold: 0,
                alias: 0
            }
        );
    }
}
