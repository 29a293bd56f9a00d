//! What `--weights` names: safetensors, one file or many, a `.wcodec` file, or a GGUF file.

use super::{Llama, config, gguf};
use anyhow::{Context, anyhow, bail, ensure};
use candle_core::quantized::gguf_file::Content;
use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::Config;
use std::fs::File;
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;
use wcodec_candle::WcodecLoader;

const INDEX: &str = "model.safetensors.index.json";

/// Open weights, and where to look for what belongs to them.
pub(crate) struct Checkpoint {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    Safetensors(Vec<PathBuf>),
    Wcodec(WcodecLoader),
    Gguf,
}

impl Checkpoint {
    /// Opens a file, a folder of Hugging Face's, or the index of its shards.
    ///
    /// # Errors
    ///
    /// If there is nothing to read, or it is no checkpoint.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let is_folder = std::fs::metadata(path)
            .with_context(|| format!("cannot open the weights `{}`", path.display()))?
            .is_dir();
        let file = match is_folder {
            true => weights_in(path)?,
            false => path.to_path_buf(),
        };
        let name = file.to_string_lossy();
        let kind = if name.ends_with(".index.json") {
            Kind::Safetensors(shards(&file)?)
        } else if name.ends_with(".wcodec") {
            let loader = WcodecLoader::open(&file);
            Kind::Wcodec(loader.with_context(|| format!("cannot use `{name}` as weights"))?)
        } else if name.ends_with(".gguf") {
            Kind::Gguf
        } else if name.ends_with(".safetensors") {
            Kind::Safetensors(vec![file.clone()])
        } else {
            bail!("`{name}` is neither .safetensors nor .wcodec nor .gguf")
        };
        Ok(Self { path: file, kind })
    }

    /// The file, or the index of the files.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Every file with weights.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        match &self.kind {
            Kind::Safetensors(files) => files.clone(),
            Kind::Wcodec(_) | Kind::Gguf => vec![self.path.clone()],
        }
    }

    /// Whether its matrices stay quantised when it runs.
    pub(crate) fn is_gguf(&self) -> bool {
        matches!(self.kind, Kind::Gguf)
    }

    /// Whether it is safetensors, in one file or many.
    pub(crate) fn is_safetensors(&self) -> bool {
        matches!(self.kind, Kind::Safetensors(_))
    }

    /// The model's config.json as it is, looked for like [`config`](Self::config).
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn config_bytes(&self, option: Option<&Path>) -> anyhow::Result<Vec<u8>> {
        let (_, bytes) = self.companion("config.json", "--config", option)?;
        Ok(bytes)
    }

    /// The model's config: of the file `option` names, else the one that rides along, else the one beside the weights.
    ///
    /// # Errors
    ///
    /// If there is none, or it is not a Llama's.
    pub(crate) fn config(&self, option: Option<&Path>) -> anyhow::Result<Config> {
        if option.is_none() && self.is_gguf() {
            let content = Content::read(&mut File::open(&self.path)?);
            return gguf::config_of(&content.with_context(|| self.path.display().to_string())?);
        }
        let (name, bytes) = self.companion("config.json", "--config", option)?;
        config::read_config(&name, &bytes)
    }

    /// The model's tokenizer, looked for like the config.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn tokenizer(&self, option: Option<&Path>) -> anyhow::Result<Tokenizer> {
        let (name, bytes) = self.companion("tokenizer.json", "--tokenizer", option)?;
        let mut tokenizer = Tokenizer::from_bytes(&bytes)
            .map_err(|error| anyhow!("{name} is not a tokenizer: {error}"))?;
        // These serve training in batches; here they would cut or fill the text.
        tokenizer.with_padding(None);
        let truncated = tokenizer.with_truncation(None);
        truncated.map_err(|error| anyhow!(error))?;
        Ok(tokenizer)
    }

    fn companion(
        &self,
        file: &str,
        flag: &str,
        option: Option<&Path>,
    ) -> anyhow::Result<(String, Vec<u8>)> {
        if let (None, Kind::Wcodec(loader)) = (option, &self.kind)
            && let Some(bytes) = loader.attachment(file)?
        {
            return Ok((format!("{file} in {}", self.path.display()), bytes));
        }
        let path = option.map_or_else(|| self.path.with_file_name(file), Path::to_path_buf);
        let bytes = std::fs::read(&path).with_context(|| {
            format!(
                "cannot read `{}`: name the file with {flag}",
                path.display()
            )
        })?;
        Ok((path.display().to_string(), bytes))
    }

    /// The weights as candle's models take them.
    ///
    /// # Errors
    ///
    /// If the files cannot be mapped, or it is a GGUF file, which candle has another builder for.
    pub(crate) fn var_builder(
        &self,
        dtype: DType,
        device: &Device,
    ) -> anyhow::Result<VarBuilder<'static>> {
        match &self.kind {
            Kind::Wcodec(loader) => Ok(loader.var_builder(dtype, device)),
            Kind::Safetensors(files) => Ok(VarBuilder::from_backend(
                Box::new(map(files)?),
                dtype,
                device.clone(),
            )),
            Kind::Gguf => bail!("a GGUF file stays quantised"),
        }
    }

    /// Builds the model; a GGUF file computes in F32, whatever is asked for.
    ///
    /// # Errors
    ///
    /// If a tensor is missing, damaged, or of another shape than the config says.
    pub(crate) fn llama(
        &self,
        config: &Config,
        dtype: DType,
        device: &Device,
    ) -> anyhow::Result<Llama> {
        let built = match self.kind {
            Kind::Gguf => gguf::load(&self.path, device),
            _ => self
                .var_builder(dtype, device)
                .and_then(|vb| Llama::load(&vb, config)),
        };
        let built = built.with_context(|| format!("loading {}", self.path.display()))?;
        if let Kind::Wcodec(loader) = &self.kind {
            loader.finish()?;
        }
        Ok(built)
    }
}

/// Maps files into memory, as `VarBuilder::from_mmaped_safetensors` does.
///
/// # Errors
///
/// If one cannot be mapped or is no safetensors file.
#[expect(
    unsafe_code,
    reason = "memory mapping, as every candle program does it"
)]
pub(crate) fn map(files: &[PathBuf]) -> anyhow::Result<MmapedSafetensors> {
    // SAFETY: the files are only read, and as with every memory map nobody may shorten or rewrite them meanwhile.
    let mapped = unsafe { MmapedSafetensors::multi(files) };
    mapped.with_context(|| match files {
        [file] => format!("cannot read {}", file.display()),
        _ => "cannot read the shards".to_owned(),
    })
}

/// What to open in a folder: `model.safetensors`, the index of its shards, or the only file with weights.
fn weights_in(folder: &Path) -> anyhow::Result<PathBuf> {
    for name in ["model.safetensors", INDEX] {
        let path = folder.join(name);
        if path.exists() {
            return Ok(path);
        }
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if [".wcodec", ".safetensors", ".gguf"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            found.push(path);
        }
    }
    ensure!(
        found.len() == 1,
        "`{}` holds {} files with weights and neither model.safetensors nor {INDEX}: name one file",
        folder.display(),
        found.len()
    );
    found.pop().context("counted above")
}

/// The files named by the index of a sharded checkpoint.
fn shards(index: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let wrong = || {
        format!(
            "`{}` is not the index of a sharded checkpoint",
            index.display()
        )
    };
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(index).with_context(wrong)?).with_context(wrong)?;
    let map = json.get("weight_map").and_then(|map| map.as_object());
    let mut files = Vec::new();
    for name in map.with_context(wrong)?.values() {
        // A plain file name: an index must not lead out of its folder.
        let name = name.as_str().map(Path::new);
        let name = name.filter(|name| name.file_name() == Some(name.as_os_str()));
        files.push(index.with_file_name(name.with_context(wrong)?));
    }
    files.sort();
    files.dedup();
    ensure!(!files.is_empty(), "{}: `weight_map` is empty", wrong());
    Ok(files)
}
