//! Nothing reads a tensor before it is decoded, whoever reads it, and nothing is left behind.

use super::inputs;
use super::parity::assert_same;
use super::report::Report;
use super::spin::spin;
use anyhow::{Context, ensure};
use candle_core::cuda_backend::cudarc::driver::result;
use candle_core::{CudaDevice, DType, Device, Tensor};
use std::path::Path;
use wcodec_candle::{LoaderBuilder, WcodecLoader};

/// About a twentieth of a second: far longer than enqueueing everything behind it takes.
const LATE_CYCLES: u64 = 100_000_000;
/// Too little for the files loaded here: the ring goes around many times.
const TIGHT_BYTES: u64 = 4 << 20;
/// Device memory that may be missing after a load: what the driver keeps in pools.
const KEPT_BYTES: usize = 64 << 20;

/// How a consumer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consumer {
    SameThread,
    OtherThread,
}

pub(super) fn run(report: &mut Report, ordinal: usize) -> anyhow::Result<()> {
    let files = inputs::layers(8, 512)?;
    let path = &files.wcodec;
    for is_tracking in [true, false] {
        for has_stream in [false, true] {
            for consumer in [Consumer::SameThread, Consumer::OtherThread] {
                let name = format!(
                    "ordering: tracking {is_tracking}, own stream {has_stream}, {consumer:?}"
                );
                report.check(&name, || {
                    let device = device(ordinal, is_tracking, has_stream)?;
                    late_decoding(path, &device, consumer)
                });
            }
        }
    }
    let device = device(ordinal, true, false)?;
    report.check("ring: reused under load by four threads", || {
        under_load(path, &device)
    });
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

fn device(ordinal: usize, is_tracking: bool, has_stream: bool) -> anyhow::Result<Device> {
    let device = match has_stream {
        true => Device::new_cuda_with_stream(ordinal)?,
        false => Device::new_cuda(ordinal)?,
    };
    if !is_tracking {
        #[expect(unsafe_code, reason = "the fallback is to be tested")]
        // SAFETY: no tensor exists on this device yet, and each is used on the stream it is allocated on, or after the
        // device was waited for.
        unsafe {
            device.as_cuda_device()?.disable_event_tracking();
        }
    }
    Ok(device)
}

/// What a model makes of a weight.
fn consume(tensor: &Tensor) -> candle_core::Result<Tensor> {
    tensor.to_dtype(DType::F32)?.affine(2.0, 1.0)
}

/// Decodes behind a kernel that takes long, and uses the tensors at once.
fn late_decoding(path: &Path, device: &Device, consumer: Consumer) -> anyhow::Result<String> {
    let loader = WcodecLoader::open(path)?;
    let (there, here) = (
        loader.var_builder(DType::BF16, device),
        loader.var_builder(DType::BF16, &Device::Cpu),
    );
    let cuda = device.as_cuda_device()?;
    for name in loader.names() {
        spin(cuda, LATE_CYCLES / 8)?;
        let tensor = there.get_unchecked(name)?;
        let used = match consumer {
            Consumer::SameThread => consume(&tensor)?,
            Consumer::OtherThread => on_another_thread(&tensor, cuda)?,
        };
        assert_same(&used, &consume(&here.get_unchecked(name)?)?)
            .with_context(|| format!("`{name}`"))?;
    }
    loader.finish()?;
    Ok(format!("{} tensors", loader.names().count()))
}

fn on_another_thread(tensor: &Tensor, device: &CudaDevice) -> anyhow::Result<Tensor> {
    std::thread::scope(|scope| {
        let used = scope.spawn(|| {
            let used = consume(tensor)?;
            // Its result is read by the thread that started this one, on another stream.
            device.cuda_stream().synchronize()?;
            anyhow::Ok(used)
        });
        used.join()
            .unwrap_or_else(|_| anyhow::bail!("the thread panicked"))
    })
}

fn tight() -> LoaderBuilder {
    WcodecLoader::builder().device_bytes(TIGHT_BYTES)
}

/// Four threads load all tensors in different orders through a small ring.
fn under_load(path: &Path, device: &Device) -> anyhow::Result<String> {
    let loader = tight().open(path)?;
    let (there, here) = (
        loader.var_builder(DType::F32, device),
        loader.var_builder(DType::F32, &Device::Cpu),
    );
    let names: Vec<&str> = loader.names().collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (there, here, names) = (there.clone(), here.clone(), &names);
                scope.spawn(move || {
                    for round in 0..4 {
                        for at in 0..names.len() {
                            let name = names[(at * 7 + thread * 5 + round) % names.len()];
                            assert_same(&there.get_unchecked(name)?, &here.get_unchecked(name)?)
                                .with_context(|| format!("`{name}`"))?;
                        }
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for thread in threads {
            thread
                .join()
                .unwrap_or_else(|_| anyhow::bail!("a thread panicked"))?;
        }
        anyhow::Ok(())
    })?;
    loader.finish()?;
    Ok(format!("{} tensors, 16 times", names.len()))
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
