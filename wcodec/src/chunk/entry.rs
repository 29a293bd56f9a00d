//! A chunk's entry in its part's chunk table (FORMAT.md 4.2).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::packed::{CodeBook, CodeTable};
use crate::entropy::escapes::ESCAPE_BYTES;
use crate::entropy::rans::decode::STATES_BYTES;
use crate::entropy::rans::{EncodeTable, Table};
use crate::error::ErrorKind;
use crate::format::fields::ByteReader;
use crate::format::{MODE_CODED, MODE_CONSTANT, MODE_STORED, checksum, checksum_append};
use crate::tools::{Contexts, Tools};

/// How a chunk is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// rANS symbols and stored planes.
    Coded = MODE_CODED,
    /// The samples as they are.
    Stored = MODE_STORED,
    /// One sample, repeated.
    Constant = MODE_CONSTANT,
}

/// A chunk's mode, lengths and checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) mode: Mode,
    pub(crate) table: u8,
    pub(crate) num_escapes: u16,
    /// Length of the coded bytes, without padding.
    pub(crate) coded_bytes: u32,
    /// Covers the coded bytes and their padding.
    pub(crate) coded_crc: u32,
    /// Covers the chunk's stored planes, most significant first, each with its padding. With tools: the length of the
    /// bits.
    pub(crate) stored_crc: u32,
}

impl ChunkEntry {
    /// Reads one entry; [`check`](Self::check) follows once the tables are known.
    ///
    /// # Errors
    ///
    /// `Truncated`; `UnsupportedFeature` for an unknown mode.
    pub(crate) fn read(src: &mut ByteReader<'_>) -> Result<Self, ErrorKind> {
        let mode = match src.u8("chunk mode")? {
            MODE_CODED => Mode::Coded,
            MODE_STORED => Mode::Stored,
            MODE_CONSTANT => Mode::Constant,
            id => {
                return Err(ErrorKind::UnsupportedFeature {
                    what: "chunk mode",
                    id: u32::from(id),
                });
            }
        };
        Ok(Self {
            mode,
            table: src.u8("chunk's table")?,
            num_escapes: src.u16("num_escapes")?,
            coded_bytes: src.u32("coded_bytes")?,
            coded_crc: src.u32("coded_crc")?,
            stored_crc: src.u32("stored_crc")?,
        })
    }

    /// Appends the entry to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend([self.mode as u8, self.table]);
        out.extend(self.num_escapes.to_le_bytes());
        out.extend(self.coded_bytes.to_le_bytes());
        out.extend(self.coded_crc.to_le_bytes());
        out.extend(self.stored_crc.to_le_bytes());
    }

    /// Checks the rules of FORMAT.md 4.2 and 4.4 for a chunk of `num_samples` samples of `sample_bytes`.
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 4.2).
    pub(crate) fn check(
        &self,
        symbols: &Symbols,
        num_samples: usize,
        sample_bytes: usize,
    ) -> Result<(), ErrorKind> {
        let malformed = |what| Err(ErrorKind::Malformed { what, rule: "4.2" });
        let coded_bytes = self.coded_bytes as usize;
        if self.mode == Mode::Coded {
            let (tables, tools) = match symbols {
                Symbols::Rans(tables) => (tables, None),
                Symbols::Tools(tools, tables) => (tables, Some(tools)),
                Symbols::Packed(books) => return self.check_packed(books, num_samples),
            };
            let Some(table) = tables.get(usize::from(self.table)) else {
                return malformed("chunk's table");
            };
            let has_contexts = tools.is_some_and(|tools| tools.contexts != Contexts::None);
            if has_contexts && self.table != 0 {
                return malformed("chunk's table");
            }
            let num_symbols =
                tools.map_or(num_samples, |tools| tools.units(num_samples, sample_bytes));
            let num_escapes = usize::from(self.num_escapes);
            let has_escape = table.has_escape && !has_contexts;
            if num_escapes > num_symbols || (num_escapes > 0 && !has_escape) {
                return malformed("num_escapes");
            }
            let bits_bytes = tools.map_or(0, |_| self.stored_crc as usize);
            let fixed_bytes = STATES_BYTES
                .saturating_add(num_escapes.saturating_mul(ESCAPE_BYTES))
                .saturating_add(bits_bytes);
            // At most one word a symbol.
            let words_bytes = coded_bytes.checked_sub(fixed_bytes);
            let most_bytes = num_symbols.saturating_mul(2);
            if !words_bytes.is_some_and(|bytes| bytes <= most_bytes && bytes.is_multiple_of(2)) {
                return malformed("coded_bytes");
            }
            return Ok(());
        }
        let expected_bytes = match self.mode {
            Mode::Constant => sample_bytes,
            _ => num_samples.saturating_mul(sample_bytes),
        };
        if coded_bytes != expected_bytes {
            return malformed("coded_bytes");
        }
        if self.table != 0 || self.num_escapes != 0 || self.stored_crc != 0 {
            return malformed("unused field of a chunk entry");
        }
        Ok(())
    }

    /// Compares the coded bytes and their padding with their checksum.
    ///
    /// # Errors
    ///
    /// `ChecksumMismatch`.
    pub(crate) fn verify_coded(&self, coded: &[u8]) -> Result<(), ErrorKind> {
        verify("coded bytes", self.coded_crc, checksum(coded))
    }

    /// Compares a chunk's planes, most significant first, each with its padding, with their checksum.
    ///
    /// # Errors
    ///
    /// `ChecksumMismatch`.
    pub(crate) fn verify_planes<'a>(
        &self,
        planes: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), ErrorKind> {
        let computed = planes.fold(0, checksum_append);
        verify("stored planes", self.stored_crc, computed)
    }

    /// Checks the rules of FORMAT.md 4.2 and 6.5 for a chunk of packed codes.
    fn check_packed(&self, books: &[CodeBook], num_samples: usize) -> Result<(), ErrorKind> {
        let malformed = |what| Err(ErrorKind::Malformed { what, rule: "4.2" });
        let Some(book) = books.get(usize::from(self.table)) else {
            return malformed("chunk's table");
        };
        let num_escapes = usize::from(self.num_escapes);
        if num_escapes > num_samples || (num_escapes > 0 && !book.has_escape) {
            return malformed("num_escapes");
        }
        let escapes_bytes = num_escapes.saturating_mul(ESCAPE_BYTES);
        if self.coded_bytes as usize != book.bytes(num_samples).saturating_add(escapes_bytes) {
            return malformed("coded_bytes");
        }
        Ok(())
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

/// What the chunks of a part are coded with, as it stands in the chunk table.
#[derive(Debug)]
pub(crate) enum Symbols {
    Rans(Vec<Table>),
    Tools(Tools, Vec<Table>),
    Packed(Vec<CodeBook>),
}

impl Symbols {
    /// Appends number of tables, tables and what goes with them (FORMAT.md 4.2).
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let num_tables = match self {
            Self::Rans(tables) | Self::Tools(_, tables) => tables.len(),
            Self::Packed(books) => books.len(),
        };
        out.extend(u16::try_from(num_tables).unwrap_or(u16::MAX).to_le_bytes());
        match self {
            Self::Rans(tables) => tables.iter().for_each(|table| table.write(out)),
            Self::Tools(tools, tables) => {
                tables.iter().for_each(|table| table.write(out));
                tools.write(out);
            }
            Self::Packed(books) => books.iter().for_each(|book| book.write(out)),
        }
    }

    /// Prepares the tables for symbols of `symbol_bits`.
    pub(crate) fn encoder(&self, symbol_bits: u8) -> SymbolEncoder<'_> {
        let prepared = |tables: &[Table]| {
            let prepare = |table| EncodeTable::new(table, symbol_bits);
            tables.iter().map(prepare).collect()
        };
        match self {
            Self::Rans(tables) => SymbolEncoder::Rans(prepared(tables)),
            Self::Tools(tools, tables) => SymbolEncoder::Tools(tools, prepared(tables)),
            Self::Packed(books) => {
                let prepare = |book| CodeTable::new(book, symbol_bits);
                SymbolEncoder::Packed(books.iter().map(prepare).collect())
            }
        }
    }
}

/// What chunks are encoded with.
#[derive(Debug)]
pub(crate) enum SymbolEncoder<'a> {
    Rans(Vec<EncodeTable>),
    Tools(&'a Tools, Vec<EncodeTable>),
    Packed(Vec<CodeTable>),
}
