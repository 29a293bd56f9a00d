//! Section 4: parts and chunks.

use super::packed::{self, CodeBook};
use super::rans::{self, Table};
use super::samples::{join_planes, plane_widths};
use super::tools::Record;
use super::{Fields, Part, Refusal, Tensor, must};

/// An entry of a chunk table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    pub(crate) mode: u8,
    pub(crate) table: u8,
    pub(crate) escapes: u16,
    pub(crate) coded_len: u32,
    pub(crate) coded_crc: u32,
    /// With tools: the length of the bits.
    pub(crate) planes_crc: u32,
    /// Samples it decodes to.
    pub(crate) samples: u64,
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
    if !part.has_chunks() {
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
    let coding = Coding::read(tables, tensor, part)?;
    for chunk in &chunks {
        check_chunk(chunk, tensor, &coding)?;
    }
    let slices = chunk_slices(payload, part, &chunks)?;
    for (chunk, Slices { coded, planes }) in chunks.iter().zip(slices) {
        must(
            crc32c::crc32c(coded) == chunk.coded_crc,
            "checksum of coded bytes",
        )?;
        if part.method != 3 {
            must(
                crc32c::crc32c(&planes.concat()) == chunk.planes_crc,
                "checksum of planes",
            )?;
        }
        let coded = &coded[..chunk.coded_len as usize];
        match (chunk.mode, &coding) {
            (0, Coding::Tools(record, tables)) => {
                out.extend(record.decode_chunk(coded, chunk, tables, tensor.sample_len)?);
            }
            (0, _) => {
                let symbols = coding.symbols(coded, chunk, part)?;
                join_planes(&symbols, &planes, tensor.sample_len, part, out);
            }
            (1, _) => out.extend(coded),
            _ => out.extend(coded.repeat(chunk.samples as usize)),
        }
    }
    Ok(())
}

/// What follows the entries of a chunk table.
enum Coding {
    Chunked(Vec<Table>),
    Packed(Vec<CodeBook>),
    Tools(Record, Vec<Table>),
}

impl Coding {
    fn read(bytes: &[u8], tensor: &Tensor, part: &Part) -> Result<Self, Refusal> {
        let mut fields = Fields { bytes };
        let coding = match part.method {
            0 => Self::Chunked(rans::read_tables(&mut fields, part.symbol_bits)?),
            4 => Self::Packed(packed::read_code_books(&mut fields, part.symbol_bits)?),
            _ => {
                let tables = rans::read_tables(&mut fields, part.symbol_bits)?;
                let sample_bits = tensor.sample_len * 8;
                let record = Record::read(&mut fields, sample_bits, part.symbol_bits, &tables)?;
                Self::Tools(record, tables)
            }
        };
        must(fields.bytes.is_empty(), "bytes after the tables")?;
        Ok(coding)
    }

    /// Whether table `number` has an escape, if it is there.
    fn has_escape(&self, number: u8) -> Option<bool> {
        let number = usize::from(number);
        match self {
            Self::Chunked(tables) | Self::Tools(_, tables) => {
                tables.get(number).map(|table| table.has_escape)
            }
            Self::Packed(books) => books.get(number).map(|book| book.has_escape),
        }
    }

    /// The symbols of a chunk in mode coded, escapes replaced.
    fn symbols(&self, coded: &[u8], chunk: &Chunk, part: &Part) -> Result<Vec<u16>, Refusal> {
        let (samples, table) = (chunk.samples as usize, usize::from(chunk.table));
        let (coded, escapes) = coded.split_at(coded.len() - 4 * usize::from(chunk.escapes));
        let mut symbols = match self {
            Self::Chunked(tables) | Self::Tools(_, tables) => {
                rans::decode(coded, samples, |_, _| &tables[table])?
            }
            Self::Packed(books) => books[table].decode(coded, samples),
        };
        replace_escapes(&mut symbols, escapes, 1 << part.symbol_bits)?;
        Ok(symbols)
    }
}

/// Section 4.2: what an entry may say.
fn check_chunk(chunk: &Chunk, tensor: &Tensor, coding: &Coding) -> Result<(), Refusal> {
    let (coded_len, escapes) = (u64::from(chunk.coded_len), u64::from(chunk.escapes));
    must(chunk.mode <= 2, "unknown mode of a chunk")?;
    if chunk.mode == 0 {
        let has_escape = coding.has_escape(chunk.table).ok_or("number of a table")?;
        let symbols = match coding {
            Coding::Tools(record, _) => record.units(chunk, tensor.sample_len),
            _ => chunk.samples,
        };
        must(escapes <= symbols, "more escapes than symbols")?;
        must(
            escapes == 0 || has_escape,
            "escapes without an escape in the table",
        )?;
        match coding {
            Coding::Chunked(_) => {
                let least = 128 + 4 * escapes;
                must(
                    coded_len.is_multiple_of(2) && coded_len >= least,
                    "length of coded bytes",
                )?;
                must(
                    coded_len <= least + 2 * chunk.samples,
                    "more than a word a sample",
                )
            }
            Coding::Packed(books) => must(
                coded_len == books[usize::from(chunk.table)].codes_len(chunk.samples) + 4 * escapes,
                "length of packed codes",
            ),
            Coding::Tools(record, _) => record.check_chunk(chunk, tensor.sample_len),
        }
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

/// Section 4.3: replaces escapes. Literals are below `num_symbols`.
pub(super) fn replace_escapes(
    symbols: &mut [u16],
    bytes: &[u8],
    num_symbols: u32,
) -> Result<(), Refusal> {
    let mut fields = Fields { bytes };
    let positions = (0..bytes.len() / 4)
        .map(|_| fields.u16())
        .collect::<Result<Vec<u16>, _>>()?;
    must(
        positions.is_sorted_by(|a, b| a < b),
        "positions of escapes do not rise",
    )?;
    for position in positions {
        let symbol = fields.u16()?;
        must(u32::from(symbol) < num_symbols, "symbol of an escape")?;
        *symbols
            .get_mut(usize::from(position))
            .ok_or("position of an escape")? = symbol;
    }
    Ok(())
}
