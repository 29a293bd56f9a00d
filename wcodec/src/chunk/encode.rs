//! Elements to chunk.

use super::{ChunkEntry, ESCAPE_BYTES, Mode};
use crate::bitplane;
use crate::entropy::rans::{EncodeTable, Encoder};
use crate::format::{CHUNK_ALIGN, checksum, checksum_append, fields};
use crate::samples::{Sample, Split};

/// A chunk's entry and bytes.
#[derive(Debug)]
pub(crate) struct EncodedChunk {
    pub(crate) entry: ChunkEntry,
    /// The coded bytes with their padding.
    pub(crate) coded: Vec<u8>,
    /// The stored planes with their padding, one after the other, most significant first.
    pub(crate) stored: Vec<u8>,
}

/// Buffers that an encoder keeps from one chunk to the next.
#[derive(Debug)]
pub(crate) struct Scratch<S> {
    encoder: Encoder,
    symbols: Vec<u16>,
    stored: Vec<S>,
}

impl<S> Default for Scratch<S> {
    fn default() -> Self {
        Self {
            encoder: Encoder::default(),
            symbols: Vec::new(),
            stored: Vec::new(),
        }
    }
}

/// Encodes `samples` with `tables[table]`, or stores them where that is not larger.
///
/// # Panics
///
/// If `split` does not cover the samples' bits, or a symbol has no frequency in a table without an escape.
pub(crate) fn encode<S: Sample>(
    samples: &[S],
    split: Split,
    tables: &[EncodeTable],
    table: u8,
    scratch: &mut Scratch<S>,
) -> EncodedChunk {
    if let Some((&first, rest)) = samples.split_first()
        && rest.iter().all(|&sample| sample == first)
    {
        return plain(Mode::Constant, first.to_bytes().as_ref().to_vec());
    }
    let encoded = encode_rans(
        samples,
        split,
        (&tables[usize::from(table)], table),
        scratch,
    );
    let raw_bytes = (samples.len() * S::BYTES).next_multiple_of(CHUNK_ALIGN);
    match encoded {
        Some(encoded) if encoded.coded.len() + encoded.stored.len() < raw_bytes => encoded,
        _ => {
            let raw = samples
                .iter()
                .fold(Vec::with_capacity(raw_bytes), |mut raw, sample| {
                    raw.extend_from_slice(sample.to_bytes().as_ref());
                    raw
                });
            plain(Mode::Stored, raw)
        }
    }
}

/// A chunk without a table.
fn plain(mode: Mode, mut coded: Vec<u8>) -> EncodedChunk {
    let coded_bytes = u32_of(coded.len());
    fields::pad(&mut coded, CHUNK_ALIGN);
    let coded_crc = checksum(&coded);
    let entry = ChunkEntry {
        mode,
        table: 0,
        num_escapes: 0,
        coded_bytes,
        coded_crc,
        stored_crc: 0,
    };
    EncodedChunk {
        entry,
        coded,
        stored: Vec::new(),
    }
}

/// `None` if there are more escapes than an entry can count.
fn encode_rans<S: Sample>(
    samples: &[S],
    split: Split,
    (table, table_index): (&EncodeTable, u8),
    scratch: &mut Scratch<S>,
) -> Option<EncodedChunk> {
    let Scratch {
        encoder,
        symbols,
        stored,
    } = scratch;
    symbols.resize(samples.len(), 0);
    stored.resize(samples.len(), S::ZERO);
    split_samples(samples, split, symbols, stored);
    let escapes = find_escapes(table, symbols);
    let num_escapes = u16::try_from(escapes.len()).ok()?;
    let mut coded = Vec::with_capacity(samples.len() + escapes.len() * ESCAPE_BYTES + 256);
    encoder.encode(table, symbols, &mut coded);
    coded.extend(
        escapes
            .iter()
            .flat_map(|(position, _)| position.to_le_bytes()),
    );
    coded.extend(
        escapes
            .iter()
            .flat_map(|(_, literal)| literal.to_le_bytes()),
    );
    let coded_bytes = u32_of(coded.len());
    fields::pad(&mut coded, CHUNK_ALIGN);

    let planes = bitplane::planes(split.stored_bits);
    let stored_bytes: usize = planes
        .clone()
        .map(|plane| plane.padded_bytes(samples.len()))
        .sum();
    let mut packed = vec![0; stored_bytes];
    let mut rest = packed.as_mut_slice();
    for plane in planes {
        let (here, after) = rest.split_at_mut(plane.padded_bytes(samples.len()));
        plane.forward(stored, here);
        rest = after;
    }
    let entry = ChunkEntry {
        mode: Mode::Rans,
        table: table_index,
        num_escapes,
        coded_bytes,
        coded_crc: checksum(&coded),
        stored_crc: checksum_append(0, &packed),
    };
    Some(EncodedChunk {
        entry,
        coded,
        stored: packed,
    })
}

/// Splits every sample.
fn split_samples<S: Sample>(samples: &[S], split: Split, symbols: &mut [u16], stored: &mut [S]) {
    split.with_known_mapping(|split| {
        for ((sample, symbol), low) in samples.iter().zip(&mut *symbols).zip(&mut *stored) {
            (*symbol, *low) = sample.forward(split);
        }
    });
}

/// Position and value of every symbol without a frequency of its own.
fn find_escapes(table: &EncodeTable, symbols: &[u16]) -> Vec<(u16, u16)> {
    if !table.has_escape() {
        return Vec::new();
    }
    (0..=u16::MAX)
        .zip(symbols)
        .filter(|&(_, &s)| !table.is_direct(s))
        .map(|(at, &s)| (at, s))
        .collect()
}

/// A length within one chunk, which is far below 2^32.
fn u32_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
