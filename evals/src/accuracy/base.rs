//! A model in F32 and in other formats, on one text.

use super::blocks::fields;
use super::formats::Format;
use super::{AccuracyRow, TEXT};
use crate::device::DtypeArg;
use crate::model::{Checkpoint, Llama, write_gguf};
use crate::perplexity::{
    Apart, Difference, Logits, Opened, Quality, REFERENCE, Score, Window, limit,
};
use crate::tensor::{self, Tensor};
use anyhow::{Context, ensure};
use candle_core::quantized::{GgmlDType, gguf_file::Content};
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;
use wcodec::checkpoint::{ImportOptions, Source, import_into};
use wcodec::{Limits, Reader};

/// A model in F32, and what it predicts.
pub(super) struct Base {
    name: String,
    tensors: Vec<Tensor>,
    llama: Llama,
    windows: Vec<Window>,
    logits: Vec<Logits>,
    scores: Vec<Score>,
}

impl Base {
    pub(super) fn load(
        name: &str,
        folder: &Path,
        text: &Path,
        most: Option<usize>,
    ) -> anyhow::Result<Self> {
        let folder = folder.join(name).join("f32");
        let opened = Opened::load(&folder, None, DtypeArg::F32, &Device::Cpu)?;
        let mut windows = opened.windows(None, &text.join(TEXT), REFERENCE)?;
        if let Some(most) = most {
            limit(&mut windows, most);
        }
        let tensors = tensor::read(&folder.join("model.safetensors"))?;
        let mut base = Self {
            name: name.to_owned(),
            tensors,
            llama: opened.llama,
            windows,
            logits: Vec::new(),
            scores: Vec::new(),
        };
        for window in &base.windows {
            let logits = Logits::of(&base.llama, window)?;
            base.scores.extend(logits.scores(window.targets()));
            base.logits.push(logits);
        }
        Ok(base)
    }

    fn num_weights(&self) -> u64 {
        let weights = self
            .tensors
            .iter()
            .map(|tensor| tensor.shape.iter().product::<usize>() as u64);
        weights.sum()
    }

    /// The model in a format: what it predicts, and its sizes. `None` where its rows do not go into the format's
    /// blocks.
    pub(super) fn row(&self, format: Format) -> anyhow::Result<Option<AccuracyRow>> {
        let (llama, stored, raw_bytes) = match format {
            Format::Gguf(dtype) if !self.goes_into(dtype) => return Ok(None),
            Format::Gguf(dtype) => self.gguf(dtype)?,
            Format::Scheme(_) | Format::Float(_) => {
                let (stored, values) = self.stored(format)?;
                let raw_bytes = tensor::safetensors_file(&stored)?.len() as u64;
                (self.llama_of(values)?, stored, raw_bytes)
            }
        };
        let (scores, apart) = self.predict(&llama)?;
        let quality = Quality::of(&scores);
        Ok(Some(AccuracyRow {
            model: self.name.clone(),
            format: format.name(),
            weights: self.num_weights(),
            raw_bytes,
            coded_bytes: coded_bytes(&stored)?,
            quality,
            difference: Difference::of(&self.scores, &scores, &apart),
        }))
    }

    fn predict(&self, llama: &Llama) -> anyhow::Result<(Vec<Score>, Vec<Apart>)> {
        let (mut scores, mut apart) = (Vec::new(), Vec::new());
        for (window, expected) in self.windows.iter().zip(&self.logits) {
            let logits = Logits::of(llama, window)?;
            scores.extend(logits.scores(window.targets()));
            apart.extend(expected.apart(&logits));
        }
        Ok((scores, apart))
    }

    /// The tensors as a file of that format holds them, and the values that they stand for.
    fn stored(&self, format: Format) -> anyhow::Result<(Vec<Tensor>, Vec<Vec<f32>>)> {
        let mut values = Vec::new();
        let mut stored = match format {
            Format::Scheme(scheme) => scheme.checkpoint(&self.tensors)?,
            _ => Vec::new(),
        };
        for tensor in &self.tensors {
            let weights = tensor.weights()?;
            values.push(match format {
                Format::Scheme(scheme) if tensor.is_matrix() => {
                    scheme.as_stored(&weights, tensor.columns())
                }
                Format::Float(float) => {
                    stored.push(float.tensor(&tensor.name, &tensor.shape, &weights));
                    weights.iter().map(|weight| float.round(*weight)).collect()
                }
                _ => weights,
            });
        }
        Ok((stored, values))
    }

    /// The model with other weights.
    fn llama_of(&self, values: Vec<Vec<f32>>) -> anyhow::Result<Llama> {
        let tensors = self.candle_tensors(values)?;
        let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Llama::load(&weights, self.llama.config())
    }

    fn candle_tensors(
        &self,
        values: Vec<Vec<f32>>,
    ) -> anyhow::Result<HashMap<String, candle_core::Tensor>> {
        let tensors = self.tensors.iter().zip(values).map(|(tensor, values)| {
            let candle =
                candle_core::Tensor::from_vec(values, tensor.shape.as_slice(), &Device::Cpu)?;
            Ok((tensor.name.clone(), candle))
        });
        tensors.collect()
    }

    fn goes_into(&self, dtype: GgmlDType) -> bool {
        let mut matrices = self.tensors.iter().filter(|tensor| tensor.is_matrix());
        matrices.all(|tensor| tensor.columns().is_multiple_of(dtype.block_size()))
    }

    /// The model as candle quantises and runs it; the blocks' fields as tensors of their own; the file's length.
    fn gguf(&self, dtype: GgmlDType) -> anyhow::Result<(Llama, Vec<Tensor>, u64)> {
        let values = self
            .tensors
            .iter()
            .map(Tensor::weights)
            .collect::<anyhow::Result<_>>()?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model.gguf");
        write_gguf(
            &self.candle_tensors(values)?,
            self.llama.config(),
            dtype,
            &path,
        )?;
        let checkpoint = Checkpoint::open(&path)?;
        let llama = checkpoint.llama(&checkpoint.config(None)?, DType::F32, &Device::Cpu)?;
        let mut file = std::fs::File::open(&path)?;
        let content = Content::read(&mut file)?;
        let mut stored = Vec::new();
        for name in content.tensor_infos.keys() {
            let tensor = content.tensor(&mut file, name, &Device::Cpu)?;
            stored.extend(fields(
                name,
                tensor.dtype(),
                tensor.shape().dims(),
                &tensor.data()?,
            )?);
        }
        stored.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((llama, stored, path.metadata()?.len()))
    }
}

/// Encodes, decodes, compares; the container's length.
fn coded_bytes(tensors: &[Tensor]) -> anyhow::Result<u64> {
    let bytes = tensor::safetensors_file(tensors)?;
    let source = Source::Safetensors {
        name: "model.safetensors",
        bytes: &bytes,
    };
    let mut container = Cursor::new(Vec::new());
    let summary = import_into(source, &mut container, &ImportOptions::default())?;
    let reader = Reader::new(container.into_inner(), &Limits::default())?;
    for tensor in tensors {
        let id = reader
            .find(&tensor.name)
            .with_context(|| format!("tensor `{}` is gone", tensor.name))?;
        let mut decoded = vec![0; tensor.bytes.len()];
        reader.decode_bytes(id, &mut decoded)?;
        ensure!(
            decoded == tensor.bytes,
            "tensor `{}` came back changed",
            tensor.name
        );
    }
    Ok(summary.file_bytes)
}
