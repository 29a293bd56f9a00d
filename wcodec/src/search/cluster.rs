//! Which chunks share a frequency table.

use super::alphabet::{CostedTable, Histograms};
use crate::entropy::cost::entropy;
use crate::entropy::rans::Table;

/// Rounds of reassigning chunks to tables and rebuilding the tables, for each table added.
const REFINEMENTS: usize = 3;

/// Tables, each chunk's table, and the cost of both tables and symbols.
#[derive(Debug)]
pub(crate) struct Clustering {
    pub(crate) tables: Vec<Table>,
    pub(crate) assignment: Vec<u8>,
    pub(crate) cost: u64,
}

#[derive(Debug, Clone)]
struct State {
    tables: Vec<CostedTable>,
    assignment: Vec<usize>,
    cost: u64,
}

/// Grows a set of at most `max_tables` tables: the chunk that a table of its own would help most seeds a new one,
/// chunks move to the table they cost least under, and the set stays if it saves more than it takes
/// (Lloyd's algorithm with relative entropy as its distance, seeded one centre at a time).
///
/// # Panics
///
/// If there is no chunk, or a chunk without samples.
pub(crate) fn cluster(histograms: &Histograms, max_tables: usize) -> Clustering {
    let everything = State::build(histograms, vec![0; histograms.chunks.len()]);
    let mut best = everything;
    let own_costs: Vec<u64> = if max_tables > 1 && histograms.chunks.len() > 1 {
        histograms
            .chunks
            .iter()
            .map(|counts| entropy(counts))
            .collect()
    } else {
        Vec::new()
    };
    while best.tables.len() < max_tables.min(own_costs.len()) {
        let excess = |(chunk, &own): (usize, &u64)| {
            best.tables[best.assignment[chunk]]
                .cost_of(&histograms.chunks[chunk])
                .saturating_sub(own)
        };
        let worst = own_costs
            .iter()
            .enumerate()
            .map(excess)
            .enumerate()
            .rev()
            .max_by_key(|&(_, excess)| excess);
        let Some((seed, 1..)) = worst else { break };
        let mut next = best.clone();
        next.assignment[seed] = next.tables.len();
        next = State::build(histograms, next.assignment);
        for _ in 0..REFINEMENTS {
            next = next.refined(histograms);
        }
        if next.cost >= best.cost {
            break;
        }
        best = next;
    }
    Clustering {
        tables: best.tables.into_iter().map(|costed| costed.table).collect(),
        assignment: best
            .assignment
            .into_iter()
            .map(|table| u8::try_from(table).unwrap_or(u8::MAX))
            .collect(),
        cost: best.cost,
    }
}

impl State {
    /// The tables of the clusters in `assignment`; empty clusters vanish.
    fn build(histograms: &Histograms, mut assignment: Vec<usize>) -> Self {
        let num_clusters = assignment.iter().max().map_or(0, |most| most + 1);
        let mut sums = vec![vec![0u64; histograms.values.len()]; num_clusters];
        let mut sizes = vec![0usize; num_clusters];
        for (counts, &cluster) in histograms.chunks.iter().zip(&assignment) {
            sizes[cluster] += 1;
            sums[cluster]
                .iter_mut()
                .zip(counts)
                .for_each(|(sum, &count)| *sum += u64::from(count));
        }
        let mut renumbered = vec![0; num_clusters];
        let mut tables = Vec::with_capacity(num_clusters);
        for (cluster, sum) in sums
            .iter()
            .enumerate()
            .filter(|(cluster, _)| sizes[*cluster] > 0)
        {
            renumbered[cluster] = tables.len();
            tables.push(CostedTable::best(histograms, sum));
        }
        assignment
            .iter_mut()
            .for_each(|cluster| *cluster = renumbered[*cluster]);
        let symbols: u64 = histograms
            .chunks
            .iter()
            .zip(&assignment)
            .map(|(counts, &cluster)| tables[cluster].cost_of(counts))
            .sum();
        let cost = symbols + tables.iter().map(|table| table.table_cost).sum::<u64>();
        Self {
            tables,
            assignment,
            cost,
        }
    }

    /// Every chunk at the table it costs least under (the first of equals), and the tables made anew.
    fn refined(&self, histograms: &Histograms) -> Self {
        let cheapest = |counts: &Vec<u32>| {
            (0..self.tables.len())
                .min_by_key(|&table| self.tables[table].cost_of(counts))
                .unwrap_or(0)
        };
        Self::build(histograms, histograms.chunks.iter().map(cheapest).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histograms(chunks: Vec<Vec<u32>>) -> Histograms {
        Histograms {
            values: (0..u16::try_from(chunks[0].len()).unwrap()).collect(),
            chunks,
            is_sampled: false,
        }
    }

    #[test]
    fn chunks_of_two_scales_get_two_tables() {
        let (low, high) = (
            vec![9000, 6000, 1000, 100, 0, 0],
            vec![0, 0, 100, 1000, 6000, 9000],
        );
        let chunks = [&low, &high, &low, &low, &high].map(Clone::clone).to_vec();
        let clustering = cluster(&histograms(chunks), 8);
        assert_eq!(clustering.tables.len(), 2);
        let same = |a: usize, b: usize| clustering.assignment[a] == clustering.assignment[b];
        assert!(same(0, 2) && same(2, 3) && same(1, 4) && !same(0, 1));
    }

    #[test]
    fn alike_chunks_share_a_table() {
        let clustering = cluster(&histograms(vec![vec![5000, 3000, 100]; 20]), 8);
        assert_eq!(clustering.tables.len(), 1);
    }
}
