//! Samples to chunk.

use super::{ChunkEntry, Mode, SymbolEncoder};
use crate::bitplane;
use crate::entropy::escapes::{self, ESCAPE_BYTES};
use crate::entropy::rans::{EncodeTable, Encoder, Symbol};
use crate::entropy::simd::{Isa, Work};
use crate::format::{CHUNK_ALIGN, checksum, checksum_append};
use crate::samples::{Number, Sample, Split};
use crate::tools::{self, Forward, Tools};

/// Samples split at a time: their stored bits stay in the first-level cache until they are packed.
const BLOCK_SAMPLES: usize = 1024;

/// Where a chunk's bytes go.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    /// For the coded bytes with their padding: as long as the samples, padded.
    pub(crate) coded: &'a mut [u8],
    /// For each stored plane with its padding, most significant first.
    pub(crate) planes: Vec<&'a mut [u8]>,
}

/// Buffers that an encoder keeps from one chunk to the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    encoder: Encoder,
    narrow: Vec<u8>,
    wide: Vec<u16>,
    forward: Forward,
    coded: Vec<u8>,
}

/// Encodes the samples in `raw` (little-endian) with one of the tables, or stores them where that is not larger.
///
/// Where the entry's mode is not [`Mode::Coded`], the target's planes hold nothing of use.
///
/// # Panics
///
/// If `split` does not cover the samples' bits, or the target is too short; may panic if a sample is of no class.
pub(crate) fn encode<S: Number>(
    raw: &[u8],
    split: Split,
    table: ChosenTable<'_>,
    scratch: &mut Scratch,
    target: Target<'_>,
) -> ChunkEntry {
    let (first, rest) = raw.split_at(S::BYTES);
    if *rest == raw[..rest.len()] {
        // Every sample equals the one before it.
        return plain(Mode::Constant, first, target.coded);
    }
    if let SymbolEncoder::Tools(tools, tables) = table.0 {
        let encoded = encode_with_tools::<S>(raw, tools, (tables, table.1), scratch, target.coded);
        return encoded.unwrap_or_else(|| plain(Mode::Stored, raw, target.coded));
    }
    let Scratch {
        encoder,
        narrow,
        wide,
        ..
    } = scratch;
    let Target { coded, planes } = target;
    let entry = if split.symbol_bits <= 8 {
        encode_split::<S, _>((raw, split), table, (encoder, narrow), (coded, planes))
    } else {
        encode_split::<S, _>((raw, split), table, (encoder, wide), (coded, planes))
    };
    entry.unwrap_or_else(|| plain(Mode::Stored, raw, coded))
}

/// `None` if the coded bytes are no shorter than the samples, or there are more escapes than an entry can count.
fn encode_with_tools<S: Number>(
    raw: &[u8],
    tools: &Tools,
    (tables, table): (&[EncodeTable], u8),
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Option<ChunkEntry> {
    let Scratch {
        encoder,
        forward,
        coded,
        ..
    } = scratch;
    forward.run::<S>(tools, raw);
    let (bits_bytes, num_escapes) = tools::encode(tools, (tables, table), forward, encoder, coded)?;
    let padded_bytes = coded.len().next_multiple_of(CHUNK_ALIGN);
    if padded_bytes >= raw.len().next_multiple_of(CHUNK_ALIGN) {
        return None;
    }
    let out = &mut out[..padded_bytes];
    let (bytes, padding) = out.split_at_mut(coded.len());
    bytes.copy_from_slice(coded);
    padding.fill(0);
    Some(ChunkEntry {
        mode: Mode::Coded,
        table,
        num_escapes,
        coded_bytes: u32_of(coded.len()),
        coded_crc: checksum(out),
        stored_crc: u32_of(bits_bytes),
    })
}

/// The table of a chunk: all of its part, and which it is.
pub(crate) type ChosenTable<'a> = (&'a SymbolEncoder<'a>, u8);

/// A chunk without a table.
fn plain(mode: Mode, bytes: &[u8], out: &mut [u8]) -> ChunkEntry {
    let (coded, rest) = out.split_at_mut(bytes.len());
    coded.copy_from_slice(bytes);
    let padding = bytes.len().next_multiple_of(CHUNK_ALIGN) - bytes.len();
    rest[..padding].fill(0);
    ChunkEntry {
        mode,
        table: 0,
        num_escapes: 0,
        coded_bytes: u32_of(bytes.len()),
        coded_crc: checksum(&out[..bytes.len() + padding]),
        stored_crc: 0,
    }
}

/// `None` if coded bytes and planes are no shorter than the samples, or there are more escapes than an entry can count.
fn encode_split<S: Sample, Y: Symbol>(
    (raw, split): (&[u8], Split),
    (symbol_encoder, table): ChosenTable<'_>,
    (encoder, symbols): (&mut Encoder, &mut Vec<Y>),
    (out, mut planes): (&mut [u8], Vec<&mut [u8]>),
) -> Option<ChunkEntry> {
    let num_samples = raw.len() / S::BYTES;
    if symbols.len() < num_samples {
        symbols.resize(num_samples, Y::default());
    }
    let symbols = &mut symbols[..num_samples];
    Isa::chosen().run(SplitSamples::<S, Y> {
        raw,
        split,
        symbols,
        planes: &mut planes,
        sample: std::marker::PhantomData,
    });
    let stored_bytes: usize = planes.iter().map(|plane| plane.len()).sum();
    let is_shorter = |coded_bytes: usize, escapes: &[(u16, u16)]| {
        let coded_bytes = coded_bytes + escapes.len() * ESCAPE_BYTES;
        coded_bytes.next_multiple_of(CHUNK_ALIGN) + stored_bytes
            < raw.len().next_multiple_of(CHUNK_ALIGN)
    };
    let (symbols_bytes, escapes) = match symbol_encoder {
        SymbolEncoder::Rans(tables) | SymbolEncoder::Tools(_, tables) => {
            let chosen = &tables[usize::from(table)];
            let escapes = chosen.escapes(symbols);
            let coded = encoder.encode(chosen, symbols);
            if !is_shorter(coded.len(), &escapes) {
                return None;
            }
            coded.write(&mut out[..coded.len()]);
            (coded.len(), escapes)
        }
        SymbolEncoder::Packed(books) => {
            let book = &books[usize::from(table)];
            let bytes = book.bytes(num_samples);
            let escapes = book.encode(symbols, out.get_mut(..bytes)?);
            if !is_shorter(bytes, &escapes) {
                return None;
            }
            (bytes, escapes)
        }
    };
    let num_escapes = u16::try_from(escapes.len()).ok()?;
    let coded_bytes = symbols_bytes + escapes.len() * ESCAPE_BYTES;
    let out = &mut out[..coded_bytes.next_multiple_of(CHUNK_ALIGN)];
    let (words, padding) = out[symbols_bytes..].split_at_mut(escapes.len() * ESCAPE_BYTES);
    for (to, byte) in words.iter_mut().zip(escapes::bytes(&escapes)) {
        *to = byte;
    }
    padding.fill(0);
    Some(ChunkEntry {
        mode: Mode::Coded,
        table,
        num_escapes,
        coded_bytes: u32_of(coded_bytes),
        coded_crc: checksum(out),
        stored_crc: planes
            .iter()
            .fold(0, |crc, plane| checksum_append(crc, plane)),
    })
}

/// Splits samples into symbols and planes.
struct SplitSamples<'a, 'b, S, Y> {
    raw: &'a [u8],
    split: Split,
    symbols: &'a mut [Y],
    planes: &'a mut [&'b mut [u8]],
    sample: std::marker::PhantomData<S>,
}

impl<S: Sample, Y: Symbol> Work for SplitSamples<'_, '_, S, Y> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            raw,
            split,
            symbols,
            planes,
            ..
        } = self;
        let mut stored = [S::ZERO; BLOCK_SAMPLES];
        let blocks = raw.chunks(BLOCK_SAMPLES * S::BYTES);
        for (number, (raw, symbols)) in blocks.zip(symbols.chunks_mut(BLOCK_SAMPLES)).enumerate() {
            let stored = &mut stored[..symbols.len()];
            split.with_known_mapping(|split| {
                let samples = raw.chunks_exact(S::BYTES).map(S::from_bytes);
                for ((sample, symbol), low) in samples.zip(&mut *symbols).zip(&mut *stored) {
                    let (high, rest) = sample.forward(split);
                    (*symbol, *low) = (Y::truncate(high), rest);
                }
            });
            for (plane, out) in bitplane::planes(split.stored_bits).zip(&mut *planes) {
                plane.forward(
                    stored,
                    &mut out[plane.offset_bytes(number * BLOCK_SAMPLES)..],
                );
            }
        }
        let num_samples = raw.len() / S::BYTES;
        for (plane, out) in bitplane::planes(split.stored_bits).zip(planes) {
            out[plane.bytes(num_samples)..].fill(0);
        }
    }
}

/// A length within one chunk, which is far below 2^32.
fn u32_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
