//! A tensor as parts of chunks (FORMAT.md, sections 3.3 and 4).
//!
//! A part is a run of a tensor's chunks that is written, read and checked as one region of the file. Its
//! [`PartPlan`] is the validated chunk table that every decoder takes, on the CPU or on a device.

mod decode;
mod encode;
mod entry;
mod payload;
mod plan;

pub(crate) use decode::decode_group;
pub(crate) use encode::encode_part;
pub use entry::Truncation;
pub(crate) use entry::{Method, PartEntry};
pub(crate) use payload::{EncodedPart, PartSpec, Payload};
pub(crate) use plan::{ChunkPlan, ChunkTable, PartPlan};
