//! Decoding beside a copy of the same bytes and beside the peers: `cargo bench -p wcodec-benches --bench decode`.
//!
//! `WCODEC_SIMD=scalar cargo bench ...` measures another path; the report measures every path by itself.
#![allow(missing_docs, reason = "criterion's macros define undocumented items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use half::f16;
use std::hint::black_box;
use wcodec_benches::{Codec, Format, Input, Wcodec, done, peers, pools};

/// Bytes of an input, about.
const RAW_BYTES: usize = 32 << 20;

/// In the format of the checkpoint.
fn as_stored(criterion: &mut Criterion, format: Format) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let input = Input::write(format, RAW_BYTES, folder.path())?;
    let mut out = vec![0; input.raw().len()];
    let mut group = criterion.benchmark_group(format!("decode/{format}"));
    group
        .throughput(Throughput::Bytes(input.raw().len() as u64))
        .sample_size(10);
    let mut codecs = peers(format);
    codecs.push(Box::new(Wcodec::default()));
    for codec in &mut codecs {
        codec.verify(&input, &mut out)?;
        let name = named(&**codec);
        for pool in pools()? {
            let threads = pool.current_num_threads();
            group.bench_function(format!("{name}/{threads}"), |bencher| {
                bencher.iter(|| done(pool.install(|| codec.decode(black_box(&mut out)))));
            });
        }
    }
    group.finish();
    Ok(())
}

/// BF16 into the dtype that a program asks for, in one pass.
fn as_floats(criterion: &mut Criterion) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let input = Input::write(Format::Bf16, RAW_BYTES, folder.path())?;
    let elements = input.raw().len() / 2;
    let mut codec = Wcodec::default();
    (&mut codec as &mut dyn Codec).verify(&input, &mut vec![0; input.raw().len()])?;
    let (mut singles, mut halves) = (vec![0f32; elements], vec![f16::ZERO; elements]);
    let mut group = criterion.benchmark_group("decode/bf16-as");
    group.sample_size(10);
    for pool in pools()? {
        let name = format!("{}/{}", named(&codec), pool.current_num_threads());
        group.throughput(Throughput::Bytes(4 * elements as u64));
        group.bench_function(format!("f32/{name}"), |bencher| {
            bencher.iter(|| done(pool.install(|| codec.decode_floats(black_box(&mut singles)))));
        });
        group.throughput(Throughput::Bytes(2 * elements as u64));
        group.bench_function(format!("f16/{name}"), |bencher| {
            bencher.iter(|| done(pool.install(|| codec.decode_floats(black_box(&mut halves)))));
        });
    }
    group.finish();
    Ok(())
}

/// The codec's name, wcodec's with its path.
fn named(codec: &dyn Codec) -> String {
    match codec.name().as_str() {
        "wcodec" => format!("wcodec-{}", wcodec::simd::chosen()),
        name => name.to_owned(),
    }
}

fn all(criterion: &mut Criterion) {
    let stored = Format::ALL.map(|format| as_stored(criterion, format));
    for result in stored.into_iter().chain([as_floats(criterion)]) {
        if let Err(error) = result {
            eprintln!("bench skipped: {error:#}");
        }
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
