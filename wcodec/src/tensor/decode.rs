//! Chunks of a part to elements.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::PartPlan;
use crate::bitplane::Plane;
use crate::chunk::{self, ChunkView, Mode};
use crate::error::{Error, ErrorKind};
use crate::samples::Sample;
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
pub(crate) fn decode_group<S: Sample, T>(
    plan: &PartPlan,
    range: &Range<usize>,
    bytes: &GroupBytes<'_>,
    mut out: &mut [T],
    convert: &impl Fn(S) -> T,
) -> Result<(), Error> {
    let missing = || {
        Error::from(ErrorKind::Malformed {
            what: "payload length",
            rule: "4.1",
        })
    };
    let (mut coded, plane_bytes) = bytes
        .split_first()
        .map(|(coded, planes)| (*coded, planes))
        .ok_or_else(missing)?;
    let mut rest: Vec<(Plane, &[u8])> = plan
        .planes
        .iter()
        .copied()
        .zip(plane_bytes.iter().copied())
        .collect();
    let mut here = rest.clone();
    for (chunk, number) in plan
        .chunks
        .get(range.clone())
        .unwrap_or_default()
        .iter()
        .zip(range.start..)
    {
        let (chunk_coded, coded_rest) = coded
            .split_at_checked(chunk.coded.len())
            .ok_or_else(missing)?;
        coded = coded_rest;
        for (here, (plane, bytes)) in here.iter_mut().zip(&mut rest) {
            let len = if chunk.entry.mode == Mode::Rans {
                plane.padded_bytes(chunk.num_samples)
            } else {
                0
            };
            let (head, tail) = bytes.split_at_checked(len).ok_or_else(missing)?;
            (*here, *bytes) = ((*plane, head), tail);
        }
        let (chunk_out, out_rest) = std::mem::take(&mut out)
            .split_at_mut_checked(chunk.num_samples)
            .ok_or_else(missing)?;
        out = out_rest;
        let view = ChunkView {
            entry: &chunk.entry,
            table: plan.tables.get(usize::from(chunk.entry.table)),
            split: plan.split,
            coded: chunk_coded,
            planes: &here,
        };
        let number = plan
            .first_chunk
            .saturating_add(u32::try_from(number).unwrap_or(u32::MAX));
        chunk::decode(view, chunk_out, convert)
            .map_err(|kind| Error::from(kind).in_chunk(number))?;
    }
    Ok(())
}
