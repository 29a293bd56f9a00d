//! Which kernel decodes a chunk, and what it makes of its elements.

use crate::layout::{
    ALIGN, CONVERT_BF16_TO_F16, CONVERT_BF16_TO_F32, CONVERT_F16_TO_BF16, CONVERT_F16_TO_F32,
    CONVERT_F32_TO_BF16, CONVERT_F32_TO_F16, CONVERT_NONE,
};
use wcodec::device::{self, Coding, Plan};
use wcodec::format::{MAPPING_FLOAT, MODE_CODED, NIBBLE_BITS, TILE, TILES_PREDICTOR};
use wcodec::{Dtype, Error, ErrorKind};

pub(crate) const KERNELS: &[&str] = &[
    "rans_bf16",
    "rans_bf16_to_f16",
    "rans_bf16_to_f32",
    "rans_u8",
    "rans_u16",
    "rans_u32",
    "rans_u64",
    "packed_u8",
    "packed_u16",
    "packed_u32",
    "packed_u64",
    "uncoded_u8",
    "uncoded_u16",
    "uncoded_u32",
    "uncoded_u64",
    "tools_u8",
    "tools_u16",
    "tools_u32",
    "tools_u64",
];
const RANS_BF16: usize = 0;
pub(crate) const RANS: usize = 3;
const PACKED: usize = 7;
const UNCODED: usize = 11;
pub(crate) const TOOLS: usize = 15;

/// What leaves a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// The tensor's own bytes.
    Same,
    /// BF16, of F16 or F32, bit-equal to `Reader::decode_floats`.
    Bf16,
    /// F16, of BF16 or F32, likewise.
    F16,
    /// F32, of BF16 or F16, likewise.
    F32,
}

/// What happens to the elements, and the bytes of one then.
pub(crate) fn conversion(plan: &Plan, element: Element) -> Result<(u32, u64), Error> {
    Ok(match (plan.dtype(), element) {
        (_, Element::Same)
        | (Dtype::BF16, Element::Bf16)
        | (Dtype::F16, Element::F16)
        | (Dtype::F32, Element::F32) => (CONVERT_NONE, plan.sample_bytes() as u64),
        (Dtype::BF16, Element::F16) => (CONVERT_BF16_TO_F16, 2),
        (Dtype::BF16, Element::F32) => (CONVERT_BF16_TO_F32, 4),
        (Dtype::F16, Element::Bf16) => (CONVERT_F16_TO_BF16, 2),
        (Dtype::F16, Element::F32) => (CONVERT_F16_TO_F32, 4),
        (Dtype::F32, Element::Bf16) => (CONVERT_F32_TO_BF16, 2),
        (Dtype::F32, Element::F16) => (CONVERT_F32_TO_F16, 2),
        _ => {
            return Err(invalid(
                "the kernels convert BF16, F16 and F32 to each other, nothing else",
            ));
        }
    })
}

/// The kernel for a chunk, as an index of [`KERNELS`].
pub(crate) fn kernel(plan: &Plan, chunk: &device::Chunk, conversion: u32) -> usize {
    let width = plan.sample_bytes().max(1).ilog2() as usize;
    if chunk.mode != MODE_CODED {
        return UNCODED + width;
    }
    let split = plan.split();
    // The exponent, without its top bits where no weight has them; sign and fraction in one plane.
    let is_bf16 = plan.dtype() == Dtype::BF16
        && split.mapping == MAPPING_FLOAT
        && split.symbol_bits <= 8
        && (split.stored_bits, split.zero_bits) == (8, 0);
    match plan.coding() {
        Coding::Tools(..) => TOOLS + width,
        Coding::Packed(_) => PACKED + width,
        _ if is_bf16 && conversion == CONVERT_BF16_TO_F16 => RANS_BF16 + 1,
        _ if is_bf16 && conversion == CONVERT_BF16_TO_F32 => RANS_BF16 + 2,
        _ if is_bf16 => RANS_BF16,
        _ => RANS + width,
    }
}

/// Scratch memory of a chunk with tools: a symbol for each unit, the samples, a predictor for each tile; each at a
/// multiple of 16.
pub(crate) fn scratch_bytes(tools: &device::Tools, num_samples: u64, sample_bytes: u64) -> u64 {
    let units = if tools.unit_bits == NIBBLE_BITS {
        num_samples * sample_bytes * 2
    } else {
        num_samples
    };
    let tile = TILE as u64;
    let row = u64::from(tools.row.max(1));
    let tiles = if tools.predictor == TILES_PREDICTOR {
        row.div_ceil(tile) * num_samples.div_ceil(row).div_ceil(tile)
    } else {
        0
    };
    // Of at most 65,536 samples of 8 bytes.
    [units * 2, num_samples * sample_bytes, tiles]
        .map(|bytes| bytes.next_multiple_of(ALIGN as u64))
        .iter()
        .sum()
}

pub(crate) fn invalid(what: &'static str) -> Error {
    ErrorKind::InvalidArgument { what }.into()
}
