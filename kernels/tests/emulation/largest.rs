//! Chunks as long as FORMAT.md allows.

use super::compare::check_file;
use super::support::forge::Forge;
use super::support::{Tensor, encode_with, structured, weights};
use wcodec::format::CHUNK_MAX_SAMPLES;
use wcodec::{Dtype, Effort, Tool};

/// Two rows of a chunk each, with an escape at the last sample of the first.
fn with_escapes(dtype: Dtype) -> Tensor {
    let chunk = usize::try_from(CHUNK_MAX_SAMPLES).unwrap();
    let width = usize::try_from(dtype.bits() / 8).unwrap();
    let mut bytes = weights(dtype, 2 * chunk, 0.02, 11);
    for (number, at) in (0..chunk).rev().step_by(1021).enumerate() {
        // The rarest first, which has no symbol of its own.
        let high = if number == 0 { 118 } else { number * 7 % 119 };
        bytes[at * width + width - 1] = high.to_le_bytes()[0];
    }
    Tensor::new("t", dtype, &[2, chunk as u64], bytes)
}

/// Checks the decoding of a tensor whose first chunk has to be the largest; returns the position of its last escape.
fn check(tensor: Tensor, (tool, effort): (Tool, Effort), kernel: &str) -> Option<u16> {
    let file = encode_with(&[tensor], Some(tool), effort);
    let forge = Forge::open(&file);
    assert_eq!(
        forge.tensors[0].chunk_samples, CHUNK_MAX_SAMPLES,
        "{tool:?}"
    );
    let kernels = check_file(&file);
    assert!(kernels.contains(kernel), "{tool:?}: {kernels:?}");
    let chunk = &forge.tensors[0].parts[0].chunks[0];
    assert_eq!(chunk.entry.mode, 0, "{tool:?}");
    let (positions, _) = chunk.coded[chunk.coded.len() - 4 * usize::from(chunk.entry.escapes)..]
        .split_at(2 * usize::from(chunk.entry.escapes));
    let (_, last) = positions.split_last_chunk()?;
    Some(u16::from_le_bytes(*last))
}

#[test]
fn the_largest_chunks_of_weights() {
    for (dtype, kernel) in [(Dtype::BF16, "rans_bf16"), (Dtype::F32, "rans_u32")] {
        let last = check(with_escapes(dtype), (Tool::Split, Effort::Fast), kernel);
        assert_eq!(last, Some(u16::MAX), "{dtype}: the last escape's position");
    }
    check(
        with_escapes(Dtype::F16),
        (Tool::Packed, Effort::Fast),
        "packed_u16",
    );
}

#[test]
fn the_largest_chunks_with_tools() {
    let smooth = || structured::smooth(Dtype::I16, 260, 256, 3);
    check(smooth(), (Tool::Tiles, Effort::Max), "tools_u16");
    check(smooth(), (Tool::Dct, Effort::Max), "tools_u16");
    // Eight units to a sample: the most symbols that a chunk of this type has.
    check(
        structured::nibbles(260, 256, 5),
        (Tool::Nibbles, Effort::Max),
        "tools_u32",
    );
}
