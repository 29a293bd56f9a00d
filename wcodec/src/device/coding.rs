//! What chunks are coded with: tables, code books and tools as plain numbers.

use super::plan::narrow;
use crate::chunk::{CodeBook as HostCodeBook, Symbols};
use crate::entropy::rans::{self, Codes, OwnedValues, alias};
use crate::format::{RANS_SCALE_BITS, RECURRENCE_PREDICTOR, TILES_PREDICTOR};
use crate::tools::{self, Prediction};

/// What chunks in mode coded are coded with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coding {
    /// Nothing: there are none.
    Nothing,
    /// rANS.
    Rans(Vec<Table>),
    /// rANS of what tools make of the samples.
    Tools(Tools, Vec<Table>),
    /// Packed codes.
    Packed(Vec<CodeBook>),
}

/// A frequency table, kept about as small as it is in the file: six bytes there may be 256 [buckets](Self::slots).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table(rans::Table);

/// The slots of a frequency table as buckets (FORMAT.md 6.2), with a code of one byte for each symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slots {
    /// 32 or 256 of them.
    pub buckets: Vec<Bucket>,
    /// What codes stand for. An escape stands for 0.
    pub values: Values,
}

/// Slots of at most two symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bucket {
    /// Slots of the bucket's own symbol, which come first.
    pub threshold: u16,
    /// Its own symbol's.
    pub own: Share,
    /// The other's.
    pub alias: Share,
}

/// The slots of one symbol in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Share {
    /// The symbol's code.
    pub code: u8,
    /// The symbol's frequency: 1 to 4,096; 0 for one that does not occur, and then there are no slots.
    pub freq: u16,
    /// Rank of the first of these slots among the symbol's.
    pub rank: u16,
}

/// What codes of one byte stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// The code, this much higher.
    Above(u16),
    /// By code.
    Table(Box<[u16; 256]>),
}

/// Codes of fixed length (FORMAT.md 6.5), kept about as small as they are in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeBook {
    code_bits: u8,
    /// The value of code 0, where values are codes as much higher.
    base: Option<u16>,
    /// First value and length of each run otherwise.
    runs: Box<[(u16, u16)]>,
}

/// What is done to the samples (FORMAT.md 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tools {
    /// Bits of a unit: those of a sample, or `NIBBLE_BITS`.
    pub unit_bits: u8,
    /// `ORDER_*`, if samples become numbers.
    pub order: Option<u8>,
    /// `PREDICTOR_*`, `RECURRENCE_PREDICTOR` or `TILES_PREDICTOR`.
    pub predictor: u8,
    /// The factors of a recurrence, as many as a row has units; else none.
    pub factors: Vec<i32>,
    /// Exponent bits of a recurrence's floats, else 0.
    pub exponent_bits: u8,
    /// `TRANSFORM_*`.
    pub transform: u8,
    /// Units of a row, 0 if rows do not matter.
    pub row: u32,
    /// How units are classified.
    pub classes: Classes,
    /// Number of classes.
    pub num_classes: u32,
    /// `CONTEXTS_*`.
    pub contexts: u8,
    /// The table of each context.
    pub context_tables: Vec<u8>,
}

/// Kinds of classes (FORMAT.md 5.4).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Classes {
    /// The unit itself.
    Values,
    /// Tokens of the zigzag magnitude.
    Tokens,
    /// Values of a palette.
    Palette(Vec<u64>),
    /// Exponents.
    Float {
        /// Bits of the fraction.
        fraction_bits: u8,
        /// Zeros at its end.
        zero_bits: u8,
        /// Whether there are classes without these zeros.
        has_full: bool,
    },
}

impl Coding {
    pub(super) fn of(symbols: Symbols) -> Self {
        let tables = |tables: Vec<rans::Table>| tables.into_iter().map(Table).collect();
        match symbols {
            Symbols::Rans(all) => Self::Rans(tables(all)),
            Symbols::Tools(tools, all) => Self::Tools(Tools::of(&tools), tables(all)),
            Symbols::Packed(books) => Self::Packed(books.iter().map(CodeBook::of).collect()),
        }
    }
}

impl Table {
    /// The slots of its symbols.
    pub fn slots(&self) -> Slots {
        let Codes { of_symbols, values } = Codes::new(&self.0);
        let mask = (1u16 << RANS_SCALE_BITS).wrapping_sub(1);
        let share = |share: alias::Share, first: u16| Share {
            code: of_symbols
                .get(usize::from(share.symbol))
                .copied()
                .unwrap_or(0),
            freq: share.freq,
            rank: first.wrapping_add(share.bias) & mask,
        };
        let bucket = |bucket: alias::DecodeBucket| Bucket {
            threshold: bucket.threshold,
            own: share(bucket.own, 0),
            alias: share(bucket.alias, bucket.threshold),
        };
        let buckets = alias::decode_buckets(&self.0.freqs, self.0.buckets_log2);
        Slots {
            buckets: buckets.into_iter().map(bucket).collect(),
            values: match values {
                OwnedValues::Above(base) => Values::Above(base),
                OwnedValues::Table(values) => Values::Table(values),
            },
        }
    }

    /// Bytes behind its own.
    fn heap_bytes(&self) -> usize {
        vec_bytes(&self.0.values).saturating_add(vec_bytes(&self.0.freqs))
    }
}

impl CodeBook {
    fn of(book: &HostCodeBook) -> Self {
        let (base, runs) = match book.values() {
            rans::Values::Above(base) => (Some(base), Box::default()),
            rans::Values::Table(_) => (None, book.runs().collect()),
        };
        Self {
            code_bits: book.code_bits,
            base,
            runs,
        }
    }

    /// Bits of a code.
    pub fn code_bits(&self) -> u8 {
        self.code_bits
    }

    /// What codes stand for.
    pub fn values(&self) -> Values {
        if let Some(base) = self.base {
            return Values::Above(base);
        }
        let values = self
            .runs
            .iter()
            .flat_map(|&(first, len)| (first..).take(len.into()));
        let mut by_code = Box::new([0; 256]);
        by_code
            .iter_mut()
            .zip(values)
            .for_each(|(to, value)| *to = value);
        Values::Table(by_code)
    }
}

impl Coding {
    /// Bytes behind its own.
    pub(super) fn heap_bytes(&self) -> usize {
        let of_tables = |tables: &Vec<Table>| {
            let behind = tables.iter().map(Table::heap_bytes);
            behind.fold(vec_bytes(tables), usize::saturating_add)
        };
        match self {
            Self::Nothing => 0,
            Self::Rans(tables) => of_tables(tables),
            Self::Tools(tools, tables) => of_tables(tables).saturating_add(tools.heap_bytes()),
            Self::Packed(books) => {
                let behind = books.iter().map(|book| size_of_val(&*book.runs));
                behind.fold(vec_bytes(books), usize::saturating_add)
            }
        }
    }
}

/// Bytes of a vector's elements and of its room for more.
pub(super) fn vec_bytes<T>(vec: &Vec<T>) -> usize {
    vec.capacity().saturating_mul(size_of::<T>())
}

impl Tools {
    fn of(tools: &tools::Tools) -> Self {
        let recurrence = match &tools.prediction {
            Prediction::Recurrence(recurrence) => Some(recurrence),
            _ => None,
        };
        Self {
            factors: recurrence.map_or(Vec::new(), |recurrence| recurrence.factors.clone()),
            exponent_bits: recurrence.map_or(0, |recurrence| recurrence.format.exponent_bits()),
            unit_bits: tools.unit_bits,
            order: tools.order.map(|order| order as u8),
            predictor: match &tools.prediction {
                Prediction::Whole(predictor) => *predictor as u8,
                Prediction::Recurrence(_) => RECURRENCE_PREDICTOR,
                Prediction::Tiles => TILES_PREDICTOR,
            },
            transform: tools.transform as u8,
            row: tools.row,
            classes: match &tools.classes {
                tools::Classes::Values { .. } => Classes::Values,
                tools::Classes::Tokens { .. } => Classes::Tokens,
                tools::Classes::Palette(values) => Classes::Palette(values.clone()),
                &tools::Classes::Float {
                    fraction_bits,
                    zero_bits,
                    has_full,
                    ..
                } => Classes::Float {
                    fraction_bits,
                    zero_bits,
                    has_full,
                },
            },
            num_classes: narrow(tools.classes.len()),
            contexts: tools.contexts.kind() as u8,
            context_tables: tools.contexts.tables().to_vec(),
        }
    }

    /// Bytes behind its own.
    fn heap_bytes(&self) -> usize {
        let palette = match &self.classes {
            Classes::Palette(values) => vec_bytes(values),
            _ => 0,
        };
        vec_bytes(&self.factors)
            .saturating_add(vec_bytes(&self.context_tables))
            .saturating_add(palette)
    }
}
