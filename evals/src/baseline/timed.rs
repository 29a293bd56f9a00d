//! What is timed, and checked before by the same functions.

use anyhow::Context;
use candle_core::{DType, Device, Shape, Tensor};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Instant;
use wcodec::container::FileSource;
use wcodec::{ReadAt, Reader, TensorId};
use wcodec_candle::WcodecLoader;

/// Decoded bytes that are in memory at a time.
pub(super) const BLOCK_BYTES: usize = 64 << 20;
/// Bytes that one thread reads or copies at a time.
pub(super) const PIECE_BYTES: usize = 4 << 20;
/// Bytes that the loader decodes ahead.
const AHEAD_BYTES: u64 = 64 << 20;

/// Seconds to decode every tensor of the files into the buffer, piece after piece.
///
/// # Errors
///
/// If a file cannot be read or decoded.
pub(super) fn decode_all(files: &[PathBuf], buffer: &mut [u8]) -> anyhow::Result<f64> {
    let start = Instant::now();
    for path in files {
        decode_file(path, buffer, |_, _, _| Ok(()))?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Decodes every tensor of a file into the buffer, piece after piece, and shows each piece: the tensor's name, the
/// first byte's place in it, the bytes.
///
/// # Errors
///
/// If the file cannot be read or decoded, and whatever `show` meets.
pub(super) fn decode_file(
    path: &Path,
    buffer: &mut [u8],
    mut show: impl FnMut(&str, u64, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let reader = Reader::open(path)?;
    for id in reader.ids() {
        let name = &reader.info(id).name;
        decode_tensor(&reader, id, buffer, |at, bytes| show(name, at, bytes))?;
    }
    Ok(())
}

fn decode_tensor(
    reader: &Reader,
    id: TensorId,
    buffer: &mut [u8],
    mut show: impl FnMut(u64, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
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
        show(first * row_bytes, out)?;
        first = last;
    }
    Ok(())
}

/// Seconds to read the files, with as many threads as decode.
///
/// # Errors
///
/// Whatever reading meets.
pub(super) fn read_all(files: &[PathBuf], buffer: &mut [u8]) -> anyhow::Result<f64> {
    let start = Instant::now();
    for path in files {
        let file = FileSource::new(std::fs::File::open(path)?);
        let bytes = file.byte_len()?;
        let mut at = 0;
        while at < bytes {
            let len = buffer.len().min(usize::try_from(bytes - at)?);
            let pieces = buffer[..len].par_chunks_mut(PIECE_BYTES).enumerate();
            pieces.try_for_each(|(index, piece)| {
                file.read_exact_at(piece, at + (index * PIECE_BYTES) as u64)
            })?;
            at += len as u64;
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds to copy so many bytes between two halves of the buffer, on every thread.
pub(super) fn copy(bytes: u64, buffer: &mut [u8]) -> f64 {
    let (from, to) = buffer.split_at_mut(buffer.len() / 2);
    let start = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let pairs = to
            .par_chunks_mut(PIECE_BYTES)
            .zip(from.par_chunks(PIECE_BYTES));
        pairs.for_each(|(to, from)| to.copy_from_slice(from));
        left = left.saturating_sub(from.len() as u64);
    }
    start.elapsed().as_secs_f64()
}

/// Seconds to get every tensor as a candle tensor, one after the other.
///
/// # Errors
///
/// If a file cannot be read or decoded.
pub(super) fn load_all(files: &[PathBuf]) -> anyhow::Result<f64> {
    let start = Instant::now();
    for path in files {
        load_file(path, |_, _| Ok(()))?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Gets every tensor of a file as a candle tensor, as stored, one after the other, and shows each.
///
/// # Errors
///
/// If the file cannot be read or decoded, and whatever `show` meets.
pub(super) fn load_file(
    path: &Path,
    mut show: impl FnMut(&str, &Tensor) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let loader = WcodecLoader::builder()
        .decode_ahead_bytes(AHEAD_BYTES)
        .open(path)?;
    let weights = loader.var_builder(DType::BF16, &Device::Cpu);
    let names: Vec<String> = loader.names().map(str::to_owned).collect();
    for name in names {
        let info = loader.info(&name).context("a tensor without a header")?;
        let dims = info.shape.iter().map(|dim| usize::try_from(*dim));
        let shape: Vec<usize> = dims.collect::<Result<_, _>>()?;
        show(&name, &weights.get(Shape::from(shape), &name)?)?;
    }
    loader.finish()?;
    Ok(())
}
