//! Tensors out of an open container.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::part::{ChunkedPart, usize_of};
use super::{Reader, read_checked};
use crate::Dtype;
use crate::container::index::{Region, TensorId, TensorInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::samples::{FloatElement, Number, Sample, with_sample};
use crate::tensor::{Method, PartEntry, Truncation};
use std::ops::Range;

/// Samples of a part, and where they go.
struct Wanted<'a, T> {
    samples: Range<usize>,
    /// Stored planes to read, most significant first.
    num_planes: usize,
    out: &'a mut [T],
}

/// More than there are.
const ALL_PLANES: usize = usize::MAX;

impl Reader {
    /// Decodes a tensor's bytes, as they were in the safetensors file, into `out`.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if `out` is not exactly [`TensorInfo::raw_bytes`] long; otherwise the error of a damaged
    /// chunk, with its tensor and number, or `Io`. `out` then holds unspecified bytes.
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub fn decode_bytes(&self, id: TensorId, out: &mut [u8]) -> Result<()> {
        let info = self.info(id);
        if out.len() as u64 != info.raw_bytes {
            let what = "the buffer is not as long as the tensor";
            return Err(self.tensor_error(info, ErrorKind::InvalidArgument { what }.into()));
        }
        self.decode_range(id, 0, out)
    }

    /// Decodes rows `rows` (indices of the first dimension) of a tensor into `out`, reading only the chunks they lie
    /// in.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if the tensor has no dimension or fewer rows, if a row is not a whole number of bytes, or
    /// if `out` is not exactly as long as the rows; otherwise as [`decode_bytes`](Self::decode_bytes).
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub fn decode_rows(&self, id: TensorId, rows: Range<u64>, out: &mut [u8]) -> Result<()> {
        let info = self.info(id);
        let invalid = |what| self.tensor_error(info, ErrorKind::InvalidArgument { what }.into());
        let num_rows = *info
            .shape
            .first()
            .ok_or_else(|| invalid("a tensor without dimensions has no rows"))?;
        if rows.start > rows.end || rows.end > num_rows {
            return Err(invalid("the tensor has fewer rows"));
        }
        // A tensor without rows may have rows of any length.
        let mut row_dims = info.shape.iter().skip(1);
        let row_elems = row_dims.try_fold(1u64, |product, &dim| product.checked_mul(dim));
        let row_bytes = row_elems.and_then(|row_elems| info.dtype.bytes_of(row_elems));
        let row_bytes = row_bytes.filter(|bytes| bytes.is_multiple_of(info.sample_bytes() as u64));
        let row_bytes = row_bytes.ok_or_else(|| invalid("a row is not a whole number of bytes"))?;
        // At most the tensor's length, which fits.
        if out.len() as u64 != (rows.end - rows.start) * row_bytes {
            return Err(invalid("the buffer is not as long as the rows"));
        }
        self.decode_range(id, rows.start * row_bytes / info.sample_bytes() as u64, out)
    }

    /// Decodes a float tensor into `out`, one element each, converted in the same pass as candle's cast converts it.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if the tensor is not F16, BF16, F32 or F64, or `out` does not have exactly its elements;
    /// otherwise as [`decode_bytes`](Self::decode_bytes).
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub fn decode_floats<T: FloatElement>(&self, id: TensorId, out: &mut [T]) -> Result<()> {
        self.decode_floats_of(id, ALL_PLANES, out)
    }

    /// Decodes a float tensor from the symbols and the `num_planes` most significant stored planes of its chunks alone:
    /// the lower bits of every element are zero, and their planes are not read. Says how far an element may be off;
    /// that is 0 where no planes are left out. Parts without planes (stored, constant, coded with tools) are decoded
    /// whole.
    ///
    /// What is read is checked but for the planes, which have one checksum together.
    ///
    /// # Errors
    ///
    /// As [`decode_floats`](Self::decode_floats).
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub fn decode_floats_truncated<T: FloatElement>(
        &self,
        id: TensorId,
        num_planes: usize,
        out: &mut [T],
    ) -> Result<Truncation> {
        self.decode_floats_of(id, num_planes, out)?;
        let info = self.info(id);
        let original = info
            .duplicate_of
            .map_or(info, |original| self.info(original));
        Ok(original.truncation(num_planes))
    }

    fn decode_floats_of<T: FloatElement>(
        &self,
        id: TensorId,
        planes: usize,
        out: &mut [T],
    ) -> Result<()> {
        let info = self.info(id);
        if out.len() as u64 != info.num_elems() {
            let what = "the buffer does not have as many elements as the tensor";
            return Err(self.tensor_error(info, ErrorKind::InvalidArgument { what }.into()));
        }
        match info.dtype {
            Dtype::BF16 => self.decode_samples(id, (0, planes), out, &T::from_bf16),
            Dtype::F16 => self.decode_samples(id, (0, planes), out, &T::from_f16),
            Dtype::F32 => self.decode_samples(id, (0, planes), out, &T::from_f32),
            Dtype::F64 => self.decode_samples(id, (0, planes), out, &T::from_f64),
            _ => {
                let what = "not a tensor of F16, BF16, F32 or F64";
                Err(self.tensor_error(info, ErrorKind::InvalidArgument { what }.into()))
            }
        }
    }

    /// Decodes `out.len()` bytes of a tensor from byte `first` on: whole samples, which the tensor has.
    pub(crate) fn decode_byte_range(&self, id: TensorId, first: u64, out: &mut [u8]) -> Result<()> {
        self.decode_range(id, first / self.info(id).sample_bytes() as u64, out)
    }

    fn decode_range(&self, id: TensorId, first_sample: u64, out: &mut [u8]) -> Result<()> {
        with_sample!(self.info(id).sample_bytes(), S => {
            self.decode_samples(id, (first_sample, ALL_PLANES), S::split_bytes_mut(out), &S::to_bytes)
        })
    }

    /// Decodes samples `first..first + out.len()`, which the tensor has, from so many of their planes.
    fn decode_samples<S: Number, T: Send>(
        &self,
        id: TensorId,
        (first, num_planes): (u64, usize),
        mut out: &mut [T],
        convert: &(impl Fn(S) -> T + Sync),
    ) -> Result<()> {
        let named = self.info(id);
        let info = named
            .duplicate_of
            .map_or(named, |original| self.info(original));
        let end = first + out.len() as u64;
        for part in &info.parts {
            let held = info
                .samples_of(&(part.first_chunk..part.first_chunk.saturating_add(part.num_chunks)));
            let wanted = held.start.max(first)..held.end.min(end);
            if wanted.is_empty() {
                continue;
            }
            let (here, rest) =
                std::mem::take(&mut out).split_at_mut(usize_of(wanted.end - wanted.start));
            out = rest;
            let samples = usize_of(wanted.start - held.start)..usize_of(wanted.end - held.start);
            let mut wanted = Wanted {
                samples,
                num_planes,
                out: here,
            };
            self.decode_part(info, part, &mut wanted, convert)
                .map_err(|error| self.tensor_error(named, error))?;
        }
        Ok(())
    }

    /// Decodes samples `wanted` of a part.
    fn decode_part<S: Number, T: Send>(
        &self,
        info: &TensorInfo,
        part: &PartEntry,
        wanted: &mut Wanted<'_, T>,
        convert: &(impl Fn(S) -> T + Sync),
    ) -> Result<()> {
        let Wanted {
            samples,
            num_planes,
            out,
        } = wanted;
        let payload = || {
            let place = Region {
                offset: part.offset,
                len: part.len,
            };
            read_checked(&*self.source, "payload", place, part.crc)
        };
        match part.method {
            Method::Chunked | Method::Tools | Method::Packed => {
                let part = ChunkedPart::open(&*self.source, info, part, *num_planes)?;
                part.decode(samples, out, convert)?;
            }
            Method::Stored => {
                let bytes = payload()?;
                let bytes = bytes.get(samples.start * S::BYTES..).unwrap_or_default();
                for (to, bytes) in out.iter_mut().zip(bytes.chunks_exact(S::BYTES)) {
                    *to = convert(S::from_bytes(bytes));
                }
            }
            Method::Constant => {
                let sample = payload()?.get(..S::BYTES).map_or(S::ZERO, S::from_bytes);
                out.iter_mut().for_each(|to| *to = convert(sample));
            }
        }
        Ok(())
    }

    /// Adds tensor and file to an error.
    pub(crate) fn tensor_error(&self, info: &TensorInfo, error: Error) -> Error {
        self.placed(error.in_tensor(&info.name))
    }
}
