//! The chunks of one part as records.

use crate::kernel::scratch_bytes;
use crate::layout::{Chunk, MAX_PLANES};
use wcodec::device::{self, Coding, Plan};
use wcodec::format::MODE_CODED;

/// What the chunks of a part have in common.
pub(super) struct Part<'a> {
    pub(super) plan: &'a Plan,
    pub(super) payload: u64,
    pub(super) conversion: u32,
    /// Places of its tables or code books, and of the record of its tools.
    pub(super) tables: Vec<u32>,
    pub(super) tools: u32,
}

/// Scratch memory of one chunk.
pub(super) fn scratch_of(plan: &Plan, chunk: &device::Chunk) -> u64 {
    match plan.coding() {
        Coding::Tools(tools, _) if chunk.mode == MODE_CODED => {
            let num_samples = u64::from(chunk.num_samples);
            scratch_bytes(tools, num_samples, plan.sample_bytes() as u64)
        }
        _ => 0,
    }
}

impl Part<'_> {
    /// The record of a chunk, but for its output and its status. Its scratch memory has no place yet, only a length.
    pub(super) fn record(&self, index: usize, chunk: &device::Chunk) -> Chunk {
        let mut planes = [0; MAX_PLANES as usize];
        let offsets = self.plan.plane_offsets(index);
        planes
            .iter_mut()
            .zip(offsets)
            .for_each(|(to, offset)| *to = offset);
        let table = match chunk.mode {
            MODE_CODED => self.tables.get(usize::from(chunk.table)).copied(),
            _ => None,
        };
        let split = self.plan.split();
        Chunk {
            output: 0,
            payload: self.payload,
            scratch: scratch_of(self.plan, chunk),
            coded: chunk.coded.start,
            coded_bytes: chunk.coded.end - chunk.coded.start,
            num_samples: chunk.num_samples,
            status: 0,
            planes,
            tools: self.tools,
            bits_bytes: chunk.bits_bytes,
            num_escapes: chunk.num_escapes,
            mode: chunk.mode,
            conversion: u8::try_from(self.conversion).unwrap_or(0),
            mapping: split.mapping,
            symbol_bits: split.symbol_bits,
            stored_bits: split.stored_bits,
            zero_bits: split.zero_bits,
            table: table.unwrap_or(0),
            unused: [0; 2],
        }
    }
}
