//! Loading every tensor of a checkpoint into candle, from safetensors and from `.wcodec`.

use anyhow::{Context, ensure};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use half::{bf16, f16};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};
use wcodec::Reader;
use wcodec_candle::VarBuilderExt;

/// Who loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Loader {
    /// `VarBuilder::from_mmaped_safetensors`.
    Candle,
    /// `VarBuilder::from_wcodec`.
    Wcodec,
}

impl fmt::Display for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Candle => "candle safetensors",
            Self::Wcodec => "wcodec",
        })
    }
}

/// A tensor to ask for.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Wanted {
    name: String,
    shape: Vec<usize>,
}

/// All tensors of a `.wcodec` file, in the order of first use.
///
/// # Errors
///
/// When the file cannot be read.
pub fn wanted(wcodec: &Path) -> anyhow::Result<Vec<Wanted>> {
    let reader = Reader::open(wcodec)?;
    let tensors = reader.tensors().iter().map(|info| {
        let shape = info
            .shape
            .iter()
            .map(|dim| usize::try_from(*dim))
            .collect::<Result<_, _>>()?;
        Ok(Wanted {
            name: info.name.clone(),
            shape,
        })
    });
    tensors.collect()
}

impl Loader {
    /// The builder a model would be made of.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn open(self, path: &Path, dtype: DType) -> anyhow::Result<VarBuilder<'static>> {
        Ok(match self {
            #[expect(
                unsafe_code,
                reason = "memory mapping, as every candle program does it"
            )]
            Self::Candle => {
                // SAFETY: the report and the benches wrote the file and do not change it.
                unsafe { VarBuilder::from_mmaped_safetensors(&[path], dtype, &Device::Cpu)? }
            }
            Self::Wcodec => VarBuilder::from_wcodec(path, dtype, &Device::Cpu)?,
        })
    }

    /// Opens the file, gets every tensor and keeps them all, as a model does; the time from before opening to the last
    /// tensor.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or a tensor not be loaded.
    pub fn load(
        self,
        path: &Path,
        dtype: DType,
        wanted: &[Wanted],
    ) -> anyhow::Result<(Duration, Vec<Tensor>)> {
        let start = Instant::now();
        let builder = self.open(path, dtype)?;
        let tensors = wanted
            .iter()
            .map(|wanted| builder.get(wanted.shape.as_slice(), &wanted.name));
        let tensors = tensors.collect::<candle_core::Result<Vec<_>>>()?;
        Ok((start.elapsed(), tensors))
    }
}

/// Checks that both loaders give the same bits, tensor by tensor; the bytes of all tensors.
///
/// # Errors
///
/// When they do not, or a tensor cannot be loaded.
pub fn verify(
    safetensors: &Path,
    wcodec: &Path,
    dtype: DType,
    wanted: &[Wanted],
) -> anyhow::Result<u64> {
    let theirs = Loader::Candle.open(safetensors, dtype)?;
    let ours = Loader::Wcodec.open(wcodec, dtype)?;
    let mut total = 0;
    for Wanted { name, shape } in wanted {
        let [theirs, ours] = [&theirs, &ours].map(|builder| builder.get(shape.as_slice(), name));
        let (theirs, ours) = (theirs?, ours?);
        ensure!(bits(&theirs)? == bits(&ours)?, "tensor `{name}` differs");
        total += u64::try_from(ours.elem_count() * ours.dtype().size_in_bytes())?;
    }
    Ok(total)
}

/// The bits of every element.
fn bits(tensor: &Tensor) -> anyhow::Result<Vec<u32>> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::F32 => flat
            .to_vec1::<f32>()?
            .into_iter()
            .map(f32::to_bits)
            .collect(),
        DType::F16 => flat
            .to_vec1::<f16>()?
            .into_iter()
            .map(|value| value.to_bits().into())
            .collect(),
        DType::BF16 => flat
            .to_vec1::<bf16>()?
            .into_iter()
            .map(|value| value.to_bits().into())
            .collect(),
        dtype => return Err(anyhow::anyhow!("no comparison of {dtype:?}")),
    })
}

/// Real models to load, if they are there: `stories7m` in BF16.
///
/// # Errors
///
/// When the file cannot be copied.
pub fn real_model(folder: &Path) -> anyhow::Result<Option<std::path::PathBuf>> {
    let source = crate::weights::models().join("stories7m/bf16/model.safetensors");
    if !source.is_file() {
        return Ok(None);
    }
    let copy = folder.join("stories7m.safetensors");
    std::fs::copy(&source, &copy).with_context(|| format!("copying {}", source.display()))?;
    Ok(Some(copy))
}
