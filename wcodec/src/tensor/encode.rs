//! A part's bytes to its payload.

use super::plan::{Method, NO_SPLIT, PartEntry};
use crate::bitplane;
use crate::chunk::{self, EncodedChunk, Mode, Scratch};
use crate::entropy::rans::EncodeTable;
use crate::format::checksum;
use crate::samples::{Sample, SampleForm, with_sample};
use crate::search::{self, Decision, Effort};
use rayon::prelude::*;

/// A part's index entry, but for its place in the file, and its payload.
#[derive(Debug)]
pub(crate) struct EncodedPart {
    pub(crate) entry: PartEntry,
    /// `None` where the payload is the raw bytes.
    pub(crate) payload: Option<Vec<u8>>,
}

/// What of a part's encoding its samples do not tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartSpec {
    pub(crate) form: SampleForm,
    pub(crate) chunk_samples: usize,
    pub(crate) first_chunk: u32,
    pub(crate) effort: Effort,
}

/// Encodes the samples in `raw`, on the current rayon pool. The result depends on the arguments alone.
///
/// # Panics
///
/// If `raw` is empty or not a whole number of samples.
pub(crate) fn encode_part(raw: &[u8], spec: PartSpec) -> EncodedPart {
    with_sample!(spec.form.bytes, S => encode_samples::<S>(raw, spec))
}

fn encode_samples<S: Sample>(raw: &[u8], spec: PartSpec) -> EncodedPart {
    assert!(
        !raw.is_empty() && raw.len().is_multiple_of(S::BYTES),
        "whole samples"
    );
    let chunks: Vec<&[u8]> = raw.chunks(spec.chunk_samples * S::BYTES).collect();
    let plain = |method, payload: &[u8]| PartEntry {
        method,
        split: NO_SPLIT,
        first_chunk: spec.first_chunk,
        num_chunks: u32_of(chunks.len()),
        offset: 0,
        len: payload.len() as u64,
        table_bytes: 0,
        crc: checksum(payload),
    };
    let (first, rest) = raw.split_at(S::BYTES);
    if *rest == raw[..rest.len()] {
        // Every sample equals the one before it.
        return EncodedPart {
            entry: plain(Method::Constant, first),
            payload: Some(first.to_vec()),
        };
    }
    let decision = search::decide::<S>(&chunks, spec.form, spec.effort);
    let (payload, table_bytes) = encode_chunks::<S>(&chunks, &decision);
    if payload.len() >= raw.len() {
        return EncodedPart {
            entry: plain(Method::Stored, raw),
            payload: None,
        };
    }
    let entry = PartEntry {
        split: decision.split,
        table_bytes: u32_of(table_bytes),
        crc: checksum(&payload[payload.len() - table_bytes..]),
        len: payload.len() as u64,
        ..plain(Method::Chunked, &[])
    };
    EncodedPart {
        entry,
        payload: Some(payload),
    }
}

/// The payload (FORMAT.md 4.1) and the length of the chunk table at its end.
fn encode_chunks<S: Sample>(chunks: &[&[u8]], decision: &Decision) -> (Vec<u8>, usize) {
    let tables: Vec<EncodeTable> = decision
        .tables
        .iter()
        .map(|table| EncodeTable::new(table, decision.split.symbol_bits))
        .collect();
    let encoded: Vec<EncodedChunk> = chunks
        .par_iter()
        .zip(&decision.assignment)
        .map_init(
            || (Scratch::<S>::default(), Vec::new()),
            |(scratch, samples), (bytes, &table)| {
                samples.clear();
                samples.extend(bytes.chunks_exact(S::BYTES).map(S::from_bytes));
                chunk::encode(samples, decision.split, &tables, table, scratch)
            },
        )
        .collect();

    let payload_bytes: usize = encoded
        .iter()
        .map(|chunk| chunk.coded.len() + chunk.stored.len())
        .sum();
    let mut payload = Vec::with_capacity(payload_bytes + encoded.len() * 16 + 4096);
    encoded
        .iter()
        .for_each(|chunk| payload.extend_from_slice(&chunk.coded));
    let mut plane_start = vec![0; encoded.len()];
    for plane in bitplane::planes(decision.split.stored_bits) {
        for ((chunk, bytes), start) in encoded.iter().zip(chunks).zip(&mut plane_start) {
            if chunk.entry.mode == Mode::Rans {
                let end = *start + plane.padded_bytes(bytes.len() / S::BYTES);
                payload.extend_from_slice(&chunk.stored[*start..end]);
                *start = end;
            }
        }
    }
    let table_at = payload.len();
    encoded
        .iter()
        .for_each(|chunk| chunk.entry.write(&mut payload));
    payload.extend(
        u16::try_from(decision.tables.len())
            .unwrap_or(u16::MAX)
            .to_le_bytes(),
    );
    decision
        .tables
        .iter()
        .for_each(|table| table.write(&mut payload));
    let table_bytes = payload.len() - table_at;
    (payload, table_bytes)
}

/// A count or length within one part, which is far below 2^32.
fn u32_of(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
