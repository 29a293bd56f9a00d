//! Which of a part's tables a symbol is coded with (FORMAT.md, section 6.4).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::error::ErrorKind;
use crate::format::fields::ByteReader;
use crate::format::{
    CONTEXTS_ABOVE, CONTEXTS_ABOVE_DIVISOR, CONTEXTS_BANDS, CONTEXTS_COLUMNS, CONTEXTS_NONE,
    NUM_BANDS as BANDS, NUM_CONTEXTS_ABOVE as NUM_ABOVE, RANS_LANES,
};
use crate::transform;

/// How a symbol's context follows from its place and from the symbols before, and the table of each context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Contexts {
    /// The chunk's table, whatever the context.
    None,
    /// How large the symbols above are.
    Above([u8; NUM_ABOVE]),
    /// The band of the coefficient.
    Bands([u8; BANDS]),
    /// The column.
    Columns(Vec<u8>),
}

impl Contexts {
    pub(crate) fn has_rows(&self) -> bool {
        *self != Self::None
    }

    /// The table of each context; none if chunks choose.
    pub(crate) fn tables(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Above(tables) => tables,
            Self::Bands(tables) => tables,
            Self::Columns(tables) => tables,
        }
    }

    /// Reads which contexts a part has, and checks that they name some of its `num_tables` tables.
    ///
    /// # Errors
    ///
    /// `Truncated`; `UnsupportedFeature`; `Malformed` (rule 6.4).
    pub(crate) fn read(
        src: &mut ByteReader<'_>,
        row: u32,
        num_tables: usize,
    ) -> Result<Self, ErrorKind> {
        let contexts = match src.u8("kind of contexts")? {
            CONTEXTS_NONE => Self::None,
            CONTEXTS_ABOVE => Self::Above(src.bytes("tables of contexts")?),
            CONTEXTS_BANDS => Self::Bands(src.bytes("tables of contexts")?),
            CONTEXTS_COLUMNS => {
                let tables = src.take(
                    "tables of contexts",
                    usize::try_from(row).unwrap_or(usize::MAX),
                )?;
                Self::Columns(tables.to_vec())
            }
            id => {
                return Err(ErrorKind::UnsupportedFeature {
                    what: "kind of contexts",
                    id: u32::from(id),
                });
            }
        };
        if contexts
            .tables()
            .iter()
            .any(|&table| usize::from(table) >= num_tables)
        {
            return Err(ErrorKind::Malformed {
                what: "table of a context",
                rule: "6.4",
            });
        }
        Ok(contexts)
    }

    /// Appends what [`read`](Self::read) reads.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::None => CONTEXTS_NONE,
            Self::Above(_) => CONTEXTS_ABOVE,
            Self::Bands(_) => CONTEXTS_BANDS,
            Self::Columns(_) => CONTEXTS_COLUMNS,
        });
        out.extend(self.tables());
    }

    /// The kind of contexts alone.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::None => Kind::None,
            Self::Above(_) => Kind::Above,
            Self::Bands(_) => Kind::Bands,
            Self::Columns(_) => Kind::Columns,
        }
    }

    /// The table of a context.
    pub(crate) fn table(&self, context: usize) -> u8 {
        self.tables().get(context).copied().unwrap_or(0)
    }
}

/// How a context follows from a symbol's place and the symbols before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    None = CONTEXTS_NONE,
    Above = CONTEXTS_ABOVE,
    Bands = CONTEXTS_BANDS,
    Columns = CONTEXTS_COLUMNS,
}

impl Kind {
    /// Contexts of this kind with these tables, as many as there are contexts.
    pub(crate) fn with_tables(self, tables: &[u8]) -> Contexts {
        let table = |context: usize| tables.get(context).copied().unwrap_or(0);
        match self {
            Self::None => Contexts::None,
            Self::Above => Contexts::Above(std::array::from_fn(table)),
            Self::Bands => Contexts::Bands(std::array::from_fn(table)),
            Self::Columns => Contexts::Columns(tables.to_vec()),
        }
    }

    /// Contexts of rows of `row` units.
    pub(crate) fn num_contexts(self, row: usize) -> usize {
        match self {
            Self::None => 1,
            Self::Above => NUM_ABOVE,
            Self::Bands => BANDS,
            Self::Columns => row,
        }
    }

    /// The context of symbol `index` of a chunk of `num_units` in rows of `row`, from all symbols of the groups of 32
    /// before its own; there may be more of them in `before`.
    #[inline]
    pub(crate) fn context(
        self,
        index: usize,
        before: &[u16],
        row: usize,
        num_units: usize,
    ) -> usize {
        match self {
            Self::None => 0,
            Self::Above => above(index, before, row),
            Self::Bands => transform::band(row, num_units, index).into(),
            Self::Columns => index.checked_rem(row).unwrap_or(0),
        }
    }
}

/// By the symbols above and at both sides of it, in the nearest row that is whole groups before.
#[inline]
fn above(index: usize, before: &[u16], row: usize) -> usize {
    let row = row.max(1);
    // More than the lanes of a group, so that the symbol to the right is there too.
    let up = row.saturating_mul(
        (RANS_LANES as usize)
            .checked_div(row)
            .unwrap_or(0)
            .saturating_add(1),
    );
    let Some(at) = index.checked_sub(up) else {
        return 0;
    };
    let symbol = |at: usize| usize::from(before.get(at).copied().unwrap_or(0));
    let middle = symbol(at);
    let left = at.checked_sub(1).map_or(middle, symbol);
    let right = symbol(at.saturating_add(1));
    let sum = left
        .saturating_add(right)
        .saturating_add(middle.saturating_mul(2));
    // A fourth of it is their mean, and four tokens are an octave.
    (sum / CONTEXTS_ABOVE_DIVISOR).min(NUM_ABOVE.saturating_sub(1))
}
