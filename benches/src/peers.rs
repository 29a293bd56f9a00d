//! The peers that are Rust crates, and the copy that no codec can beat.

use crate::codec::BlockCodec;
use crate::{Codec, Format, Input};
use anyhow::ensure;
use half::f16;
use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress_into};
use rayon::prelude::*;

/// Bytes that a thread copies at a time.
const COPY_BYTES: usize = 4 << 20;

/// Copies from memory into memory: the speed limit.
#[derive(Debug, Default)]
pub(crate) struct Memcpy {
    copy: Vec<u8>,
}

fn copy(from: &[u8], to: &mut [u8]) {
    let pairs = to
        .par_chunks_mut(COPY_BYTES)
        .zip(from.par_chunks(COPY_BYTES));
    pairs.for_each(|(to, from)| to.copy_from_slice(from));
}

impl Codec for Memcpy {
    fn name(&self) -> String {
        "memcpy".to_owned()
    }

    fn encode(&mut self, input: &Input) -> anyhow::Result<()> {
        if self.copy.len() != input.raw().len() {
            self.copy = vec![1; input.raw().len()]; // not zero: the pages exist before they are timed
        }
        copy(input.raw(), &mut self.copy);
        Ok(())
    }

    fn coded_bytes(&self) -> u64 {
        self.copy.len() as u64
    }

    fn decode(&self, out: &mut [u8]) -> anyhow::Result<()> {
        copy(&self.copy, out);
        Ok(())
    }
}

/// Zstandard, its C library; the level as its command takes it.
#[derive(Debug)]
pub(crate) struct Zstd {
    pub(crate) level: i32,
}

impl BlockCodec for Zstd {
    fn name(&self) -> String {
        format!("zstd -{}", self.level)
    }

    fn encode(&self, raw: &[u8]) -> anyhow::Result<Vec<u8>> {
        Ok(zstd::bulk::compress(raw, self.level)?)
    }

    fn decode(&self, coded: &[u8], out: &mut [u8]) -> anyhow::Result<()> {
        let len = zstd::bulk::decompress_to_buffer(coded, out)?;
        ensure!(len == out.len(), "block too short");
        Ok(())
    }
}

/// LZ4 blocks.
#[derive(Debug)]
pub(crate) struct Lz4;

impl BlockCodec for Lz4 {
    fn name(&self) -> String {
        "lz4".to_owned()
    }

    fn encode(&self, raw: &[u8]) -> anyhow::Result<Vec<u8>> {
        Ok(lz4_flex::block::compress(raw))
    }

    fn decode(&self, coded: &[u8], out: &mut [u8]) -> anyhow::Result<()> {
        let len = lz4_flex::block::decompress_into(coded, out)?;
        ensure!(len == out.len(), "block too short");
        Ok(())
    }
}

/// Pcodec, at its default level. BF16 goes in as 16-bit integers, 8-bit formats as bytes.
#[derive(Debug)]
pub(crate) struct Pco {
    pub(crate) format: Format,
}

impl Pco {
    fn encode_as<T: Number + bytemuck::AnyBitPattern>(raw: &[u8]) -> anyhow::Result<Vec<u8>> {
        let config = ChunkConfig::default().with_enable_8_bit(true);
        Ok(simple_compress(numbers::<T>(raw)?, &config)?)
    }

    fn decode_as<T: Number + bytemuck::Pod>(coded: &[u8], out: &mut [u8]) -> anyhow::Result<()> {
        let out: &mut [T] = bytemuck::try_cast_slice_mut(out).map_err(cast)?;
        let progress = simple_decompress_into(coded, out)?;
        ensure!(progress.n_processed == out.len(), "block too short");
        Ok(())
    }
}

fn numbers<T: bytemuck::AnyBitPattern>(raw: &[u8]) -> anyhow::Result<&[T]> {
    bytemuck::try_cast_slice(raw).map_err(cast)
}

fn cast(error: bytemuck::PodCastError) -> anyhow::Error {
    anyhow::anyhow!("bytes are not numbers: {error}")
}

impl BlockCodec for Pco {
    fn name(&self) -> String {
        let mode = match self.format {
            Format::Bf16 => "u16",
            Format::F16 => "f16",
            Format::F32 => "f32",
            Format::Int8 | Format::Fp8 => "u8",
        };
        format!("pco ({mode})")
    }

    fn encode(&self, raw: &[u8]) -> anyhow::Result<Vec<u8>> {
        match self.format {
            Format::Bf16 => Self::encode_as::<u16>(raw),
            Format::F16 => Self::encode_as::<f16>(raw),
            Format::F32 => Self::encode_as::<f32>(raw),
            Format::Int8 | Format::Fp8 => Self::encode_as::<u8>(raw),
        }
    }

    fn decode(&self, coded: &[u8], out: &mut [u8]) -> anyhow::Result<()> {
        match self.format {
            Format::Bf16 => Self::decode_as::<u16>(coded, out),
            Format::F16 => Self::decode_as::<f16>(coded, out),
            Format::F32 => Self::decode_as::<f32>(coded, out),
            Format::Int8 | Format::Fp8 => Self::decode_as::<u8>(coded, out),
        }
    }
}

/// The first bytes of all elements, then the second ones, and so on, each run through Zstandard.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) element_bytes: usize,
    pub(crate) level: i32,
}

impl Split {
    /// Puts the elements of `runs` together.
    fn merge<const N: usize>(runs: &[u8], out: &mut [u8]) {
        let len = runs.len() / N;
        let runs: [&[u8]; N] = std::array::from_fn(|place| &runs[place * len..][..len]);
        for (index, element) in out.as_chunks_mut::<N>().0.iter_mut().enumerate() {
            *element = std::array::from_fn(|place| runs[place][index]);
        }
    }
}

impl BlockCodec for Split {
    fn name(&self) -> String {
        format!("byte split + zstd -{}", self.level)
    }

    fn encode(&self, raw: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut block = Vec::new();
        for place in 0..self.element_bytes {
            let run: Vec<u8> = raw
                .iter()
                .skip(place)
                .step_by(self.element_bytes)
                .copied()
                .collect();
            let coded = zstd::bulk::compress(&run, self.level)?;
            block.extend(u64::try_from(coded.len())?.to_le_bytes());
            block.extend(coded);
        }
        Ok(block)
    }

    fn decode(&self, coded: &[u8], out: &mut [u8]) -> anyhow::Result<()> {
        let mut runs = vec![0; out.len()];
        let mut rest = coded;
        for run in runs.chunks_mut(out.len() / self.element_bytes) {
            let (len, after) = rest
                .split_first_chunk()
                .ok_or_else(|| anyhow::anyhow!("block too short"))?;
            let (here, after) = after.split_at(usize::try_from(u64::from_le_bytes(*len))?);
            ensure!(
                zstd::bulk::decompress_to_buffer(here, run)? == run.len(),
                "run too short"
            );
            rest = after;
        }
        match self.element_bytes {
            2 => Self::merge::<2>(&runs, out),
            _ => Self::merge::<4>(&runs, out),
        }
        Ok(())
    }
}
