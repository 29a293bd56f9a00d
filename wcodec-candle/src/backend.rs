//! The backend that stands behind a `VarBuilder`.

use crate::ahead::Pipeline;
#[cfg(feature = "cuda")]
use crate::cuda::Devices;
use crate::decode;
use crate::loader::WcodecLoader;
use candle_core::{DType, Device, Error, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use std::path::Path;
use std::sync::Arc;
use wcodec::TensorId;

/// Adds `VarBuilder::from_wcodec`.
pub trait VarBuilderExt: Sized {
    /// Opens a `.wcodec` file with the defaults of [`WcodecLoader`]; its tensors come as `dtype`, on `device`.
    ///
    /// Each tensor equals, bit for bit, the one that `from_mmaped_safetensors` gives from the original checkpoint.
    /// `get` fails as it does there, with these differences: the message for a missing tensor names similar ones, and
    /// a wrong shape is refused before anything is decoded.
    ///
    /// # Errors
    ///
    /// As [`WcodecLoader::open`].
    ///
    /// # Examples
    ///
    /// See the [crate documentation](crate).
    fn from_wcodec(path: impl AsRef<Path>, dtype: DType, device: &Device) -> Result<Self>;
}

impl VarBuilderExt for VarBuilder<'_> {
    fn from_wcodec(path: impl AsRef<Path>, dtype: DType, device: &Device) -> Result<Self> {
        Ok(WcodecLoader::open(path)?.var_builder(dtype, device))
    }
}

/// Serves `get` out of a file, for any number of threads.
pub(crate) struct Backend {
    cpu: Arc<Pipeline>,
    #[cfg(feature = "cuda")]
    cuda: Arc<Devices>,
}

impl Backend {
    pub(crate) fn new(loader: &WcodecLoader) -> Self {
        Self {
            cpu: Arc::clone(loader.cpu()),
            #[cfg(feature = "cuda")]
            cuda: Arc::clone(loader.cuda()),
        }
    }

    fn find(&self, name: &str) -> Result<TensorId> {
        self.cpu.reader().find(name).ok_or_else(|| {
            let near = self.cpu.near_names(name);
            let path = match near.is_empty() {
                true => name.to_owned(),
                false => format!("{name} (did you mean `{}`?)", near.join("`, `")),
            };
            Error::CannotFindTensor { path }.bt()
        })
    }

    /// The tensor on `device`. Where a device has no decoder of its own for it, it gets a copy of the CPU's.
    fn load(&self, id: TensorId, dtype: DType, device: &Device) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if let Device::Cuda(device) = device
            && let Some(tensor) = self.cuda.fetch(id, dtype, device)?
        {
            self.cpu.report(id);
            return Ok(tensor);
        }
        self.cpu.fetch(id, dtype)?.to_device(device)
    }
}

impl SimpleBackend for Backend {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let id = self.find(name)?;
        let info = self.cpu.reader().info(id);
        // In candle's order: whether it loads, whether it casts, whether it has the shape.
        decode::check_dtype(info, dtype)?;
        let got = decode::shape_of(info)?;
        if got != shape {
            let msg = format!("shape mismatch for {name}");
            return Err(Error::UnexpectedShape {
                msg,
                expected: shape,
                got,
            }
            .bt());
        }
        self.load(id, dtype, device)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        let id = self.find(name)?;
        decode::check_dtype(self.cpu.reader().info(id), dtype)?;
        self.load(id, dtype, device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.cpu.reader().find(name).is_some()
    }
}
