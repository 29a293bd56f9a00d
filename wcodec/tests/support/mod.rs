//! What the tests share: checkpoints made in memory, and a seeded source of bits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod content;
pub(crate) mod forge;
pub(crate) mod fuzzing;
pub(crate) mod naive_decoder;
pub(crate) mod structured;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use wcodec::{Dtype, Effort, Reader, Tool, checkpoint};

/// A tensor of a generated checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
    pub(crate) bytes: Vec<u8>,
}

impl Tensor {
    pub(crate) fn new(name: &str, dtype: Dtype, shape: &[u64], bytes: Vec<u8>) -> Self {
        let elems: u64 = shape.iter().product();
        assert_eq!(dtype.bytes_of(elems), Some(bytes.len() as u64), "{name}");
        Self {
            name: name.into(),
            dtype,
            shape: shape.to_vec(),
            bytes,
        }
    }
}

/// The bytes of a safetensors file with these tensors, in this order.
pub(crate) fn safetensors(tensors: &[Tensor]) -> Vec<u8> {
    let mut entries = vec![r#""__metadata__":{"format":"pt"}"#.to_owned()];
    let mut offset = 0;
    for Tensor {
        name,
        dtype,
        shape,
        bytes,
    } in tensors
    {
        let (name, end) = (serde_json::to_string(name).unwrap(), offset + bytes.len());
        entries.push(format!(
            r#"{name}:{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{offset},{end}]}}"#
        ));
        offset = end;
    }
    let mut header = format!("{{{}}}", entries.join(","));
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let data = tensors.iter().flat_map(|tensor| &tensor.bytes);
    let length = (header.len() as u64).to_le_bytes();
    length
        .into_iter()
        .chain(header.into_bytes())
        .chain(data.copied())
        .collect()
}

/// A checkpoint of one file in a folder of its own, and its container.
pub(crate) struct Encoded {
    pub(crate) folder: TempDir,
    pub(crate) source: PathBuf,
    pub(crate) file: PathBuf,
}

/// Writes and encodes a checkpoint.
pub(crate) fn encode(tensors: &[Tensor], effort: Effort) -> Encoded {
    let folder = tempfile::tempdir().unwrap();
    let (source, file) = (
        folder.path().join("model.safetensors"),
        folder.path().join("model.wcodec"),
    );
    std::fs::write(&source, safetensors(tensors)).unwrap();
    import(&source, &file, effort);
    Encoded {
        folder,
        source,
        file,
    }
}

/// The bytes of a container with these tensors, encoded with one tool alone wherever it can be used, or with the best.
pub(crate) fn encode_with(tensors: &[Tensor], only: Option<Tool>, effort: Effort) -> Vec<u8> {
    let bytes = safetensors(tensors);
    let source = checkpoint::Source::Safetensors {
        name: "model.safetensors",
        bytes: &bytes,
    };
    let options = checkpoint::ImportOptions {
        effort,
        only,
        ..Default::default()
    };
    let mut sink = Cursor::new(Vec::new());
    checkpoint::import_into(source, &mut sink, &options).unwrap();
    sink.into_inner()
}

/// Encodes `source` to `file`.
pub(crate) fn import(source: &Path, file: &Path, effort: Effort) -> checkpoint::ImportSummary {
    let options = checkpoint::ImportOptions {
        effort,
        ..Default::default()
    };
    checkpoint::import(source, file, &options).unwrap()
}

/// A tensor's decoded bytes.
pub(crate) fn decode(reader: &Reader, name: &str) -> wcodec::Result<Vec<u8>> {
    let id = reader.find(name).expect("the tensor is there");
    let mut bytes = vec![0xaa; usize::try_from(reader.info(id).raw_bytes).unwrap()];
    reader.decode_bytes(id, &mut bytes)?;
    Ok(bytes)
}

/// Decodes everything there is: every check of `verify`.
pub(crate) fn verify_bytes(bytes: &[u8]) -> wcodec::Result<()> {
    let reader = Reader::new(bytes.to_vec(), &wcodec::Limits::default())?;
    checkpoint::verify(&reader, &checkpoint::VerifyOptions::default()).map(|_| ())
}

/// xorshift64* (Vigna, 2016): the same bits on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.bits().to_le_bytes()[7]).collect()
    }

    /// Uniform in -1 .. 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// Roughly normal, as weights are.
    pub(crate) fn weight(&mut self, scale: f64) -> f64 {
        (0..6).map(|_| self.unit()).sum::<f64>() / 1.4 * scale
    }
}

/// `num` weights as BF16, F16, F32 or F64 bytes.
#[expect(clippy::cast_possible_truncation, reason = "rounding is meant")]
pub(crate) fn weights(dtype: Dtype, num: usize, scale: f64, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..num)
        .flat_map(|_| {
            let weight = random.weight(scale);
            match dtype {
                Dtype::BF16 => half::bf16::from_f64(weight).to_le_bytes().to_vec(),
                Dtype::F16 => half::f16::from_f64(weight).to_le_bytes().to_vec(),
                Dtype::F32 => (weight as f32).to_le_bytes().to_vec(),
                Dtype::F64 => weight.to_le_bytes().to_vec(),
                other => panic!("no weights of {other}"),
            }
        })
        .collect()
}
