//! Encoding beside the peers: `cargo bench -p wcodec-benches --bench encode`.
#![allow(missing_docs, reason = "criterion's macros define undocumented items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wcodec_benches::{Format, Input, Wcodec, done, peers, pools};

/// Bytes of an input, about.
const RAW_BYTES: usize = 12 << 20;

fn encode(criterion: &mut Criterion, format: Format) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let input = Input::write(format, RAW_BYTES, folder.path())?;
    let mut group = criterion.benchmark_group(format!("encode/{format}"));
    group
        .throughput(Throughput::Bytes(input.raw().len() as u64))
        .sample_size(10);
    let mut codecs = peers(format);
    codecs.push(Box::new(Wcodec::default()));
    for codec in &mut codecs {
        codec.verify(&input, &mut vec![0; input.raw().len()])?;
        let name = codec.name();
        for pool in pools()? {
            let threads = pool.current_num_threads();
            group.bench_function(format!("{name}/{threads}"), |bencher| {
                bencher.iter(|| done(pool.install(|| codec.encode(&input))));
            });
        }
    }
    group.finish();
    Ok(())
}

fn all(criterion: &mut Criterion) {
    for format in Format::ALL {
        if let Err(error) = encode(criterion, format) {
            eprintln!("bench skipped: {error:#}");
        }
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
