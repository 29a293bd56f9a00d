//! Floats converted in the same pass, bit-equal to the CPU decoder's.

use super::compare::{SCHEDULES, load};
use super::support::{Random, Tensor, encode_with, weights};
use half::{bf16, f16};
use std::collections::BTreeSet;
use wcodec::{Dtype, Effort, FloatElement, Limits, Reader, TensorId, Tool};
use wcodec_kernels::Element;

/// Every pattern of 16 bits, then weights, so that there are several chunks.
fn all_patterns(dtype: Dtype) -> Tensor {
    let patterns = (0..=u16::MAX).flat_map(u16::to_le_bytes);
    let bytes: Vec<u8> = patterns.chain(weights(dtype, 40_001, 0.02, 3)).collect();
    Tensor::new(&format!("{dtype}"), dtype, &[bytes.len() as u64 / 2], bytes)
}

/// F32 around every boundary of rounding to 16 bits, then weights.
fn boundaries() -> Tensor {
    let mut random = Random(5);
    let mut bits: Vec<u32> = Vec::new();
    for upper in (0..=u16::MAX).step_by(3) {
        let lower = [
            0, 1, 0x0fff, 0x1000, 0x1001, 0x3000, 0x7fff, 0x8000, 0x8001, 0xffff,
        ];
        bits.push(
            u32::from(upper) << 16
                | lower[usize::try_from(random.bits() >> 32).unwrap() % lower.len()],
        );
    }
    let mut bytes: Vec<u8> = bits.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.extend(weights(Dtype::F32, 30_003, 1e-5, 4));
    Tensor::new("F32", Dtype::F32, &[bytes.len() as u64 / 4], bytes)
}

fn expected<T: FloatElement>(
    reader: &Reader,
    id: TensorId,
    zero: T,
    bytes: impl Fn(T) -> Vec<u8>,
) -> Vec<u8> {
    let mut out = vec![zero; usize::try_from(reader.info(id).num_elems()).unwrap()];
    reader.decode_floats(id, &mut out).unwrap();
    out.into_iter().flat_map(bytes).collect()
}

/// Compares every conversion of the tensor under every schedule.
fn check(tensor: Tensor, only: Option<Tool>) -> BTreeSet<&'static str> {
    let mut kernels = BTreeSet::new();
    let file = encode_with(std::slice::from_ref(&tensor), only, Effort::Fast);
    let reader = Reader::new(file.clone(), &Limits::default()).unwrap();
    let id = reader.find(&tensor.name).unwrap();
    for element in [Element::Bf16, Element::F16, Element::F32] {
        let expected = match element {
            Element::Bf16 => expected(&reader, id, bf16::ZERO, |value| {
                value.to_le_bytes().to_vec()
            }),
            Element::F16 => expected(&reader, id, f16::ZERO, |value| value.to_le_bytes().to_vec()),
            _ => expected(&reader, id, 0f32, |value| value.to_le_bytes().to_vec()),
        };
        let loaded = load(&reader, &file, &[id], element).unwrap();
        kernels.extend(loaded.kernels());
        for schedule in SCHEDULES {
            let (statuses, decoded) = loaded.run(schedule);
            assert!(statuses.iter().all(|&status| status == 0));
            let differs = std::iter::zip(&decoded, &expected).position(|(a, b)| a != b);
            assert_eq!(
                (differs, decoded.len()),
                (None, expected.len()),
                "{} to {element:?}, {only:?}",
                tensor.name
            );
        }
    }
    kernels
}

#[test]
fn every_pattern_of_16_bits_and_every_boundary_of_32() {
    for only in [
        None,
        Some(Tool::Split),
        Some(Tool::Packed),
        Some(Tool::Stored),
        Some(Tool::Left),
    ] {
        for dtype in [Dtype::BF16, Dtype::F16] {
            check(all_patterns(dtype), only);
        }
        check(boundaries(), only);
    }
}

#[test]
fn weights_in_the_kernels_for_weights() {
    let bytes = weights(Dtype::BF16, 70_001, 0.02, 1);
    let kernels = check(
        Tensor::new("w", Dtype::BF16, &[70_001], bytes),
        Some(Tool::Split),
    );
    let names = ["rans_bf16", "rans_bf16_to_f16", "rans_bf16_to_f32"];
    assert!(
        names.iter().all(|name| kernels.contains(name)),
        "{kernels:?}"
    );
}

#[test]
fn what_cannot_be_converted_is_refused() {
    let tensors = [
        Tensor::new("F64", Dtype::F64, &[100], weights(Dtype::F64, 100, 1.0, 1)),
        Tensor::new("I16", Dtype::I16, &[100], vec![1; 200]),
    ];
    let file = encode_with(&tensors, None, Effort::Fast);
    let reader = Reader::new(file.clone(), &Limits::default()).unwrap();
    for id in reader.ids() {
        for element in [Element::Bf16, Element::F16, Element::F32] {
            let error = load(&reader, &file, &[id], element).err().unwrap();
            assert!(
                matches!(error.kind(), wcodec::ErrorKind::InvalidArgument { .. }),
                "{error}"
            );
        }
    }
}
