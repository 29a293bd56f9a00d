//! Codes of one byte for the symbols of a table, and what they stand for: decoders move no more than they must.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::table::Table;

/// What the codes that a table decodes to stand for: bytes, so that decoders move no more than they must.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values<'a> {
    /// The code itself, this much higher.
    Above(u16),
    /// By code.
    Table(&'a [u16; 256]),
}

impl Values<'_> {
    /// The symbol that a code stands for.
    #[inline]
    pub(crate) fn symbol(&self, code: u8) -> u16 {
        match self {
            Self::Above(base) => base.wrapping_add(code.into()),
            Self::Table(values) => values.get(usize::from(code)).copied().unwrap_or(0),
        }
    }
}

/// Codes of a byte for the symbols of a table, and what they stand for.
#[derive(Debug)]
pub(crate) struct Codes {
    pub(crate) of_symbols: [u8; 256],
    pub(crate) values: OwnedValues,
}

/// [`Values`], kept.
#[derive(Debug)]
pub(crate) enum OwnedValues {
    Above(u16),
    Table(Box<[u16; 256]>),
}

impl Codes {
    /// The codes of a validated table. An escape stands for 0.
    pub(crate) fn new(table: &Table) -> Self {
        let [first, last] = [table.values.first(), table.values.last()].map(|value| value.copied());
        let base = if table.has_escape {
            0
        } else {
            first.unwrap_or(0)
        };
        // An escape has no value: its code is 0 and stands for 0 with a base of 0, or is its own and looks up a 0.
        let mut codes = [0; 256];
        if last.unwrap_or(0).saturating_sub(base) <= u16::from(u8::MAX) {
            for (code, &value) in codes.iter_mut().zip(&table.values) {
                [*code, _] = value.saturating_sub(base).to_le_bytes();
            }
            return Self {
                of_symbols: codes,
                values: OwnedValues::Above(base),
            };
        }
        let mut values = Box::new([0; 256]);
        codes
            .iter_mut()
            .zip(0..=u8::MAX)
            .for_each(|(code, symbol)| *code = symbol);
        values
            .iter_mut()
            .zip(&table.values)
            .for_each(|(to, &value)| *to = value);
        Self {
            of_symbols: codes,
            values: OwnedValues::Table(values),
        }
    }
}
