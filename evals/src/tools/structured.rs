//! Tensors that are not noise: tables, masks, ids and pictures, as checkpoints carry them beside their weights.

use super::input::{Counted, Input, Promise};
use crate::synthetic::Random;
use crate::tensor::{Float, Tensor};
use safetensors::Dtype;
use std::f64::consts::{PI, TAU};

const GROUP: &str = "structured";
const SEED: u64 = 1;
/// Base of the wavelengths in both position codes (Vaswani et al., 2017; Su et al., 2021).
const BASE: f64 = 10_000.0;
const POSITIONS: usize = 2048;
const EMBEDDING_WIDTH: usize = 256;
const ROPE_HEAD: usize = 128;
const MASK: usize = 1024;
const PICTURE: usize = 512;
/// Filters, channels, rows and columns of the bank.
const FILTERS: [usize; 4] = [64, 3, 16, 16];

/// Every structured input, always the same.
pub(crate) fn inputs() -> Vec<Input> {
    let mut inputs = Vec::new();
    let embedding = [POSITIONS, EMBEDDING_WIDTH];
    let values = sinusoids(POSITIONS, EMBEDDING_WIDTH);
    for float in Float::ALL {
        inputs.push(float_input(
            "sinusoid positions",
            float,
            &embedding,
            &values,
        ));
    }
    let values = learned_positions(POSITIONS, EMBEDDING_WIDTH);
    for float in [Float::F32, Float::Bf16] {
        inputs.push(float_input("learned positions", float, &embedding, &values));
    }
    let values = rope_cosines(POSITIONS, ROPE_HEAD);
    for float in Float::ALL {
        let mut input = float_input("RoPE cosines", float, &[POSITIONS, ROPE_HEAD / 2], &values);
        let factor = if float == Float::F32 { 1.35 } else { 1.5 };
        input.promises.push(Promise::SmallerThanZstd(factor));
        inputs.push(input);
    }
    let values = gabor_filters();
    for float in [Float::F32, Float::Bf16] {
        inputs.push(float_input("Gabor filters", float, &FILTERS, &values));
    }
    inputs.extend(masks());
    inputs.extend(position_ids());
    let picture = Tensor::new("grey", Dtype::U8, &[PICTURE, PICTURE], grey_picture());
    inputs.push(input("grey picture, U8", picture));
    inputs
}

fn input(name: &str, tensor: Tensor) -> Input {
    Input {
        group: GROUP.to_owned(),
        name: name.to_owned(),
        weights: tensor.shape.iter().product::<usize>() as u64,
        tensors: vec![tensor],
        counted: Counted::Payloads,
        promises: Vec::new(),
    }
}

fn float_input(what: &str, float: Float, shape: &[usize], values: &[f32]) -> Input {
    let name = format!("{what}, {}", float.name());
    input(&name, float.tensor("table", shape, values))
}

/// An input that has to be twenty times smaller than raw.
fn small_input(name: &str, tensor: Tensor) -> Input {
    Input {
        promises: vec![Promise::SmallerThanRaw(20.0)],
        ..input(name, tensor)
    }
}

fn masks() -> [Input; 4] {
    let shape = [MASK, MASK];
    let bytes: Vec<u8> = causal(MASK).map(u8::from).collect();
    let added: Vec<f32> = causal(MASK)
        .map(|seen| if seen { 0.0 } else { f32::NEG_INFINITY })
        .collect();
    let float = |float: Float| {
        let name = format!("causal mask, {}", float.name());
        small_input(&name, float.tensor("mask", &shape, &added))
    };
    let of_bytes = |name: &str, dtype| {
        let tensor = Tensor::new("mask", dtype, &shape, bytes.clone());
        small_input(name, tensor)
    };
    [
        of_bytes("causal mask, BOOL", Dtype::BOOL),
        of_bytes("causal mask, U8", Dtype::U8),
        float(Float::F32),
        float(Float::Bf16),
    ]
}

fn position_ids() -> [Input; 3] {
    let of = |dtype: Dtype, count: u32| {
        let width = dtype.bitsize() / 8;
        let ids = (0..count).map(u64::from);
        let bytes = ids.flat_map(|id| id.to_le_bytes().into_iter().take(width));
        let tensor = Tensor::new("ids", dtype, &[1, count as usize], bytes.collect());
        let name = if dtype == Dtype::I64 { "I64" } else { "I32" };
        small_input(&format!("position ids to {count}, {name}"), tensor)
    };
    [
        of(Dtype::I64, 8192),
        of(Dtype::I32, 8192),
        of(Dtype::I64, 131_072),
    ]
}

/// The nearest float.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding is what is asked for"
)]
fn nearest(value: f64) -> f32 {
    value as f32
}

/// The position code of "Attention is all you need": sines in the even columns, cosines in the odd ones.
fn sinusoids(positions: usize, width: usize) -> Vec<f32> {
    let value = |position: usize, column: usize| {
        let frequency = BASE.powf(-((column & !1) as f64) / width as f64);
        let angle = position as f64 * frequency;
        nearest(if column.is_multiple_of(2) {
            angle.sin()
        } else {
            angle.cos()
        })
    };
    let rows = (0..positions).map(|position| (0..width).map(move |column| value(position, column)));
    rows.flatten().collect()
}

/// Cosines of rotary embeddings: a row a position, a column a frequency. Angles in F32, as models compute them.
fn rope_cosines(positions: usize, head: usize) -> Vec<f32> {
    let frequencies: Vec<f32> = (0..head / 2)
        .map(|i| nearest(BASE.powf(-2.0 * i as f64 / head as f64)))
        .collect();
    let row = |position: usize| {
        let angles = frequencies
            .iter()
            .map(move |frequency| position as f32 * frequency);
        angles.map(|angle| nearest(f64::from(angle).cos()))
    };
    (0..positions).flat_map(row).collect()
}

/// Columns that drift smoothly from row to row, with noise of about a tenth of their spread.
fn learned_positions(positions: usize, width: usize) -> Vec<f32> {
    let mut random = Random(SEED);
    let (mut places, mut speeds) = (vec![0f32; width], vec![0f32; width]);
    let mut values = Vec::with_capacity(positions * width);
    for _ in 0..positions {
        for (place, speed) in places.iter_mut().zip(&mut speeds) {
            *speed = 0.95 * *speed + 0.0003 * random.normal();
            *place = 0.99 * *place + *speed;
            values.push(*place + 0.004 * random.normal());
        }
    }
    values
}

/// Gabor functions (an oriented wave under a Gaussian) of eight directions, four wavelengths and two phases.
fn gabor_filters() -> Vec<f32> {
    const CHANNEL_GAINS: [f64; 3] = [0.06, 0.12, 0.02]; // as red, green and blue weigh in grey
    const WAVELENGTHS: [f64; 4] = [3.0, 4.5, 6.75, 10.0];
    let [filters, _, rows, columns] = FILTERS;
    let mut values = Vec::with_capacity(FILTERS.iter().product());
    for filter in 0..filters {
        let (sin, cos) = (PI * (filter % 8) as f64 / 8.0).sin_cos();
        let wavelength = WAVELENGTHS[filter / 8 % 4];
        let phase = PI / 2.0 * (filter / 32) as f64;
        for gain in CHANNEL_GAINS {
            for cell in 0..rows * columns {
                let y = (cell / columns) as f64 - (rows - 1) as f64 / 2.0;
                let x = (cell % columns) as f64 - (columns - 1) as f64 / 2.0;
                let (along, across) = (x * cos + y * sin, y * cos - x * sin);
                let envelope = (-(along * along + 0.25 * across * across) / 18.0).exp();
                values.push(nearest(
                    gain * envelope * (TAU * along / wavelength + phase).cos(),
                ));
            }
        }
    }
    values
}

/// Whether a row's position sees a column's: the lower triangle.
fn causal(size: usize) -> impl Iterator<Item = bool> {
    (0..size).flat_map(move |row| (0..size).map(move |column| column <= row))
}

/// A diagonal ramp of grey with noise of two steps.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped"
)]
fn grey_picture() -> Vec<u8> {
    let mut random = Random(SEED);
    let cells = 0..PICTURE * PICTURE;
    cells
        .map(|cell| {
            let diagonal = (cell / PICTURE + cell % PICTURE) as f32 / (2 * PICTURE - 2) as f32;
            let grey = 24.0 + 208.0 * diagonal + 2.0 * random.normal();
            grey.round().clamp(0.0, 255.0) as u8
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f32, expected: f32) -> bool {
        (value - expected).abs() < 1e-6
    }

    #[test]
    fn tables_of_positions_have_known_values() {
        let table = sinusoids(3, 4);
        assert_eq!(table[..4], [0.0, 1.0, 0.0, 1.0]);
        let expected = [0.909_297_4, -0.416_146_84, 0.019_998_667, 0.999_8];
        assert!(
            table[8..]
                .iter()
                .zip(expected)
                .all(|(&value, e)| near(value, e)),
            "{table:?}"
        );
        let table = rope_cosines(3, 4);
        let expected = [1.0, 1.0, 0.540_302_3, 0.999_95, -0.416_146_84, 0.999_8];
        assert!(
            table.iter().zip(expected).all(|(&value, e)| near(value, e)),
            "{table:?}"
        );
    }

    #[test]
    fn learned_positions_drift_smoothly() {
        let table = learned_positions(512, 8);
        assert!(table == learned_positions(512, 8));
        let square = |value: f32| value * value;
        let spread = table.iter().map(|&v| square(v)).sum::<f32>() / table.len() as f32;
        let steps = table.iter().zip(&table[8..]).map(|(a, b)| square(a - b));
        let step = steps.sum::<f32>() / (table.len() - 8) as f32;
        assert!((0.02..0.1).contains(&spread.sqrt()), "{spread}");
        assert!(step < spread / 25.0, "{step} {spread}");
    }

    #[test]
    fn filters_are_waves_under_a_gaussian() {
        let bank = gabor_filters();
        assert_eq!(bank.len(), FILTERS.iter().product::<usize>());
        // Direction 0, wavelength 3: at half a cell right of and below the middle.
        let expected = 0.06 * (-(0.25f32 + 0.0625) / 18.0).exp() * 0.5;
        assert!(near(bank[8 * 16 + 8], expected), "{}", bank[8 * 16 + 8]);
        // Green is twice red; a cosine is the same on both sides of the middle.
        assert!(near(bank[256 + 5], 2.0 * bank[5]) && near(bank[0], bank[255]));
    }

    #[test]
    fn masks_ids_and_the_picture() {
        let mask: Vec<bool> = causal(3).collect();
        let (yes, no) = (true, false);
        assert_eq!(mask, [yes, no, no, yes, yes, no, yes, yes, yes]);
        let [_, _, f32, bf16] = masks();
        assert_eq!(f32.tensors[0].bytes[..8], [0, 0, 0, 0, 0, 0, 0x80, 0xff]);
        assert_eq!(bf16.tensors[0].bytes[..4], [0, 0, 0x80, 0xff]);
        let [long, short, _] = position_ids();
        assert_eq!(
            long.tensors[0].bytes[8 * 300..][..8],
            [44, 1, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(short.tensors[0].bytes[4 * 300..][..4], [44, 1, 0, 0]);
        let picture = grey_picture();
        assert!((18..30).contains(&picture[0]) && picture[PICTURE * PICTURE - 1] > 220);
    }

    #[test]
    fn every_input_has_a_name_and_fits_its_shape() {
        let inputs = inputs();
        let mut names: Vec<&str> = inputs.iter().map(|input| &*input.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), inputs.len());
        for input in &inputs {
            crate::tensor::safetensors_file(&input.tensors).unwrap();
        }
    }
}
