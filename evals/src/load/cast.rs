//! From a tensor's bytes in a file to a tensor of candle's, in the dtype asked for.

use super::recorder::Recorder;
use super::safetensors_header::Entry;
use super::timeline::Stage;
use super::zst::FRAME_BYTES;
use anyhow::Context;
use bytemuck::Pod;
use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor, WithDType};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::sync::Arc;
use std::time::Instant;
use wcodec::ReadAt;

/// Loads one tensor after the other, each cast as candle casts it, bit for bit.
pub(super) struct Cast {
    /// What is read at a time where it is cast, in words for the alignment; kept from tensor to tensor, as the other
    /// loaders keep theirs.
    piece: Vec<u64>,
    recorder: Option<Arc<Recorder>>,
}

impl Cast {
    pub(super) fn new(recorder: Option<Arc<Recorder>>) -> Self {
        Self {
            piece: Vec::new(),
            recorder,
        }
    }

    /// Loads a tensor: read straight into its memory where the dtypes are the same, read in pieces and cast in the same
    /// pass among F32, F16 and BF16, and by candle itself where they are others.
    ///
    /// # Errors
    ///
    /// If it cannot be read, does not fit its shape, or candle has no such conversion.
    pub(super) fn load(
        &mut self,
        file: &dyn ReadAt,
        entry: &Entry,
        dtype: DType,
    ) -> anyhow::Result<Tensor> {
        let count = count(entry).context("its length is not that of its shape")?;
        let source = Source { file, entry, count };
        match (entry.dtype, dtype) {
            (Dtype::BF16, DType::BF16) => self.straight::<bf16>(&source),
            (Dtype::F16, DType::F16) => self.straight::<f16>(&source),
            (Dtype::F32, DType::F32) => self.straight::<f32>(&source),
            (Dtype::BF16, DType::F32) => self.cast(&source, bf16::to_f32),
            (Dtype::F16, DType::F32) => self.cast(&source, f16::to_f32),
            (Dtype::F32, DType::BF16) => self.cast(&source, bf16::from_f32),
            (Dtype::F32, DType::F16) => self.cast(&source, f16::from_f32),
            (Dtype::BF16, DType::F16) => {
                self.cast(&source, |value: bf16| f16::from_f32(value.to_f32()))
            }
            (Dtype::F16, DType::BF16) => {
                self.cast(&source, |value: f16| bf16::from_f32(value.to_f32()))
            }
            _ => self.by_candle(&source, dtype),
        }
    }

    fn straight<T: WithDType + Pod>(&self, source: &Source<'_>) -> anyhow::Result<Tensor> {
        let mut out = vec![T::zeroed(); source.count];
        let mut at = source.entry.bytes.start;
        for piece in bytemuck::cast_slice_mut::<T, u8>(&mut out).chunks_mut(piece_bytes()) {
            source.file.read_exact_at(piece, at)?;
            at += piece.len() as u64;
        }
        source.tensor(out)
    }

    fn cast<S: Pod, T: WithDType>(
        &mut self,
        source: &Source<'_>,
        convert: impl Fn(S) -> T,
    ) -> anyhow::Result<Tensor> {
        let most = source
            .count
            .saturating_mul(size_of::<S>())
            .min(piece_bytes());
        if size_of_val(self.piece.as_slice()) < most {
            self.piece.resize(most.div_ceil(size_of::<u64>()), 0);
        }
        let piece: &mut [S] = bytemuck::cast_slice_mut(&mut self.piece);
        let mut out: Vec<T> = Vec::with_capacity(source.count);
        let mut at = source.entry.bytes.start;
        while out.len() < source.count {
            let len = piece.len().min(source.count - out.len());
            let values = &mut piece[..len];
            source
                .file
                .read_exact_at(bytemuck::cast_slice_mut(values), at)?;
            at += (len * size_of::<S>()) as u64;
            let begin = Instant::now();
            out.extend(values.iter().map(|value| convert(*value)));
            if let Some(recorder) = &self.recorder {
                recorder.add(Stage::Copy, &source.entry.name, begin);
            }
        }
        source.tensor(out)
    }

    fn by_candle(&self, source: &Source<'_>, dtype: DType) -> anyhow::Result<Tensor> {
        let entry = source.entry;
        let mut bytes = vec![0; usize::try_from(entry.bytes.end - entry.bytes.start)?];
        source.file.read_exact_at(&mut bytes, entry.bytes.start)?;
        let begin = Instant::now();
        let view = TensorView::new(entry.dtype, entry.shape.clone(), &bytes)?;
        let tensor = view.load(&Device::Cpu)?.to_dtype(dtype)?;
        if let Some(recorder) = &self.recorder {
            recorder.add(Stage::Copy, &entry.name, begin);
        }
        Ok(tensor)
    }
}

/// A tensor in a file, and how many elements it has.
struct Source<'a> {
    file: &'a dyn ReadAt,
    entry: &'a Entry,
    count: usize,
}

impl Source<'_> {
    fn tensor<T: WithDType>(&self, elements: Vec<T>) -> anyhow::Result<Tensor> {
        let shape = self.entry.shape.as_slice();
        Ok(Tensor::from_vec(elements, shape, &Device::Cpu)?)
    }
}

/// Elements of a tensor; none if its bytes are more or fewer than those take.
fn count(entry: &Entry) -> Option<usize> {
    let dims = entry.shape.iter();
    let count = dims.copied().try_fold(1, usize::checked_mul)?;
    let bytes = count.checked_mul(entry.dtype.bitsize())? / 8;
    (bytes as u64 == entry.bytes.end - entry.bytes.start).then_some(count)
}

/// Bytes that are read at a time: a frame, where the file has frames.
fn piece_bytes() -> usize {
    usize::try_from(FRAME_BYTES).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_of_another_length_than_its_shape_is_refused() {
        let entry = |shape: &[usize]| Entry {
            name: "a".into(),
            dtype: Dtype::F16,
            shape: shape.to_vec(),
            bytes: 2..10,
        };
        let file = vec![0u8; 10];
        let mut cast = Cast::new(None);
        let mut load = |shape: &[usize]| cast.load(&file, &entry(shape), DType::F32);
        assert_eq!(load(&[2, 2]).unwrap().dims(), [2, 2]);
        for wrong in [&[5][..], &[3], &[usize::MAX, 3], &[usize::MAX / 8]] {
            assert!(load(wrong).is_err(), "{wrong:?}");
        }
    }
}
