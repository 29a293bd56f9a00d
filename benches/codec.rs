//! Decoding and encoding whole checkpoints, beside a copy of the same bytes: `cargo bench -p wcodec-benches`.
#![allow(missing_docs, reason = "criterion's macros define undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use wcodec::checkpoint;
use wcodec_benches::Input;

type AnyError = Box<dyn std::error::Error>;

/// Thread counts worth a line: one, and all.
fn pools() -> Result<Vec<rayon::ThreadPool>, rayon::ThreadPoolBuildError> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let counts = if all > 1 { vec![1, all] } else { vec![1] };
    counts
        .into_iter()
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build())
        .collect()
}

/// Decodes every tensor into its own dtype's bytes.
fn decode_all(input: &Input, out: &mut [u8]) -> wcodec::Result<()> {
    let mut rest = out;
    for id in input.reader.ids() {
        let len = usize::try_from(input.reader.info(id).raw_bytes).unwrap_or(usize::MAX);
        let (here, after) = rest.split_at_mut(len);
        input.reader.decode_bytes(id, here)?;
        rest = after;
    }
    Ok(())
}

fn decode(criterion: &mut Criterion) -> Result<(), AnyError> {
    for dtype in ["bf16", "f16", "f32"] {
        let input = Input::open("stories15M-layers", dtype)?;
        let raw_bytes = usize::try_from(input.raw_bytes)?;
        let mut out = vec![0u8; raw_bytes];
        let from = vec![1u8; raw_bytes];
        let mut group = criterion.benchmark_group(format!("decode/{}", input.name));
        group.throughput(Throughput::Bytes(input.raw_bytes));
        group.bench_function("memcpy", |bencher| {
            bencher.iter(|| out.copy_from_slice(black_box(&from)))
        });
        for pool in pools()? {
            let threads = BenchmarkId::new("threads", pool.current_num_threads());
            group.bench_function(threads, |bencher| {
                bencher.iter(|| pool.install(|| decode_all(&input, black_box(&mut out))));
            });
        }
        group.finish();
    }
    Ok(())
}

fn encode(criterion: &mut Criterion) -> Result<(), AnyError> {
    let input = Input::open("stories15M-layers", "bf16")?;
    let target = input.scratch().join("encoded.wcodec");
    let options = checkpoint::ImportOptions {
        replace: true,
        ..Default::default()
    };
    let mut group = criterion.benchmark_group(format!("encode/{}", input.name));
    group
        .throughput(Throughput::Bytes(input.raw_bytes))
        .sample_size(20);
    for pool in pools()? {
        let threads = BenchmarkId::new("threads", pool.current_num_threads());
        group.bench_function(threads, |bencher| {
            bencher.iter(|| pool.install(|| checkpoint::import(&input.source, &target, &options)));
        });
    }
    group.finish();
    Ok(())
}

fn all(criterion: &mut Criterion) {
    for bench in [decode, encode] {
        if let Err(error) = bench(criterion) {
            eprintln!("bench skipped: {error}");
        }
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
