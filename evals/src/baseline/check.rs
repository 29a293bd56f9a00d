//! Comparing what is to be timed with its source, in bounded memory.

use super::timed::{BLOCK_BYTES, PIECE_BYTES, decode_file, load_file};
use crate::load::Header;
use anyhow::{Context, bail, ensure};
use candle_core::{CpuStorage, Storage, Tensor};
use rayon::prelude::*;
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use wcodec::checkpoint::{VerifyOptions, verify};
use wcodec::container::FileSource;
use wcodec::{ReadAt, Reader};

/// Compares a coded file with the safetensors file `raw` that it was made of: the whole file restored, every tensor
/// decoded as it will be timed, and, if asked for, every tensor that candle gets.
///
/// # Errors
///
/// If a file cannot be read, or anything comes back changed.
pub(super) fn check(coded: &Path, raw: &Path, loaded: bool) -> anyhow::Result<()> {
    let against = VerifyOptions {
        against: Some(raw),
        ..Default::default()
    };
    verify(&Reader::open(coded)?, &against)?;
    check_decoded(coded, raw)?;
    if loaded {
        check_loaded(coded, raw)?;
    }
    Ok(())
}

fn check_decoded(coded: &Path, raw: &Path) -> anyhow::Result<()> {
    let source = Source::open(raw)?;
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut compared = 0;
    decode_file(coded, &mut buffer, |name, at, bytes| {
        compared += bytes.len() as u64;
        source.compare(name, at, bytes)
    })?;
    source.check_all(compared)
}

fn check_loaded(coded: &Path, raw: &Path) -> anyhow::Result<()> {
    let source = Source::open(raw)?;
    let mut compared = 0;
    load_file(coded, |name, tensor| {
        compared += source.compare_tensor(name, tensor)?;
        Ok(())
    })?;
    source.check_all(compared)
}

/// The uncompressed file, and where its tensors are.
struct Source {
    file: FileSource,
    tensors: HashMap<String, Range<u64>>,
}

impl Source {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let file = FileSource::new(File::open(path)?);
        let tensors = Header::read(&file)?.tensors.into_iter();
        Ok(Self {
            tensors: tensors.map(|entry| (entry.name, entry.bytes)).collect(),
            file,
        })
    }

    /// Compares bytes with those of the tensor from byte `at` on.
    fn compare(&self, name: &str, at: u64, bytes: &[u8]) -> anyhow::Result<()> {
        let tensor = self.tensors.get(name);
        let tensor = tensor.with_context(|| format!("tensor `{name}` is not in the source"))?;
        let start = tensor.start + at;
        ensure!(
            start + bytes.len() as u64 <= tensor.end,
            "tensor `{name}` is longer than its source"
        );
        let pieces = bytes.par_chunks(PIECE_BYTES).enumerate();
        pieces.try_for_each_init(Vec::new, |source, (index, piece)| {
            source.resize(piece.len(), 0);
            let offset = start + (index * PIECE_BYTES) as u64;
            self.file.read_exact_at(source, offset)?;
            ensure!(source == piece, "tensor `{name}` is not what was encoded");
            Ok(())
        })
    }

    /// Compares a whole tensor of BF16; its bytes.
    fn compare_tensor(&self, name: &str, tensor: &Tensor) -> anyhow::Result<u64> {
        let (storage, layout) = tensor.storage_and_layout();
        let (Storage::Cpu(CpuStorage::BF16(elements)), Some((first, last))) =
            (&*storage, layout.contiguous_offsets())
        else {
            bail!("tensor `{name}` is not BF16 in one piece");
        };
        let elements = elements.get(first..last).context("no such elements")?;
        let bytes: &[u8] = bytemuck::cast_slice(elements);
        self.compare(name, 0, bytes)?;
        Ok(bytes.len() as u64)
    }

    /// Every byte of every tensor must have been compared.
    fn check_all(&self, compared: u64) -> anyhow::Result<()> {
        let lengths = self.tensors.values().map(|bytes| bytes.end - bytes.start);
        ensure!(compared == lengths.sum::<u64>(), "tensors are missing");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Float, safetensors_file};
    use wcodec::checkpoint::{ImportOptions, import};

    #[test]
    fn one_changed_or_missing_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (raw, coded) = (
            folder.path().join("m.safetensors"),
            folder.path().join("m.wcodec"),
        );
        let values: Vec<f32> = (0..60_000u16).map(|i| f32::from(i % 251) / 7.0).collect();
        let tensors = ["a", "b"].map(|name| Float::Bf16.tensor(name, &[600, 100], &values));
        let good = safetensors_file(&tensors).unwrap();
        std::fs::write(&raw, &good).unwrap();
        import(&raw, &coded, &ImportOptions::default()).unwrap();
        check(&coded, &raw, true).unwrap();

        let middle = good.len() - 60_000;
        for at in [good.len() - 1, middle] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&raw, bad).unwrap();
            for found in [check_decoded(&coded, &raw), check_loaded(&coded, &raw)] {
                let words = found.unwrap_err().to_string();
                assert_eq!(words, "tensor `b` is not what was encoded", "{at}");
            }
            assert!(check(&coded, &raw, false).is_err());
        }
        std::fs::write(&raw, safetensors_file(&tensors[..1]).unwrap()).unwrap();
        assert!(check_decoded(&coded, &raw).is_err(), "one too many");
        let more = Float::Bf16.tensor("c", &[1], &[1.0]);
        let [a, b] = tensors;
        std::fs::write(&raw, safetensors_file(&[a, b, more]).unwrap()).unwrap();
        let words = check_loaded(&coded, &raw).unwrap_err().to_string();
        assert_eq!(words, "tensors are missing");
    }
}
