//! Chunks of a part to elements.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::plan::{ChunkPlan, PartPlan};
use crate::bitplane::Plane;
use crate::chunk::{self, ChunkView, Mode};
use crate::entropy::simd::MAX_IN_FLIGHT;
use crate::error::{Error, ErrorKind};
use crate::samples::Number;
use arrayvec::ArrayVec;
use std::ops::Range;

/// The bytes of a run of chunks, one slice for each of [`PartPlan::byte_ranges`].
pub(crate) type GroupBytes<'a> = [&'a [u8]];

/// Decodes chunks `range` (indices within the part) into `out`, which holds exactly their samples.
///
/// # Errors
///
/// That of the first damaged chunk, with its number. `out` then holds unspecified elements.
///
/// # Panics
///
/// Never, for any input.
pub(crate) fn decode_group<S: Number, T>(
    plan: &PartPlan,
    range: &Range<usize>,
    bytes: &GroupBytes<'_>,
    mut out: &mut [T],
    convert: &impl Fn(S) -> T,
) -> Result<(), Error> {
    let Some((&coded, plane_bytes)) = bytes.split_first() else {
        return Err(missing());
    };
    let planes = plan.planes.iter().copied().zip(plane_bytes.iter().copied());
    let mut rest = Rest {
        coded,
        planes: planes.collect(),
    };
    let number = |index: usize| {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        plan.first_chunk.saturating_add(index)
    };
    let chunks = plan.chunks.get(range.clone()).unwrap_or_default();
    let together = together(chunks.len(), plan.isa.in_flight());
    let mut planes = vec![rest.planes.clone(); together];
    for (flight, first) in chunks
        .chunks(together)
        .zip((range.start..).step_by(together))
    {
        let mut views: ArrayVec<ChunkView<'_>, MAX_IN_FLIGHT> = ArrayVec::new();
        let mut outs: ArrayVec<&mut [T], MAX_IN_FLIGHT> = ArrayVec::new();
        for (chunk, planes) in flight.iter().zip(&mut planes) {
            views.push(rest.split_off(plan, chunk, planes)?);
            outs.push(split_off(&mut out, chunk.num_samples)?);
        }
        if chunk::decode_together(&views, &mut outs, convert) {
            continue;
        }
        for ((view, out), index) in views.iter().zip(outs).zip(first..) {
            chunk::decode(*view, out, convert)
                .map_err(|kind| Error::from(kind).in_chunk(number(index)))?;
        }
    }
    Ok(())
}

/// How many of `num_chunks` chunks to decode in turn where `best` are best: about as many each time.
fn together(num_chunks: usize, best: usize) -> usize {
    let best = best.clamp(1, MAX_IN_FLIGHT);
    num_chunks.div_ceil(num_chunks.div_ceil(best).max(1)).max(1)
}

/// The bytes of a run of chunks that are not decoded yet.
struct Rest<'a> {
    coded: &'a [u8],
    planes: Vec<(Plane, &'a [u8])>,
}

impl<'a> Rest<'a> {
    /// Takes the bytes of the next chunk; those of its planes go to `planes`, which has as many.
    fn split_off<'b>(
        &mut self,
        plan: &'b PartPlan,
        chunk: &'b ChunkPlan,
        planes: &'b mut [(Plane, &'a [u8])],
    ) -> Result<ChunkView<'b>, Error>
    where
        'a: 'b,
    {
        let split = self.coded.split_at_checked(chunk.coded.len());
        let (coded, rest) = split.ok_or_else(missing)?;
        self.coded = rest;
        for ((plane, rest), here) in self.planes.iter_mut().zip(&mut *planes) {
            let len = if chunk.entry.mode == Mode::Coded {
                plane.padded_bytes(chunk.num_samples)
            } else {
                0
            };
            let (head, tail) = rest.split_at_checked(len).ok_or_else(missing)?;
            (*rest, *here) = (tail, (*plane, head));
        }
        Ok(ChunkView {
            entry: &chunk.entry,
            coder: &plan.coder,
            split: plan.split,
            isa: plan.isa,
            coded,
            planes,
        })
    }
}

/// The first `len` elements of `out`, which keeps the rest.
fn split_off<'a, T>(out: &mut &'a mut [T], len: usize) -> Result<&'a mut [T], Error> {
    let (head, rest) = std::mem::take(out)
        .split_at_mut_checked(len)
        .ok_or_else(missing)?;
    *out = rest;
    Ok(head)
}

fn missing() -> Error {
    Error::from(ErrorKind::Malformed {
        what: "payload length",
        rule: "4.1",
    })
}
