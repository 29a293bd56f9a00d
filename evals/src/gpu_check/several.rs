//! Several loads at the same time: on two devices, and twice on one.

use super::inputs;
use super::parity::{assert_same, watched};
use super::report::Report;
use anyhow::{Context, ensure};
use candle_core::cuda_backend::cudarc::driver::CudaContext;
use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Barrier;
use std::time::Instant;
use wcodec_candle::WcodecLoader;

/// A tensor on a device, by name.
type Named = (String, Tensor);

pub(super) fn run(report: &mut Report, ordinal: usize) -> anyhow::Result<()> {
    let files = inputs::layers(8, 1024)?;
    let path = &files.wcodec;
    let num_devices = usize::try_from(CudaContext::device_count()?)?;
    let name = "several: a loader on each of two devices";
    match (0..num_devices).find(|&other| other != ordinal) {
        Some(other) => report.bench(name, || {
            at_once(path, [Device::new_cuda(ordinal)?, Device::new_cuda(other)?])
        }),
        None => report.skip(name, "this machine has one CUDA device"),
    }
    report.bench("several: two loaders on one device", || {
        let device = Device::new_cuda(ordinal)?;
        at_once(path, [device.clone(), device])
    });
    report.bench(
        "several: two loaders, each with its own handle of one device",
        || {
            at_once(
                path,
                [Device::new_cuda(ordinal)?, Device::new_cuda(ordinal)?],
            )
        },
    );
    Ok(())
}

/// Loads a file to both at the same time, then to one after the other; everything is compared.
fn at_once(path: &Path, devices: [Device; 2]) -> anyhow::Result<Value> {
    let barrier = Barrier::new(devices.len());
    let start = Instant::now();
    let together = std::thread::scope(|scope| {
        let load = |device| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                load(path, device)
            })
        };
        let threads = devices.each_ref().map(load);
        threads.map(|thread| {
            let tensors = thread.join();
            tensors.unwrap_or_else(|_| anyhow::bail!("a thread panicked"))
        })
    });
    let together_s = start.elapsed().as_secs_f64();
    for tensors in together {
        compare(path, &tensors?)?;
    }
    let mut alone_s = Vec::new();
    for device in &devices {
        let start = Instant::now();
        let tensors = load(path, device)?;
        alone_s.push(start.elapsed().as_secs_f64());
        compare(path, &tensors)?;
    }
    Ok(json!({
        "wcodec_bytes": std::fs::metadata(path)?.len(),
        "together_s": together_s,
        "alone_s": alone_s,
    }))
}

/// Every tensor of a file, decoded on the device.
fn load(path: &Path, device: &Device) -> anyhow::Result<Vec<Named>> {
    let (builder, on_host) = watched(WcodecLoader::builder());
    let loader = builder.open(path)?;
    let vb = loader.var_builder(DType::BF16, device);
    let get = |name: &str| Ok((name.to_owned(), vb.get_unchecked(name)?));
    let tensors: Vec<Named> = loader.names().map(get).collect::<anyhow::Result<_>>()?;
    loader.finish()?;
    device.synchronize()?;
    on_host.assert_none(&loader)?;
    Ok(tensors)
}

fn compare(path: &Path, tensors: &[Named]) -> anyhow::Result<()> {
    let reference = WcodecLoader::open(path)?;
    let vb = reference.var_builder(DType::BF16, &Device::Cpu);
    ensure!(
        tensors.len() == reference.names().count(),
        "tensors are missing"
    );
    for (name, tensor) in tensors {
        assert_same(tensor, &vb.get_unchecked(name)?).with_context(|| format!("`{name}`"))?;
    }
    Ok(())
}
