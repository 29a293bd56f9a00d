//! Decoding and encoding, every codec in turn, round after round.

use crate::measure::Measure;
use crate::rows::{CodecRow, Spread};
use anyhow::ensure;
use candle_core::{Device, Tensor, WithDType};
use clap::Args;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;
use std::path::Path;
use std::time::Instant;
use wcodec::{Effort, FloatElement};
use wcodec_benches::{Codec, Format, Input, Wcodec, peers, pools};

/// `report codecs`
#[derive(Debug, Args)]
pub(crate) struct CodecArgs {
    #[command(flatten)]
    measure: Measure,
    /// Leave out the peers and the other efforts.
    #[arg(long)]
    ours_only: bool,
}

pub(crate) fn run(args: &CodecArgs) -> anyhow::Result<()> {
    let folder = args.measure.folder()?;
    let short = folder.path().join("short");
    std::fs::create_dir(&short)?;
    let mut writer = csv::Writer::from_writer(std::io::stdout());
    for &format in args.measure.formats() {
        let rounds = args.measure.repetitions as usize;
        let bench = Bench::new(format, args.measure.raw_bytes(), rounds, folder.path())?;
        let mut codecs = bench.codecs(args.ours_only)?;
        let mut rows = bench.decode(&codecs)?;
        // Encoders are slower and no cache flatters them: a fourth of the bytes, half of the rounds.
        let shorter = Bench::new(
            format,
            args.measure.raw_bytes() / 4,
            rounds.div_ceil(2),
            &short,
        )?;
        rows.extend(shorter.encode(&mut codecs)?);
        drop(codecs);
        if format == Format::Bf16 {
            rows.extend(bench.converted()?);
        }
        rows.into_iter().try_for_each(|row| writer.serialize(row))?;
        writer.flush()?;
        std::fs::remove_file(&bench.input.path)?;
        std::fs::remove_file(&shorter.input.path)?;
    }
    Ok(())
}

/// Whose times they are: the codec's name and the length of what it coded.
type Timed = (String, u64, Vec<f64>);

/// Measurements of one input, and how many rounds of them.
struct Bench {
    input: Input,
    sha256: String,
    rounds: usize,
}

impl Bench {
    fn new(format: Format, raw_bytes: usize, rounds: usize, folder: &Path) -> anyhow::Result<Self> {
        let input = Input::write(format, raw_bytes, folder)?;
        Ok(Self {
            sha256: input.sha256(),
            input,
            rounds,
        })
    }

    /// Every codec, its output verified.
    fn codecs(&self, ours_only: bool) -> anyhow::Result<Vec<Box<dyn Codec>>> {
        let mut codecs = peers(self.input.format);
        let mut efforts = vec![Effort::Default, Effort::Fast, Effort::Max];
        if ours_only {
            codecs.truncate(1); // the copy
            efforts.truncate(1);
        }
        for effort in efforts {
            codecs.push(Box::new(Wcodec::new(effort)));
        }
        let mut out = vec![0; self.input.raw().len()];
        for codec in &mut codecs {
            eprint!("{} {}: verifying ...", self.input.format, codec.name());
            codec.verify(&self.input, &mut out)?;
            eprintln!(
                " {:.1} % of raw",
                100.0 * codec.coded_bytes() as f64 / out.len() as f64
            );
        }
        Ok(codecs)
    }

    /// Decodes what the codecs hold, in the format of the checkpoint.
    fn decode(&self, codecs: &[Box<dyn Codec>]) -> anyhow::Result<Vec<CodecRow>> {
        let mut out = vec![1; self.input.raw().len()]; // not zero: the pages exist before they are timed
        let mut rows = Vec::new();
        for pool in pools()? {
            let mut all = vec![Vec::new(); codecs.len()];
            for _ in 0..self.rounds {
                for (codec, seconds) in codecs.iter().zip(&mut all) {
                    seconds.push(time(|| pool.install(|| codec.decode(&mut out)))?);
                }
            }
            let timed = codecs
                .iter()
                .zip(all)
                .map(|(codec, seconds)| (codec.name(), codec.coded_bytes(), seconds));
            rows.extend(self.rows(
                "decode",
                pool.current_num_threads(),
                out.len(),
                timed.collect(),
            ));
        }
        Ok(rows)
    }

    /// Encodes; the codecs then hold this input.
    fn encode(&self, codecs: &mut [Box<dyn Codec>]) -> anyhow::Result<Vec<CodecRow>> {
        let mut out = vec![0; self.input.raw().len()];
        codecs
            .iter_mut()
            .try_for_each(|codec| codec.verify(&self.input, &mut out))?; // and buffers exist before they are timed
        let mut rows = Vec::new();
        for pool in pools()? {
            let mut all = vec![Vec::new(); codecs.len()];
            for _ in 0..self.rounds {
                for (codec, seconds) in codecs.iter_mut().zip(&mut all) {
                    seconds.push(time(|| pool.install(|| codec.encode(&self.input)))?);
                }
            }
            let timed = codecs
                .iter()
                .zip(all)
                .map(|(codec, seconds)| (codec.name(), codec.coded_bytes(), seconds));
            rows.extend(self.rows(
                "encode",
                pool.current_num_threads(),
                self.input.raw().len(),
                timed.collect(),
            ));
        }
        Ok(rows)
    }

    /// BF16 as F32 and as F16, in one pass, beside a cast of weights that were never coded and beside candle's.
    fn converted(&self) -> anyhow::Result<Vec<CodecRow>> {
        let mut codec = Wcodec::default();
        codec.encode(&self.input)?;
        codec.open()?;
        let mut rows = self.converted_to::<f32>("decode as f32", &codec, |from, to| {
            from.convert_to_f32_slice(to)
        })?;
        // Element by element, as candle casts.
        rows.extend(
            self.converted_to::<f16>("decode as f16", &codec, |from, to| {
                for (from, to) in from.iter().zip(to) {
                    *to = f16::from_f32(from.to_f32());
                }
            })?,
        );
        Ok(rows)
    }

    fn converted_to<T>(
        &self,
        operation: &str,
        codec: &Wcodec,
        cast: impl Fn(&[bf16], &mut [T]) + Sync,
    ) -> anyhow::Result<Vec<CodecRow>>
    where
        T: FloatElement + bytemuck::Pod + WithDType,
    {
        const PIECE: usize = 1 << 20;
        eprintln!("{} {operation}: verifying ...", self.input.format);
        let raw: &[bf16] = bytemuck::try_cast_slice(self.input.raw())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let cast = |out: &mut [T]| {
            let pairs = out.par_chunks_mut(PIECE).zip(raw.par_chunks(PIECE));
            pairs.for_each(|(out, raw)| cast(raw, out));
        };
        let mut out = vec![T::zeroed(); raw.len()];
        let mut other = out.clone();
        codec.decode_floats(&mut out)?;
        cast(&mut other);
        let bytes = |slice| bytemuck::cast_slice::<T, u8>(slice);
        ensure!(
            bytes(&out) == bytes(&other),
            "{operation} gives other bits than a cast"
        );
        let mut rows = Vec::new();
        for pool in pools()? {
            let mut seconds = [const { Vec::new() }; 5];
            for _ in 0..self.rounds {
                seconds[0].push(time(|| {
                    pool.install(|| {
                        out.par_chunks_mut(PIECE)
                            .zip(other.par_chunks(PIECE))
                            .for_each(|(to, from)| to.copy_from_slice(from))
                    });
                    Ok(())
                })?);
                seconds[1].push(time(|| {
                    pool.install(|| cast(&mut out));
                    Ok(())
                })?);
                seconds[2].push(time(|| pool.install(|| codec.decode_floats(&mut out)))?);
                // Into memory that nobody has touched, as a loader does.
                let mut fresh = Vec::new();
                seconds[3].push(time(|| {
                    fresh = bytemuck::zeroed_vec::<T>(raw.len());
                    pool.install(|| codec.decode_floats(&mut fresh))
                })?);
                drop(fresh);
                let mut tensor = None;
                seconds[4].push(time(|| {
                    let stored = Tensor::from_slice(raw, raw.len(), &Device::Cpu)?;
                    tensor = Some(stored.to_dtype(T::DTYPE)?);
                    Ok(())
                })?);
                drop(tensor);
            }
            let raw_bytes = self.input.raw().len() as u64;
            let names = [
                ("memcpy", raw_bytes),
                ("cast of raw weights", raw_bytes),
                ("wcodec", codec.coded_bytes()),
                ("wcodec, new memory", codec.coded_bytes()),
                ("candle from_slice, to_dtype", raw_bytes),
            ];
            let timed = names
                .into_iter()
                .zip(seconds)
                .map(|((name, coded), seconds)| (name.to_owned(), coded, seconds));
            rows.extend(self.rows(
                operation,
                pool.current_num_threads(),
                size_of_val(out.as_slice()),
                timed.collect(),
            ));
        }
        Ok(rows)
    }

    /// Rows of one group, the copy's times first.
    fn rows(
        &self,
        operation: &str,
        threads: usize,
        timed_bytes: usize,
        timed: Vec<Timed>,
    ) -> Vec<CodecRow> {
        let memcpy = timed
            .first()
            .map_or(0.0, |(_, _, seconds)| Spread::of(seconds).median);
        let rows = timed.into_iter().map(|(codec, coded_bytes, seconds)| {
            let spread = Spread::of(&seconds);
            let ours = codec.starts_with("wcodec");
            let gb_per_s = timed_bytes as f64 / spread.median / 1e9;
            eprintln!(
                "{:12} {operation:13} {threads} threads  {codec:27} {gb_per_s:7.2} GB/s",
                self.input.format.to_string()
            );
            CodecRow {
                dtype: self.input.format.to_string(),
                path: if ours {
                    wcodec::simd::chosen().to_owned()
                } else {
                    String::new()
                },
                codec,
                threads,
                operation: operation.to_owned(),
                input: self.input.source.clone(),
                input_sha256: self.sha256.clone(),
                raw_bytes: self.input.raw().len() as u64,
                coded_bytes,
                percent_of_raw: 100.0 * coded_bytes as f64 / self.input.raw().len() as f64,
                timed_bytes: timed_bytes as u64,
                repetitions: seconds.len(),
                seconds_median: spread.median,
                seconds_min: spread.min,
                seconds_max: spread.max,
                gb_per_s,
                of_memcpy: memcpy / spread.median,
            }
        });
        rows.collect()
    }
}

/// Seconds that `work` takes.
fn time(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}
