//! A part's bytes to its payload.

use super::plan::{Method, NO_SPLIT, PartEntry};
use crate::bitplane::{self, Plane};
use crate::chunk::{self, ChunkEntry, Mode, Scratch, Target};
use crate::entropy::rans::EncodeTable;
use crate::format::{CHUNK_ALIGN, checksum};
use crate::samples::{Sample, SampleForm, with_sample};
use crate::search::{self, Decision, Effort};
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

/// Bytes hashed at a time begin at multiples of this many, where BLAKE3 is fastest.
const HASH_ALIGN: u64 = 1 << 16;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The bytes of a part, in buffers that may be used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    coded: Vec<u8>,
    /// Where the chunks' bytes are in `coded`.
    places: Vec<Range<usize>>,
    planes: Vec<u8>,
    /// The chunk table, or the sample of a constant part.
    table: Vec<u8>,
    planes_bytes: usize,
}

impl Payload {
    /// What to write, one after the other.
    pub(crate) fn pieces(&self) -> Vec<&[u8]> {
        let coded = self.places.iter().map(|place| &self.coded[place.clone()]);
        coded
            .chain([&self.planes[..self.planes_bytes], &self.table])
            .collect()
    }

    fn len(&self) -> usize {
        let coded: usize = self.places.iter().map(Range::len).sum();
        coded + self.planes_bytes + self.table.len()
    }

    fn clear(&mut self) {
        self.planes_bytes = 0;
        self.places.clear();
        self.table.clear();
    }
}

/// Hashes a part's bytes as its chunks are looked at for the first time.
struct Hashing<'a> {
    /// `None` if nobody asks for the digest.
    hasher: Option<&'a mut blake3::Hasher>,
    raw: &'a [u8],
    /// Bytes of `raw` that were looked at but not hashed yet begin here ...
    hashed: usize,
    /// ... and end here.
    seen: usize,
}

impl Hashing<'_> {
    /// Hashes what there is of `bytes` more, but for an odd end.
    fn advance(&mut self, bytes: usize) {
        self.seen += bytes;
        let Some(hasher) = &mut self.hasher else {
            return;
        };
        let odd = (hasher.count() + (self.seen - self.hashed) as u64) % HASH_ALIGN;
        // Below the alignment.
        let end = self.seen.saturating_sub(usize::try_from(odd).unwrap_or(0));
        if end > self.hashed {
            hasher.update_rayon(&self.raw[self.hashed..end]);
            self.hashed = end;
        }
    }

    /// Hashes the rest.
    fn finish(self) {
        if let Some(hasher) = self.hasher {
            hasher.update_rayon(&self.raw[self.hashed..]);
        }
    }
}

/// What of a part's encoding its samples do not tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartSpec {
    pub(crate) form: SampleForm,
    pub(crate) chunk_samples: usize,
    pub(crate) first_chunk: u32,
    pub(crate) effort: Effort,
}

/// Encodes the samples in `raw`, on the current rayon pool. Returns the part's index entry, but for its place in the file; the
/// bytes are in `payload`, or `raw` itself where the method is [`Method::Stored`]. Both depend on `raw` and `spec` alone.
/// `hasher` is given `raw`.
///
/// # Panics
///
/// If `raw` is empty or not a whole number of samples.
pub(crate) fn encode_part(
    raw: &[u8],
    spec: PartSpec,
    payload: &mut Payload,
    hasher: Option<&mut blake3::Hasher>,
) -> PartEntry {
    let mut hashing = Hashing {
        hasher,
        raw,
        hashed: 0,
        seen: 0,
    };
    let entry =
        with_sample!(spec.form.bytes, S => encode_samples::<S>(raw, spec, payload, &mut hashing));
    hashing.finish();
    entry
}

fn encode_samples<S: Sample>(
    raw: &[u8],
    spec: PartSpec,
    payload: &mut Payload,
    hashing: &mut Hashing<'_>,
) -> PartEntry {
    assert!(
        !raw.is_empty() && raw.len().is_multiple_of(S::BYTES),
        "whole samples"
    );
    payload.clear();
    let chunks: Vec<&[u8]> = raw.chunks(spec.chunk_samples * S::BYTES).collect();
    let plain = |method, bytes: &[u8]| PartEntry {
        method,
        split: NO_SPLIT,
        first_chunk: spec.first_chunk,
        num_chunks: u32_of(chunks.len()),
        offset: 0,
        len: bytes.len() as u64,
        table_bytes: 0,
        crc: checksum(bytes),
    };
    let (first, rest) = raw.split_at(S::BYTES);
    if *rest == raw[..rest.len()] {
        // Every sample equals the one before it.
        payload.table.extend_from_slice(first);
        return plain(Method::Constant, first);
    }
    let decision = search::decide::<S>(&chunks, spec.form, spec.effort, &mut |bytes| {
        hashing.advance(bytes);
    });
    let entries = encode_chunks::<S>(&chunks, &decision, payload);
    write_table(&entries, &decision, &mut payload.table);
    if payload.len() >= raw.len() {
        return plain(Method::Stored, raw);
    }
    PartEntry {
        split: decision.split,
        table_bytes: u32_of(payload.table.len()),
        crc: checksum(&payload.table),
        len: payload.len() as u64,
        ..plain(Method::Chunked, &[])
    }
}

/// The chunks' entries; their bytes go to `payload` (FORMAT.md 4.1).
fn encode_chunks<S: Sample>(
    chunks: &[&[u8]],
    decision: &Decision,
    payload: &mut Payload,
) -> Vec<ChunkEntry> {
    let symbol_bits = decision.split.symbol_bits;
    let tables: Vec<EncodeTable> = decision
        .tables
        .iter()
        .map(|table| EncodeTable::new(table, symbol_bits))
        .collect();
    // Chunks are encoded into places of equal length.
    let place_bytes = chunks
        .first()
        .map_or(0, |raw| raw.len())
        .next_multiple_of(CHUNK_ALIGN);
    let planes = bitplane::planes(decision.split.stored_bits);
    let plane_bytes = |plane: Plane, raw: &[u8]| plane.padded_bytes(raw.len() / S::BYTES);
    let planes_bytes = planes
        .clone()
        .map(|plane| {
            chunks
                .iter()
                .map(|raw| plane_bytes(plane, raw))
                .sum::<usize>()
        })
        .sum();
    grow(&mut payload.coded, place_bytes * chunks.len());
    grow(&mut payload.planes, planes_bytes);

    let mut targets: Vec<Vec<&mut [u8]>> = chunks.iter().map(|_| Vec::new()).collect();
    let mut rest = payload.planes.as_mut_slice();
    for plane in planes.clone() {
        for (target, raw) in targets.iter_mut().zip(chunks) {
            let (here, after) = rest.split_at_mut(plane_bytes(plane, raw));
            target.push(here);
            rest = after;
        }
    }
    let entries: Vec<ChunkEntry> = chunks
        .par_iter()
        .zip(&decision.assignment)
        .zip(payload.coded.par_chunks_mut(place_bytes))
        .zip(targets)
        .map(|(((raw, &table), coded), planes)| {
            let target = Target { coded, planes };
            SCRATCH.with_borrow_mut(|scratch| {
                chunk::encode::<S>(raw, decision.split, (&tables, table), scratch, target)
            })
        })
        .collect();

    payload.places.extend(
        (0..)
            .step_by(place_bytes)
            .zip(&entries)
            .map(|(place, entry)| {
                place..place + (entry.coded_bytes as usize).next_multiple_of(CHUNK_ALIGN)
            }),
    );
    payload.planes_bytes = planes_bytes;
    if entries.iter().any(|entry| entry.mode != Mode::Rans) {
        let mut place = 0;
        let places =
            planes.flat_map(|plane| entries.iter().zip(chunks).map(move |chunk| (plane, chunk)));
        payload.planes_bytes = compact(
            &mut payload.planes,
            places.filter_map(|(plane, (entry, raw))| {
                let len = plane_bytes(plane, raw);
                place += len;
                (entry.mode == Mode::Rans).then_some((place - len, len))
            }),
        );
    }
    entries
}

/// Makes `buffer` at least `len` long, without touching memory that is not used yet.
fn grow(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        *buffer = vec![0; len];
    }
}

/// Moves the runs at `places` (start and length, rising) to the start of `buffer`; returns their length together.
fn compact(buffer: &mut [u8], places: impl Iterator<Item = (usize, usize)>) -> usize {
    places.fold(0, |at, (start, len)| {
        if start != at {
            buffer.copy_within(start..start + len, at);
        }
        at + len
    })
}

/// The chunk table (FORMAT.md 4.2).
fn write_table(entries: &[ChunkEntry], decision: &Decision, out: &mut Vec<u8>) {
    entries.iter().for_each(|entry| entry.write(out));
    let num_tables = u16::try_from(decision.tables.len()).unwrap_or(u16::MAX);
    out.extend(num_tables.to_le_bytes());
    decision.tables.iter().for_each(|table| table.write(out));
}

/// A count or length within one part, which is far below 2^32.
fn u32_of(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
