//! Which symbols get a frequency of their own, and what a table costs.

use crate::entropy::cost::{COST_BITS, MAX_COST, costs};
use crate::entropy::histogram::normalise;
use crate::entropy::rans::Table;
use crate::format::{ALIAS_LARGE_LOG2, ALIAS_SMALL_LOG2};

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
    /// Whether there may be symbols that were not counted.
    pub(crate) is_sampled: bool,
}

impl Histograms {
    /// The histograms of symbols without their lowest `drop_bits`, from `counts` by chunk and by symbol.
    pub(crate) fn new(counts: &[Vec<u32>], drop_bits: u32, is_sampled: bool) -> Self {
        let num_symbols = counts.first().map_or(0, Vec::len);
        let mut used = vec![false; num_symbols >> drop_bits];
        for (index, _) in counts
            .iter()
            .flat_map(|counts| counts.iter().enumerate().filter(|(_, count)| **count > 0))
        {
            used[index >> drop_bits] = true;
        }
        let values: Vec<u16> = (0..=u16::MAX)
            .zip(&used)
            .filter(|(_, used)| **used)
            .map(|(value, _)| value)
            .collect();
        let pick = |counts: &Vec<u32>| {
            let joined = |&value: &u16| {
                let first = usize::from(value) << drop_bits;
                counts[first..first + (1 << drop_bits)].iter().sum()
            };
            values.iter().map(joined).collect()
        };
        Self {
            chunks: counts.iter().map(pick).collect(),
            values,
            is_sampled,
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

    /// The table for `counts` of the histograms' values: small where it is as good as a large one.
    ///
    /// # Panics
    ///
    /// If all counts are zero.
    pub(crate) fn best(histograms: &Histograms, counts: &[u64]) -> Self {
        let small = Self::with_buckets(histograms, counts, ALIAS_SMALL_LOG2);
        let has_all = small.table.values.len() == counts.iter().filter(|&&count| count > 0).count();
        if has_all {
            return small;
        }
        let large = Self::with_buckets(histograms, counts, ALIAS_LARGE_LOG2);
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

    fn with_buckets(histograms: &Histograms, counts: &[u64], buckets_log2: u32) -> Self {
        let values = &histograms.values;
        let most = 1usize << buckets_log2;
        let mut kept: Vec<usize> = (0..counts.len())
            .filter(|&index| counts[index] > 0)
            .collect();
        // One place is kept for the escape; so many symbols also never need more runs than a table can count.
        let has_escape = histograms.is_sampled
            || kept.len() > most
            || (kept.len() == most && buckets_log2 == ALIAS_LARGE_LOG2);
        if has_escape && kept.len() >= most {
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

    fn best(counts: &[u64]) -> CostedTable {
        let histograms = Histograms {
            values: (0..).take(counts.len()).collect(),
            chunks: Vec::new(),
            is_sampled: false,
        };
        CostedTable::best(&histograms, counts)
    }

    #[test]
    fn few_symbols_take_a_small_table_and_many_even_ones_a_large_one() {
        let few: Vec<u64> = (0..256).map(|i| u64::from(i < 32)).collect();
        let found = best(&few).table;
        assert_eq!(
            (found.buckets_log2, found.has_escape, found.values.len()),
            (5, false, 32)
        );
        let found = best(&[100; 256]).table;
        assert_eq!(
            (found.buckets_log2, found.has_escape, found.values.len()),
            (8, true, 255)
        );
    }

    #[test]
    fn rare_symbols_escape() {
        let counts: Vec<u64> = (0..40).map(|i| if i < 31 { 100_000 } else { 1 }).collect();
        let found = best(&counts);
        assert_eq!(
            (
                found.table.buckets_log2,
                found.table.has_escape,
                found.table.values.len()
            ),
            (5, true, 31)
        );
        assert!(found.costs[35] > found.costs[0]);
    }
}
