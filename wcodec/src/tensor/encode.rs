//! A part's bytes to its payload.

use super::entry::{Method, NO_SPLIT, PartEntry};
use super::payload::{EncodedPart, PartSpec, Space};
use crate::bitplane::{self, Plane};
use crate::chunk::{self, ChunkEntry, Mode, Scratch, Symbols, Target};
use crate::format::{CHUNK_ALIGN, checksum};
use crate::samples::{Number, with_sample};
use crate::search::{self, Decision, Tool};
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

/// Bytes hashed at a time begin at multiples of this many, where BLAKE3 is fastest.
const HASH_ALIGN: u64 = 1 << 16;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
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

/// Encodes the samples in `raw` into `space`, on the current rayon pool; where the method is [`Method::Stored`], `raw`
/// itself is the part's payload. All depends on `raw` and `spec` alone. `hasher` is given `raw`.
///
/// # Panics
///
/// If `raw` is empty or not a whole number of samples, or if `space` was made for less.
pub(crate) fn encode_part(
    raw: &[u8],
    spec: PartSpec,
    space: Space<'_>,
    hasher: Option<&mut blake3::Hasher>,
) -> EncodedPart {
    let mut hashing = Hashing {
        hasher,
        raw,
        hashed: 0,
        seen: 0,
    };
    let encoded =
        with_sample!(spec.form.bytes, S => encode_samples::<S>(raw, spec, space, &mut hashing));
    hashing.finish();
    encoded
}

fn encode_samples<S: Number>(
    raw: &[u8],
    spec: PartSpec,
    space: Space<'_>,
    hashing: &mut Hashing<'_>,
) -> EncodedPart {
    assert!(
        !raw.is_empty() && raw.len().is_multiple_of(S::BYTES),
        "whole samples"
    );
    let chunks: Vec<&[u8]> = raw.chunks(spec.chunk_bytes()).collect();
    let plain = |method, bytes: &[u8]| EncodedPart {
        entry: PartEntry {
            method,
            split: NO_SPLIT,
            first_chunk: spec.first_chunk,
            num_chunks: u32_of(chunks.len()),
            offset: 0,
            len: bytes.len() as u64,
            table_bytes: 0,
            crc: checksum(bytes),
        },
        coded: Vec::new(),
        planes: 0..0,
        table: Vec::new(),
        considered: Vec::new(),
    };
    if spec.only == Some(Tool::Stored) {
        return plain(Method::Stored, raw);
    }
    let (first, rest) = raw.split_at(S::BYTES);
    if *rest == raw[..rest.len()] {
        // Every sample equals the one before it.
        return EncodedPart {
            table: first.to_vec(),
            ..plain(Method::Constant, first)
        };
    }
    let wanted = search::Wanted {
        form: spec.form,
        row: spec.row,
        effort: spec.effort,
        only: spec.only,
    };
    let decision = search::decide::<S>(&chunks, wanted, &mut |bytes| {
        hashing.advance(bytes);
    });
    let (entries, coded, planes) = encode_chunks::<S>(&chunks, &decision, space);
    let mut table = Vec::new();
    write_table(&entries, &decision, &mut table);
    let len = coded.iter().map(Range::len).sum::<usize>() + planes.len() + table.len();
    let considered = decision.considered;
    if len >= raw.len() {
        return EncodedPart {
            considered,
            ..plain(Method::Stored, raw)
        };
    }
    let entry = PartEntry {
        method: match decision.symbols {
            Symbols::Rans(_) => Method::Chunked,
            Symbols::Tools(..) => Method::Tools,
            Symbols::Packed(_) => Method::Packed,
        },
        split: decision.split,
        table_bytes: u32_of(table.len()),
        crc: checksum(&table),
        len: len as u64,
        ..plain(Method::Chunked, &[]).entry
    };
    EncodedPart {
        entry,
        coded,
        planes,
        table,
        considered,
    }
}

/// The chunks' entries, and where in the payload their coded bytes and all their planes are (FORMAT.md 4.1).
fn encode_chunks<S: Number>(
    chunks: &[&[u8]],
    decision: &Decision,
    space: Space<'_>,
) -> (Vec<ChunkEntry>, Vec<Range<usize>>, Range<usize>) {
    let encoder = decision.symbols.encoder(decision.split.symbol_bits);
    // Chunks are encoded into places of equal length.
    let place_bytes = chunks
        .first()
        .map_or(0, |raw| raw.len())
        .next_multiple_of(CHUNK_ALIGN);
    let planes = bitplane::planes(decision.split.stored_bits);
    let plane_bytes = |plane: Plane, raw: &[u8]| plane.padded_bytes(raw.len() / S::BYTES);
    let mut targets: Vec<Vec<&mut [u8]>> = chunks.iter().map(|_| Vec::new()).collect();
    let mut rest = &mut *space.planes;
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
        .zip(space.coded.par_chunks_mut(place_bytes))
        .zip(targets)
        .map(|(((raw, &table), coded), planes)| {
            let target = Target { coded, planes };
            SCRATCH.with_borrow_mut(|scratch| {
                chunk::encode::<S>(raw, decision.split, (&encoder, table), scratch, target)
            })
        })
        .collect();

    let starts = (space.coded_at..).step_by(place_bytes);
    let coded = starts.zip(&entries).map(|(place, entry)| {
        place..place + (entry.coded_bytes as usize).next_multiple_of(CHUNK_ALIGN)
    });
    let coded = coded.collect();
    let mut end = 0;
    let places =
        planes.flat_map(|plane| entries.iter().zip(chunks).map(move |chunk| (plane, chunk)));
    let used = places.filter_map(|(plane, (entry, raw))| {
        let len = plane_bytes(plane, raw);
        end += len;
        (entry.mode == Mode::Coded).then_some((end - len, len))
    });
    let planes_bytes = compact(space.planes, used);
    let planes = space.planes_at..space.planes_at + planes_bytes;
    (entries, coded, planes)
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
    decision.symbols.write(out);
}

/// A count or length within one part, which is far below 2^32.
fn u32_of(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
