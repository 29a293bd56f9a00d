//! Loads `.wcodec` files into candle.
//!
//! [`VarBuilderExt::from_wcodec`] stands where `from_mmaped_safetensors` stood, and every tensor is bit for bit the
//! one that call gives, in whatever dtype is asked for. [`WcodecLoader`] is the handle behind it, for those who
//! want names, config.json, progress or their own bounds.
//!
//! - A tensor decodes straight into the memory that candle takes over, on a thread pool of the loader's own.
//!   BF16, F16, F32 and F64 become BF16, F16 or F32 in the same pass; any other cast is candle's own, afterwards.
//! - Once a layer has been asked for, the same tensors of the layers behind it are decoded ahead, within
//!   [a budget](LoaderBuilder::decode_ahead_bytes). What no model of this form asks for is never decoded.
//! - Nothing is kept of a tensor that was handed out: asked for again, it is decoded again.
//! - Opening checks the header and the index. A damaged chunk is the error of the `get` that asks for its tensor.
//!
//! With feature `cuda`, a CUDA device decodes for itself: `get` returns when its tensor's decoding is enqueued, and
//! candle's work waits for it. [`WcodecLoader::finish`] ends that state. Any other device, and what the kernels have no
//! form for, gets the tensor that was decoded on the CPU.
//!
//! # Examples
//!
//! ```
//! use candle_core::{DType, Device};
//! use candle_nn::VarBuilder;
//! use wcodec_candle::VarBuilderExt;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let source = folder.path().join("model.safetensors");
//! # let weight = candle_core::Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu)?.to_dtype(DType::BF16)?;
//! # candle_core::safetensors::save(&[("proj.weight".to_string(), weight)].into(), &source)?;
//! # let path = folder.path().join("model.wcodec");
//! # wcodec::checkpoint::import(&source, &path, &wcodec::checkpoint::ImportOptions::default())?;
//! let vb = VarBuilder::from_wcodec(&path, DType::F32, &Device::Cpu)?;
//! let proj = candle_nn::linear_no_bias(2, 2, vb.pp("proj"))?;
//! assert_eq!(proj.weight().to_vec2::<f32>()?, [[1.0, 2.0], [3.0, 4.0]]);
//! # Ok(())
//! # }
//! ```

mod ahead;
mod backend;
mod builder;
#[cfg(feature = "cuda")]
mod cuda;
mod decode;
#[cfg(any(test, feature = "cuda"))]
mod device;
mod events;
mod loader;
mod names;

pub use backend::VarBuilderExt;
pub use builder::LoaderBuilder;
pub use events::{Decoded, Progress};
pub use loader::WcodecLoader;

/// The snippet of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
