//! Loading a checkpoint into candle, its file in the page cache: `cargo bench -p wcodec-benches --bench load`.
//!
//! The report also loads a model of a billion weights, in processes of their own, and from a cold file.
#![allow(missing_docs, reason = "criterion's macros define undocumented items")]

use candle_core::DType;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::path::Path;
use wcodec::checkpoint::{ImportOptions, import};
use wcodec_benches::loading::{Loader, real_model, verify, wanted};
use wcodec_benches::{done, llama};

fn load(criterion: &mut Criterion) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let safetensors = match real_model(folder.path())? {
        Some(path) => path,
        None => {
            let path = folder.path().join("generated.safetensors");
            llama::write(1, &path)?;
            path
        }
    };
    let encoded = folder.path().join("model.wcodec");
    import(&safetensors, &encoded, &ImportOptions::default())?;
    for (name, dtype) in [("f32", DType::F32), ("native", DType::BF16)] {
        compare(criterion, name, dtype, [&safetensors, &encoded])?;
    }
    Ok(())
}

fn compare(
    criterion: &mut Criterion,
    name: &str,
    dtype: DType,
    [safetensors, encoded]: [&Path; 2],
) -> anyhow::Result<()> {
    let wanted = wanted(encoded)?;
    let bytes = verify(safetensors, encoded, dtype, &wanted)?;
    let mut group = criterion.benchmark_group(format!("load/{name}"));
    group.throughput(Throughput::Bytes(bytes)).sample_size(20);
    for (loader, path) in [(Loader::Candle, safetensors), (Loader::Wcodec, encoded)] {
        group.bench_function(loader.to_string(), |bencher| {
            // What is returned is dropped outside the timed region.
            bencher.iter_batched(
                || (),
                |()| done(loader.load(path, dtype, &wanted)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    Ok(())
}

fn all(criterion: &mut Criterion) {
    if let Err(error) = load(criterion) {
        eprintln!("bench skipped: {error:#}");
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
