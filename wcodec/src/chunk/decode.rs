//! Chunk to elements.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::{ChunkEntry, ESCAPE_BYTES, Mode};
use crate::bitplane::Plane;
use crate::entropy::rans::{DecodeTable, Decoder};
use crate::entropy::simd::{Isa, Work};
use crate::error::ErrorKind;
use crate::format::{checksum, checksum_append};
use crate::samples::{Sample, Split};
use std::marker::PhantomData;

/// Samples decoded at a time: symbols, stored bits and output of one block stay in the first-level cache.
const BLOCK: usize = 1024;

/// A chunk's validated entry, and its bytes as they came from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkView<'a> {
    pub(crate) entry: &'a ChunkEntry,
    pub(crate) table: Option<&'a DecodeTable>,
    pub(crate) split: Split,
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
pub(crate) fn decode<S: Sample, T>(
    chunk: ChunkView<'_>,
    out: &mut [T],
    convert: &impl Fn(S) -> T,
) -> Result<(), ErrorKind> {
    verify("coded bytes", chunk.entry.coded_crc, checksum(chunk.coded))?;
    let truncated = ErrorKind::Malformed {
        what: "coded_bytes",
        rule: "4.2",
    };
    let coded = chunk
        .coded
        .get(..chunk.entry.coded_bytes as usize)
        .ok_or(truncated)?;
    match chunk.entry.mode {
        Mode::Rans => decode_rans(chunk, coded, out, convert),
        Mode::Stored => {
            out.iter_mut()
                .zip(coded.chunks_exact(S::BYTES))
                .for_each(|(to, bytes)| *to = convert(S::from_bytes(bytes)));
            Ok(())
        }
        Mode::Constant => {
            let sample = coded.get(..S::BYTES).map_or(S::ZERO, S::from_bytes);
            out.iter_mut().for_each(|to| *to = convert(sample));
            Ok(())
        }
    }
}

fn verify(what: &'static str, stored: u32, computed: u32) -> Result<(), ErrorKind> {
    if stored == computed {
        return Ok(());
    }
    Err(ErrorKind::ChecksumMismatch {
        what,
        stored,
        computed,
    })
}

fn decode_rans<S: Sample, T>(
    chunk: ChunkView<'_>,
    coded: &[u8],
    out: &mut [T],
    convert: &impl Fn(S) -> T,
) -> Result<(), ErrorKind> {
    let stored_crc = chunk
        .planes
        .iter()
        .fold(0, |crc, (_, bytes)| checksum_append(crc, bytes));
    verify("stored planes", chunk.entry.stored_crc, stored_crc)?;
    let malformed = |what, rule| ErrorKind::Malformed { what, rule };
    let table = chunk.table.ok_or(malformed("chunk's table", "4.2"))?;
    let escapes_at = coded
        .len()
        .checked_sub(usize::from(chunk.entry.num_escapes) * ESCAPE_BYTES);
    let (words, escapes) = escapes_at
        .and_then(|at| coded.split_at_checked(at))
        .ok_or(malformed("num_escapes", "4.2"))?;

    let mut decoder = Decoder::new(words)?;
    let mut symbols = [0u16; BLOCK];
    for (index, out) in out.chunks_mut(BLOCK).enumerate() {
        let Some(symbols) = symbols.get_mut(..out.len()) else {
            break; // blocks are at most BLOCK long
        };
        decoder.decode(table, symbols)?;
        let (first, sample) = (index * BLOCK, PhantomData::<S>);
        Isa::chosen().run(Merge {
            chunk,
            first,
            symbols,
            out,
            convert,
            sample,
        });
    }
    decoder.finish()?;
    patch_escapes(chunk, escapes, out, convert)
}

/// The symbols of one block, and where their elements go: the chunk's from `first` (a multiple of 8) on.
struct Merge<'a, S, T, F> {
    chunk: ChunkView<'a>,
    first: usize,
    symbols: &'a [u16],
    out: &'a mut [T],
    convert: &'a F,
    sample: PhantomData<S>,
}

impl<S: Sample, T, F: Fn(S) -> T> Work for Merge<'_, S, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut stored = [S::ZERO; BLOCK];
        if let Some(stored) = stored.get_mut(..self.out.len()) {
            read_stored(self.chunk.planes, self.first, stored);
            join(
                self.symbols,
                stored,
                self.chunk.split,
                self.out,
                self.convert,
            );
        }
    }
}

/// Joins the stored bits of samples `first` (a multiple of 8) and up into `stored`, which is zero.
#[inline(always)]
fn read_stored<S: Sample>(planes: &[(Plane, &[u8])], first: usize, stored: &mut [S]) {
    for (plane, bytes) in planes {
        plane.inverse(
            bytes.get(plane.offset_bytes(first)..).unwrap_or_default(),
            stored,
        );
    }
}

/// Joins symbols and stored bits.
#[inline(always)]
fn join<S: Sample, T>(
    symbols: &[u16],
    stored: &[S],
    split: Split,
    out: &mut [T],
    convert: &impl Fn(S) -> T,
) {
    split.with_known_mapping(|split| {
        for ((to, &symbol), &stored) in out.iter_mut().zip(symbols).zip(stored) {
            *to = convert(S::inverse(symbol, stored, split));
        }
    });
}

/// Replaces the elements whose symbols were escapes: positions first, then literals (FORMAT.md 4.3).
fn patch_escapes<S: Sample, T>(
    chunk: ChunkView<'_>,
    escapes: &[u8],
    out: &mut [T],
    convert: &impl Fn(S) -> T,
) -> Result<(), ErrorKind> {
    let (fields, _) = escapes.as_chunks::<2>();
    let (positions, literals) = fields
        .split_at_checked(fields.len() / 2)
        .unwrap_or_default();
    let mut previous = None;
    for (position, literal) in positions.iter().zip(literals) {
        let position = usize::from(u16::from_le_bytes(*position));
        let literal = u16::from_le_bytes(*literal);
        let in_order = previous.is_none_or(|previous| previous < position);
        let target = out
            .get_mut(position)
            .filter(|_| in_order && literal >> chunk.split.symbol_bits == 0);
        let target = target.ok_or(ErrorKind::Malformed {
            what: "escape",
            rule: "4.3",
        })?;
        let mut group = [S::ZERO; 8];
        read_stored(chunk.planes, position / 8 * 8, &mut group);
        let stored = group.get(position % 8).copied().unwrap_or(S::ZERO);
        *target = convert(S::inverse(literal, stored, chunk.split));
        previous = Some(position);
    }
    Ok(())
}
