//! A baseline from drawing to loading.

use super::architecture::{Architecture, shards};
use super::encode::{Encoded, encode};
use super::outcome::Baseline;
use super::shard::Quant;
use super::timed::{BLOCK_BYTES, copy, decode_all, load_all, read_all};
use crate::effort::EffortArg;
use crate::load::{Spread, warm};
use crate::memory::{peak_bytes, reset_peak};
use crate::progress;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// Weights of a shard, about: a shard of BF16 is then below 1 GB.
pub(super) const SHARD_WEIGHTS: usize = 420_000_000;

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

/// Times over and over again, and the memory they took.
struct Decoded {
    read: Spread,
    copy: Spread,
    decode: Spread,
    peak_bytes: Option<u64>,
}

impl Spec {
    /// Whether candle loads it, too: it was asked for, and candle has the dtype.
    pub(super) fn can_load(&self) -> bool {
        self.load && self.quant == Quant::Bf16
    }

    /// Everything, in `work_dir`. What is timed was compared with its source before.
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
        let encoded = encode(self, &shards, folder.path())?;
        warm(&encoded.files)?;
        let decoded = self.decode(&encoded)?;
        reset_peak();
        let loaded = self.can_load().then(|| load_all(&encoded.files));
        let load = loaded.transpose()?;
        let weights = tensors.iter().map(|tensor| tensor.num_weights() as u64);
        Ok(Baseline {
            model: self.name.clone(),
            quant: self.quant.name().to_owned(),
            layers: architecture.layers,
            all_layers: architecture.all_layers,
            shards: shards.len(),
            weights: weights.sum(),
            raw_bytes: encoded.raw_bytes,
            coded_bytes: encoded.coded_bytes,
            threads: rayon::current_num_threads(),
            draw_seconds: encoded.draw_seconds,
            encode_seconds: encoded.encode_seconds,
            read: decoded.read,
            copy: decoded.copy,
            decode: decoded.decode,
            load,
            encode_peak_bytes: encoded.peak_bytes,
            decode_peak_bytes: decoded.peak_bytes,
            load_peak_bytes: load.and_then(|_| peak_bytes()),
        })
    }

    /// Reading, copying and decoding, in turn.
    fn decode(&self, encoded: &Encoded) -> anyhow::Result<Decoded> {
        let files: &[PathBuf] = &encoded.files;
        reset_peak();
        let mut buffer = vec![1; BLOCK_BYTES]; // not zero: all of it is in memory from the start
        let mut seconds: [Vec<f64>; 3] = Default::default();
        let bar = progress::bar("decoding", usize::try_from(self.runs)?);
        for _ in 0..self.runs {
            seconds[0].push(read_all(files, &mut buffer)?);
            seconds[1].push(copy(encoded.raw_bytes, &mut buffer));
            seconds[2].push(decode_all(files, &mut buffer)?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let [read, copy, decode] = seconds.map(|seconds| Spread::of(seconds.into_iter()));
        Ok(Decoded {
            read,
            copy,
            decode,
            peak_bytes: peak_bytes(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Checkpoint;
    use candle_core::{DType, Device};

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
