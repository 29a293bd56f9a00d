//! candle's own Llama, unmodified, says the same from either file.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Config, Llama};
use serde_json::Value;
use std::path::Path;
use support::{Checkpoint, Spec, assert_same, encode, mapped, real_models};
use wcodec_candle::{VarBuilderExt, WcodecLoader};

fn config_of(json: &[u8]) -> Config {
    let json: Value = serde_json::from_slice(json).unwrap();
    let number = |key: &str| usize::try_from(json[key].as_u64().unwrap()).unwrap();
    Config {
        hidden_size: number("hidden_size"),
        intermediate_size: number("intermediate_size"),
        vocab_size: number("vocab_size"),
        num_hidden_layers: number("num_hidden_layers"),
        num_attention_heads: number("num_attention_heads"),
        num_key_value_heads: number("num_key_value_heads"),
        use_flash_attn: false,
        rms_norm_eps: json["rms_norm_eps"].as_f64().unwrap(),
        rope_theta: 10_000.0,
        bos_token_id: None,
        eos_token_id: None,
        rope_scaling: None,
        max_position_embeddings: number("max_position_embeddings"),
        tie_word_embeddings: json["tie_word_embeddings"].as_bool().unwrap(),
    }
}

/// The logits behind a prompt, and behind one token more.
fn logits(vb: VarBuilder<'_>, config: &Config, dtype: DType) -> [Tensor; 2] {
    let model = Llama::load(vb, config).unwrap();
    let mut cache = Cache::new(true, dtype, config, &Device::Cpu).unwrap();
    let mut run = |tokens: &[u32], at| {
        let input = Tensor::new(tokens, &Device::Cpu)
            .unwrap()
            .unsqueeze(0)
            .unwrap();
        model.forward(&input, at, &mut cache).unwrap()
    };
    [run(&[1, 17, 42, 7, 99, 3], 0), run(&[5], 6)]
}

fn compare(wcodec: &Path, safetensors: &Path, config: &Config) {
    for dtype in [DType::F32, DType::BF16] {
        let theirs = logits(mapped(safetensors, dtype), config, dtype);
        let ours = logits(
            VarBuilder::from_wcodec(wcodec, dtype, &Device::Cpu).unwrap(),
            config,
            dtype,
        );
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_same(ours, theirs, "logits");
        }
    }
}

#[test]
fn a_small_untied_llama() {
    let json = r#"{ "hidden_size": 64, "intermediate_size": 96, "vocab_size": 128, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "max_position_embeddings": 64,
        "tie_word_embeddings": false }"#;
    let mut tensors = vec![
        Spec::weights("model.embed_tokens.weight", &[128, 64]),
        Spec::weights("model.norm.weight", &[64]),
        Spec::weights("lm_head.weight", &[128, 64]),
    ];
    // One layer more than the model runs.
    for layer in 0..4 {
        let shapes: [(&str, &[usize]); 9] = [
            ("input_layernorm", &[64]),
            ("self_attn.q_proj", &[64, 64]),
            ("self_attn.k_proj", &[32, 64]),
            ("self_attn.v_proj", &[32, 64]),
            ("self_attn.o_proj", &[64, 64]),
            ("post_attention_layernorm", &[64]),
            ("mlp.gate_proj", &[96, 64]),
            ("mlp.up_proj", &[96, 64]),
            ("mlp.down_proj", &[64, 96]),
        ];
        tensors.extend(shapes.map(|(name, shape)| {
            Spec::weights(&format!("model.layers.{layer}.{name}.weight"), shape)
        }));
    }
    let checkpoint = Checkpoint::with_config(&tensors, Some(json));
    compare(
        &checkpoint.wcodec,
        &checkpoint.safetensors,
        &config_of(json.as_bytes()),
    );
}

#[test]
fn tinystories_3m() {
    let models = real_models();
    for folder in models.iter().filter(|folder| {
        folder
            .components()
            .any(|part| part.as_os_str() == "tinystories-3m")
    }) {
        let scratch = tempfile::tempdir().unwrap();
        let wcodec = encode(folder, scratch.path());
        let loader = WcodecLoader::open(&wcodec).unwrap();
        let config = loader.config().unwrap().unwrap();
        assert_eq!(config, std::fs::read(folder.join("config.json")).unwrap());
        assert_eq!(
            loader.tokenizer().unwrap(),
            Some(std::fs::read(folder.join("tokenizer.json")).unwrap())
        );
        compare(
            &wcodec,
            &folder.join("model.safetensors"),
            &config_of(&config),
        );
    }
}
