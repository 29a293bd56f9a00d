//! Codes of fixed length for the most frequent symbols (FORMAT.md, section 6.5): larger than rANS, and as fast to
//! decode as memory is.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::bitplane::{Plane, planes};
use crate::entropy::rans::table::{HAS_ESCAPE, read_values, runs, write_values};
use crate::entropy::rans::{Symbol, Values};
use crate::entropy::simd::Isa;
use crate::error::ErrorKind;
pub(crate) use crate::format::CODE_MAX_BITS as MAX_CODE_BITS;
use crate::format::fields::ByteReader;

/// The symbols that have codes, and how long codes are. An escape, if there is one, is the symbol after the last value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CodeBook {
    pub(crate) code_bits: u8,
    pub(crate) has_escape: bool,
    pub(crate) values: Vec<u16>,
    /// By code, where the values are not one run with room for all codes.
    lookup: Option<Box<[u16; 256]>>,
}

impl CodeBook {
    /// A code book of rising values of `symbol_bits`.
    pub(crate) fn new(code_bits: u8, has_escape: bool, values: Vec<u16>, symbol_bits: u8) -> Self {
        let first = values.first().copied().unwrap_or(0);
        // Every code then stands for a symbol.
        let has_room = u32::from(first).saturating_add(1 << code_bits) <= 1 << symbol_bits;
        let is_run = values
            .iter()
            .zip(first..)
            .all(|(value, expected)| *value == expected);
        let lookup = (!is_run || !has_room || values.is_empty()).then(|| {
            let mut lookup = Box::new([0; 256]);
            lookup
                .iter_mut()
                .zip(&values)
                .for_each(|(to, value)| *to = *value);
            lookup
        });
        Self {
            code_bits,
            has_escape,
            values,
            lookup,
        }
    }

    /// Reads and checks one code book, for symbols of `symbol_bits`.
    ///
    /// # Errors
    ///
    /// `Truncated`; `Malformed` (rules 6.1 and 6.5).
    pub(crate) fn read(src: &mut ByteReader<'_>, symbol_bits: u8) -> Result<Self, ErrorKind> {
        let malformed = |what| Err(ErrorKind::Malformed { what, rule: "6.5" });
        let shape = src.u8("shape of a code book")?;
        let (code_bits, has_escape) = (shape & !HAS_ESCAPE, shape & HAS_ESCAPE != 0);
        if !(1..=MAX_CODE_BITS).contains(&code_bits) {
            return malformed("bits of a code");
        }
        let most = 1usize << code_bits;
        let values = read_values(src, symbol_bits, most)?;
        let num_symbols = values.len().saturating_add(usize::from(has_escape));
        if num_symbols == 0 || num_symbols > most {
            return malformed("number of symbols");
        }
        Ok(Self::new(code_bits, has_escape, values, symbol_bits))
    }

    /// Appends the code book to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(if self.has_escape {
            self.code_bits | HAS_ESCAPE
        } else {
            self.code_bits
        });
        write_values(&self.values, out);
    }

    /// What the codes stand for.
    pub(crate) fn values(&self) -> Values<'_> {
        match &self.lookup {
            Some(lookup) => Values::Table(lookup),
            None => Values::Above(self.values.first().copied().unwrap_or(0)),
        }
    }

    /// First and length of each run of values.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u16, u16)> {
        let run = |run: &[u16]| {
            let len = u16::try_from(run.len()).unwrap_or(u16::MAX);
            (run.first().copied().unwrap_or(0), len)
        };
        runs(&self.values).map(run)
    }

    /// Length of the codes of `num_samples` samples.
    pub(crate) fn bytes(&self, num_samples: usize) -> usize {
        bytes(self.code_bits, num_samples)
    }

    /// The planes of the codes in `coded`, most significant first.
    pub(crate) fn planes<'a>(
        &self,
        num_samples: usize,
        mut coded: &'a [u8],
    ) -> impl Iterator<Item = (Plane, &'a [u8])> {
        planes(self.code_bits).map(move |plane| {
            let (bytes, rest) = coded
                .split_at_checked(plane.bytes(num_samples))
                .unwrap_or_default();
            coded = rest;
            (plane, bytes)
        })
    }

    /// The codes from sample `first` on, a multiple of 8, from their planes.
    pub(crate) fn unpack(isa: Isa, planes: &[(Plane, &[u8])], first: usize, codes: &mut [u8]) {
        if let [(plane, bytes)] = planes
            && !plane.is_narrow()
        {
            codes
                .iter_mut()
                .zip(plane.bytes_from(first, bytes))
                .for_each(|(code, byte)| *code = *byte);
            return;
        }
        codes.fill(0);
        for (plane, bytes) in planes {
            plane.expand(isa, plane.shift, plane.bytes_from(first, bytes), codes);
        }
    }
}

/// A code book prepared for encoding.
#[derive(Debug)]
pub(crate) struct CodeTable {
    /// By value: its code, or that of the escape.
    codes: Vec<u8>,
    is_direct: Vec<bool>,
    code_bits: u8,
}

impl CodeTable {
    pub(crate) fn new(book: &CodeBook, symbol_bits: u8) -> Self {
        // Codes are below 2^8, the escape's is the last.
        let code = |code: usize| u8::try_from(code).unwrap_or(u8::MAX);
        let escape = code(book.values.len());
        let mut table = Self {
            codes: vec![escape; 1 << symbol_bits],
            is_direct: vec![false; 1 << symbol_bits],
            code_bits: book.code_bits,
        };
        for (number, &value) in book.values.iter().enumerate() {
            let value = usize::from(value);
            if let (Some(to), Some(is_direct)) =
                (table.codes.get_mut(value), table.is_direct.get_mut(value))
            {
                (*to, *is_direct) = (code(number), true);
            }
        }
        table
    }

    /// Writes the codes of `symbols` to `out`, which is as long as they are; returns position and value of every
    /// escape.
    pub(crate) fn encode<Y: Symbol>(&self, symbols: &[Y], out: &mut [u8]) -> Vec<(u16, u16)> {
        let mut escapes = Vec::new();
        let mut codes = Vec::with_capacity(symbols.len());
        for (&symbol, position) in symbols.iter().zip(0u16..=u16::MAX) {
            let value: u16 = symbol.into();
            codes.push(self.codes.get(usize::from(value)).copied().unwrap_or(0));
            if !self
                .is_direct
                .get(usize::from(value))
                .copied()
                .unwrap_or(true)
            {
                escapes.push((position, value));
            }
        }
        let mut rest = out;
        for plane in planes(self.code_bits) {
            let (here, after) = rest
                .split_at_mut_checked(plane.bytes(symbols.len()))
                .unwrap_or_default();
            plane.forward(&codes, here);
            rest = after;
        }
        escapes
    }

    /// Length of the codes of `num_samples` samples.
    pub(crate) fn bytes(&self, num_samples: usize) -> usize {
        bytes(self.code_bits, num_samples)
    }
}

/// Length of the codes of `num_samples` samples.
fn bytes(code_bits: u8, num_samples: usize) -> usize {
    planes(code_bits)
        .map(|plane| plane.bytes(num_samples))
        .fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_bytes_and_back() {
        let book = CodeBook::new(4, true, vec![0, 120, 121, 122], 8);
        let mut bytes = Vec::new();
        book.write(&mut bytes);
        assert_eq!(bytes, [0x84, 2, 0, 0, 118, 2]);
        assert_eq!(
            CodeBook::read(&mut ByteReader::new(&bytes), 8).unwrap(),
            book
        );
        assert!(
            matches!(book.values(), Values::Table(values) if values[3] == 122 && values[4] == 0)
        );
        let run = CodeBook::new(2, false, vec![7, 8, 9], 8);
        assert!(matches!(run.values(), Values::Above(7)));
        let at_the_end = CodeBook::new(2, false, vec![13, 14, 15], 4);
        assert!(matches!(at_the_end.values(), Values::Table(values) if values[2..4] == [15, 0]));
    }

    #[test]
    fn each_rule_has_its_refusal() {
        let cases: [(&[u8], &str); 5] = [
            (&[0, 1, 0, 0], "bits of a code"),
            (&[9, 1, 0, 0], "bits of a code"),
            (&[2, 1, 0, 4], "run of symbol values"),
            (&[0x82, 1, 0, 3], "number of symbols"),
            (&[2, 0], "number of symbols"),
        ];
        for (bytes, message) in cases {
            let error = CodeBook::read(&mut ByteReader::new(bytes), 8)
                .unwrap_err()
                .to_string();
            assert!(error.contains(message), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn codes_of_every_length_are_unpacked_on_every_path() {
        for code_bits in 1..=MAX_CODE_BITS {
            let book = CodeBook::new(code_bits, true, vec![1], 14);
            for num_samples in [1, 8, 33, 1000] {
                let code = |index: usize| {
                    (index * 37 % 251).to_le_bytes()[0] & (u8::MAX >> (8 - code_bits))
                };
                let codes: Vec<u8> = (0..num_samples).map(code).collect();
                let mut packed = Vec::new();
                for plane in planes(code_bits) {
                    let mut bytes = vec![0; plane.bytes(num_samples)];
                    plane.forward(&codes, &mut bytes);
                    packed.extend(bytes);
                }
                assert_eq!(packed.len(), book.bytes(num_samples));
                let planes: Vec<(Plane, &[u8])> = book.planes(num_samples, &packed).collect();
                for isa in Isa::available() {
                    let mut unpacked = vec![0xaa; num_samples];
                    CodeBook::unpack(isa, &planes, 0, &mut unpacked);
                    assert_eq!(unpacked, codes, "{isa:?}, {code_bits} bits");
                    let tail = 8.min(num_samples / 8 * 8);
                    CodeBook::unpack(isa, &planes, tail, &mut unpacked[tail..]);
                    assert_eq!(unpacked, codes, "{isa:?}, {code_bits} bits");
                }
            }
        }
    }
}
