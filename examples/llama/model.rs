//! From config.json and a source of tensors to candle's `Llama`, with everything that could fail inside
//! candle checked before.

use super::args::DtypeArg;
use super::source::{NamedBytes, Source};
use anyhow::{Context, Result, bail, ensure};
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Config, Llama, LlamaConfig};
use std::panic::{self, AssertUnwindSafe};

const EMBEDDING: &str = "model.embed_tokens.weight";

/// More positions than any model has; they are counted in `f32`, exactly up to here.
const MAX_POSITIONS: usize = 1 << 24;

/// Reads a config.json, and refuses what candle's Llama would compute wrongly or not at all.
pub(crate) fn read_config(file: &NamedBytes) -> Result<Config> {
    let NamedBytes { name, bytes } = file;
    let wrong = || format!("{name} is not the config of a Llama; pass another with --config");
    let json: serde_json::Value = serde_json::from_slice(bytes).with_context(wrong)?;
    if let Some(kind) = json.get("model_type").and_then(|kind| kind.as_str()) {
        ensure!(
            kind == "llama",
            "{name} has model_type `{kind}`: this program runs models of type `llama`"
        );
    }
    ensure!(
        json.get("rope_theta").is_some() || json.get("rope_parameters").is_none(),
        "{name} states its rotation under `rope_parameters`, which candle does not read: move `rope_theta` out of it"
    );
    let config: LlamaConfig = serde_json::from_value(json).with_context(wrong)?;
    let config = config.into_config(false);
    check_config(&config).with_context(wrong)?;
    Ok(config)
}

/// The sizes that candle divides by, multiplies or allocates without a check.
fn check_config(config: &Config) -> Result<()> {
    let Config {
        hidden_size,
        num_attention_heads: heads,
        num_key_value_heads: kv_heads,
        ..
    } = *config;
    ensure!(
        heads > 0 && kv_heads > 0 && hidden_size > 0,
        "a width or a number of heads is 0"
    );
    ensure!(
        hidden_size % heads == 0 && (hidden_size / heads) % 2 == 0,
        "hidden_size {hidden_size} is not an even number for each of {heads} heads"
    );
    ensure!(
        heads >= kv_heads && heads % kv_heads == 0,
        "num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}"
    );
    let positions = config.max_position_embeddings;
    ensure!(
        (1..=MAX_POSITIONS).contains(&positions),
        "max_position_embeddings is {positions}"
    );
    Ok(())
}

/// Each tensor that the model asks for, with its shape.
fn needed_tensors(config: &Config) -> impl Iterator<Item = (String, Vec<u64>)> {
    let vocab = config.vocab_size as u64;
    let hidden = config.hidden_size as u64;
    let inner = config.intermediate_size as u64;
    let kv = (config.hidden_size / config.num_attention_heads * config.num_key_value_heads) as u64;
    let outside = [
        (EMBEDDING, vec![vocab, hidden]),
        ("model.norm.weight", vec![hidden]),
        ("lm_head.weight", vec![vocab, hidden]),
    ];
    let num_outside = if config.tie_word_embeddings { 2 } else { 3 };
    let layer = move |index: usize| {
        [
            ("self_attn.q_proj", vec![hidden, hidden]),
            ("self_attn.k_proj", vec![kv, hidden]),
            ("self_attn.v_proj", vec![kv, hidden]),
            ("self_attn.o_proj", vec![hidden, hidden]),
            ("mlp.gate_proj", vec![inner, hidden]),
            ("mlp.up_proj", vec![inner, hidden]),
            ("mlp.down_proj", vec![hidden, inner]),
            ("input_layernorm", vec![hidden]),
            ("post_attention_layernorm", vec![hidden]),
        ]
        .map(|(part, shape)| (format!("model.layers.{index}.{part}.weight"), shape))
    };
    let outside = outside
        .into_iter()
        .take(num_outside)
        .map(|(name, shape)| (name.to_owned(), shape));
    outside.chain((0..config.num_hidden_layers).flat_map(layer))
}

/// Compares the tensors with what the config asks for.
pub(crate) fn check_tensors(config: &Config, source: &Source) -> Result<()> {
    let tensors = source.tensors();
    let mut num_used = 0;
    for (name, shape) in needed_tensors(config) {
        let tensor = tensors.get(&name).with_context(|| {
            format!("the weights have no tensor `{name}`, which the config asks for: pass their own config with --config")
        })?;
        ensure!(
            tensor.shape == shape,
            "tensor `{name}` has shape {:?}, the config asks for {shape:?}: pass the config of these weights with --config",
            tensor.shape
        );
        ensure!(
            matches!(tensor.dtype.as_str(), "F64" | "F32" | "F16" | "BF16"),
            "tensor `{name}` is {}: this program runs weights in F64, F32, F16 or BF16",
            tensor.dtype
        );
        num_used += 1;
    }
    if let Some(bias) = tensors
        .keys()
        .find(|name| name.starts_with("model.layers.") && name.ends_with("_proj.bias"))
    {
        bail!(
            "the weights hold `{bias}`: candle's Llama has no biases, this is another kind of model"
        );
    }
    let num_unused = tensors.len().saturating_sub(num_used);
    if num_unused > 0 {
        eprintln!(
            "note: the model does not use {num_unused} of the {} tensors",
            tensors.len()
        );
    }
    Ok(())
}

/// The number type to compute in.
pub(crate) fn choose_dtype(asked: Option<DtypeArg>, source: &Source, device: &Device) -> DType {
    let stored = source
        .tensors()
        .get(EMBEDDING)
        .map(|tensor| tensor.dtype.as_str());
    match (asked, stored) {
        (Some(asked), _) => asked.into(),
        (None, Some("BF16")) if device.is_cuda() => DType::BF16,
        (None, Some("F16")) if device.is_cuda() => DType::F16,
        // candle's CPU kernels widen BF16 at every multiplication: F32 is faster there.
        _ => DType::F32,
    }
}

/// A model and what its inputs have to match.
pub(crate) struct Model {
    pub(crate) llama: Llama,
    pub(crate) config: Config,
    pub(crate) dtype: DType,
    pub(crate) device: Device,
}

/// Builds the model.
///
/// candle unwraps the error of a tensor inside a layer. So that damage found while a tensor is decoded
/// is still one line for the user, that panic is caught here and turned back into the error it was.
pub(crate) fn build(weights: VarBuilder<'_>, config: Config) -> Result<Model> {
    let (dtype, device) = (weights.dtype(), weights.device().clone());
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let built = panic::catch_unwind(AssertUnwindSafe(|| Llama::load(weights, &config)));
    panic::set_hook(hook);
    let built = built.unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map_or("candle panicked", String::as_str);
        let error = text.trim_start_matches("called `Result::unwrap()` on an `Err` value: ");
        // With `RUST_BACKTRACE` set, a backtrace follows.
        let error = error.split("\n   0: ").next().unwrap_or(error);
        Err(candle_core::Error::Msg(error.into()))
    });
    let llama = built.context("cannot load the weights")?;
    Ok(Model {
        llama,
        config,
        dtype,
        device,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"hidden_size": 8, "intermediate_size": 12, "vocab_size": 5, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "max_position_embeddings": 16}"#;

    fn read(text: &str) -> Result<Config> {
        read_config(&NamedBytes {
            name: "`config.json`".into(),
            bytes: text.into(),
        })
    }

    fn refusal(from: &str, to: &str) -> String {
        let text = CONFIG.replace(from, to);
        assert_ne!(text, CONFIG);
        format!("{:#}", read(&text).unwrap_err())
    }

    #[test]
    fn needed_tensors_follow_the_config() {
        let mut config = read(CONFIG).unwrap();
        let untied: Vec<_> = needed_tensors(&config).collect();
        assert_eq!(untied.len(), 3 + 2 * 9);
        assert!(untied.contains(&("lm_head.weight".into(), vec![5, 8])));
        assert!(untied.contains(&("model.layers.1.self_attn.k_proj.weight".into(), vec![4, 8])));
        config.tie_word_embeddings = true;
        assert_eq!(needed_tensors(&config).count(), 2 + 2 * 9);
    }

    #[test]
    fn configs_that_candle_cannot_run_are_refused() {
        assert!(refusal("\"hidden_size\"", "\"n\"").contains("missing field `hidden_size`"));
        assert!(
            refusal("\"num_attention_heads\": 2", "\"num_attention_heads\": 0").contains("is 0")
        );
        assert!(
            refusal("\"num_attention_heads\": 2", "\"num_attention_heads\": 3")
                .contains("not an even number")
        );
        assert!(
            refusal("\"num_key_value_heads\": 1", "\"num_key_value_heads\": 4")
                .contains("not a multiple")
        );
        assert!(refusal(": 16}", ": 0}").contains("max_position_embeddings is 0"));
        assert!(refusal(": 16}", ": 16, \"model_type\": \"qwen2\"}").contains("`qwen2`"));
        assert!(refusal(": 16}", ": 16, \"rope_parameters\": {}}").contains("rope_theta"));
        assert!(refusal(CONFIG, "[").contains("`config.json` is not the config"));
    }
}
