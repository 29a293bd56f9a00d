//! What all samples of a part cost with tools, and with which tables.

use super::super::alphabet::Histograms;
use super::super::{Costed, Decision, Effort, cluster, plain::STATES_COST};
use super::{Candidate, Number, bits};
use crate::chunk::Symbols;
use crate::samples::{Mapping, Split};
use crate::tools::{Contexts, ContextsKind, Forward, Tools};
use rayon::prelude::*;

/// How often each class occurs, and in which contexts.
struct Counts {
    /// By chunk or by context, then by class.
    groups: Vec<Vec<u32>>,
    /// Bits that go with them.
    stored_bits: u64,
}

/// Measures a candidate with each of its kinds of contexts.
pub(super) fn evaluate<S: Number>(
    chunks: &[&[u8]],
    candidate: &Candidate,
    effort: Effort,
) -> Vec<Costed> {
    let num_samples: usize = chunks.iter().map(|raw| raw.len() / S::BYTES).sum();
    let row = candidate.tools.row as usize;
    let may_be_columns = row <= MOST_COLUMNS && num_samples >= ROWS_OF_COLUMNS * row;
    let kinds = candidate.kinds.iter();
    let kinds = kinds.filter(|&&kind| kind != ContextsKind::Columns || may_be_columns);
    let kinds: Vec<ContextsKind> = kinds.copied().collect();
    let counted = count::<S>(chunks, &candidate.tools, &kinds);
    let sizes = (chunks.len(), num_samples as u64);
    let measured = kinds.iter().zip(counted);
    let decided =
        measured.filter_map(|(&kind, counts)| decision(candidate, kind, &counts, sizes, effort));
    decided.collect()
}

/// The counts for each of `kinds`.
fn count<S: Number>(chunks: &[&[u8]], tools: &Tools, kinds: &[ContextsKind]) -> Vec<Counts> {
    let row = tools.row as usize;
    let num_classes = tools.classes.len();
    let of_chunk = |raw: &&[u8]| {
        let mut forward = Forward::counting();
        let stored_bits = forward.run::<S>(tools, raw);
        let symbols = &forward.symbols;
        let by_kind = kinds.iter().map(|kind| {
            let mut groups = vec![vec![0u32; num_classes]; kind.num_contexts(row)];
            for (index, &symbol) in symbols.iter().enumerate() {
                let context = kind.context(index, symbols, row, symbols.len());
                groups[context][usize::from(symbol)] += 1;
            }
            Counts {
                groups,
                stored_bits,
            }
        });
        by_kind.collect::<Vec<Counts>>()
    };
    let all: Vec<Vec<Counts>> = chunks.par_iter().map(of_chunk).collect();
    let mut together: Vec<Option<Counts>> = kinds.iter().map(|_| None).collect();
    for of_chunk in all {
        for ((sum, &kind), more) in together.iter_mut().zip(kinds).zip(of_chunk) {
            *sum = Some(match sum.take() {
                Some(sum) => sum.and(more, kind),
                None => more,
            });
        }
    }
    together.into_iter().flatten().collect()
}

impl Counts {
    /// These and those of the next chunk.
    fn and(mut self, more: Self, kind: ContextsKind) -> Self {
        self.stored_bits += more.stored_bits;
        if kind == ContextsKind::None {
            self.groups.extend(more.groups);
        } else {
            let sums = self.groups.iter_mut().flatten();
            sums.zip(more.groups.into_iter().flatten())
                .for_each(|(sum, more)| *sum += more);
        }
        self
    }
}

/// The tables for `counts`; `None` if the contexts would need an escape.
fn decision(
    candidate: &Candidate,
    kind: ContextsKind,
    counts: &Counts,
    (num_chunks, num_samples): (usize, u64),
    effort: Effort,
) -> Option<Costed> {
    let is_used: Vec<bool> = counts
        .groups
        .iter()
        .map(|group| group.iter().any(|&count| count > 0))
        .collect();
    let used: Vec<Vec<u32>> = counts
        .groups
        .iter()
        .zip(&is_used)
        .filter(|(_, used)| **used)
        .map(|(group, _)| group.clone())
        .collect();
    let max_tables = match kind {
        ContextsKind::None => effort.max_tables(),
        _ => effort.max_tables().max(MOST_CONTEXT_TABLES),
    };
    let histograms = Histograms::new(&used, 0, false);
    let clustering = cluster::cluster(&histograms, max_tables);
    let mut tools = Tools {
        contexts: Contexts::None,
        ..candidate.tools.clone()
    };
    let assignment = if kind == ContextsKind::None {
        clustering.assignment
    } else {
        if clustering.tables.iter().any(|table| table.has_escape) {
            return None;
        }
        tools.contexts = kind.with_tables(&of_contexts(&is_used, clustering.assignment));
        vec![0; num_chunks]
    };
    if !tools.has_rows() {
        tools.row = 0;
    }
    let cost = clustering.cost
        + bits(counts.stored_bits)
        + record_cost(&tools)
        + num_chunks as u64 * STATES_COST;
    let split = Split {
        mapping: Mapping::Unsigned,
        symbol_bits: tools.classes.symbol_bits(),
        stored_bits: 0,
        zero_bits: 0,
    };
    Some(Costed {
        cost,
        tool: candidate.tool,
        how: format!("{tools}, {} tables", clustering.tables.len()),
        estimated_cost: Some(candidate.estimate.saturating_mul(num_samples)),
        decision: Decision {
            split,
            symbols: Symbols::Tools(tools, clustering.tables),
            assignment,
            considered: Vec::new(),
        },
    })
}

/// Each context's table: what is `assigned` to those that are used, in order, and any to the others.
fn of_contexts(is_used: &[bool], assigned: Vec<u8>) -> Vec<u8> {
    let mut assigned = assigned.into_iter();
    let table = |&used: &bool| used.then(|| assigned.next()).flatten().unwrap_or(0);
    is_used.iter().map(table).collect()
}

fn record_cost(tools: &Tools) -> u64 {
    let mut record = Vec::new();
    tools.write(&mut record);
    bits(8 * record.len() as u64)
}

/// Columns that may each be a context, and how many rows tell enough of each.
const MOST_COLUMNS: usize = 1024;
const ROWS_OF_COLUMNS: usize = 16;
/// Tables for contexts that any effort may use: they decode no slower for being more.
const MOST_CONTEXT_TABLES: usize = 32;
