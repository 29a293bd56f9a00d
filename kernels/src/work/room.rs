//! Whether a work list has room for a part: what its records can count, and the scratch memory of a chunk.

use super::WorkList;
use super::part::scratch_of;
use crate::layout::{ALIGN, Bucket, Chunk, CodeBook, Group, Table, Tools};
use wcodec::device::{self, Classes, Coding, Plan};
use wcodec::format::ALIAS_LARGE_LOG2;
use wcodec::{Error, ErrorKind};

/// Bytes of a table of values, by code.
const VALUES_BYTES: usize = (1 << u8::BITS) * size_of::<u16>();
/// Bytes of the largest frequency table, and of a code book.
pub(super) const TABLE_MAX_BYTES: usize =
    size_of::<Table>() + (size_of::<Bucket>() << ALIAS_LARGE_LOG2) + VALUES_BYTES;
pub(super) const CODE_BOOK_BYTES: usize = size_of::<CodeBook>() + VALUES_BYTES;
/// A chunk that is alone in its group, and the group.
const CHUNK_BYTES: usize = size_of::<Chunk>() + size_of::<Group>();
/// What aligns the first chunk of a group, the groups of a launch, a table or the record of tools, at most.
const PADDING: usize = ALIGN - 1;

impl WorkList {
    /// Checks that places and status slots can still be counted when a plan is added, and that no chunk of it needs
    /// more scratch memory than there is.
    pub(super) fn check_room(&self, plan: &Plan) -> Result<(), Error> {
        let limit = u64::from(u32::MAX) * ALIGN as u64;
        let num_statuses = self.num_statuses.saturating_add(plan.chunks().len());
        let of_chunks = num_statuses.saturating_mul(CHUNK_BYTES + 2 * PADDING);
        let len = [self.bytes.len(), coding_bytes(plan.coding()), of_chunks];
        let len = len.into_iter().fold(0, usize::saturating_add) as u64;
        check("length of a work list", len, limit)?;
        let what = "status slots of a work list";
        check(what, num_statuses as u64, u32::MAX.into())?;
        let chunks = plan.chunks().iter();
        let scratch = chunks.map(|chunk| scratch_of(plan, chunk)).max();
        let what = "scratch memory of a chunk";
        check(what, scratch.unwrap_or(0), self.scratch_limit)
    }
}

/// What `push_coding` appends, at most.
pub(super) fn coding_bytes(coding: &Coding) -> usize {
    let all = |num: usize, bytes: usize| num.saturating_mul(bytes + PADDING);
    match coding {
        Coding::Rans(tables) => all(tables.len(), TABLE_MAX_BYTES),
        Coding::Tools(tools, tables) => {
            all(tables.len(), TABLE_MAX_BYTES).saturating_add(tools_bytes(tools))
        }
        Coding::Packed(books) => all(books.len(), CODE_BOOK_BYTES),
        _ => 0,
    }
}

/// The record of tools, with the table of each context, the palette and the factors, each at a multiple of 16.
fn tools_bytes(tools: &device::Tools) -> usize {
    let palette = match &tools.classes {
        Classes::Palette(values) => size_of_val(values.as_slice()),
        _ => 0,
    };
    let contexts = tools.context_tables.len().saturating_mul(size_of::<u32>());
    let factors = size_of_val(tools.factors.as_slice());
    let behind = [contexts, palette, factors];
    behind
        .into_iter()
        .fold(size_of::<Tools>() + PADDING, |sum, bytes| {
            sum.saturating_add(bytes).saturating_add(PADDING)
        })
}

fn check(what: &'static str, value: u64, limit: u64) -> Result<(), Error> {
    if value <= limit {
        return Ok(());
    }
    Err(ErrorKind::LimitExceeded { what, value, limit }.into())
}
