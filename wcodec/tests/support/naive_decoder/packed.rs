//! Section 6.5: code books and packed codes.

use super::samples::{plane_widths, unpack};
use super::{Fields, Refusal, must, rans};

/// A code book.
pub(super) struct CodeBook {
    /// Bits of a code.
    k: u8,
    pub(super) has_escape: bool,
    /// The value of each symbol but the escape.
    values: Vec<u16>,
    /// Whether the values are one run, with room for every code behind its first.
    is_run: bool,
}

/// A `u16` number of code books, then the code books.
pub(super) fn read_code_books(
    fields: &mut Fields<'_>,
    symbol_bits: u8,
) -> Result<Vec<CodeBook>, Refusal> {
    let num_books = fields.u16()?;
    must(num_books <= 256, "more than 256 code books")?;
    (0..num_books)
        .map(|_| read_code_book(fields, symbol_bits))
        .collect()
}

fn read_code_book(fields: &mut Fields<'_>, symbol_bits: u8) -> Result<CodeBook, Refusal> {
    let (shape, num_runs) = (fields.u8()?, fields.u8()?);
    let (k, has_escape) = (shape & 127, shape & 128 != 0);
    must((1..=8).contains(&k), "bits of a code")?;
    let values = rans::read_runs(fields, num_runs, symbol_bits)?;
    let num_symbols = values.len() + usize::from(has_escape);
    must((1..=1 << k).contains(&num_symbols), "number of symbols")?;
    Ok(CodeBook {
        k,
        has_escape,
        is_run: num_runs == 1 && u32::from(values[0]) + (1 << k) <= 1 << symbol_bits,
        values,
    })
}

impl CodeBook {
    /// Bytes of the codes of as many samples.
    pub(super) fn codes_len(&self, samples: u64) -> u64 {
        let widths = plane_widths(self.k).into_iter();
        widths
            .map(|width| (samples * u64::from(width)).div_ceil(8))
            .sum()
    }

    /// The symbols of as many codes, escapes not yet replaced.
    pub(super) fn decode(&self, coded: &[u8], samples: usize) -> Vec<u16> {
        let mut fields = Fields { bytes: coded };
        let mut codes = vec![0u64; samples];
        for width in plane_widths(self.k) {
            let len = (samples * usize::from(width)).div_ceil(8);
            let plane = fields.take(len).unwrap_or_default();
            for (i, code) in codes.iter_mut().enumerate() {
                *code = *code << width | unpack(plane, width, i);
            }
        }
        codes.into_iter().map(|code| self.symbol(code)).collect()
    }

    fn symbol(&self, code: u64) -> u16 {
        if self.is_run {
            return self.values[0] + code as u16;
        }
        self.values.get(code as usize).copied().unwrap_or(0)
    }
}
