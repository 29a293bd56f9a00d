//! Symbols split off the samples, with rANS and with packed codes.

use super::alphabet::Histograms;
use super::{Costed, Decision, Tool, Wanted, cluster, packed};
use crate::chunk::Symbols;
use crate::entropy::cost::COST_BITS;
use crate::format::RANS_LANES;
use crate::samples::Split;

/// What symbols that are split off so cost with rANS and with packed codes.
pub(super) fn ways(
    split: Split,
    histograms: &Histograms,
    wanted: Wanted,
    num_samples: u64,
) -> impl Iterator<Item = Costed> + use<> {
    let num_chunks = histograms.chunks.len();
    let counted = histograms.num_samples();
    // As if all samples had been counted, and with their stored bits.
    let scaled = move |cost: u64| {
        let all = u128::from(cost) * u128::from(num_samples) / u128::from(counted.max(1));
        let stored = (num_samples * u64::from(split.stored_bits)) << COST_BITS;
        u64::try_from(all)
            .unwrap_or(u64::MAX)
            .saturating_add(stored)
    };
    let packed = (wanted.only.is_none() || wanted.only == Some(Tool::Packed)).then(|| {
        let (cost, book) = packed::best(histograms, split.symbol_bits);
        Costed {
            cost: scaled(cost),
            tool: Tool::Packed,
            how: format!(
                "{}-bit codes + {} stored",
                book.code_bits, split.stored_bits
            ),
            estimated_cost: None,
            decision: Decision {
                split,
                symbols: Symbols::Packed(vec![book]),
                assignment: vec![0; num_chunks],
                considered: Vec::new(),
            },
        }
    });
    let rans = (wanted.only != Some(Tool::Packed)).then(|| {
        let clustering = cluster::cluster(histograms, wanted.effort.max_tables());
        Costed {
            cost: scaled(clustering.cost) + num_chunks as u64 * STATES_COST,
            tool: Tool::Split,
            how: format!(
                "rans {} + {} stored, {} tables",
                split.symbol_bits,
                split.stored_bits,
                clustering.tables.len()
            ),
            estimated_cost: None,
            decision: Decision {
                split,
                symbols: Symbols::Rans(clustering.tables),
                assignment: clustering.assignment,
                considered: Vec::new(),
            },
        }
    });
    packed.into_iter().chain(rans)
}

/// What the initial states of a chunk cost beyond what they say of its symbols: half of their bits.
pub(super) const STATES_COST: u64 = (RANS_LANES as u64 * 16) << COST_BITS;
