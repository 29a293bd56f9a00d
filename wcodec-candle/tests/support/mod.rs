//! Checkpoints to load, and what to compare.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod recorder;

use candle_core::{CpuStorage, DType, Device, Error, Storage, Tensor};
use candle_nn::VarBuilder;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A tensor of a generated checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Spec {
    pub(crate) fn new(name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.to_vec(),
            bytes,
        }
    }

    /// BF16 weights like those of a trained layer.
    pub(crate) fn weights(name: &str, shape: &[usize]) -> Self {
        let mut noise = Noise::new(name);
        let mut element = || {
            let sum: f32 = (0..4)
                .map(|_| f32::from(u16::try_from(noise.next() >> 48).unwrap()) / 65536.0 - 0.5)
                .sum();
            half::bf16::from_f32(sum * 0.1).to_le_bytes()
        };
        let bytes = (0..shape.iter().product())
            .flat_map(|_| element())
            .collect();
        Self::new(name, Dtype::BF16, shape, bytes)
    }

    /// Noise: every bit pattern is possible.
    pub(crate) fn noise(name: &str, dtype: Dtype, shape: &[usize]) -> Self {
        let mut noise = Noise::new(name);
        let len = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let mut bytes: Vec<u8> = (0..len.div_ceil(8))
            .flat_map(|_| noise.next().to_le_bytes())
            .collect();
        bytes.truncate(len);
        if dtype == Dtype::BOOL {
            bytes.iter_mut().for_each(|byte| *byte &= 1);
        }
        Self::new(name, dtype, shape, bytes)
    }
}

/// xorshift64*, seeded with a name.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: &str) -> Self {
        Self(seed.bytes().fold(0x9e37_79b9_7f4a_7c15, |state, byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        }))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// A checkpoint and the container made of it, in a folder of their own.
pub(crate) struct Checkpoint {
    pub(crate) folder: TempDir,
    pub(crate) safetensors: PathBuf,
    pub(crate) wcodec: PathBuf,
}

impl Checkpoint {
    pub(crate) fn new(tensors: &[Spec]) -> Self {
        Self::with_config(tensors, None)
    }

    pub(crate) fn with_config(tensors: &[Spec], config: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let views = tensors.iter().map(|spec| {
            let view = TensorView::new(spec.dtype, spec.shape.clone(), &spec.bytes).unwrap();
            (spec.name.as_str(), view)
        });
        let safetensors = folder.path().join("model.safetensors");
        safetensors::serialize_to_file(views, None, &safetensors).unwrap();
        if let Some(config) = config {
            fs::write(folder.path().join("config.json"), config).unwrap();
        }
        let wcodec = encode(folder.path(), folder.path());
        Self {
            folder,
            safetensors,
            wcodec,
        }
    }

    /// Four layers and one more behind them, for training, that config.json does not count; and a table that no model
    /// asks for.
    pub(crate) fn five_layers() -> Self {
        let mut tensors = vec![Spec::weights("model.embed_tokens.weight", &[256, 64])];
        for layer in 0..5 {
            tensors.push(Spec::weights(
                &format!("model.layers.{layer}.self_attn.q_proj.weight"),
                &[256, 128],
            ));
            tensors.push(Spec::weights(
                &format!("model.layers.{layer}.mlp.up_proj.weight"),
                &[128, 128],
            ));
            tensors.push(Spec::noise(
                &format!("model.layers.{layer}.rotary.inv_freq"),
                Dtype::F32,
                &[32],
            ));
        }
        Self::with_config(&tensors, Some(r#"{ "num_hidden_layers": 4 }"#))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.wcodec).unwrap()
    }
}

/// Encodes the checkpoint in `source` into a file in `folder`.
pub(crate) fn encode(source: &Path, folder: &Path) -> PathBuf {
    let target = folder.join("model.wcodec");
    wcodec::checkpoint::import(
        source,
        &target,
        &wcodec::checkpoint::ImportOptions::default(),
    )
    .unwrap();
    target
}

/// The real models that are there: folders with `model.safetensors`.
pub(crate) fn real_models() -> Vec<PathBuf> {
    let root = std::env::var_os("WCODEC_MODELS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models"),
        PathBuf::from,
    );
    let folders = |path: &Path| -> Vec<PathBuf> {
        fs::read_dir(path).map_or(Vec::new(), |entries| {
            entries.flatten().map(|entry| entry.path()).collect()
        })
    };
    let mut found: Vec<PathBuf> = folders(&root)
        .iter()
        .flat_map(|model| folders(model))
        .collect();
    found.retain(|folder| folder.join("model.safetensors").is_file());
    found.sort();
    if found.is_empty() {
        println!(
            "skipped: no models in {} (set WCODEC_MODELS)",
            root.display()
        );
    }
    found
}

/// candle's own loader.
pub(crate) fn mapped(path: &Path, dtype: DType) -> VarBuilder<'static> {
    // SAFETY: nobody changes the file while it is mapped.
    #[expect(unsafe_code, reason = "the call to compare with")]
    let vb = unsafe { VarBuilder::from_mmaped_safetensors(&[path], dtype, &Device::Cpu) };
    vb.unwrap()
}

/// Asserts that two tensors are the same in dtype, shape and every bit.
#[track_caller]
pub(crate) fn assert_same(ours: &Tensor, theirs: &Tensor, what: &str) {
    assert_eq!(ours.dtype(), theirs.dtype(), "{what}");
    assert_eq!(ours.dims(), theirs.dims(), "{what}");
    let (ours, theirs) = (bytes_of(ours), bytes_of(theirs));
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let first = ours
        .iter()
        .zip(&theirs)
        .position(|(ours, theirs)| ours != theirs);
    assert_eq!(first, None, "{what}: first byte that differs");
}

/// The error without its backtrace.
pub(crate) fn root(error: Error) -> Error {
    match error {
        Error::WithBacktrace { inner, .. } => root(*inner),
        other => other,
    }
}

/// The bytes of a tensor on the CPU.
pub(crate) fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    let (storage, layout) = tensor.storage_and_layout();
    assert!(layout.is_contiguous() && layout.start_offset() == 0);
    let Storage::Cpu(storage) = &*storage else {
        panic!("not on the CPU")
    };
    match storage {
        CpuStorage::U8(elems) => elems.clone(),
        CpuStorage::U32(elems) => bytemuck::cast_slice(elems).to_vec(),
        CpuStorage::I16(elems) => bytemuck::cast_slice(elems).to_vec(),
        CpuStorage::I32(elems) => bytemuck::cast_slice(elems).to_vec(),
        CpuStorage::I64(elems) => bytemuck::cast_slice(elems).to_vec(),
        CpuStorage::BF16(elems) => bytemuck::cast_slice(elems).to_vec(),
        CpuStorage::F16(elems) => bytemuck::cast_slice(elems).to_vec(),
        CpuStorage::F32(elems) => bytemuck::cast_slice(elems).to_vec(),
        CpuStorage::F64(elems) => bytemuck::cast_slice(elems).to_vec(),
        CpuStorage::F8E4M3(elems) => elems.iter().map(|elem| elem.to_bits()).collect(),
        CpuStorage::F6E2M3(bytes) | CpuStorage::F6E3M2(bytes) => bytes.clone(),
        CpuStorage::F4(bytes) | CpuStorage::F8E8M0(bytes) => bytes.clone(),
    }
}
