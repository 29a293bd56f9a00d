//! Which symbols get a frequency of their own, and what a table costs.

use crate::entropy::cost::{COST_BITS, MAX_COST, costs};
use crate::entropy::histogram::normalise;
use crate::entropy::rans::Table;
use crate::format::{ALIAS_LARGE_LOG2, ALIAS_SMALL_LOG2};
use crate::samples::{Sample, Split};
use rayon::prelude::*;

/// Bits of an escape beyond its symbol: position and literal.
const ESCAPE_LITERAL_COST: u32 = 32 << COST_BITS;
/// A small table decodes faster, so a large one has to save this fraction (1/n) of the bits.
const LARGE_TABLE_WORTH: u64 = 1000;

/// How often each symbol occurs in each chunk, over the symbols that occur at all.
#[derive(Debug)]
pub(crate) struct Histograms {
    pub(crate) values: Vec<u16>,
    /// By chunk, then by index into `values`.
    pub(crate) chunks: Vec<Vec<u32>>,
}

impl Histograms {
    /// Counts the symbols of every chunk.
    pub(crate) fn measure<S: Sample>(chunks: &[&[u8]], split: Split) -> Self {
        let full: Vec<Vec<u32>> = chunks
            .par_iter()
            .map(|bytes| count::<S>(bytes, split))
            .collect();
        let mut used = vec![false; 1 << split.symbol_bits];
        for counts in &full {
            used.iter_mut()
                .zip(counts)
                .for_each(|(used, &count)| *used |= count > 0);
        }
        let values: Vec<u16> = (0..=u16::MAX)
            .zip(&used)
            .filter(|(_, used)| **used)
            .map(|(value, _)| value)
            .collect();
        let pick = |counts: &Vec<u32>| {
            values
                .iter()
                .map(|&value| counts[usize::from(value)])
                .collect()
        };
        Self {
            chunks: full.iter().map(pick).collect(),
            values,
        }
    }

    pub(crate) fn num_samples(&self) -> u64 {
        self.chunks
            .iter()
            .flatten()
            .map(|&count| u64::from(count))
            .sum()
    }
}

/// Four counters a symbol: repeated symbols do not wait for one another.
fn count<S: Sample>(bytes: &[u8], split: Split) -> Vec<u32> {
    let num_symbols = 1 << split.symbol_bits;
    let mut counts = vec![0u32; 4 * num_symbols];
    for (index, sample) in bytes.chunks_exact(S::BYTES).enumerate() {
        let (symbol, _) = S::from_bytes(sample).forward(split);
        counts[(index & 3) * num_symbols + usize::from(symbol)] += 1;
    }
    let (first, rest) = counts.split_at_mut(num_symbols);
    for more in rest.chunks_exact(num_symbols) {
        first
            .iter_mut()
            .zip(more)
            .for_each(|(sum, &count)| *sum += count);
    }
    counts.truncate(num_symbols);
    counts
}

/// A table, and the cost of each of the histograms' symbols under it.
#[derive(Debug, Clone)]
pub(crate) struct CostedTable {
    pub(crate) table: Table,
    pub(crate) costs: Vec<u32>,
    /// Of the table itself.
    pub(crate) table_cost: u64,
}

impl CostedTable {
    /// What `counts` cost under this table, without the table.
    pub(crate) fn cost_of(&self, counts: &[u32]) -> u64 {
        counts
            .iter()
            .zip(&self.costs)
            .map(|(&count, &cost)| u64::from(count) * u64::from(cost))
            .sum()
    }

    /// The table for `counts` of `values`: small where it is as good as a large one.
    ///
    /// # Panics
    ///
    /// If all counts are zero.
    pub(crate) fn best(values: &[u16], counts: &[u64]) -> Self {
        let small = Self::with_buckets(values, counts, ALIAS_SMALL_LOG2);
        if !small.table.has_escape {
            return small;
        }
        let large = Self::with_buckets(values, counts, ALIAS_LARGE_LOG2);
        let cost = |costed: &Self| {
            let symbols: u64 = counts
                .iter()
                .zip(&costed.costs)
                .map(|(&count, &cost)| count * u64::from(cost))
                .sum();
            symbols + costed.table_cost
        };
        let (small_cost, large_cost) = (cost(&small), cost(&large));
        if large_cost + large_cost / LARGE_TABLE_WORTH < small_cost {
            large
        } else {
            small
        }
    }

    fn with_buckets(values: &[u16], counts: &[u64], buckets_log2: u32) -> Self {
        let most = 1usize << buckets_log2;
        let mut kept: Vec<usize> = (0..counts.len())
            .filter(|&index| counts[index] > 0)
            .collect();
        // One place is kept for the escape; so many symbols also never need more runs than a table can count.
        let has_escape =
            kept.len() > most || (kept.len() == most && buckets_log2 == ALIAS_LARGE_LOG2);
        if has_escape {
            kept.sort_by_key(|&index| (std::cmp::Reverse(counts[index]), index));
            kept.truncate(most - 1);
            kept.sort_unstable();
        }
        let mut kept_counts: Vec<u64> = kept.iter().map(|&index| counts[index]).collect();
        if has_escape {
            let total: u64 = counts.iter().sum();
            // At least one, so that the escape has a slot.
            kept_counts.push((total - kept_counts.iter().sum::<u64>()).max(1));
        }
        let freqs = normalise(&kept_counts);
        let escape_cost = match freqs.last() {
            Some(&freq) if has_escape => costs()[usize::from(freq)] + ESCAPE_LITERAL_COST,
            // Symbols outside the cluster that made this table: priced out, so that no chunk with one joins it.
            _ => u32::MAX,
        };
        let mut symbol_costs = vec![escape_cost.max(MAX_COST); counts.len()];
        for (&index, &freq) in kept.iter().zip(&freqs) {
            symbol_costs[index] = costs()[usize::from(freq)];
        }
        let table = Table {
            buckets_log2,
            has_escape,
            values: kept.iter().map(|&index| values[index]).collect(),
            freqs,
        };
        let mut bytes = Vec::new();
        table.write(&mut bytes);
        Self {
            table,
            costs: symbol_costs,
            table_cost: (bytes.len() as u64 * 8) << COST_BITS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_symbols_take_a_small_table_and_many_even_ones_a_large_one() {
        let values: Vec<u16> = (0..256).collect();
        let few: Vec<u64> = (0..256).map(|i| u64::from(i < 32)).collect();
        let best = CostedTable::best(&values, &few).table;
        assert_eq!(
            (best.buckets_log2, best.has_escape, best.values.len()),
            (5, false, 32)
        );
        let best = CostedTable::best(&values, &[100; 256]).table;
        assert_eq!(
            (best.buckets_log2, best.has_escape, best.values.len()),
            (8, true, 255)
        );
    }

    #[test]
    fn rare_symbols_escape() {
        let values: Vec<u16> = (0..40).collect();
        let counts: Vec<u64> = (0..40).map(|i| if i < 31 { 100_000 } else { 1 }).collect();
        let best = CostedTable::best(&values, &counts);
        assert_eq!(
            (
                best.table.buckets_log2,
                best.table.has_escape,
                best.table.values.len()
            ),
            (5, true, 31)
        );
        assert!(best.costs[35] > best.costs[0]);
    }
}
