//! Chunk to elements.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::CodeBook;
use super::merge::{BLOCK, Block, Merger, Stored};
use super::{ChunkEntry, Coder, Mode};
use crate::bitplane::{MAX_PLANES, Plane, planes};
use crate::entropy::escapes::{self, ESCAPE_BYTES};
use crate::entropy::rans::{DecodeTable, Decoder};
use crate::entropy::simd::{Isa, MAX_IN_FLIGHT};
use crate::error::ErrorKind;
use crate::samples::{Number, Sample, Split};
use crate::tools::{self, Coded, Tools};
use arrayvec::ArrayVec;

/// A chunk's validated entry, and its bytes as they came from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkView<'a> {
    pub(crate) entry: &'a ChunkEntry,
    /// The part's.
    pub(crate) coder: &'a Coder,
    pub(crate) split: Split,
    pub(crate) isa: Isa,
    /// The coded bytes with their padding.
    pub(crate) coded: &'a [u8],
    /// Each stored plane with its bytes and their padding, most significant first.
    pub(crate) planes: &'a [(Plane, &'a [u8])],
}

/// Decodes `out.len()` samples, each through `convert`.
///
/// # Errors
///
/// `ChecksumMismatch`, or `Malformed` if the bytes break a rule of FORMAT.md 4.3 or 6.3. `out` then holds
/// unspecified elements.
///
/// # Panics
///
/// Never, for any input.
pub(crate) fn decode<S: Number, T>(
    chunk: ChunkView<'_>,
    out: &mut [T],
    convert: &impl Fn(S) -> T,
) -> Result<(), ErrorKind> {
    match (chunk.entry.mode, chunk.coder) {
        (Mode::Coded, Coder::Rans(tables)) => {
            let (mut decoder, rest) = open(chunk, tables)?;
            decode_from(&mut decoder, rest, 0, &mut Merger::new(convert), out)
        }
        (Mode::Coded, Coder::Packed(books)) => decode_packed(chunk, books, out, convert),
        (Mode::Coded, Coder::Tools(tools, tables)) => {
            let mut samples = vec![S::ZERO; out.len()];
            tools::decode(open_tools(chunk, tools, tables)?, &mut samples)?;
            out.iter_mut()
                .zip(samples)
                .for_each(|(to, sample)| *to = convert(sample));
            Ok(())
        }
        (Mode::Stored, _) => {
            let coded = verified_coded(chunk)?;
            out.iter_mut()
                .zip(coded.chunks_exact(S::BYTES))
                .for_each(|(to, bytes)| *to = convert(S::from_bytes(bytes)));
            Ok(())
        }
        (Mode::Constant, _) => {
            let coded = verified_coded(chunk)?;
            let sample = coded.get(..S::BYTES).map_or(S::ZERO, S::from_bytes);
            out.iter_mut().for_each(|to| *to = convert(sample));
            Ok(())
        }
    }
}

/// The coded bytes without their padding.
fn verified_coded(chunk: ChunkView<'_>) -> Result<&[u8], ErrorKind> {
    chunk.entry.verify_coded(chunk.coded)?;
    chunk
        .coded
        .get(..chunk.entry.coded_bytes as usize)
        .ok_or(ErrorKind::Malformed {
            what: "coded_bytes",
            rule: "4.2",
        })
}

/// Decodes several chunks of rANS (at most [`MAX_IN_FLIGHT`]), one in the shadow of the other, each as [`decode`]
/// decodes it.
///
/// `false` if any is coded otherwise or damaged: `decode` then says which, and how. The outputs then hold unspecified
/// elements.
///
/// # Panics
///
/// Never, for any input.
pub(crate) fn decode_together<S: Sample, T>(
    chunks: &[ChunkView<'_>],
    outs: &mut [&mut [T]],
    convert: &impl Fn(S) -> T,
) -> bool {
    let all_coded = chunks.iter().all(|chunk| chunk.entry.mode == Mode::Coded);
    let Some(Coder::Rans(tables)) = chunks.first().map(|chunk| chunk.coder) else {
        return false;
    };
    if chunks.len() < 2 || chunks.len() > MAX_IN_FLIGHT || !all_coded {
        return false;
    }
    let opened: Result<(InFlight<_>, InFlight<_>), ErrorKind> =
        chunks.iter().map(|&chunk| open(chunk, tables)).collect();
    opened.is_ok_and(|(mut decoders, rests)| {
        decode_opened(&mut decoders, &rests, outs, convert).is_ok()
    })
}

type InFlight<T> = ArrayVec<T, MAX_IN_FLIGHT>;

fn decode_opened<S: Sample, T>(
    decoders: &mut [Decoder<'_>],
    rests: &[Rest<'_>],
    outs: &mut [&mut [T]],
    convert: &impl Fn(S) -> T,
) -> Result<(), ErrorKind> {
    let mut merger = Merger::new(convert);
    let mut codes = [[0; BLOCK]; MAX_IN_FLIGHT];
    let codes = codes.get_mut(..decoders.len()).unwrap_or_default();
    let shortest = outs.iter().map(|out| out.len()).min().unwrap_or(0);
    let mut first = 0;
    while first + BLOCK <= shortest {
        let block = first..first + BLOCK;
        for (rest, out) in rests.iter().zip(&mut *outs) {
            let out = out.get_mut(block.clone()).unwrap_or_default();
            rest.stored.isa.prefetch(out);
        }
        Decoder::decode_together(decoders, codes)?;
        for ((rest, codes), out) in rests.iter().zip(&*codes).zip(&mut *outs) {
            let out = out.get_mut(block.clone()).unwrap_or_default();
            merger.merge(rest.stored, Block { first, codes, out });
        }
        first += BLOCK;
    }
    for ((decoder, rest), out) in decoders.iter_mut().zip(rests).zip(&mut *outs) {
        decode_from(decoder, *rest, first, &mut merger, out)?;
    }
    Ok(())
}

/// What a coded chunk has beside its states and words, or its codes.
#[derive(Debug, Clone, Copy)]
struct Rest<'a> {
    stored: Stored<'a>,
    /// Positions, then literals (FORMAT.md 4.3).
    escapes: &'a [u8],
}

/// Verifies the checksums of a chunk of rANS and takes it apart.
fn open<'a>(
    chunk: ChunkView<'a>,
    tables: &'a [DecodeTable],
) -> Result<(Decoder<'a>, Rest<'a>), ErrorKind> {
    let (words, escapes) = split_escapes(chunk, verified_coded(chunk)?)?;
    verify_planes(chunk)?;
    let table = chosen(chunk, tables)?;
    let stored = Stored {
        isa: table.isa(),
        split: chunk.split,
        values: table.values(),
        planes: chunk.planes,
    };
    Ok((Decoder::new(table, words)?, Rest { stored, escapes }))
}

/// Verifies the checksum of the planes, where they are all there.
fn verify_planes(chunk: ChunkView<'_>) -> Result<(), ErrorKind> {
    if chunk.planes.len() != planes(chunk.split.stored_bits).count() {
        return Ok(());
    }
    let planes = chunk.planes.iter().map(|(_, bytes)| *bytes);
    chunk.entry.verify_planes(planes)
}

/// The chunk's own of the part's tables.
fn chosen<'a, T>(chunk: ChunkView<'_>, tables: &'a [T]) -> Result<&'a T, ErrorKind> {
    let table = tables.get(usize::from(chunk.entry.table));
    table.ok_or(ErrorKind::Malformed {
        what: "chunk's table",
        rule: "4.2",
    })
}

/// Decodes a chunk of packed codes.
fn decode_packed<S: Sample, T>(
    chunk: ChunkView<'_>,
    books: &[CodeBook],
    out: &mut [T],
    convert: &impl Fn(S) -> T,
) -> Result<(), ErrorKind> {
    let (coded, escapes) = split_escapes(chunk, verified_coded(chunk)?)?;
    verify_planes(chunk)?;
    let book = chosen(chunk, books)?;
    let planes: ArrayVec<(Plane, &[u8]), MAX_PLANES> = book.planes(out.len(), coded).collect();
    let stored = Stored {
        isa: chunk.isa,
        split: chunk.split,
        values: book.values(),
        planes: chunk.planes,
    };
    let mut merger = Merger::new(convert);
    let mut codes = [0; BLOCK];
    for (out, first) in out.chunks_mut(BLOCK).zip((0..).step_by(BLOCK)) {
        let codes = codes.get_mut(..out.len()).unwrap_or_default();
        stored.isa.prefetch(out);
        CodeBook::unpack(stored.isa, &planes, first, codes);
        merger.merge(stored, Block { first, codes, out });
    }
    patch_escapes(Rest { stored, escapes }, &merger, out)
}

/// The coded bytes before the escapes, and the escapes.
fn split_escapes<'a>(
    chunk: ChunkView<'_>,
    coded: &'a [u8],
) -> Result<(&'a [u8], &'a [u8]), ErrorKind> {
    let escapes_bytes = usize::from(chunk.entry.num_escapes) * ESCAPE_BYTES;
    let escapes_at = coded.len().checked_sub(escapes_bytes);
    let split = escapes_at.and_then(|at| coded.split_at_checked(at));
    split.ok_or(ErrorKind::Malformed {
        what: "num_escapes",
        rule: "4.2",
    })
}

/// Verifies the checksum of a chunk that is coded with tools, and takes it apart.
fn open_tools<'a>(
    chunk: ChunkView<'a>,
    tools: &'a Tools,
    tables: &'a [DecodeTable],
) -> Result<Coded<'a>, ErrorKind> {
    let coded = verified_coded(chunk)?;
    let (rest, escapes) = split_escapes(chunk, coded)?;
    let bits_at = rest.len().checked_sub(chunk.entry.stored_crc as usize);
    let split = bits_at.and_then(|at| rest.split_at_checked(at));
    let (words, bits) = split.ok_or(ErrorKind::Malformed {
        what: "length of the bits",
        rule: "4.4",
    })?;
    Ok(Coded {
        tools,
        tables,
        table: chunk.entry.table,
        words,
        bits,
        escapes,
    })
}

/// Decodes what follows the first `first` samples (a multiple of the block), and ends the chunk, which is `out`.
fn decode_from<S: Sample, T, F: Fn(S) -> T>(
    decoder: &mut Decoder<'_>,
    rest: Rest<'_>,
    mut first: usize,
    merger: &mut Merger<'_, S, F>,
    out: &mut [T],
) -> Result<(), ErrorKind> {
    let mut codes = [0; BLOCK];
    for out in out.get_mut(first..).unwrap_or_default().chunks_mut(BLOCK) {
        let codes = codes.get_mut(..out.len()).unwrap_or_default();
        rest.stored.isa.prefetch(out);
        decoder.decode(codes)?;
        let num_samples = codes.len();
        merger.merge(rest.stored, Block { first, codes, out });
        first += num_samples;
    }
    decoder.finish()?;
    patch_escapes(rest, merger, out)
}

/// Replaces the elements whose symbols were escapes (FORMAT.md 4.3).
fn patch_escapes<S: Sample, T, F: Fn(S) -> T>(
    Rest { stored, escapes }: Rest<'_>,
    merger: &Merger<'_, S, F>,
    out: &mut [T],
) -> Result<(), ErrorKind> {
    escapes::each(escapes, |position, literal| {
        let is_symbol = literal >> stored.split.symbol_bits == 0;
        let target = out.get_mut(position).filter(|_| is_symbol)?;
        *target = merger.convert(stored.sample(position, literal));
        Some(())
    })
}
