//! Tensors that are no weight matrices: tables, masks, ids, packed and rounded numbers.

use super::{Random, Tensor};
use half::bf16;
use wcodec::Dtype;

/// The bytes of numbers as floats of `dtype`: F32, or else BF16.
#[expect(clippy::cast_possible_truncation, reason = "rounding is meant")]
fn floats(dtype: Dtype, values: impl Iterator<Item = f64>) -> Vec<u8> {
    values
        .flat_map(|value| match dtype {
            Dtype::F32 => (value as f32).to_le_bytes().to_vec(),
            _ => bf16::from_f64(value).to_le_bytes().to_vec(),
        })
        .collect()
}

/// The cosines of a rotary embedding.
pub(crate) fn rope(dtype: Dtype, rows: u32, columns: u32) -> Tensor {
    let value = |index: u32| {
        let (position, pair) = (f64::from(index / columns), f64::from(index % columns));
        (position * 10_000f64.powf(-pair / f64::from(columns))).cos()
    };
    Tensor::new(
        &format!("cos {dtype}"),
        dtype,
        &[rows.into(), columns.into()],
        floats(dtype, (0..rows * columns).map(value)),
    )
}

/// A causal mask.
pub(crate) fn mask(size: usize) -> Tensor {
    let causal = |index: usize| u8::from(index % size > index / size);
    let bytes = (0..size * size).map(causal).collect();
    Tensor::new("mask", Dtype::BOOL, &[size as u64, size as u64], bytes)
}

/// A smooth surface, which blocks of cosines describe best.
pub(crate) fn smooth(dtype: Dtype, rows: u32, columns: u32, seed: u64) -> Tensor {
    let mut random = Random(seed);
    let value = |index: u32| {
        let (y, x) = (f64::from(index / columns), f64::from(index % columns));
        let waves = (y * 0.11).sin() * (x * 0.07).cos() * 900.0 + (x * 0.4 + y * 0.3).sin() * 90.0;
        (waves + random.unit() * 12.0).round()
    };
    let values = (0..rows * columns).map(value);
    #[expect(clippy::cast_possible_truncation, reason = "they are small")]
    let bytes = match dtype {
        Dtype::I16 => values
            .flat_map(|value| (value as i16).to_le_bytes())
            .collect(),
        _ => floats(dtype, values),
    };
    Tensor::new(
        &format!("smooth {dtype}"),
        dtype,
        &[rows.into(), columns.into()],
        bytes,
    )
}

/// Columns of very different sizes.
pub(crate) fn columns(rows: u64, columns: u64, seed: u64) -> Tensor {
    let mut random = Random(seed);
    let value =
        |index: u64| random.weight(2f64.powi(-i32::try_from(index % columns % 7 * 3).unwrap()));
    let bytes = floats(Dtype::BF16, (0..rows * columns).map(value));
    Tensor::new("columns", Dtype::BF16, &[rows, columns], bytes)
}

/// Numbers of 4 bits, packed in words.
pub(crate) fn nibbles(rows: u64, columns: u64, seed: u64) -> Tensor {
    let mut random = Random(seed);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped"
    )]
    let mut nibble = || (random.weight(2.0).round() + 8.0).clamp(0.0, 15.0) as u8;
    let bytes = (0..rows * columns * 4).map(|_| nibble() << 4 | nibble());
    Tensor::new("nibbles", Dtype::I32, &[rows, columns], bytes.collect())
}

/// F32, every second row rounded to BF16.
pub(crate) fn half_upcast(rows: usize, columns: usize, seed: u64) -> Tensor {
    let mut random = Random(seed);
    let value = |index: usize| {
        let weight = random.weight(0.03);
        if (index / columns).is_multiple_of(2) {
            bf16::from_f64(weight).to_f64()
        } else {
            weight
        }
    };
    let bytes = floats(Dtype::F32, (0..rows * columns).map(value));
    Tensor::new(
        "half upcast",
        Dtype::F32,
        &[rows as u64, columns as u64],
        bytes,
    )
}

/// BF16 weights, most of them zero.
pub(crate) fn sparse(rows: u64, columns: u64, seed: u64) -> Tensor {
    let mut random = Random(seed);
    let value = |_| Some(random.weight(0.03)).filter(|weight| weight.abs() >= 0.05);
    let values = (0..rows * columns)
        .map(value)
        .map(Option::unwrap_or_default);
    Tensor::new(
        "sparse",
        Dtype::BF16,
        &[rows, columns],
        floats(Dtype::BF16, values),
    )
}

/// BF16 weights of few levels.
pub(crate) fn palette(rows: u64, columns: u64, levels: f64, seed: u64) -> Tensor {
    let mut random = Random(seed);
    let value = |_| (random.weight(0.3) * levels).round().clamp(-levels, levels) * 0.0013;
    let bytes = floats(Dtype::BF16, (0..rows * columns).map(value));
    Tensor::new("palette", Dtype::BF16, &[rows, columns], bytes)
}

/// Ids of positions.
pub(crate) fn positions(num: i64) -> Tensor {
    let bytes = (0..num).flat_map(i64::to_le_bytes).collect();
    Tensor::new("positions", Dtype::I64, &[1, num.unsigned_abs()], bytes)
}

/// One small chunk of each, in less than 16 KiB together.
pub(crate) fn small() -> Vec<Tensor> {
    vec![
        smooth(Dtype::I16, 24, 50, 1),
        rope(Dtype::F32, 60, 12),
        rope(Dtype::BF16, 128, 32),
        mask(60),
        nibbles(64, 8, 4),
        half_upcast(20, 20, 5),
        sparse(50, 50, 6),
        palette(30, 40, 30.0, 7),
        positions(2000),
        blocks(64, 64, 8),
        tiles(84, 50, 9),
        noisy(44, 40, 10),
    ]
}

/// Several chunks of each.
pub(crate) fn all() -> Vec<Tensor> {
    vec![
        rope(Dtype::F32, 600, 64),
        rope(Dtype::BF16, 600, 64),
        mask(260),
        smooth(Dtype::I16, 203, 100, 1),
        smooth(Dtype::F32, 100, 203, 2),
        columns(500, 48, 3),
        nibbles(128, 40, 4),
        half_upcast(300, 100, 5),
        sparse(400, 100, 6),
        palette(300, 100, 100.0, 7),
        positions(20_000),
    ]
}

/// Blocks of 8 x 8, whole ones, made of the highest cosines, which no neighbour predicts.
pub(crate) fn blocks(rows: usize, columns: usize, seed: u64) -> Tensor {
    let mut random = Random(seed);
    let mut values = vec![0f64; rows * columns];
    let wave =
        |k: usize, i: usize| (k as f64 * (i as f64 + 0.5) * std::f64::consts::PI / 8.0).cos();
    for corner in (0..rows * columns)
        .filter(|i| (i / columns).is_multiple_of(8) && (i % columns).is_multiple_of(8))
    {
        for (u, v) in (4..8).flat_map(|u| (11 - u..8).map(move |v| (u, v))) {
            let height = random.unit() * 2e3 * 0.2f64.powf((14 - u - v) as f64);
            for i in 0..64 {
                values[corner + i / 8 * columns + i % 8] +=
                    height * wave(u, i / 8) * wave(v, i % 8);
            }
        }
    }
    integers("blocks", rows, columns, values.into_iter())
}

/// Tiles that are alike in columns beside tiles that are alike in rows.
pub(crate) fn tiles(rows: usize, columns: usize, seed: u64) -> Tensor {
    let mut random = Random(seed);
    let heights: Vec<f64> = (0..rows + columns).map(|_| random.unit() * 3e4).collect();
    let value = |i: usize| {
        let (r, c) = (i / columns, i % columns);
        if (r / 16 + c / 16) % 2 == 0 {
            heights[r]
        } else {
            heights[rows + c]
        }
    };
    integers("tiles", rows, columns, (0..rows * columns).map(value))
}

/// Eight noisy rows after eight calm ones.
pub(crate) fn noisy(rows: usize, columns: usize, seed: u64) -> Tensor {
    let mut random = Random(seed);
    let mut height = 0.0;
    let value = |i: usize| {
        height += random.weight(if i / columns % 16 < 8 { 1.0 } else { 300.0 });
        height
    };
    let values: Vec<f64> = (0..rows * columns).map(value).collect();
    integers("noisy", rows, columns, values.into_iter())
}

#[expect(clippy::cast_possible_truncation, reason = "they are small")]
fn integers(name: &str, rows: usize, columns: usize, values: impl Iterator<Item = f64>) -> Tensor {
    let bytes = values.flat_map(|value| (value.round() as i16).to_le_bytes());
    let shape = [rows as u64, columns as u64];
    Tensor::new(name, Dtype::I16, &shape, bytes.collect())
}
