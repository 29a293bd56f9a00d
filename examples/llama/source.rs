//! Weights, config.json and tokenizer.json, out of a `.wcodec` file, safetensors files, or a directory.

use super::files::{find_weights, has_extension};
use anyhow::{Context, Result};
use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use wcodec_candle::WcodecLoader;

/// The model that runs without `--weights`; `models/README.md` states its origin.
const EMBEDDED: &[u8] = include_bytes!("../models/tinystories-3m.wcodec");
const EMBEDDED_NAME: &str = "tinystories-3m (built in)";

/// Open weights, and where to look for what belongs to them.
pub(crate) struct Source {
    name: String,
    weights: Weights,
    tensors: BTreeMap<String, TensorHeader>,
    folder: Option<PathBuf>,
}

enum Weights {
    Wcodec(WcodecLoader),
    Safetensors(Vec<PathBuf>),
}

/// What is known of a tensor before it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorHeader {
    /// The element type by its name in a safetensors header, like `BF16`.
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
}

/// A file's contents, with the words that name it in a message.
#[derive(Debug)]
pub(crate) struct NamedBytes {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Source {
    /// Opens what `--weights` names, or the built-in model.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            let loader =
                WcodecLoader::from_bytes(EMBEDDED).context("the built-in model is damaged")?;
            return Ok(Self::from_wcodec(EMBEDDED_NAME.into(), loader, None));
        };
        let files = find_weights(path)?;
        let name = path.display().to_string();
        let folder = files
            .first()
            .and_then(|file| file.parent())
            .map(Path::to_path_buf);
        match files.as_slice() {
            [file] if !has_extension(file, "safetensors") => {
                let loader = WcodecLoader::open(file).with_context(|| {
                    format!(
                        "cannot use `{}` as a .wcodec file (--weights)",
                        file.display()
                    )
                })?;
                Ok(Self::from_wcodec(name, loader, folder))
            }
            _ => {
                let tensors = headers_of(&map(&files)?);
                Ok(Self {
                    name,
                    weights: Weights::Safetensors(files),
                    tensors,
                    folder,
                })
            }
        }
    }

    fn from_wcodec(name: String, loader: WcodecLoader, folder: Option<PathBuf>) -> Self {
        let header = |tensor: &str| {
            let info = loader.info(tensor)?;
            Some((
                tensor.to_owned(),
                TensorHeader {
                    dtype: info.dtype.to_string(),
                    shape: info.shape.clone(),
                },
            ))
        };
        let tensors = loader.names().filter_map(header).collect();
        Self {
            name,
            weights: Weights::Wcodec(loader),
            tensors,
            folder,
        }
    }

    /// One line for people: name, tensors, parameters.
    pub(crate) fn describe(&self) -> String {
        let num_params: u64 = self
            .tensors
            .values()
            .map(|tensor| tensor.shape.iter().product::<u64>())
            .sum();
        format!(
            "{}: {} tensors, {:.2} M parameters",
            self.name,
            self.tensors.len(),
            num_params as f64 / 1e6
        )
    }

    /// Every tensor in the weights, by name.
    pub(crate) fn tensors(&self) -> &BTreeMap<String, TensorHeader> {
        &self.tensors
    }

    /// The weights as candle's models take them, converted to `dtype` on the way.
    pub(crate) fn var_builder(&self, dtype: DType, device: &Device) -> Result<VarBuilder<'static>> {
        Ok(match &self.weights {
            Weights::Wcodec(loader) => loader.var_builder(dtype, device),
            Weights::Safetensors(files) => {
                VarBuilder::from_backend(Box::new(map(files)?), dtype, device.clone())
            }
        })
    }

    /// Ends the loading of the weights. To be called when the model has run once, so that loading overlaps
    /// with that first run.
    pub(crate) fn finish(&self) -> Result<()> {
        match &self.weights {
            Weights::Wcodec(loader) => loader
                .finish()
                .context("the weights did not load to their end"),
            Weights::Safetensors(_) => Ok(()),
        }
    }

    /// The model's config.json: the file `option` names, else the attachment, else the file beside the weights.
    pub(crate) fn config(&self, option: Option<&Path>) -> Result<NamedBytes> {
        self.companion("config.json", "--config", option, WcodecLoader::config)
    }

    /// The model's tokenizer.json, looked for like config.json.
    pub(crate) fn tokenizer(&self, option: Option<&Path>) -> Result<NamedBytes> {
        self.companion(
            "tokenizer.json",
            "--tokenizer",
            option,
            WcodecLoader::tokenizer,
        )
    }

    fn companion(
        &self,
        file: &str,
        flag: &str,
        option: Option<&Path>,
        attachment: impl Fn(&WcodecLoader) -> candle_core::Result<Option<Vec<u8>>>,
    ) -> Result<NamedBytes> {
        if let Some(path) = option {
            return read(path)
                .with_context(|| format!("cannot read `{}` ({flag})", path.display()));
        }
        if let Weights::Wcodec(loader) = &self.weights {
            let name = format!("the {file} attached to `{}`", self.name);
            let bytes = attachment(loader)
                .with_context(|| format!("cannot read {name}; pass another with {flag}"))?;
            if let Some(bytes) = bytes {
                return Ok(NamedBytes { name, bytes });
            }
        }
        let beside = self
            .folder
            .as_ref()
            .map(|folder| folder.join(file))
            .filter(|path| path.exists());
        let Some(path) = beside else {
            let place = if matches!(self.weights, Weights::Wcodec(_)) {
                "in it or beside it"
            } else {
                "beside it"
            };
            let text = format!(
                "`{}` has no {file} {place}: pass one with {flag}",
                self.name
            );
            return Err(io::Error::new(io::ErrorKind::NotFound, text).into());
        };
        read(&path)
            .with_context(|| format!("cannot read `{}`; pass another with {flag}", path.display()))
    }
}

fn read(path: &Path) -> Result<NamedBytes> {
    Ok(NamedBytes {
        name: format!("`{}`", path.display()),
        bytes: fs::read(path)?,
    })
}

/// Maps safetensors files into memory, as `VarBuilder::from_mmaped_safetensors` does.
#[expect(unsafe_code, reason = "memory mapping")]
fn map(files: &[PathBuf]) -> Result<MmapedSafetensors> {
    // SAFETY: the files are only read, and as with every memory map, nobody may shorten or rewrite them
    // while the model loads; the mapping is private to the `VarBuilder` and goes when that is dropped.
    let mapped = unsafe { MmapedSafetensors::multi(files) };
    mapped.context("cannot read the safetensors file (--weights)")
}

fn headers_of(mapped: &MmapedSafetensors) -> BTreeMap<String, TensorHeader> {
    let tensors = mapped.tensors().into_iter();
    tensors
        .map(|(name, view)| {
            (
                name,
                TensorHeader {
                    dtype: format!("{:?}", view.dtype()),
                    shape: view.shape().iter().map(|&dim| dim as u64).collect(),
                },
            )
        })
        .collect()
}
