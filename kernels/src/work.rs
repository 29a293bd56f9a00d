//! A work list: what to launch for the chunks of many parts, and the bytes that tell the kernels so.

mod part;
mod room;

use crate::kernel::{Element, KERNELS, TOOLS, conversion, invalid, kernel};
use crate::layout::{ALIGN, Chunk, GROUP_CHUNKS, Group, TOOLS_GROUP_CHUNKS};
use crate::tables;
use part::Part;
use std::collections::BTreeMap;
use std::ops::Range;
use wcodec::Error;
use wcodec::device::{Coding, Plan};
use wcodec::format::RANS_LANES;

/// Chunks of many parts of many tensors, to be decoded together.
#[derive(Debug)]
pub struct WorkList {
    /// Tables and records of tools.
    bytes: Vec<u8>,
    chunks: BTreeMap<Key, Vec<Chunk>>,
    num_statuses: usize,
    scratch_limit: u64,
}

/// What the chunks of a block have in common: kernel, an index of [`KERNELS`], and place of the table.
type Key = (usize, u32);

/// What to upload, launch and read back. The launches run in order, on one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// To be uploaded, at a multiple of 16; its address is the kernels' `work`.
    pub bytes: Vec<u8>,
    /// In order.
    pub launches: Vec<Launch>,
    /// Length of the kernels' `scratch`, at a multiple of 16: what the launch that needs most of it needs, since they
    /// run in order. Its bytes need no value.
    pub scratch_bytes: u64,
    /// Length of the kernels' `status`, each of them [`NOT_DECODED`](crate::NOT_DECODED) (all bits set) before the
    /// first launch. 0 afterwards says that a chunk is decoded, else [`status_error`](crate::status_error) says what is
    /// wrong with it; its elements are then unspecified.
    pub num_statuses: usize,
}

/// One kernel launch, in one dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// The kernel, one of [`KERNELS`](crate::KERNELS).
    pub kernel: &'static str,
    /// Blocks.
    pub grid: u32,
    /// Threads of a block.
    pub block: u32,
    /// Dynamic shared memory of a block.
    pub shared_bytes: u32,
    /// The kernel's argument `first`.
    pub first: u32,
    /// The kernel's argument `count`.
    pub count: u32,
}

/// Most scratch memory of a launch, if nothing else is said.
const SCRATCH_BYTES: u64 = 128 << 20;

impl Default for WorkList {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkList {
    /// An empty list, whose launches take at most 128 MiB of scratch memory.
    pub fn new() -> Self {
        Self::with_scratch_bytes(SCRATCH_BYTES)
    }

    /// An empty list for a device that has `limit` bytes of scratch memory: [`Work::scratch_bytes`] will be no more.
    /// Chunks with tools need a few bytes for each of their samples, and are spread over as many launches as it takes;
    /// others need none.
    pub fn with_scratch_bytes(limit: u64) -> Self {
        Self {
            bytes: Vec::new(),
            chunks: BTreeMap::new(),
            num_statuses: 0,
            scratch_limit: limit,
        }
    }

    /// Adds the chunks of a part. Its payload will lie at `payload` in the payload buffer, its elements go to the
    /// device address `output`: multiples of 16. Returns the status slots of [`Plan::chunks`], in their order.
    ///
    /// `output` has room for the plan's samples, each of the element's bytes; a kernel writes nothing else.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for other addresses, and for a conversion of anything but BF16, F16 and F32: `half` rounds F64
    /// to them differently on different machines. `LimitExceeded` if the list grows beyond what its records can count,
    /// or if a single chunk needs more scratch memory than [there is](Self::with_scratch_bytes). The list is as it was
    /// then.
    pub fn push(
        &mut self,
        plan: &Plan,
        payload: u64,
        output: u64,
        element: Element,
    ) -> Result<Range<usize>, Error> {
        if !payload.is_multiple_of(ALIGN as u64) || !output.is_multiple_of(ALIGN as u64) {
            let what = "payload and output of a part begin at multiples of 16";
            return Err(invalid(what));
        }
        let (conversion, element_bytes) = conversion(plan, element)?;
        self.check_room(plan)?;
        let statuses = self.num_statuses..self.num_statuses + plan.chunks().len();
        let (tables, tools) = self.push_coding(plan.coding());
        let part = Part {
            plan,
            payload,
            conversion,
            tables,
            tools,
        };
        let mut output = output;
        for ((index, chunk), status) in plan.chunks().iter().enumerate().zip(statuses.clone()) {
            let kernel = kernel(plan, chunk, conversion);
            let record = Chunk {
                output,
                status: u32::try_from(status).unwrap_or(u32::MAX),
                ..part.record(index, chunk)
            };
            let key = (kernel, if kernel < TOOLS { record.table } else { 0 });
            self.chunks.entry(key).or_default().push(record);
            output += u64::from(chunk.num_samples) * element_bytes;
        }
        self.num_statuses = statuses.end;
        Ok(statuses)
    }

    /// Appends tables and tools; returns their places.
    fn push_coding(&mut self, coding: &Coding) -> (Vec<u32>, u32) {
        let mut places = Vec::new();
        match coding {
            Coding::Rans(tables) | Coding::Tools(_, tables) => {
                for table in tables {
                    places.push(place(&mut self.bytes));
                    tables::write_table(table, &mut self.bytes);
                }
            }
            Coding::Packed(books) => {
                for book in books {
                    places.push(place(&mut self.bytes));
                    tables::write_code_book(book, &mut self.bytes);
                }
            }
            _ => {}
        }
        let Coding::Tools(tools, _) = coding else {
            return (places, 0);
        };
        let at = place(&mut self.bytes);
        tables::write_tools(tools, &places, at, &mut self.bytes);
        (places, at)
    }

    /// What to upload and launch.
    pub fn finish(self) -> Work {
        let mut work = Work {
            bytes: self.bytes,
            launches: Vec::new(),
            scratch_bytes: 0,
            num_statuses: self.num_statuses,
        };
        for (kernel, name) in KERNELS.iter().enumerate() {
            let of_kernel = self.chunks.range((kernel, 0)..=(kernel, u32::MAX));
            if kernel < TOOLS {
                let tables: Vec<_> = of_kernel
                    .map(|((_, table), chunks)| (*table, chunks.as_slice()))
                    .collect();
                work.push_launch(name, &tables, GROUP_CHUNKS);
                continue;
            }
            for (_, chunks) in of_kernel {
                let mut rest = chunks.as_slice();
                while !rest.is_empty() {
                    let (here, scratch_bytes) = with_scratch(rest, self.scratch_limit);
                    work.scratch_bytes = work.scratch_bytes.max(scratch_bytes);
                    rest = rest.get(here.len()..).unwrap_or_default();
                    work.push_launch(name, &[(0, &here)], TOOLS_GROUP_CHUNKS);
                }
            }
        }
        work
    }
}

/// As many of the first chunks as have room in so much scratch memory, at least one, each with its place there; and how
/// much they need. Before, their places are lengths.
fn with_scratch(chunks: &[Chunk], limit: u64) -> (Vec<Chunk>, u64) {
    let (mut here, mut end) = (Vec::new(), 0u64);
    for chunk in chunks {
        let after = end.saturating_add(chunk.scratch);
        if after > limit && !here.is_empty() {
            break;
        }
        here.push(Chunk {
            scratch: end,
            ..*chunk
        });
        end = after;
    }
    (here, end)
}

impl Work {
    /// Appends the chunks of one launch, by table, and their groups.
    fn push_launch(
        &mut self,
        kernel: &'static str,
        by_table: &[(u32, &[Chunk])],
        group_chunks: u32,
    ) {
        let mut groups = Vec::new();
        for &(table, chunks) in by_table {
            for chunks in chunks.chunks(group_chunks as usize) {
                groups.push(Group {
                    first: place(&mut self.bytes),
                    count: u32::try_from(chunks.len()).unwrap_or(0),
                    table,
                    unused: 0,
                });
                chunks.iter().for_each(|chunk| chunk.write(&mut self.bytes));
            }
        }
        if groups.is_empty() {
            return;
        }
        let first = place(&mut self.bytes);
        groups.iter().for_each(|group| group.write(&mut self.bytes));
        let count = u32::try_from(groups.len()).unwrap_or(u32::MAX);
        self.launches.push(Launch {
            kernel,
            grid: count,
            block: group_chunks * RANS_LANES,
            shared_bytes: 0,
            first,
            count,
        });
    }
}

/// The place of what comes next, after zeros up to it.
fn place(bytes: &mut Vec<u8>) -> u32 {
    bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
    // `WorkList::check_room` sees to it.
    u32::try_from(bytes.len() / ALIGN).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
