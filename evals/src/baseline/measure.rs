//! Drawing, encoding, decoding and loading, shard by shard.

use super::architecture::{Architecture, Planned, shards};
use super::outcome::Baseline;
use super::shard::{self, Quant};
use crate::effort::EffortArg;
use crate::load::{Spread, warm};
use crate::memory::{peak_bytes, reset_peak};
use crate::progress;
use anyhow::Context;
use candle_core::{DType, Device, Shape};
use rayon::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;
use wcodec::checkpoint::{ImportOptions, VerifyOptions, import, verify};
use wcodec::container::FileSource;
use wcodec::{ReadAt, Reader, TensorId};
use wcodec_candle::WcodecLoader;

/// Weights of a shard, about: a shard of BF16 is then below 1 GB.
const SHARD_WEIGHTS: usize = 420_000_000;
/// Decoded bytes that are in memory at a time.
const BLOCK_BYTES: usize = 64 << 20;
/// Bytes that the loader decodes ahead.
const AHEAD_BYTES: u64 = 64 << 20;

/// What to make.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// The architecture's.
    pub(crate) name: String,
    pub(crate) architecture: Architecture,
    pub(crate) quant: Quant,
    pub(crate) seed: u64,
    pub(crate) effort: EffortArg,
    pub(crate) runs: u32,
    pub(crate) load: bool,
}

/// What encoding shard by shard gave.
struct Encoded {
    files: Vec<PathBuf>,
    raw_bytes: u64,
    coded_bytes: u64,
    draw_seconds: f64,
    encode_seconds: f64,
}

impl Spec {
    /// Writes the uncompressed checkpoint as a folder of Hugging Face's.
    ///
    /// # Errors
    ///
    /// If the disk is full.
    pub(crate) fn write_folder(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let architecture = &self.architecture;
        let shards = shards(&architecture.tensors(), SHARD_WEIGHTS);
        let mut map = serde_json::Map::new();
        let mut total = 0;
        let bar = progress::bar("drawing", shards.len());
        for (index, shard) in shards.iter().enumerate() {
            let name = format!("model-{:05}-of-{:05}.safetensors", index + 1, shards.len());
            total += shard::write(shard, self.quant, self.seed, &folder.join(&name))?;
            for planned in shard {
                map.insert(planned.name.clone(), json!(name));
                if self.quant != Quant::Bf16 && planned.is_matrix() {
                    map.insert(format!("{}_scale", planned.name), json!(name));
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let index = json!({"metadata": {"total_size": total}, "weight_map": map});
        std::fs::write(
            folder.join("model.safetensors.index.json"),
            format!("{index:#}\n"),
        )?;
        std::fs::write(folder.join("config.json"), architecture.config())?;
        Ok(())
    }

    /// Draws, encodes, checks and drops one shard after the other.
    fn encode(&self, shards: &[Vec<Planned>], folder: &Path) -> anyhow::Result<Encoded> {
        let mut encoded = Encoded {
            files: Vec::new(),
            raw_bytes: 0,
            coded_bytes: 0,
            draw_seconds: 0.0,
            encode_seconds: 0.0,
        };
        let raw = folder.join("shard.safetensors");
        let options = ImportOptions {
            effort: self.effort.into(),
            no_default_attachments: true,
            ..Default::default()
        };
        let bar = progress::bar("encoding", shards.len());
        for (index, shard) in shards.iter().enumerate() {
            let start = Instant::now();
            encoded.raw_bytes += shard::write(shard, self.quant, self.seed, &raw)?;
            encoded.draw_seconds += start.elapsed().as_secs_f64();
            let target = folder.join(format!("{index}.wcodec"));
            let start = Instant::now();
            let summary = import(&raw, &target, &options)?;
            encoded.encode_seconds += start.elapsed().as_secs_f64();
            encoded.coded_bytes += summary.file_bytes;
            let against = VerifyOptions {
                against: Some(&raw),
                ..Default::default()
            };
            verify(&Reader::open(&target)?, &against)?;
            std::fs::remove_file(&raw)?;
            encoded.files.push(target);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(encoded)
    }

    /// Everything, in `work_dir`.
    ///
    /// # Errors
    ///
    /// If the disk is full, or anything comes back changed.
    pub(crate) fn measure(&self, work_dir: &Path) -> anyhow::Result<Baseline> {
        let folder = tempfile::tempdir_in(work_dir)
            .with_context(|| format!("cannot write into `{}` (--work-dir)", work_dir.display()))?;
        let architecture = &self.architecture;
        let tensors = architecture.tensors();
        let shards = shards(&tensors, SHARD_WEIGHTS);
        reset_peak();
        let encoded = self.encode(&shards, folder.path())?;
        let encode_peak_bytes = peak_bytes();
        reset_peak();
        warm(&encoded.files)?;
        let mut buffer = vec![1; BLOCK_BYTES];
        let mut seconds: [Vec<f64>; 3] = Default::default();
        let bar = progress::bar("decoding", usize::try_from(self.runs)?);
        for _ in 0..self.runs {
            seconds[0].push(read_all(&encoded.files, &mut buffer)?);
            seconds[1].push(copy(encoded.raw_bytes, &mut buffer));
            seconds[2].push(decode_all(&encoded.files, &mut buffer)?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        drop(buffer);
        let decode_peak_bytes = peak_bytes();
        reset_peak();
        let can_load = self.load && self.quant == Quant::Bf16;
        let load = can_load.then(|| load_all(&encoded.files)).transpose()?;
        let [read, copy, decode] = seconds.map(|seconds| Spread::of(seconds.into_iter()));
        Ok(Baseline {
            model: self.name.clone(),
            quant: self.quant.name().to_owned(),
            layers: architecture.layers,
            all_layers: architecture.all_layers,
            shards: shards.len(),
            weights: tensors
                .iter()
                .map(|tensor| tensor.num_weights() as u64)
                .sum(),
            raw_bytes: encoded.raw_bytes,
            coded_bytes: encoded.coded_bytes,
            threads: rayon::current_num_threads(),
            draw_seconds: encoded.draw_seconds,
            encode_seconds: encoded.encode_seconds,
            read,
            copy,
            decode,
            load,
            encode_peak_bytes,
            decode_peak_bytes,
            load_peak_bytes: load.and_then(|_| peak_bytes()),
        })
    }
}

/// Seconds to decode every tensor of the files into the buffer, piece after piece.
fn decode_all(files: &[PathBuf], buffer: &mut [u8]) -> anyhow::Result<f64> {
    let start = Instant::now();
    for path in files {
        let reader = Reader::open(path)?;
        for id in reader.ids() {
            decode_tensor(&reader, id, buffer)?;
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

fn decode_tensor(reader: &Reader, id: TensorId, buffer: &mut [u8]) -> anyhow::Result<()> {
    let info = reader.info(id);
    let rows = info.shape.first().copied().unwrap_or(1);
    let row_bytes = info.raw_bytes / rows.max(1);
    let at_once = (buffer.len() as u64 / row_bytes.max(1)).max(1);
    let mut first = 0;
    while first < rows {
        let last = rows.min(first + at_once);
        let len = usize::try_from((last - first) * row_bytes)?;
        let out = buffer
            .get_mut(..len)
            .context("a row is longer than the buffer")?;
        reader.decode_rows(id, first..last, out)?;
        first = last;
    }
    Ok(())
}

/// Seconds to read the files, with as many threads as decode.
fn read_all(files: &[PathBuf], buffer: &mut [u8]) -> anyhow::Result<f64> {
    let start = Instant::now();
    for path in files {
        let file = FileSource::new(std::fs::File::open(path)?);
        let bytes = file.byte_len()?;
        let mut at = 0;
        while at < bytes {
            let len = buffer.len().min(usize::try_from(bytes - at)?);
            let pieces = buffer[..len].par_chunks_mut(4 << 20).enumerate();
            pieces.try_for_each(|(index, piece)| {
                file.read_exact_at(piece, at + ((index as u64) << 22))
            })?;
            at += len as u64;
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds to copy so many bytes between two halves of the buffer, on every thread.
fn copy(bytes: u64, buffer: &mut [u8]) -> f64 {
    let (from, to) = buffer.split_at_mut(buffer.len() / 2);
    let start = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let pairs = to.par_chunks_mut(4 << 20).zip(from.par_chunks(4 << 20));
        pairs.for_each(|(to, from)| to.copy_from_slice(from));
        left = left.saturating_sub(from.len() as u64);
    }
    start.elapsed().as_secs_f64()
}

/// Seconds to get every tensor as a candle tensor, one after the other.
fn load_all(files: &[PathBuf]) -> anyhow::Result<f64> {
    let start = Instant::now();
    for path in files {
        let loader = WcodecLoader::builder()
            .decode_ahead_bytes(AHEAD_BYTES)
            .open(path)?;
        let weights = loader.var_builder(DType::BF16, &Device::Cpu);
        let names: Vec<String> = loader.names().map(str::to_owned).collect();
        for name in names {
            let info = loader.info(&name).context("a tensor without a header")?;
            let shape: Vec<usize> = info
                .shape
                .iter()
                .map(|dim| usize::try_from(*dim))
                .collect::<Result<_, _>>()?;
            drop(weights.get(Shape::from(shape), &name)?);
        }
        loader.finish()?;
    }
    Ok(start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Checkpoint;

    fn spec(quant: Quant) -> Spec {
        Spec {
            name: "small".into(),
            architecture: Architecture::small(),
            quant,
            seed: 3,
            effort: EffortArg::Fast,
            runs: 1,
            load: true,
        }
    }

    #[test]
    fn a_small_model_is_drawn_encoded_decoded_and_loaded() {
        let folder = tempfile::tempdir().unwrap();
        for (quant, raw, coded) in [
            (Quant::Bf16, 16.0..16.2, 10.4..10.9),
            (Quant::Int8, 8.0..8.4, 7.2..7.9),
            (Quant::Int4, 4.1..4.4, 3.2..3.8),
            (Quant::Fp8, 8.0..8.4, 6.4..6.9),
        ] {
            let baseline = spec(quant).measure(folder.path()).unwrap();
            let bits = |bytes: u64| 8.0 * bytes as f64 / baseline.weights as f64;
            assert!(
                raw.contains(&bits(baseline.raw_bytes)),
                "{quant:?}: {}",
                bits(baseline.raw_bytes)
            );
            assert!(
                coded.contains(&bits(baseline.coded_bytes)),
                "{quant:?}: {}",
                bits(baseline.coded_bytes)
            );
            assert!(
                baseline.decode.median > 0.0 && baseline.load.is_some() == (quant == Quant::Bf16)
            );
            assert!(baseline.title().contains("2 of 2 layers"));
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "nothing is left behind"
        );
    }

    #[test]
    fn a_written_folder_is_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        spec(Quant::Bf16).write_folder(folder.path()).unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let config = checkpoint.config(None).unwrap();
        let llama = checkpoint.llama(&config, DType::F32, &Device::Cpu).unwrap();
        assert_eq!(llama.hidden(&[1, 2, 3]).unwrap().dims(), [1, 3, 256]);
    }
}
