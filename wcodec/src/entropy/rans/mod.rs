//! Range asymmetric numeral systems (Duda, arXiv:1311.2540), 32 states interleaved, slots mapped by an alias
//! table (FORMAT.md, section 6).
//!
//! A small alias table is what a SIMD decoder keeps in registers: 32 buckets of 128 slots, at most two symbols a
//! bucket. The scalar decoder expands it into 4,096 slots.

pub(crate) mod alias;
mod codes;
pub(crate) mod contexts;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod table;

pub(crate) use codes::{Codes, OwnedValues, Values};
pub(crate) use decode::{DecodeTable, Decoder};
pub(crate) use encode::{EncodeTable, Encoder, Symbol};
pub(crate) use table::Table;

#[cfg(test)]
mod tests;
