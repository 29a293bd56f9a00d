//! A chunk's entry in its part's chunk table (FORMAT.md 4.2).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::ESCAPE_BYTES;
use crate::entropy::rans::Table;
use crate::entropy::rans::decode::STATES_BYTES;
use crate::error::ErrorKind;
use crate::format::fields::ByteReader;
use crate::format::{MODE_CONSTANT, MODE_RANS, MODE_STORED};

/// How a chunk is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// rANS symbols and stored planes.
    Rans = MODE_RANS,
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
    /// Covers the chunk's stored planes, most significant first, each with its padding.
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
            MODE_RANS => Mode::Rans,
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

    /// Checks the rules of FORMAT.md 4.2 for a chunk of `num_samples` samples of `sample_bytes`.
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 4.2).
    pub(crate) fn check(
        &self,
        tables: &[Table],
        num_samples: usize,
        sample_bytes: usize,
    ) -> Result<(), ErrorKind> {
        let malformed = |what| Err(ErrorKind::Malformed { what, rule: "4.2" });
        let coded_bytes = self.coded_bytes as usize;
        if self.mode == Mode::Rans {
            let Some(table) = tables.get(usize::from(self.table)) else {
                return malformed("chunk's table");
            };
            let num_escapes = usize::from(self.num_escapes);
            if num_escapes > num_samples || (num_escapes > 0 && !table.has_escape) {
                return malformed("num_escapes");
            }
            let fixed_bytes = STATES_BYTES.saturating_add(num_escapes.saturating_mul(ESCAPE_BYTES));
            // At most one word a sample.
            let most_bytes = fixed_bytes.saturating_add(num_samples.saturating_mul(2));
            if coded_bytes < fixed_bytes
                || coded_bytes > most_bytes
                || !coded_bytes.is_multiple_of(2)
            {
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
}
