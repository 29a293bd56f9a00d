//! General codecs on the same bytes.

use crate::tensor::Tensor;
use anyhow::ensure;
use half::f16;
use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress_into};
use safetensors::Dtype;
use std::io::{Read, Write};
use std::time::Instant;

/// A codec, called with one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// DEFLATE in Rust, level 6.
    Gzip,
    /// The C library, at its command's levels.
    Zstd(i32),
    /// In Rust, level 9.
    Bzip2,
    /// The C library, level 6.
    Xz,
    /// Blocks in Rust.
    Lz4,
    /// pcodec, tensor by tensor: BF16 and FP8 go in as integers.
    Pco,
}

/// What a codec made of some bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Coded {
    pub(crate) bytes: u64,
    /// Seconds that decoding took, the best of some runs.
    pub(crate) decode: f64,
}

/// Seconds of the fastest of `runs` runs.
pub(super) fn best(
    runs: usize,
    mut run: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

impl Peer {
    pub(crate) const ALL: [Self; 8] = [
        Self::Gzip,
        Self::Zstd(1),
        Self::Zstd(3),
        Self::Zstd(19),
        Self::Bzip2,
        Self::Xz,
        Self::Lz4,
        Self::Pco,
    ];

    /// Its name in tables.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Gzip => "gzip".to_owned(),
            Self::Zstd(level) => format!("zstd -{level}"),
            Self::Bzip2 => "bzip2".to_owned(),
            Self::Xz => "xz".to_owned(),
            Self::Lz4 => "lz4".to_owned(),
            Self::Pco => "pco".to_owned(),
        }
    }

    /// Encodes the tensors' bytes, decodes them `runs` times (at least 1) into memory that was written to before, and
    /// compares.
    ///
    /// # Errors
    ///
    /// The codec's own, or that the bytes differ.
    pub(crate) fn measure(self, tensors: &[&Tensor], runs: usize) -> anyhow::Result<Coded> {
        if self == Self::Pco {
            return pco_all(tensors, runs);
        }
        let raw: Vec<&[u8]> = tensors.iter().map(|tensor| &*tensor.bytes).collect();
        let raw = raw.concat();
        let coded = self.encode(&raw)?;
        let mut decoded = vec![1; raw.len()];
        let decode = best(runs, || self.decode(&coded, &mut decoded))?;
        ensure!(decoded == raw, "{} gives back other bytes", self.name());
        Ok(Coded {
            bytes: coded.len() as u64,
            decode,
        })
    }

    fn encode(self, raw: &[u8]) -> anyhow::Result<Vec<u8>> {
        Ok(match self {
            Self::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
                encoder.write_all(raw)?;
                encoder.finish()?
            }
            Self::Zstd(level) => zstd::bulk::compress(raw, level)?,
            Self::Bzip2 => {
                let mut encoder =
                    bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
                encoder.write_all(raw)?;
                encoder.finish()?
            }
            Self::Xz => liblzma::encode_all(raw, 6)?,
            Self::Lz4 => lz4_flex::block::compress(raw),
            Self::Pco => Vec::new(), // by tensors, above
        })
    }

    fn decode(self, coded: &[u8], raw: &mut [u8]) -> anyhow::Result<()> {
        match self {
            Self::Gzip => flate2::read::GzDecoder::new(coded).read_exact(raw)?,
            Self::Zstd(_) => drop(zstd::bulk::decompress_to_buffer(coded, raw)?),
            Self::Bzip2 => bzip2::read::BzDecoder::new(coded).read_exact(raw)?,
            Self::Xz => liblzma::read::XzDecoder::new(coded).read_exact(raw)?,
            Self::Lz4 => drop(lz4_flex::block::decompress_into(coded, raw)?),
            Self::Pco => {}
        }
        Ok(())
    }
}

/// A tensor through pco.
trait PcoTensor {
    fn coded_bytes(&self) -> usize;

    /// Decodes over what was decoded before.
    fn decode(&mut self) -> anyhow::Result<()>;

    fn decoded(&self) -> &[u8];
}

struct PcoOf<T> {
    coded: Vec<u8>,
    decoded: Vec<T>,
}

impl<T: Number + bytemuck::Pod> PcoTensor for PcoOf<T> {
    fn coded_bytes(&self) -> usize {
        self.coded.len()
    }

    fn decode(&mut self) -> anyhow::Result<()> {
        simple_decompress_into(&self.coded, &mut self.decoded)?;
        Ok(())
    }

    fn decoded(&self) -> &[u8] {
        bytemuck::cast_slice(&self.decoded)
    }
}

/// As [`Peer::measure`]; a run is of all tensors.
fn pco_all(tensors: &[&Tensor], runs: usize) -> anyhow::Result<Coded> {
    let coded = tensors.iter().map(|tensor| pco_of(tensor));
    let mut coded = coded.collect::<anyhow::Result<Vec<_>>>()?;
    let decode = best(runs, || {
        coded.iter_mut().try_for_each(|tensor| tensor.decode())
    })?;
    for (coded, tensor) in coded.iter().zip(tensors) {
        ensure!(
            *coded.decoded() == *tensor.bytes,
            "pco gives back other bytes"
        );
    }
    let bytes = coded.iter().map(|tensor| tensor.coded_bytes() as u64);
    Ok(Coded {
        bytes: bytes.sum(),
        decode,
    })
}

fn pco_of(tensor: &Tensor) -> anyhow::Result<Box<dyn PcoTensor>> {
    Ok(match tensor.dtype {
        Dtype::F32 => Box::new(pco_as::<f32>(&tensor.bytes)?),
        Dtype::F16 => Box::new(pco_as::<f16>(&tensor.bytes)?),
        Dtype::BF16 | Dtype::U16 => Box::new(pco_as::<u16>(&tensor.bytes)?),
        Dtype::I32 | Dtype::U32 => Box::new(pco_as::<u32>(&tensor.bytes)?),
        _ => Box::new(pco_as::<u8>(&tensor.bytes)?),
    })
}

fn pco_as<T: Number + bytemuck::Pod>(raw: &[u8]) -> anyhow::Result<PcoOf<T>> {
    // A copy, since bytes lie anywhere and numbers do not.
    let mut decoded: Vec<T> = bytemuck::pod_collect_to_vec(raw);
    let coded = simple_compress(&decoded, &ChunkConfig::default().with_enable_8_bit(true))?;
    bytemuck::cast_slice_mut::<T, u8>(&mut decoded).fill(1);
    Ok(PcoOf { coded, decoded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Float;

    #[test]
    fn every_peer_gives_every_dtype_back_and_saves_where_there_is_something_to_save() {
        let values: Vec<f32> = (0..4000u16).map(|i| f32::from(i % 50)).collect();
        let mut tensors = Float::ALL
            .map(|float| float.tensor("w", &[4000], &values))
            .to_vec();
        tensors.push(Tensor::new(
            "codes",
            Dtype::I8,
            &[4000],
            (0..4000u16).map(|i| i.to_le_bytes()[0] % 50).collect(),
        ));
        for tensor in &tensors {
            for peer in Peer::ALL {
                let coded = peer.measure(&[tensor], 2).unwrap();
                let share = coded.bytes as f64 / tensor.bytes.len() as f64;
                assert!(
                    (0.001..0.9).contains(&share),
                    "{} of {:?}: {share}",
                    peer.name(),
                    tensor.dtype
                );
            }
        }
        let all: Vec<&Tensor> = tensors.iter().collect();
        assert!(Peer::Pco.measure(&all, 1).unwrap().bytes > 0);
    }
}
