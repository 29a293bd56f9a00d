//! A frequency table as it stands in the file (FORMAT.md 6.1).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::error::ErrorKind;
use crate::format::fields::{ByteReader, write_varint};
use crate::format::{ALIAS_LARGE_LOG2, ALIAS_SMALL_LOG2, RANS_SCALE_BITS};

pub(crate) const HAS_ESCAPE: u8 = 0x80;

/// The symbols a chunk may contain, and how often each is expected.
///
/// `values` rise strictly and `freqs` stand beside them; an escape, if there is one, is the last frequency,
/// without a value. Frequencies are at least 1 and sum to 4,096.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) buckets_log2: u32,
    pub(crate) has_escape: bool,
    pub(crate) values: Vec<u16>,
    pub(crate) freqs: Vec<u16>,
}

impl Table {
    /// Reads and checks one table, for symbols of `symbol_bits`.
    ///
    /// # Errors
    ///
    /// `Truncated`; `Malformed` (rule 6.1) if any rule of the section is broken.
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub(crate) fn read(src: &mut ByteReader<'_>, symbol_bits: u8) -> Result<Self, ErrorKind> {
        let malformed = |what| Err(ErrorKind::Malformed { what, rule: "6.1" });
        let shape = src.u8("table shape")?;
        let has_escape = shape & HAS_ESCAPE != 0;
        let buckets_log2 = u32::from(shape & !HAS_ESCAPE);
        if buckets_log2 != ALIAS_SMALL_LOG2 && buckets_log2 != ALIAS_LARGE_LOG2 {
            return malformed("number of buckets");
        }
        let max_symbols = 1usize << buckets_log2;
        let values = read_values(src, symbol_bits, max_symbols)?;
        let num_freqs = values.len().saturating_add(usize::from(has_escape));
        if num_freqs == 0 || num_freqs > max_symbols {
            return malformed("number of symbols");
        }
        let mut freqs = Vec::with_capacity(num_freqs);
        for _ in 0..num_freqs {
            freqs.push(src.varint("frequency")?.saturating_add(1));
        }
        if freqs.iter().map(|&freq| u32::from(freq)).sum::<u32>() != 1 << RANS_SCALE_BITS {
            return malformed("sum of frequencies");
        }
        Ok(Self {
            buckets_log2,
            has_escape,
            values,
            freqs,
        })
    }

    /// The values, run by run.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &[u16]> {
        runs(&self.values)
    }

    /// Appends the table to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let shape = u8::try_from(self.buckets_log2).unwrap_or(0);
        out.push(if self.has_escape {
            shape | HAS_ESCAPE
        } else {
            shape
        });
        write_values(&self.values, out);
        for freq in &self.freqs {
            write_varint(out, freq.saturating_sub(1));
        }
    }
}

/// Rising values, run by run.
pub(crate) fn runs(values: &[u16]) -> impl Iterator<Item = &[u16]> {
    values.chunk_by(|a, b| a.checked_add(1) == Some(*b))
}

/// Reads a set of at most `most` values of `symbol_bits`, run by run.
///
/// # Errors
///
/// `Truncated`; `Malformed` (rule 6.1).
pub(crate) fn read_values(
    src: &mut ByteReader<'_>,
    symbol_bits: u8,
    most: usize,
) -> Result<Vec<u16>, ErrorKind> {
    let num_runs = src.u8("number of runs")?;
    let mut values = Vec::new();
    let mut next = 0u32; // the lowest value not ruled out
    for _ in 0..num_runs {
        let first = next.saturating_add(u32::from(src.varint("gap before a run")?));
        let len = u32::from(src.varint("length of a run")?).saturating_add(1);
        next = first.saturating_add(len);
        if next > 1 << symbol_bits || values.len().saturating_add(len as usize) > most {
            return Err(ErrorKind::Malformed {
                what: "run of symbol values",
                rule: "6.1",
            });
        }
        values.extend((first..next).map(|value| u16::try_from(value).unwrap_or(u16::MAX)));
        // Two runs never touch, so a set of values has one form.
        next = next.saturating_add(1);
    }
    Ok(values)
}

/// Appends what [`read_values`] reads.
pub(crate) fn write_values(values: &[u16], out: &mut Vec<u8>) {
    out.push(u8::try_from(runs(values).count()).unwrap_or(u8::MAX));
    let mut next = 0u16;
    for run in runs(values) {
        if let (Some(&first), Some(&last)) = (run.first(), run.last()) {
            write_varint(out, first.saturating_sub(next));
            write_varint(out, last.saturating_sub(first));
            next = last.saturating_add(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(table: &Table) -> Vec<u8> {
        let mut out = Vec::new();
        table.write(&mut out);
        out
    }

    fn read(bytes: &[u8]) -> Result<Table, ErrorKind> {
        Table::read(&mut ByteReader::new(bytes), 8)
    }

    #[test]
    fn known_bytes_and_back() {
        let table = Table {
            buckets_log2: 5,
            has_escape: true,
            values: vec![0, 120, 121, 122],
            freqs: vec![1, 4000, 50, 44, 1],
        };
        // shape, runs, (gap 0, 1 value), (gap 118 after 1 + 1, 3 values), frequencies less one
        let expected = [0x85, 2, 0, 0, 118, 2, 0, 0x9f, 0x1f, 49, 43, 0];
        assert_eq!(bytes(&table), expected);
        assert_eq!(read(&expected).unwrap(), table);
    }

    #[test]
    fn each_rule_has_its_refusal() {
        let cases: [(&[u8], &str); 8] = [
            (&[6, 1, 0, 0, 0xff, 0x1f], "number of buckets"),
            (&[5, 1, 0, 32], "run of symbol values"),
            (&[8, 1, 0x80, 0x02, 0], "run of symbol values"),
            (&[5, 0], "number of symbols"),
            (&[0x85, 1, 0, 31, 0], "number of symbols"),
            (&[5, 1, 0, 0, 0xfe, 0x1f], "sum of frequencies"),
            (&[5, 1, 0, 1, 0xff, 0x1f, 0], "sum of frequencies"),
            (&[5, 1, 0, 1, 0], "truncated"),
        ];
        for (bytes, message) in cases {
            let error = read(bytes).unwrap_err().to_string();
            assert!(error.contains(message), "{bytes:?}: {error}");
        }
        assert!(read(&[5, 1, 0, 0, 0xff, 0x1f]).is_ok());
    }
}
