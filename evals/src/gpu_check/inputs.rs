//! Tensors of every kind, and the files they make.

use crate::synthetic::Random;
use anyhow::Context;
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};
use std::path::PathBuf;
use tempfile::TempDir;
use wcodec::checkpoint::{ImportOptions, import};

/// Types that candle loads.
pub(crate) const DTYPES: [Dtype; 15] = [
    Dtype::U8,
    Dtype::U16,
    Dtype::U32,
    Dtype::I16,
    Dtype::I32,
    Dtype::I64,
    Dtype::BF16,
    Dtype::F16,
    Dtype::F32,
    Dtype::F64,
    Dtype::F8_E4M3,
    Dtype::F8_E8M0,
    Dtype::F6_E2M3,
    Dtype::F6_E3M2,
    Dtype::F4,
];
/// Shapes around the sizes of lanes, blocks, tiles and chunks, and one of several parts.
const SHAPES: [&[usize]; 11] = [
    &[],
    &[0],
    &[1],
    &[4],
    &[31],
    &[1, 257],
    &[257, 1],
    &[16, 16],
    &[127, 129],
    &[1000, 1003],
    &[2100, 2400],
];

/// What the elements are.
#[derive(Debug, Clone, Copy)]
enum Content {
    Zeros,
    Weights,
    /// A smooth surface, for prediction and transforms.
    Smooth,
    /// Few values.
    Codes,
    /// Every bit pattern, NaN payloads among them.
    Noise,
}

const CONTENTS: [Content; 5] = [
    Content::Zeros,
    Content::Weights,
    Content::Smooth,
    Content::Codes,
    Content::Noise,
];

/// A `.wcodec` file, in a folder that goes when this does.
pub(crate) struct Files {
    _folder: TempDir,
    pub(crate) wcodec: PathBuf,
}

struct Drawn {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Every shape and content of a dtype, encoded in one way; of packed elements the shapes that fill whole bytes.
pub(crate) fn of_dtype(dtype: Dtype, options: &ImportOptions<'_>) -> anyhow::Result<Files> {
    let of_shape = |shape: &'static [usize]| CONTENTS.map(|content| draw(dtype, shape, content));
    let fills_bytes = |shape: &&[usize]| {
        let bits = shape.iter().product::<usize>() * dtype.bitsize();
        bits.is_multiple_of(8)
    };
    let shapes = SHAPES.into_iter().filter(fills_bytes);
    files(shapes.flat_map(of_shape).collect(), options)
}

/// What is fetched early and used last: the loader decodes it on a lane of its own, behind everything else.
pub(crate) const HEAD: &str = "lm_head.weight";

/// Layers of BF16 weights with their norms, and a head of 4 x `width` rows.
pub(crate) fn layers(count: usize, width: usize) -> anyhow::Result<Files> {
    let shape = vec![4 * width, width];
    let mut tensors = vec![of(HEAD.into(), Dtype::BF16, shape, Content::Weights, 3)];
    for layer in 0..count {
        for (part, shape) in [
            ("norm", vec![width]),
            ("q", vec![width, width]),
            ("up", vec![3 * width, width]),
        ] {
            let seed = layer as u64 * 8 + shape.len() as u64;
            let name = format!("layers.{layer}.{part}.weight");
            tensors.push(of(name, Dtype::BF16, shape, Content::Weights, seed));
        }
    }
    files(tensors, &ImportOptions::default())
}

/// One matrix of weights.
pub(crate) fn matrix(dtype: Dtype, rows: usize, columns: usize) -> anyhow::Result<Files> {
    let drawn = of(
        "weight".into(),
        dtype,
        vec![rows, columns],
        Content::Weights,
        1,
    );
    files(vec![drawn], &ImportOptions::default())
}

fn files(tensors: Vec<Drawn>, options: &ImportOptions<'_>) -> anyhow::Result<Files> {
    let folder = tempfile::tempdir()?;
    let (safetensors, wcodec) = (
        folder.path().join("m.safetensors"),
        folder.path().join("m.wcodec"),
    );
    let views = tensors.iter().map(|drawn| {
        let view = TensorView::new(drawn.dtype, drawn.shape.clone(), &drawn.bytes);
        Ok((drawn.name.as_str(), view?))
    });
    let views: Vec<_> = views.collect::<anyhow::Result<_>>()?;
    serialize_to_file(views, None, &safetensors)?;
    import(&safetensors, &wcodec, options).context("encoding")?;
    Ok(Files {
        _folder: folder,
        wcodec,
    })
}

fn draw(dtype: Dtype, shape: &[usize], content: Content) -> Drawn {
    let name = format!("{shape:?} {content:?}").replace('.', "_");
    of(
        name,
        dtype,
        shape.to_vec(),
        content,
        shape.iter().sum::<usize>() as u64,
    )
}

fn of(name: String, dtype: Dtype, shape: Vec<usize>, content: Content, seed: u64) -> Drawn {
    let mut len: usize = shape.iter().product();
    let stored = dtype;
    // Packed elements are bytes of any value.
    let dtype = match dtype.bitsize() {
        bits @ 0..8 => {
            len = len * bits / 8;
            Dtype::U8
        }
        _ => dtype,
    };
    let columns = shape.last().copied().unwrap_or(1).max(1);
    let mut random = Random(seed ^ 0x77);
    let mut bytes = Vec::with_capacity(len * dtype.bitsize() / 8);
    for at in 0..len {
        let (row, column) = ((at / columns) as f32, (at % columns) as f32);
        let value = match content {
            Content::Zeros => 0.0,
            Content::Weights => 0.02 * random.normal(),
            Content::Smooth => (row * 0.02).sin() + (column * 0.03).cos(),
            Content::Codes => (random.normal() * 1.5).round(),
            Content::Noise => f32::from_bits(random.normal().to_bits().wrapping_mul(0x9e37_79b1)),
        };
        push(&mut bytes, dtype, value, matches!(content, Content::Noise));
    }
    Drawn {
        name,
        dtype: stored,
        shape,
        bytes,
    }
}

/// Appends an element: `value` in the dtype, or its bits where they are noise.
fn push(bytes: &mut Vec<u8>, dtype: Dtype, value: f32, is_noise: bool) {
    let size = dtype.bitsize() / 8;
    if is_noise {
        let [a, b, c, d] = value.to_bits().to_le_bytes();
        bytes.extend([c, b, a, d, b, d, c, a].into_iter().take(size));
        return;
    }
    // Integers hold a few hundred steps around their middle.
    let [low, high, ..] = (i64::from(i16::from_le_bytes(f16_steps(value)))).to_le_bytes();
    match dtype {
        Dtype::BF16 => bytes.extend(bf16::from_f32(value).to_le_bytes()),
        Dtype::F16 => bytes.extend(f16::from_f32(value).to_le_bytes()),
        Dtype::F32 => bytes.extend(value.to_le_bytes()),
        Dtype::F64 => bytes.extend(f64::from(value).to_le_bytes()),
        Dtype::U8 | Dtype::F8_E4M3 | Dtype::F8_E8M0 => bytes.push(low),
        _ => {
            let fill = if high & 0x80 == 0 { 0 } else { 0xff };
            bytes.extend(
                [low, high, fill, fill, fill, fill, fill, fill]
                    .into_iter()
                    .take(size),
            );
        }
    }
}

/// A value in hundredths, as the bytes of an integer.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding is what is asked for, and the cast saturates"
)]
fn f16_steps(value: f32) -> [u8; 2] {
    ((value * 100.0).round() as i16).to_le_bytes()
}
