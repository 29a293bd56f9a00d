//! Safetensors run through Zstandard: what one gets without a codec for weights.
//!
//! Frames of at most 4 MiB, none across the border of two tensors, and behind them the table of Zstandard's seekable
//! format, so that frames decode in parallel and `zstd -d` gives the file back.

use super::recorder::Recorder;
use super::safetensors_header::Header;
use super::timeline::Stage;
use anyhow::{Context, ensure};
use rayon::prelude::*;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use wcodec::ReadAt;

/// Longest frame, and the piece of a tensor that is read at a time.
pub(crate) const FRAME_BYTES: u64 = 4 << 20;
const SKIPPABLE_MAGIC: u32 = 0x184D_2A5E;
const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;
/// Count, descriptor and magic.
const FOOTER_BYTES: usize = 9;
/// Magic and length.
const SKIPPABLE_HEADER_BYTES: u64 = 8;
const ENTRY_BYTES: usize = 8;

/// Compresses a safetensors file at `level`; the bytes written.
///
/// # Errors
///
/// If a file cannot be read or written.
pub(crate) fn compress(source: &Path, target: &Path, level: i32) -> anyhow::Result<u64> {
    let file = wcodec::container::FileSource::new(File::open(source)?);
    let header = Header::read(&file).with_context(|| source.display().to_string())?;
    let frames: Vec<Range<u64>> = frames(&header, file.byte_len()?);
    let mut out = BufWriter::new(File::create(target)?);
    let mut table = Vec::new();
    for batch in frames.chunks(64) {
        let coded = batch.par_iter().map(|frame| {
            let mut raw = vec![0; usize::try_from(frame.end - frame.start)?];
            file.read_exact_at(&mut raw, frame.start)?;
            Ok(zstd::bulk::compress(&raw, level)?)
        });
        for (frame, coded) in batch.iter().zip(coded.collect::<anyhow::Result<Vec<_>>>()?) {
            out.write_all(&coded)?;
            table.extend(u32::try_from(coded.len())?.to_le_bytes());
            table.extend(u32::try_from(frame.end - frame.start)?.to_le_bytes());
        }
    }
    let table_bytes = u32::try_from(table.len() + FOOTER_BYTES)?;
    out.write_all(&SKIPPABLE_MAGIC.to_le_bytes())?;
    out.write_all(&table_bytes.to_le_bytes())?;
    out.write_all(&table)?;
    out.write_all(&u32::try_from(frames.len())?.to_le_bytes())?;
    out.write_all(&[0])?; // no checksums
    out.write_all(&SEEKABLE_MAGIC.to_le_bytes())?;
    out.flush()?;
    Ok(target.metadata()?.len())
}

/// The file cut at the borders of its tensors, and each tensor at multiples of [`FRAME_BYTES`].
fn frames(header: &Header, file_bytes: u64) -> Vec<Range<u64>> {
    let mut borders: Vec<u64> = header
        .tensors
        .iter()
        .map(|tensor| tensor.bytes.start)
        .collect();
    borders.extend([0, file_bytes]);
    borders.sort_unstable();
    borders.dedup();
    let mut frames = Vec::new();
    for pair in borders.windows(2) {
        let mut start = pair[0];
        while start < pair[1] {
            let end = pair[1].min(start + FRAME_BYTES);
            frames.push(start..end);
            start = end;
        }
    }
    frames
}

/// One frame: where its bytes are, and whose they are.
#[derive(Debug, Clone)]
struct Frame {
    coded: Range<u64>,
    raw: Range<u64>,
}

/// Reads the uncompressed file.
pub(crate) struct Frames<R> {
    inner: R,
    frames: Vec<Frame>,
    raw_bytes: u64,
    recorder: Option<Arc<Recorder>>,
}

impl<R: ReadAt> Frames<R> {
    /// Reads the table.
    ///
    /// # Errors
    ///
    /// If it is not there, or does not describe the file.
    pub(crate) fn open(inner: R, recorder: Option<Arc<Recorder>>) -> anyhow::Result<Self> {
        let len = inner.byte_len()?;
        let wrong = "not a file of Zstandard's seekable format";
        let footer_at = len.checked_sub(FOOTER_BYTES as u64).context(wrong)?;
        let mut footer = [0; FOOTER_BYTES];
        inner.read_exact_at(&mut footer, footer_at)?;
        let [a, b, c, d, checksums, magic @ ..] = footer;
        ensure!(
            u32::from_le_bytes(magic) == SEEKABLE_MAGIC && checksums == 0,
            wrong
        );
        let count = u64::from(u32::from_le_bytes([a, b, c, d]));
        let table_bytes = count * ENTRY_BYTES as u64;
        let table_at = footer_at.checked_sub(table_bytes).context(wrong)?;
        let mut table = vec![0; usize::try_from(table_bytes)?];
        inner.read_exact_at(&mut table, table_at)?;
        let (mut coded, mut raw) = (0, 0);
        let mut frames = Vec::new();
        for [a, b, c, d, e, f, g, h] in table.as_chunks::<ENTRY_BYTES>().0.iter().copied() {
            let coded_end = coded + u64::from(u32::from_le_bytes([a, b, c, d]));
            let raw_end = raw + u64::from(u32::from_le_bytes([e, f, g, h]));
            frames.push(Frame {
                coded: coded..coded_end,
                raw: raw..raw_end,
            });
            (coded, raw) = (coded_end, raw_end);
        }
        ensure!(coded + SKIPPABLE_HEADER_BYTES == table_at, wrong);
        Ok(Self {
            inner,
            frames,
            raw_bytes: raw,
            recorder,
        })
    }

    /// The frames that hold some of the bytes.
    fn over(&self, bytes: &Range<u64>) -> &[Frame] {
        let first = self
            .frames
            .partition_point(|frame| frame.raw.end <= bytes.start);
        let last = self
            .frames
            .partition_point(|frame| frame.raw.start < bytes.end);
        self.frames.get(first..last).unwrap_or_default()
    }

    fn decode(&self, frame: &Frame, out: &mut [u8]) -> io::Result<()> {
        let len = usize::try_from(frame.coded.end - frame.coded.start).map_err(io::Error::other)?;
        SCRATCH.with_borrow_mut(|scratch| {
            let Scratch { coded, zstd } = scratch;
            if coded.len() < len {
                coded.resize(len, 0);
            }
            let coded = coded.get_mut(..len).ok_or(io::ErrorKind::InvalidData)?;
            self.inner.read_exact_at(coded, frame.coded.start)?;
            let begin = Instant::now();
            let zstd = match zstd {
                Some(zstd) => zstd,
                None => zstd.insert(zstd::bulk::Decompressor::new()?),
            };
            let decoded = zstd.decompress_to_buffer(coded, out)?;
            if let Some(recorder) = &self.recorder {
                recorder.add(Stage::Decode, "frame", begin);
            }
            match decoded {
                decoded if decoded == out.len() => Ok(()),
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        })
    }
}

/// What a thread decodes with, kept from frame to frame as the other loaders keep theirs.
#[derive(Default)]
struct Scratch {
    coded: Vec<u8>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl<R: ReadAt> ReadAt for Frames<R> {
    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.raw_bytes)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let wanted = offset..offset.saturating_add(buf.len() as u64);
        if wanted.end > self.raw_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let place = |at: u64| usize::try_from(at).map_err(io::Error::other);
        for frame in self.over(&wanted) {
            let here = frame.raw.start.max(wanted.start)..frame.raw.end.min(wanted.end);
            let out = &mut buf[place(here.start - offset)?..place(here.end - offset)?];
            if here == frame.raw {
                self.decode(frame, out)?;
            } else {
                let mut whole = vec![0; place(frame.raw.end - frame.raw.start)?];
                self.decode(frame, &mut whole)?;
                let from = place(here.start - frame.raw.start)?;
                out.copy_from_slice(&whole[from..from + out.len()]);
            }
        }
        Ok(())
    }

    fn will_need(&self, offset: u64, len: u64) {
        let frames = self.over(&(offset..offset.saturating_add(len)));
        if let [first, .., last] | [first @ last] = frames {
            self.inner
                .will_need(first.coded.start, last.coded.end - first.coded.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Float, safetensors_file};

    #[test]
    fn every_range_reads_as_it_does_from_the_file() {
        let long: Vec<f32> = (0..1_500_000u32).map(|i| (i % 1000) as f32).collect();
        let tensors = [
            Float::F32.tensor("a", &[3], &[1.0, 2.0, 3.0]),
            Float::F32.tensor("b", &[long.len()], &long),
        ];
        let raw = safetensors_file(&tensors).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (
            folder.path().join("m.safetensors"),
            folder.path().join("m.zst"),
        );
        std::fs::write(&source, &raw).unwrap();
        let bytes = compress(&source, &target, 1).unwrap();
        assert!(bytes < raw.len() as u64);
        let coded = std::fs::read(&target).unwrap();
        assert!(
            zstd::decode_all(&*coded).unwrap() == raw,
            "any zstd reads it"
        );
        let frames = Frames::open(coded.clone(), None).unwrap();
        assert_eq!(frames.byte_len().unwrap(), raw.len() as u64);
        for (offset, len) in [
            (0, 8),
            (8, raw.len() - 8),
            (4_194_300, 5_000),
            (raw.len() - 1, 1),
            (5, 0),
        ] {
            let mut out = vec![0; len];
            frames.read_exact_at(&mut out, offset as u64).unwrap();
            assert!(out == raw[offset..offset + len], "{offset}, {len}");
        }
        assert!(
            frames
                .read_exact_at(&mut [0; 2], raw.len() as u64 - 1)
                .is_err()
        );
        for cut in [0, 5, coded.len() / 2, coded.len() - 1] {
            assert!(Frames::open(coded[..cut].to_vec(), None).is_err(), "{cut}");
        }
    }
}
