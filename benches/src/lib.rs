//! What the benches run on: real weights where they are, generated ones otherwise.

use half::bf16;
use std::path::{Path, PathBuf};
use wcodec::{Limits, Reader, checkpoint};

/// A checkpoint, its container in memory, and where they came from.
#[derive(Debug)]
pub struct Input {
    /// For the bench's name.
    pub name: String,
    /// The safetensors file.
    pub source: PathBuf,
    /// The container, its bytes in memory.
    pub reader: Reader,
    /// Bytes of all tensors.
    pub raw_bytes: u64,
    folder: tempfile::TempDir,
}

impl Input {
    /// `model` in `dtype` from the folder that `WCODEC_MODELS` names, or else eight million normal weights in BF16.
    ///
    /// # Errors
    ///
    /// Whatever reading, encoding or verifying meets.
    pub fn open(model: &str, dtype: &str) -> wcodec::Result<Self> {
        let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
        let models = std::env::var_os("WCODEC_MODELS").map_or(default, PathBuf::from);
        let folder = tempfile::tempdir()?;
        let real = models.join(model).join(dtype).join("model.safetensors");
        let (name, source) = if real.is_file() {
            (format!("{model}/{dtype}"), real)
        } else {
            let generated = folder.path().join("generated.safetensors");
            std::fs::write(&generated, generate())?;
            ("generated/bf16".to_owned(), generated)
        };
        let target = folder.path().join("model.wcodec");
        checkpoint::import(&source, &target, &checkpoint::ImportOptions::default())?;
        let reader = Reader::new(std::fs::read(&target)?, &Limits::default())?;
        // Nothing is timed before its output is known to be right.
        let verify = checkpoint::VerifyOptions {
            against: Some(&source),
            ..Default::default()
        };
        let raw_bytes = checkpoint::verify(&reader, &verify)?.raw_bytes;
        Ok(Self {
            name,
            source,
            reader,
            raw_bytes,
            folder,
        })
    }

    /// A folder for what a bench writes.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }
}

/// A safetensors file of one 2,048 x 4,096 matrix of roughly normal weights.
fn generate() -> Vec<u8> {
    let header = r#"{"w":{"dtype":"BF16","shape":[2048,4096],"data_offsets":[0,16777216]}}"#;
    let mut state = 1u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    };
    let weights = (0..2048 * 4096)
        .flat_map(|_| bf16::from_f32(0.05 * (0..4).map(|_| uniform()).sum::<f32>()).to_le_bytes());
    (header.len() as u64)
        .to_le_bytes()
        .into_iter()
        .chain(header.bytes())
        .chain(weights)
        .collect()
}
