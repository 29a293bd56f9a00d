//! Nothing reads a tensor before it is decoded, whoever reads it, and who asks for one does not wait for that.

use super::inputs::{self, HEAD};
use super::parity::{assert_same, watched};
use super::report::Report;
use super::spin::spin;
use anyhow::{Context, ensure};
use candle_core::{CudaDevice, DType, Device, Tensor};
use std::path::Path;
use wcodec_candle::{LoaderBuilder, WcodecLoader};

/// About a twentieth of a second: far longer than enqueueing everything behind it takes.
pub(super) const LATE_CYCLES: u64 = 100_000_000;
/// Too little for the files loaded here: the ring goes around many times. Enough for each part of them.
const TIGHT_BYTES: u64 = 8 << 20;

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
    for is_tracking in [true, false] {
        for has_stream in [false, true] {
            let name = format!("early: tracking {is_tracking}, own stream {has_stream}");
            report.check(&name, || {
                let device = device(ordinal, is_tracking, has_stream)?;
                early_return(path, &device, is_tracking)
            });
        }
    }
    let device = device(ordinal, true, false)?;
    report.check("ring: reused under load by four threads", || {
        under_load(path, &device)
    });
    Ok(())
}

pub(super) fn device(
    ordinal: usize,
    is_tracking: bool,
    has_stream: bool,
) -> anyhow::Result<Device> {
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

/// Asks for tensors, the head among them, whose decoding has to wait for a kernel that takes long. With event tracking
/// they come while it still runs: nobody waited for them. Without, nobody would: they come when they are decoded.
fn early_return(path: &Path, device: &Device, is_tracking: bool) -> anyhow::Result<String> {
    let loader = WcodecLoader::open(path)?;
    let (there, here) = (
        loader.var_builder(DType::BF16, device),
        loader.var_builder(DType::BF16, &Device::Cpu),
    );
    let cuda = device.as_cuda_device()?;
    // The first one waits for the ring to be made, the first kernel for its module.
    there.get_unchecked("layers.7.norm.weight")?;
    spin(cuda, 1)?;
    device.synchronize()?;
    for name in [HEAD, "layers.0.up.weight", "layers.5.q.weight"] {
        spin(cuda, LATE_CYCLES)?;
        let spun = cuda.cuda_stream().record_event(None)?;
        let tensor = there.get_unchecked(name)?;
        let is_decoded = spun.is_complete();
        ensure!(
            is_decoded != is_tracking,
            "`{name}` came {} it could be decoded",
            if is_decoded { "after" } else { "before" }
        );
        let (used, expected) = (consume(&tensor)?, consume(&here.get_unchecked(name)?)?);
        assert_same(&used, &expected).with_context(|| format!("`{name}`"))?;
    }
    loader.finish()?;
    Ok("3 tensors".into())
}

pub(super) fn tight() -> LoaderBuilder {
    WcodecLoader::builder().device_bytes(TIGHT_BYTES)
}

/// Four threads load all tensors in different orders through a small ring.
fn under_load(path: &Path, device: &Device) -> anyhow::Result<String> {
    let (builder, on_host) = watched(tight());
    let (loader, reference) = (builder.open(path)?, WcodecLoader::open(path)?);
    let (there, here) = (
        loader.var_builder(DType::F32, device),
        reference.var_builder(DType::F32, &Device::Cpu),
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
    on_host.assert_none(&reference)?;
    Ok(format!("{} tensors, 16 times", names.len()))
}
