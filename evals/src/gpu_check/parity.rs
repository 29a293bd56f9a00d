//! The bytes on the device are the CPU's, for every tool, dtype and shape.

use super::inputs::{self, DTYPES};
use super::report::Report;
use anyhow::{Context, ensure};
use candle_core::cuda_backend::CudaStorageSlice;
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use safetensors::Dtype;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use wcodec::checkpoint::ImportOptions;
use wcodec::{Effort, Tool};
use wcodec_candle::{Decoded, LoaderBuilder, WcodecLoader};

/// Types that a model asks for.
const ASKED: [DType; 4] = [DType::BF16, DType::F16, DType::F32, DType::F64];

/// How a file is encoded.
fn encodings() -> Vec<(String, ImportOptions<'static>)> {
    let efforts = [
        ("fast", Effort::Fast),
        ("default", Effort::Default),
        ("max", Effort::Max),
    ];
    let efforts = efforts.into_iter().map(|(name, effort)| {
        let options = ImportOptions {
            effort,
            ..ImportOptions::default()
        };
        (format!("effort {name}"), options)
    });
    let tools = Tool::ALL.into_iter().map(|tool| {
        let options = ImportOptions {
            only: Some(tool),
            ..ImportOptions::default()
        };
        (format!("only {tool:?}"), options)
    });
    efforts.chain(tools).collect()
}

pub(super) fn run(report: &mut Report, device: &Device) -> anyhow::Result<()> {
    for (encoding, options) in encodings() {
        for dtype in DTYPES {
            report.check(&format!("parity: {dtype:?}, {encoding}"), || {
                let files = inputs::of_dtype(dtype, &options)?;
                let mut compared = 0;
                for asked in asked_of(dtype) {
                    let may_leave_out = !has_kernel(dtype, asked);
                    compared += compare(&files.wcodec, asked, device, may_leave_out)
                        .with_context(|| format!("as {asked:?}"))?;
                }
                Ok(format!("{compared} tensors"))
            });
        }
    }
    Ok(())
}

/// The type itself and the floats that candle casts it to.
fn asked_of(dtype: Dtype) -> Vec<DType> {
    let own = match dtype {
        Dtype::U8 => DType::U8,
        Dtype::U16 | Dtype::U32 => DType::U32,
        Dtype::I16 => DType::I16,
        Dtype::I32 => DType::I32,
        Dtype::I64 => DType::I64,
        Dtype::F8_E4M3 => DType::F8E4M3,
        // candle keeps these as bytes and casts them to nothing.
        Dtype::F8_E8M0 => return vec![DType::F8E8M0],
        Dtype::F6_E2M3 => return vec![DType::F6E2M3],
        Dtype::F6_E3M2 => return vec![DType::F6E3M2],
        Dtype::F4 => return vec![DType::F4],
        _ => return ASKED.to_vec(),
    };
    vec![own, DType::F32]
}

/// Whether the kernels give a stored type as the one asked for, so that nothing is left to the host.
fn has_kernel(stored: Dtype, asked: DType) -> bool {
    let floats = [DType::BF16, DType::F16, DType::F32];
    match stored {
        Dtype::BF16 | Dtype::F16 | Dtype::F32 => floats.contains(&asked),
        Dtype::F64 => asked == DType::F64,
        Dtype::U16 => false,
        _ => asked_of(stored).first() == Some(&asked),
    }
}

/// Compares every tensor of a file, all handed out before the first is looked at; how many there were. Unless some
/// `may_be_left` to the host, all that hold anything have to be decoded on the device.
fn compare(path: &Path, dtype: DType, device: &Device, may_be_left: bool) -> anyhow::Result<usize> {
    let (builder, on_host) = watched(WcodecLoader::builder());
    let loader = builder.open(path)?;
    let reference = WcodecLoader::open(path)?;
    let (there, here) = (
        loader.var_builder(dtype, device),
        reference.var_builder(dtype, &Device::Cpu),
    );
    let names: Vec<&str> = loader.names().collect();
    let on_device = names.iter().map(|name| there.get_unchecked(name));
    let on_device: Vec<Tensor> = on_device.collect::<candle_core::Result<_>>()?;
    for (name, tensor) in names.iter().zip(&on_device) {
        let expected = here.get_unchecked(name)?;
        ensure!(
            tensor.dims() == expected.dims(),
            "`{name}` has the wrong shape"
        );
        assert_same(tensor, &expected).with_context(|| format!("`{name}`"))?;
    }
    loader.finish()?;
    if !may_be_left {
        on_host.assert_none(&reference)?;
    }
    Ok(names.len())
}

/// Names of tensors that were decoded on the host.
pub(super) struct OnHost(Arc<Mutex<Vec<String>>>);

/// A loader that notes what it decodes on the host.
pub(super) fn watched(builder: LoaderBuilder) -> (LoaderBuilder, OnHost) {
    let on_host = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&on_host);
    let note = move |decoded: Decoded<'_>| {
        if decoded.on_device {
            return;
        }
        let mut names = seen.lock().unwrap_or_else(PoisonError::into_inner);
        names.push(decoded.name.to_owned());
    };
    (builder.on_decoded(note), OnHost(on_host))
}

impl OnHost {
    /// # Errors
    ///
    /// If a tensor that holds anything was decoded on the host. `loader` is another one of the same file.
    pub(super) fn assert_none(&self, loader: &WcodecLoader) -> anyhow::Result<()> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|name| loader.info(name).is_some_and(|info| info.raw_bytes > 0));
        ensure!(left.is_empty(), "{left:?} were decoded on the host");
        Ok(())
    }
}

/// Compares a tensor on a device with one on the CPU, bit by bit.
///
/// # Errors
///
/// If they differ.
pub(super) fn assert_same(tensor: &Tensor, expected: &Tensor) -> anyhow::Result<()> {
    ensure!(
        tensor.dtype() == expected.dtype(),
        "{:?} instead of {:?}",
        tensor.dtype(),
        expected.dtype()
    );
    let (found, expected) = (bytes_of(tensor)?, bytes_of(expected)?);
    ensure!(
        found.len() == expected.len(),
        "{} bytes instead of {}",
        found.len(),
        expected.len()
    );
    let differs = found
        .iter()
        .zip(&expected)
        .position(|(found, expected)| found != expected);
    if let Some(at) = differs {
        let num = found
            .iter()
            .zip(&expected)
            .filter(|(found, expected)| found != expected)
            .count();
        anyhow::bail!("{num} of {} bytes differ, the first at {at}", found.len());
    }
    Ok(())
}

/// The bytes of a tensor.
fn bytes_of(tensor: &Tensor) -> anyhow::Result<Vec<u8>> {
    if let Some(bytes) = opaque_bytes_of(tensor)? {
        return Ok(bytes);
    }
    let mut bytes = Vec::new();
    tensor
        .to_device(&Device::Cpu)?
        .write_bytes(&mut bytes)
        .or_else(|_| -> candle_core::Result<()> {
            // candle writes no F8: the bits are exact in F32.
            let tensor = tensor.to_device(&Device::Cpu)?;
            tensor.to_dtype(DType::F32)?.write_bytes(&mut bytes)
        })?;
    Ok(bytes)
}

/// The bytes of a tensor of a type that candle only stores: it copies none of these from a device, and writes none.
fn opaque_bytes_of(tensor: &Tensor) -> anyhow::Result<Option<Vec<u8>>> {
    use CudaStorageSlice as Slice;
    let (storage, _) = tensor.storage_and_layout();
    Ok(match &*storage {
        Storage::Cpu(
            CpuStorage::F4(bytes)
            | CpuStorage::F6E2M3(bytes)
            | CpuStorage::F6E3M2(bytes)
            | CpuStorage::F8E8M0(bytes),
        ) => Some(bytes.clone()),
        Storage::Cuda(storage) => match &storage.slice {
            Slice::F4(bytes)
            | Slice::F6E2M3(bytes)
            | Slice::F6E3M2(bytes)
            | Slice::F8E8M0(bytes) => {
                let stream = storage.device.cuda_stream();
                let bytes = stream.clone_dtoh(bytes)?;
                stream.synchronize()?;
                Some(bytes)
            }
            _ => None,
        },
        _ => None,
    })
}
