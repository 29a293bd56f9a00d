//! How loads end: nothing is left behind, and what goes wrong is an error that names the tensor.

use super::inputs;
use super::ordering::{LATE_CYCLES, device, tight};
use super::parity::assert_same;
use super::report::Report;
use super::spin::spin;
use anyhow::{Context, ensure};
use candle_core::cuda_backend::cudarc::driver::result;
use candle_core::{DType, Device, Tensor};
use std::path::Path;
use wcodec_candle::WcodecLoader;

/// Device memory that may be missing after a load: what the driver keeps in pools.
const KEPT_BYTES: usize = 64 << 20;

pub(super) fn run(report: &mut Report, ordinal: usize) -> anyhow::Result<()> {
    let files = inputs::layers(8, 512)?;
    let path = &files.wcodec;
    let device = device(ordinal, true, false)?;
    for order in 0..4 {
        report.check(&format!("drops: order {order}"), || {
            drops(path, &device, order)
        });
    }
    report.check("finish: one stream and all memory back", || {
        nothing_left(path, &device)
    });
    report.check("damage: an error that names the tensor", || {
        damage(path, &device)
    });
    report.check("memory: too little of it is an error", || {
        no_memory(&device)
    });
    Ok(())
}

/// Drops loader, `VarBuilder` and tensors in different orders while decoding is late.
fn drops(path: &Path, device: &Device, order: usize) -> anyhow::Result<String> {
    let loader = tight().open(path)?;
    let vb = loader.var_builder(DType::BF16, device);
    let names: Vec<String> = loader.names().map(str::to_owned).collect();
    spin(device.as_cuda_device()?, LATE_CYCLES)?;
    let tensors = names.iter().map(|name| vb.get_unchecked(name));
    let mut tensors: Vec<Tensor> = tensors.collect::<candle_core::Result<_>>()?;
    match order {
        0 => drop((loader, vb)),
        1 => drop((vb, loader)),
        2 => {
            // Most tensors are dropped before they are decoded, then everything else.
            tensors.truncate(3);
            drop((vb, loader));
        }
        _ => std::thread::spawn(move || drop((loader, vb)))
            .join()
            .unwrap_or(()),
    }
    let cpu = WcodecLoader::open(path)?.var_builder(DType::BF16, &Device::Cpu);
    for (name, tensor) in names.iter().zip(&tensors) {
        assert_same(tensor, &cpu.get_unchecked(name)?).with_context(|| format!("`{name}`"))?;
    }
    Ok(format!("{} tensors kept", tensors.len()))
}

/// Loads ten times; afterwards candle is on one stream, and the memory is back.
fn nothing_left(path: &Path, device: &Device) -> anyhow::Result<String> {
    let context = device.as_cuda_device()?.cuda_stream().context().clone();
    // What earlier checks dropped may still be ending.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let mut free = Vec::new();
    for _ in 0..10 {
        let loader = WcodecLoader::open(path)?;
        let vb = loader.var_builder(DType::BF16, device);
        let tensors = loader.names().map(|name| vb.get_unchecked(name));
        let tensors: Vec<Tensor> = tensors.collect::<candle_core::Result<_>>()?;
        ensure!(
            context.is_in_multi_stream_mode(),
            "nobody would wait for the tensors"
        );
        loader.finish()?;
        ensure!(
            !context.is_in_multi_stream_mode(),
            "streams are left after `finish`"
        );
        drop(tensors);
        device.synchronize()?;
        free.push(result::mem_get_info()?.0);
    }
    let (first, last) = (
        free.first().copied().unwrap_or(0),
        free.last().copied().unwrap_or(0),
    );
    ensure!(
        last + KEPT_BYTES >= first,
        "{first} bytes were free after the first load, {last} after the last"
    );
    Ok(format!("{last} bytes free"))
}

/// One bit of a payload is flipped.
fn damage(path: &Path, device: &Device) -> anyhow::Result<String> {
    let mut bytes = std::fs::read(path)?;
    let reader = wcodec::Reader::open(path)?;
    let name = "layers.3.q.weight";
    let id = reader.find(name).context("no such tensor")?;
    let part = reader.parts(id).into_iter().next().context("no part")?;
    let at = usize::try_from((part.file.start + part.file.end) / 2)?;
    *bytes.get_mut(at).context("no such byte")? ^= 4;
    let loader = WcodecLoader::from_bytes(bytes)?;
    let vb = loader.var_builder(DType::BF16, device);
    let Err(error) = vb.get_unchecked(name) else {
        anyhow::bail!("the damaged tensor was handed out");
    };
    ensure!(
        error.to_string().contains(name),
        "the error does not name the tensor: {error}"
    );
    for other in loader.names().filter(|other| *other != name) {
        vb.get_unchecked(other)?;
    }
    loader.finish()?;
    Ok(error.to_string())
}

/// A device whose memory is taken.
fn no_memory(device: &Device) -> anyhow::Result<String> {
    let files = inputs::layers(1, 64)?;
    // All but a few megabytes are taken, so that the ring does not fit.
    let mut taken = Vec::new();
    for bytes in [1 << 30, 64 << 20, 2 << 20] {
        while let Ok(tensor) = Tensor::zeros(bytes, DType::U8, device) {
            taken.push(tensor);
        }
    }
    device.synchronize()?;
    let loader = WcodecLoader::open(&files.wcodec)?;
    let vb = loader.var_builder(DType::BF16, device);
    let Err(error) = vb.get_unchecked("layers.0.q.weight") else {
        anyhow::bail!("it was loaded all the same");
    };
    drop(taken);
    device.synchronize()?;
    vb.get_unchecked("layers.0.q.weight")
        .context("with enough memory again")?;
    loader.finish()?;
    ensure!(
        error.to_string().contains("layers.0.q.weight"),
        "the error does not name the tensor: {error}"
    );
    Ok(error.to_string())
}
