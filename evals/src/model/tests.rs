//! The forward pass beside candle's own.

use super::llama::Llama;
use super::{Checkpoint, read_config, write_gguf};
use crate::synthetic::Random;
use candle_core::quantized::{GgmlDType, gguf_file::Content};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Config};
use candle_transformers::models::{llama, quantized_llama};
use std::collections::HashMap;
use std::path::PathBuf;

/// The model of the repository.
pub(crate) fn embedded() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/models/tinystories-3m.wcodec")
}

fn config(tied: bool, more: &str) -> Config {
    let json = format!(
        r#"{{"hidden_size": 64, "intermediate_size": 96, "vocab_size": 80, "num_hidden_layers": 3, "bos_token_id": 1,
        "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "max_position_embeddings": 48,
        "tie_word_embeddings": {tied}{more}}}"#
    );
    read_config("c", json.as_bytes()).unwrap()
}

/// Normal weights under the names of Hugging Face.
pub(crate) fn weights(config: &Config) -> HashMap<String, Tensor> {
    let (hidden, inner, vocabulary) = (
        config.hidden_size,
        config.intermediate_size,
        config.vocab_size,
    );
    let kv = hidden / config.num_attention_heads * config.num_key_value_heads;
    let mut shapes = vec![
        ("model.embed_tokens".to_owned(), vec![vocabulary, hidden]),
        ("model.norm".to_owned(), vec![hidden]),
        ("lm_head".to_owned(), vec![vocabulary, hidden]),
    ];
    for layer in 0..config.num_hidden_layers {
        let parts: [(&str, Vec<usize>); 9] = [
            ("self_attn.q_proj", vec![hidden, hidden]),
            ("self_attn.k_proj", vec![kv, hidden]),
            ("self_attn.v_proj", vec![kv, hidden]),
            ("self_attn.o_proj", vec![hidden, hidden]),
            ("mlp.gate_proj", vec![inner, hidden]),
            ("mlp.up_proj", vec![inner, hidden]),
            ("mlp.down_proj", vec![hidden, inner]),
            ("input_layernorm", vec![hidden]),
            ("post_attention_layernorm", vec![hidden]),
        ];
        shapes.extend(parts.map(|(part, shape)| (format!("model.layers.{layer}.{part}"), shape)));
    }
    let mut random = Random(11);
    let mut tensors = HashMap::new();
    for (name, shape) in shapes {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|_| 0.15 * random.normal() + f32::from(u8::from(shape.len() == 1)))
            .collect();
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        tensors.insert(format!("{name}.weight"), tensor);
    }
    tensors
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

/// Compares with candle's Llama behind every prefix of `tokens`: its last state goes through the head as candle has it,
/// one row alone, and must give the same bits; and every row of all logits at once must be as good as the same.
fn assert_is_candles(vb: &VarBuilder<'_>, config: &Config, tokens: &[u32]) {
    let theirs = llama::Llama::load(vb.clone(), config).unwrap();
    let ours = Llama::load(vb, config).unwrap();
    let all = ours
        .logits(&ours.hidden(tokens).unwrap())
        .unwrap()
        .squeeze(0)
        .unwrap();
    for len in 1..=tokens.len() {
        let mut cache = Cache::new(false, vb.dtype(), config, &Device::Cpu).unwrap();
        let input = Tensor::new(&tokens[..len], &Device::Cpu)
            .unwrap()
            .unsqueeze(0)
            .unwrap();
        let expected = theirs.forward(&input, 0, &mut cache).unwrap();
        let hidden = ours.hidden(&tokens[..len]).unwrap();
        let last = hidden
            .narrow(1, len - 1, 1)
            .unwrap()
            .squeeze(1)
            .unwrap()
            .contiguous()
            .unwrap();
        let found = ours.logits(&last).unwrap();
        assert!(
            bits(&found) == bits(&expected),
            "{len} tokens, {:?}",
            vb.dtype()
        );
        // Products of many rows may sum in another order than those of one.
        let row = all.narrow(0, len - 1, 1).unwrap();
        let apart = (row - expected)
            .unwrap()
            .abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap();
        let most = match vb.dtype() {
            DType::F32 => 1e-4,
            _ => 0.2,
        };
        assert!(apart <= most, "{len} tokens, {:?}: {apart}", vb.dtype());
    }
}

#[test]
fn small_models_are_candles_bit_for_bit() {
    let scaling = r#", "rope_theta": 500000.0, "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 16, "rope_type": "llama3"}"#;
    let tokens = [1, 17, 42, 7, 79, 3, 0, 55, 12, 9, 9, 31];
    for (tied, more) in [(true, ""), (false, ""), (false, scaling)] {
        let config = config(tied, more);
        for dtype in [DType::F32, DType::BF16, DType::F16] {
            let vb = VarBuilder::from_tensors(weights(&config), dtype, &Device::Cpu);
            assert_is_candles(&vb, &config, &tokens);
        }
    }
}

#[test]
fn the_embedded_model_is_candles_bit_for_bit() {
    let checkpoint = Checkpoint::open(&embedded()).unwrap();
    let config = checkpoint.config(None).unwrap();
    let tokens: Vec<u32> = (0..24).map(|i| (i * 97 + 1) % 2048).collect();
    for (dtype, len) in [(DType::F32, 24), (DType::BF16, 3), (DType::F16, 3)] {
        let vb = checkpoint.var_builder(dtype, &Device::Cpu).unwrap();
        assert_is_candles(&vb, &config, &tokens[..len]);
    }
}

#[test]
fn gguf_files_run_as_candle_runs_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    let tokens = [1u32, 17, 42, 7, 79, 3, 0, 55];
    for tied in [true, false] {
        let config = config(tied, "");
        let weights = weights(&config);
        for format in [
            GgmlDType::F32,
            GgmlDType::F16,
            GgmlDType::Q8_0,
            GgmlDType::Q4_0,
        ] {
            write_gguf(&weights, &config, format, &path).unwrap();
            let checkpoint = Checkpoint::open(&path).unwrap();
            let read = checkpoint.config(None).unwrap();
            assert_eq!((read.vocab_size, read.tie_word_embeddings), (80, tied));
            let ours = checkpoint.llama(&read, DType::F32, &Device::Cpu).unwrap();
            let mut file = std::fs::File::open(&path).unwrap();
            let content = Content::read(&mut file).unwrap();
            let mut theirs =
                quantized_llama::ModelWeights::from_gguf(content, &mut file, &Device::Cpu).unwrap();
            for len in 1..=tokens.len() {
                let input = Tensor::new(&tokens[..len], &Device::Cpu)
                    .unwrap()
                    .unsqueeze(0)
                    .unwrap();
                let expected = theirs.forward(&input, 0).unwrap();
                let hidden = ours.hidden(&tokens[..len]).unwrap();
                let last = hidden.narrow(1, len - 1, 1).unwrap().squeeze(1).unwrap();
                let found = ours.logits(&last).unwrap();
                assert!(bits(&found) == bits(&expected), "{format:?}, {len} tokens");
            }
            // The same model as before it was quantised: rows of queries and keys are where the rotation wants them.
            let vb = VarBuilder::from_tensors(weights.clone(), DType::F32, &Device::Cpu);
            let before = Llama::load(&vb, &config).unwrap();
            let [before, after] = [&before, &ours]
                .map(|llama| llama.logits(&llama.hidden(&tokens).unwrap()).unwrap());
            let apart = (before - after)
                .unwrap()
                .abs()
                .unwrap()
                .max_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap();
            let most = match format {
                GgmlDType::F32 => 1e-4,
                GgmlDType::F16 => 0.05,
                GgmlDType::Q8_0 => 0.5,
                _ => 6.0,
            };
            assert!(apart <= most, "{format:?}: {apart}");
        }
    }
}

#[test]
fn folders_shards_and_wrong_paths() {
    let config = config(true, "");
    let weights = weights(&config);
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, part: Vec<(&String, &Tensor)>| {
        let part: HashMap<String, Tensor> = part
            .into_iter()
            .map(|(name, tensor)| (name.clone(), tensor.clone()))
            .collect();
        candle_core::safetensors::save(&part, folder.path().join(name)).unwrap();
    };
    let error = |path: &std::path::Path| format!("{:#}", Checkpoint::open(path).err().unwrap());
    assert!(error(folder.path()).contains("holds 0 files with weights"));
    assert!(error(&folder.path().join("none")).contains("cannot open the weights"));
    let (one, other): (Vec<_>, Vec<_>) = weights.iter().partition(|(name, _)| name.contains("mlp"));
    save("a.safetensors", one.clone());
    save("b.safetensors", other.clone());
    assert!(error(folder.path()).contains("name one file"));
    let map = |pairs: &[(&String, &Tensor)], file: &str| {
        let pairs = pairs.iter().map(|(name, _)| format!("{name:?}: {file:?}"));
        pairs.collect::<Vec<_>>().join(",")
    };
    let index = folder.path().join("model.safetensors.index.json");
    let text = format!(
        r#"{{"weight_map": {{{}, {}}}}}"#,
        map(&one, "a.safetensors"),
        map(&other, "b.safetensors")
    );
    std::fs::write(&index, text).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(checkpoint.files().len(), 2);
    let llama = checkpoint.llama(&config, DType::F32, &Device::Cpu).unwrap();
    let vb = VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
    let whole = Llama::load(&vb, &config).unwrap();
    assert!(bits(&llama.hidden(&[1, 2, 3]).unwrap()) == bits(&whole.hidden(&[1, 2, 3]).unwrap()));
    std::fs::write(&index, r#"{"weight_map": {"a": "../x.safetensors"}}"#).unwrap();
    assert!(error(folder.path()).contains("is not the index"));
}
