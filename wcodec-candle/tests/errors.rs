//! What `get` and `open` refuse, and that damage is an error of the tensor that has it and of no other.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use candle_core::{DType, Device, Error};
use candle_nn::VarBuilder;
use safetensors::Dtype;
use support::recorder::damage;
use support::{Checkpoint, Spec, assert_same, mapped, root};
use wcodec_candle::{VarBuilderExt, WcodecLoader};

const CPU: Device = Device::Cpu;

#[test]
fn a_missing_tensor_comes_with_near_names() {
    let checkpoint = Checkpoint::five_layers();
    let vb = VarBuilder::from_wcodec(&checkpoint.wcodec, DType::F32, &CPU).unwrap();
    let path = |name: &str| match root(vb.get((1, 1), name).unwrap_err()) {
        Error::CannotFindTensor { path } => path,
        other => panic!("{other}"),
    };
    let cases = [
        (
            "model.layers.2.q_proj.weight",
            "`model.layers.2.self_attn.q_proj.weight`",
        ),
        (
            "layers.3.mlp.up_proj.weight",
            "`model.layers.3.mlp.up_proj.weight`",
        ),
        (
            "language_model.model.layers.1.mlp.up_proj.weight",
            "`model.layers.1.mlp.up_proj.weight`",
        ),
        (
            "model.layers.40.mlp.up_proj.weight",
            "`model.layers.4.mlp.up_proj.weight`",
        ),
        ("model.embed_token.weight", "`model.embed_tokens.weight`"),
    ];
    for (wanted, near) in cases {
        let path = path(wanted);
        assert!(
            path.starts_with(&format!("{wanted} (did you mean {near}")) && path.ends_with("?)"),
            "{path}"
        );
    }
    assert_eq!(path("zzz"), "zzz");
    assert!(!vb.contains_tensor("zzz"));
    assert!(matches!(
        root(vb.get_unchecked("zzz").unwrap_err()),
        Error::CannotFindTensor { .. }
    ));
}

#[test]
fn a_wrong_shape_is_refused_before_anything_is_decoded() {
    let checkpoint = Checkpoint::five_layers();
    let mut bytes = checkpoint.bytes();
    let name = "model.layers.0.self_attn.q_proj.weight";
    damage(&mut bytes, name);
    let vb = WcodecLoader::from_bytes(bytes)
        .unwrap()
        .var_builder(DType::F32, &CPU);
    match root(vb.get((128, 256), name).unwrap_err()) {
        Error::UnexpectedShape { msg, expected, got } => {
            assert_eq!(msg, format!("shape mismatch for {name}"));
            assert_eq!(
                (expected.dims(), got.dims()),
                (&[128, 256][..], &[256, 128][..])
            );
        }
        other => panic!("{other}"),
    }
    assert!(matches!(
        root(vb.get((256, 128), name).unwrap_err()),
        Error::Wrapped(_)
    ));
}

#[test]
fn what_candle_does_not_load_is_refused_by_the_dtype_s_name() {
    let dtypes = [
        Dtype::BOOL,
        Dtype::I8,
        Dtype::U64,
        Dtype::F8_E5M2,
        Dtype::F8_E4M3FNUZ,
        Dtype::F8_E5M2FNUZ,
        Dtype::C64,
    ];
    let tensors: Vec<Spec> = dtypes
        .iter()
        .map(|&dtype| Spec::noise(&format!("{dtype:?}"), dtype, &[8, 8]))
        .collect();
    let checkpoint = Checkpoint::new(&tensors);
    let ours = VarBuilder::from_wcodec(&checkpoint.wcodec, DType::F32, &CPU).unwrap();
    let theirs = mapped(&checkpoint.safetensors, DType::F32);
    for dtype in dtypes {
        let name = format!("{dtype:?}");
        assert!(ours.contains_tensor(&name));
        let error = root(ours.get((8, 8), &name).unwrap_err());
        assert!(
            matches!(error, Error::UnsupportedSafeTensorDtype(found) if found == dtype),
            "{error}"
        );
        assert_eq!(
            error.to_string(),
            root(theirs.get((8, 8), &name).unwrap_err()).to_string()
        );
        let error = root(ours.get_unchecked(&name).unwrap_err());
        assert!(
            matches!(error, Error::UnsupportedSafeTensorDtype(found) if found == dtype),
            "{error}"
        );
    }
}

#[test]
fn a_damaged_chunk_is_the_error_of_its_tensor_on_demand_and_ahead() {
    let checkpoint = Checkpoint::five_layers();
    let theirs = mapped(&checkpoint.safetensors, DType::F32);
    let broken = "model.layers.2.self_attn.q_proj.weight";
    let mut bytes = checkpoint.bytes();
    damage(&mut bytes, broken);
    let path = checkpoint.folder.path().join("damaged.wcodec");
    std::fs::write(&path, &bytes).unwrap();
    for budget in [0, 1 << 20] {
        let loader = WcodecLoader::builder()
            .decode_ahead_bytes(budget)
            .open(&path)
            .unwrap();
        let vb = loader.var_builder(DType::F32, &CPU);
        for name in loader.names().filter(|name| !name.ends_with("inv_freq")) {
            let got = vb.get_unchecked(name);
            if name == broken {
                let message = got.unwrap_err().to_string();
                for part in [
                    "damaged.wcodec",
                    "tensor `model.layers.2.self_attn.q_proj.weight`",
                    "chunk",
                ] {
                    assert!(message.contains(part), "{message}");
                }
                assert!(vb.get_unchecked(name).is_err(), "and again");
            } else {
                assert_same(&got.unwrap(), &theirs.get_unchecked(name).unwrap(), name);
            }
        }
        loader.finish().unwrap();
    }
}

#[test]
fn a_file_that_shrinks_after_it_was_opened_is_an_error_of_what_is_gone() {
    let checkpoint = Checkpoint::five_layers();
    let theirs = mapped(&checkpoint.safetensors, DType::F32);
    for budget in [0, 1 << 20] {
        let path = checkpoint.folder.path().join("shrinks.wcodec");
        std::fs::copy(&checkpoint.wcodec, &path).unwrap();
        let loader = WcodecLoader::builder()
            .decode_ahead_bytes(budget)
            .open(&path)
            .unwrap();
        let vb = loader.var_builder(DType::F32, &CPU);
        let (last, kept) = (
            "model.layers.4.mlp.up_proj.weight",
            "model.embed_tokens.weight",
        );
        let end = |name: &str| {
            let parts = loader.info(name).unwrap().parts();
            parts.last().unwrap().payload_offset_in_file
        };
        assert!(end(kept) < end(last));
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(end(last) + 16).unwrap();
        for name in loader.names().filter(|name| !name.ends_with("inv_freq")) {
            let got = vb.get_unchecked(name);
            if name == last {
                let message = got.unwrap_err().to_string();
                for part in ["shrinks.wcodec", last] {
                    assert!(message.contains(part), "{message}");
                }
            } else {
                assert_same(&got.unwrap(), &theirs.get_unchecked(name).unwrap(), name);
            }
        }
        loader.finish().unwrap();
    }
}

#[test]
fn a_file_that_is_cut_or_damaged_outside_its_payloads_does_not_open() {
    let checkpoint = Checkpoint::five_layers();
    let good = checkpoint.bytes();
    let path = checkpoint.folder.path().join("cut.wcodec");
    for len in [0, 7, 60, good.len() / 2, good.len() - 1] {
        std::fs::write(&path, &good[..len]).unwrap();
        let error = VarBuilder::from_wcodec(&path, DType::F32, &CPU)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("cut.wcodec"), "{error}");
    }
    let missing = WcodecLoader::open(checkpoint.folder.path().join("missing.wcodec"))
        .unwrap_err()
        .to_string();
    assert!(missing.contains("missing.wcodec"), "{missing}");
    let safetensors = WcodecLoader::open(&checkpoint.safetensors)
        .unwrap_err()
        .to_string();
    assert!(safetensors.contains("not a wcodec file"), "{safetensors}");
}

#[test]
fn attachments_come_whole_or_not_at_all() {
    let checkpoint = Checkpoint::five_layers();
    let loader = WcodecLoader::open(&checkpoint.wcodec).unwrap();
    let config = loader.config().unwrap().unwrap();
    assert_eq!(config, br#"{ "num_hidden_layers": 4 }"#);
    assert_eq!(loader.tokenizer().unwrap(), None);
    assert_eq!(
        loader.attachment("config.json").unwrap(),
        Some(config.clone())
    );

    let mut bytes = checkpoint.bytes();
    let at = bytes
        .windows(config.len())
        .position(|window| window == config)
        .unwrap();
    bytes[at] ^= 1;
    let loader = WcodecLoader::from_bytes(bytes).unwrap();
    assert!(
        loader
            .config()
            .unwrap_err()
            .to_string()
            .contains("attachment")
    );
    let vb = loader.var_builder(DType::F32, &CPU);
    assert!(vb.get((256, 64), "model.embed_tokens.weight").is_ok());
}
