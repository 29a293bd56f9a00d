//! Sections 4 and 5: parts, chunks and samples.

use super::rans::{self, Table};
use super::{Fields, Part, Refusal, Tensor, must};

/// An entry of a chunk table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    pub(crate) mode: u8,
    pub(crate) table: u8,
    pub(crate) escapes: u16,
    pub(crate) coded_len: u32,
    pub(crate) coded_crc: u32,
    pub(crate) planes_crc: u32,
    /// Samples it decodes to.
    pub(crate) samples: u64,
}

/// Section 5.3: the widths of the planes of `k` stored bits.
fn plane_widths(k: u8) -> Vec<u8> {
    let mut widths: Vec<u8> = [1, 2, 4, 8]
        .into_iter()
        .filter(|width| k & width != 0)
        .collect();
    widths.extend(vec![16; usize::from(k / 16)]);
    widths
}

/// The entries of a part's chunk table, and the bytes of its frequency tables from their number on.
pub(crate) fn read_table<'a>(
    table: &'a [u8],
    tensor: &Tensor,
    part: &Part,
) -> Result<(Vec<Chunk>, &'a [u8]), Refusal> {
    let mut fields = Fields { bytes: table };
    let mut chunks = Vec::new();
    let chunk_samples = u64::from(tensor.chunk_samples);
    let mut left = part.samples;
    for _ in 0..part.num_chunks {
        let (mode, table, escapes) = (fields.u8()?, fields.u8()?, fields.u16()?);
        let (coded_len, coded_crc, planes_crc) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let samples = left.min(chunk_samples);
        left -= samples;
        chunks.push(Chunk {
            mode,
            table,
            escapes,
            coded_len,
            coded_crc,
            planes_crc,
            samples,
        });
    }
    Ok((chunks, fields.bytes))
}

/// The coded bytes and the planes of a chunk, all with their padding.
#[derive(Debug)]
pub(crate) struct Slices<'a> {
    pub(crate) coded: &'a [u8],
    pub(crate) planes: Vec<&'a [u8]>,
}

/// The bytes of each chunk.
pub(crate) fn chunk_slices<'a>(
    payload: &'a [u8],
    part: &Part,
    chunks: &[Chunk],
) -> Result<Vec<Slices<'a>>, Refusal> {
    let mut fields = Fields { bytes: payload };
    let mut slices = Vec::new();
    for chunk in chunks {
        let coded = fields.take((chunk.coded_len as usize).next_multiple_of(16))?;
        slices.push(Slices {
            coded,
            planes: Vec::new(),
        });
    }
    for width in plane_widths(part.stored_bits) {
        for (chunk, slices) in chunks
            .iter()
            .zip(&mut slices)
            .filter(|(chunk, _)| chunk.mode == 0)
        {
            let bits = chunk.samples as usize * usize::from(width);
            slices
                .planes
                .push(fields.take(bits.div_ceil(8).next_multiple_of(16))?);
        }
    }
    must(
        fields.bytes.len() == part.table_len as usize,
        "lengths do not add up to the payload's",
    )?;
    Ok(slices)
}

/// Appends the bytes that a part decodes to.
pub(super) fn decode_part(
    payload: &[u8],
    tensor: &Tensor,
    part: &Part,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if part.method != 0 {
        must(crc32c::crc32c(payload) == part.crc, "checksum of a payload")?;
        let repeats = if part.method == 1 {
            1
        } else {
            part.samples as usize
        };
        out.extend(payload.repeat(repeats));
        return Ok(());
    }
    let table = &payload[payload.len() - part.table_len as usize..];
    must(
        crc32c::crc32c(table) == part.crc,
        "checksum of a chunk table",
    )?;
    let (chunks, tables) = read_table(table, tensor, part)?;
    let tables = rans::read_tables(tables, part.symbol_bits)?;
    for chunk in &chunks {
        check_chunk(chunk, tensor, &tables)?;
    }
    let slices = chunk_slices(payload, part, &chunks)?;
    for (chunk, Slices { coded, planes }) in chunks.iter().zip(slices) {
        must(
            crc32c::crc32c(coded) == chunk.coded_crc,
            "checksum of coded bytes",
        )?;
        must(
            crc32c::crc32c(&planes.concat()) == chunk.planes_crc,
            "checksum of planes",
        )?;
        let coded = &coded[..chunk.coded_len as usize];
        match chunk.mode {
            0 => {
                let symbols =
                    decode_symbols(coded, chunk, &tables[usize::from(chunk.table)], part)?;
                join_planes(&symbols, &planes, tensor.sample_len, part, out);
            }
            1 => out.extend(coded),
            _ => out.extend(coded.repeat(chunk.samples as usize)),
        }
    }
    Ok(())
}

/// Section 4.2: what an entry may say.
fn check_chunk(chunk: &Chunk, tensor: &Tensor, tables: &[Table]) -> Result<(), Refusal> {
    let (coded_len, escapes) = (u64::from(chunk.coded_len), u64::from(chunk.escapes));
    must(chunk.mode <= 2, "unknown mode of a chunk")?;
    if chunk.mode == 0 {
        let table = tables
            .get(usize::from(chunk.table))
            .ok_or("number of a table")?;
        must(escapes <= chunk.samples, "more escapes than samples")?;
        must(
            escapes == 0 || table.has_escape,
            "escapes without an escape in the table",
        )?;
        let least = 128 + 4 * escapes;
        must(
            coded_len % 2 == 0 && coded_len >= least,
            "length of coded bytes",
        )?;
        must(
            coded_len <= least + 2 * chunk.samples,
            "more than a word a sample",
        )
    } else {
        let samples = if chunk.mode == 1 { chunk.samples } else { 1 };
        must(
            coded_len == samples * tensor.sample_len,
            "length of coded bytes",
        )?;
        must(
            chunk.table == 0 && escapes == 0 && chunk.planes_crc == 0,
            "unused fields of a chunk",
        )
    }
}

/// The symbols of a chunk in mode rANS, escapes replaced.
fn decode_symbols(
    coded: &[u8],
    chunk: &Chunk,
    table: &Table,
    part: &Part,
) -> Result<Vec<u16>, Refusal> {
    let (samples, escapes) = (chunk.samples as usize, usize::from(chunk.escapes));
    let (coded, escape_bytes) = coded.split_at(coded.len() - 4 * escapes);
    let mut symbols = rans::decode(coded, table, samples)?;
    let mut fields = Fields {
        bytes: escape_bytes,
    };
    let positions = (0..escapes)
        .map(|_| fields.u16())
        .collect::<Result<Vec<u16>, _>>()?;
    must(
        positions.is_sorted_by(|a, b| a < b),
        "positions of escapes do not rise",
    )?;
    for position in positions {
        must(usize::from(position) < samples, "position of an escape")?;
        let symbol = fields.u16()?;
        must(symbol >> part.symbol_bits == 0, "symbol of an escape")?;
        symbols[usize::from(position)] = symbol;
    }
    Ok(symbols)
}

/// Appends the samples of a chunk.
fn join_planes(symbols: &[u16], planes: &[&[u8]], sample_len: u64, part: &Part, out: &mut Vec<u8>) {
    let widths = plane_widths(part.stored_bits);
    for (i, &symbol) in symbols.iter().enumerate() {
        let mut stored = 0;
        for (&width, plane) in widths.iter().zip(planes) {
            stored = stored << width | unpack(plane, width, i);
        }
        let sample = join(symbol.into(), stored, sample_len * 8, part);
        out.extend(&sample.to_le_bytes()[..sample_len as usize]);
    }
}

/// The bits of sample `i` in a plane.
fn unpack(plane: &[u8], width: u8, i: usize) -> u64 {
    if width == 16 {
        return u64::from(plane[2 * i]) | u64::from(plane[2 * i + 1]) << 8;
    }
    let bit = i * usize::from(width);
    u64::from(plane[bit / 8]) >> (bit % 8) & ((1 << width) - 1)
}

/// Sections 5.1 and 5.2: a sample of `n` bits from its symbol and its stored bits.
fn join(symbol: u64, stored: u64, n: u64, part: &Part) -> u64 {
    let (k, z) = (part.stored_bits, part.zero_bits);
    let b = if part.mapping == 2 { k - 1 } else { k };
    // Through 128 bits: 2^b and the shifts then exist for every b and z.
    let m = ((u128::from(symbol) << b) | (u128::from(stored) % (1 << b))) << z;
    let m = m as u64;
    match part.mapping {
        0 => m,
        // m = 2x for x >= 0 and -2x - 1 below.
        1 => (if m.is_multiple_of(2) { m / 2 } else { !(m / 2) }) & (u64::MAX >> (64 - n)),
        _ => stored >> (k - 1) << (n - 1) | m,
    }
}
