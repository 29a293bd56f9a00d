//! Writes synthetic tensors as a safetensors file, a few MB at a time.

use super::architecture::Planned;
use super::draw::Drawn;
use crate::quantise::Scheme;
use crate::tensor::Tensor;
use anyhow::Context;
use half::bf16;
use rayon::prelude::*;
use safetensors::Dtype;
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Weights that are drawn at a time, about.
const BLOCK_WEIGHTS: usize = 4 << 20;
/// Rows that one thread quantises at a time.
const ROWS: usize = 16;

/// What matrices are stored as; norms are BF16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Quant {
    Bf16,
    /// A scale for each row.
    Int8,
    /// Two to a byte, a scale for each 128.
    Int4,
    /// E4M3, a scale for each row.
    Fp8,
}

impl Quant {
    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "BF16",
            Self::Int8 => Scheme::Int8Row.name(),
            Self::Int4 => Scheme::Int4Group128.name(),
            Self::Fp8 => Scheme::Fp8Row.name(),
        }
    }

    fn scheme(self) -> Option<Scheme> {
        match self {
            Self::Bf16 => None,
            Self::Int8 => Some(Scheme::Int8Row),
            Self::Int4 => Some(Scheme::Int4Group128),
            Self::Fp8 => Some(Scheme::Fp8Row),
        }
    }
}

/// A tensor of the file.
struct Entry {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: usize,
}

/// What a planned tensor becomes.
fn entries(planned: &Planned, quant: Quant) -> Vec<Entry> {
    let count = planned.num_weights();
    let (Some(scheme), [rows, columns]) = (quant.scheme(), planned.shape.as_slice()) else {
        return vec![Entry {
            name: planned.name.clone(),
            dtype: Dtype::BF16,
            shape: planned.shape.clone(),
            bytes: 2 * count,
        }];
    };
    // Groups end with their row: one row tells the dtypes, and how long the rows of codes and scales are.
    let row = scheme.apply(&planned.name, &vec![0.0; *columns], *columns);
    let entry = |tensor: Tensor| Entry {
        bytes: tensor.bytes.len() * rows,
        name: tensor.name,
        dtype: tensor.dtype,
        shape: vec![*rows, tensor.shape.iter().product()],
    };
    row.into_iter().map(entry).collect()
}

/// Writes the tensors; each one's seed follows from `seed` and its name. The bytes written.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn write(
    tensors: &[Planned],
    quant: Quant,
    seed: u64,
    path: &Path,
) -> anyhow::Result<u64> {
    let mut header = serde_json::Map::new();
    let mut offset = 0;
    for entry in tensors.iter().flat_map(|planned| entries(planned, quant)) {
        let end = offset + entry.bytes;
        let info = json!({"dtype": format!("{:?}", entry.dtype), "shape": entry.shape, "data_offsets": [offset, end]});
        header.insert(entry.name, info);
        offset = end;
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut out = BufWriter::new(File::create(path).with_context(|| path.display().to_string())?);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for planned in tensors {
        write_tensor(planned, quant, seed, &mut out)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    out.flush()?;
    Ok((8 + header.len() + offset) as u64)
}

fn write_tensor(
    planned: &Planned,
    quant: Quant,
    seed: u64,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let drawn = Drawn::new(seed_of(seed, &planned.name), &planned.shape);
    let columns = planned.shape.last().copied().unwrap_or(1).max(1);
    let rows = planned.num_weights() / columns;
    let block_rows = (BLOCK_WEIGHTS / columns).next_multiple_of(ROWS);
    let scheme = quant.scheme().filter(|_| planned.is_matrix());
    let mut weights = vec![0.0; block_rows.min(rows) * columns];
    let mut scales = Vec::new();
    for first in (0..rows).step_by(block_rows) {
        let weights = &mut weights[..block_rows.min(rows - first) * columns];
        drawn.draw(first, weights);
        let pieces = weights
            .par_chunks(ROWS * columns)
            .map(|weights| match scheme {
                Some(scheme) => scheme
                    .apply("", weights, columns)
                    .map(|tensor| tensor.bytes),
                None => {
                    let values = weights.iter().map(|weight| bf16::from_f32(*weight));
                    [values.flat_map(bf16::to_le_bytes).collect(), Vec::new()]
                }
            });
        for [codes, of_codes] in pieces.collect::<Vec<_>>() {
            out.write_all(&codes)?;
            scales.extend(of_codes);
        }
    }
    out.write_all(&scales)?;
    Ok(())
}

/// FNV-1a of the name, from the seed on.
fn seed_of(seed: u64, name: &str) -> u64 {
    let start = seed ^ 0xcbf2_9ce4_8422_2325;
    name.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn a_shard_is_what_the_quantiser_makes_of_the_whole_tensors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let tensors = [
            Planned {
                name: "a.weight".into(),
                shape: vec![70, 256],
            },
            Planned {
                name: "norm.weight".into(),
                shape: vec![256],
            },
        ];
        for quant in [Quant::Bf16, Quant::Int8, Quant::Int4, Quant::Fp8] {
            let bytes = write(&tensors, quant, 5, &path).unwrap();
            assert_eq!(bytes, path.metadata().unwrap().len());
            let read = tensor::read(&path).unwrap();
            let mut weights = vec![0.0; 70 * 256];
            Drawn::new(seed_of(5, "a.weight"), &[70, 256]).draw(0, &mut weights);
            let expected = match quant.scheme() {
                Some(scheme) => scheme.apply("a.weight", &weights, 256).to_vec(),
                None => vec![tensor::Float::Bf16.tensor("a.weight", &[70, 256], &weights)],
            };
            for expected in expected {
                let found = read
                    .iter()
                    .find(|tensor| tensor.name == expected.name)
                    .unwrap();
                assert_eq!(
                    (found.dtype, &found.shape),
                    (expected.dtype, &expected.shape),
                    "{quant:?}"
                );
                assert!(found.bytes == expected.bytes, "{quant:?}");
            }
            assert!(
                read.iter()
                    .any(|tensor| tensor.name == "norm.weight" && tensor.dtype == Dtype::BF16)
            );
        }
    }
}
