//! Every loader gives the same model.

use super::child::load;
use super::contender;
use super::prepared::Prepared;
use super::storage::Between;
use super::task::{Task, Watch};
use super::throttle::SlowDevice;
use super::*;
use crate::model::tests::embedded;
use crate::tensor::{Tensor, safetensors_file};
use candle_core::{DType, Device};
use half::{bf16, f16};
use safetensors::Dtype;
use std::path::Path;
use std::sync::Arc;
use wcodec::Reader;
use wcodec::checkpoint::{ExportOptions, ImportOptions, export, import};

fn how(dtype: DtypeArg) -> How {
    How {
        runs: 1,
        cold: false,
        storage: Vec::new(),
        dtype,
        device: DeviceArg::Cpu,
    }
}

#[test]
fn every_loader_gives_the_same_logits_from_every_storage() {
    let folder = tempfile::tempdir().unwrap();
    let restored = folder.path().join("restored");
    let reader = Reader::open(embedded()).unwrap();
    export(&reader, &restored, &ExportOptions::default()).unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let prepared = Prepared::make("m".into(), &restored, None, None, &work).unwrap();
    for dtype in [DtypeArg::F32, DtypeArg::BF16, DtypeArg::F16] {
        let mut logits = Vec::new();
        for storage in [Storage::Warm, Storage::Throttled(0.02)] {
            for loader in Loader::ALL {
                let measured = load(&Task {
                    watch: Watch::Timeline,
                    ..prepared.task(loader, storage, &how(dtype))
                });
                let measured = measured.unwrap();
                assert!(measured.open <= measured.built && measured.built < measured.first_token);
                let count = |stage| {
                    let of = measured.spans.iter().filter(|span| span.stage == stage);
                    of.count()
                };
                if loader != Loader::Candle || storage != Storage::Warm {
                    assert!(count(Stage::Read) > 1, "{loader:?}");
                }
                assert_eq!(measured.storage_bytes.is_some(), storage != Storage::Warm);
                if let (Storage::Throttled(speed), Some(read)) = (storage, measured.storage_bytes) {
                    let files = prepared.files(loader);
                    let lengths = files.iter().map(|path| path.metadata().unwrap().len());
                    let length: u64 = lengths.sum();
                    // All of its own file, once; not what no tensor needs, nor the magic of zstd's table.
                    let least = match loader {
                        Loader::Wcodec => length - 200_000,
                        Loader::Zstd => length - 8,
                        Loader::Candle | Loader::Pread => length,
                    };
                    assert!(
                        (least..=length).contains(&read),
                        "{loader:?}: {read} of {length}"
                    );
                    let seconds = read as f64 / speed / 1e9;
                    assert!(measured.built >= seconds - 1e-3, "{loader:?}: {measured:?}");
                }
                assert_eq!(
                    count(Stage::Decode) > 0,
                    matches!(loader, Loader::Wcodec | Loader::Zstd)
                );
                logits.push(measured.logits);
            }
        }
        logits.dedup();
        assert_eq!(logits.len(), 1, "{dtype}");
    }
}

/// A checkpoint with a tensor of each float dtype that candle can cast: every 16-bit pattern, and as many others.
fn floats(path: &Path) {
    let bits = || 0..=u16::MAX;
    let singles = bits().map(|bits| f32::from_bits(u32::from(bits) << 16 | u32::from(bits)));
    let singles: Vec<f32> = singles.collect();
    let doubles =
        bits().map(|bits| f64::from(f32::from_bits(u32::from(bits) << 16 | 0x9001)) * 1.1);
    let bytes = [
        (
            "f32",
            Dtype::F32,
            singles
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ),
        (
            "f16",
            Dtype::F16,
            bits()
                .flat_map(|bits| f16::from_bits(bits).to_le_bytes())
                .collect(),
        ),
        (
            "bf16",
            Dtype::BF16,
            bits()
                .flat_map(|bits| bf16::from_bits(bits).to_le_bytes())
                .collect(),
        ),
        (
            "f64",
            Dtype::F64,
            doubles.flat_map(|value| value.to_le_bytes()).collect(),
        ),
        (
            "f8",
            Dtype::F8_E4M3,
            bits()
                .map(|bits| bits.to_le_bytes()[0])
                .collect::<Vec<u8>>(),
        ),
    ];
    let tensors = bytes.map(|(name, dtype, bytes)| Tensor::new(name, dtype, &[256, 256], bytes));
    std::fs::write(path, safetensors_file(&tensors).unwrap()).unwrap();
}

/// A tensor's elements as bits.
fn bits(tensor: &candle_core::Tensor) -> Vec<u32> {
    let tensor = tensor.flatten_all().unwrap();
    match tensor.dtype() {
        DType::F32 => tensor
            .to_vec1::<f32>()
            .unwrap()
            .iter()
            .map(|v| v.to_bits())
            .collect(),
        DType::F16 => {
            let values = tensor.to_vec1::<f16>().unwrap();
            values.iter().map(|v| v.to_bits().into()).collect()
        }
        _ => {
            let values = tensor.to_vec1::<bf16>().unwrap();
            values.iter().map(|v| v.to_bits().into()).collect()
        }
    }
}

#[test]
fn every_loader_casts_every_float_as_candle_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (raw, zst, coded) = (path("m.safetensors"), path("m.zst"), path("m.wcodec"));
    floats(&raw);
    zst::compress(&raw, &zst, 1).unwrap();
    import(&raw, &coded, &ImportOptions::default()).unwrap();
    let slow = Some(Arc::new(SlowDevice::new(1e9)));
    for dtype in [DtypeArg::F32, DtypeArg::F16, DtypeArg::BF16] {
        let weights = |loader, device: &Option<Arc<SlowDevice>>| {
            let file = match loader {
                Loader::Candle | Loader::Pread => &raw,
                Loader::Zstd => &zst,
                Loader::Wcodec => &coded,
            };
            let task = Task {
                loader,
                files: vec![file.clone()],
                config: path("none"),
                dtype,
                device: "cpu".into(),
                bytes_per_second: None,
                watch: Watch::Times,
            };
            let between = Between {
                device: device.clone(),
                recorder: None,
            };
            contender::open(&task, dtype.into(), &Device::Cpu, &between)
                .unwrap()
                .0
        };
        let expected = weights(Loader::Candle, &None);
        for (loader, device) in [
            (Loader::Candle, &slow),
            (Loader::Pread, &None),
            (Loader::Zstd, &slow),
            (Loader::Wcodec, &None),
            (Loader::Wcodec, &slow),
        ] {
            let found = weights(loader, device);
            for name in ["f32", "f16", "bf16", "f64", "f8"] {
                let expected = expected.get((256, 256), name).unwrap();
                let found = found.get((256, 256), name);
                let found = found.unwrap_or_else(|error| panic!("{loader:?}, {name}: {error}"));
                assert_eq!(found.dtype(), DType::from(dtype));
                assert!(
                    bits(&found) == bits(&expected),
                    "{loader:?}, {name} as {dtype}"
                );
            }
        }
    }
}

#[test]
fn a_row_says_what_was_found_in_the_page_cache() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    floats(&path);
    let files = [path];
    let found = cache::residency(&files);
    warm(&files).unwrap();
    if found.is_some() {
        let row = LoadRow {
            residency: cache::residency(&files),
            ..row(Loader::Pread, Storage::Cold, &[1.0])
        };
        assert_eq!(row.storage_words(), "cold (up to 100 % in the page cache)");
    }
}
