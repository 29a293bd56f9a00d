//! config.json, and what candle would compute wrongly or not at all.

use anyhow::{Context, ensure};
use candle_transformers::models::llama::{Config, LlamaConfig};

/// More positions than any model has.
const MAX_POSITIONS: usize = 1 << 24;

/// Reads a config.json; `name` stands for it in messages.
///
/// # Errors
///
/// If it is not the config of a Llama that candle can run.
pub(crate) fn read_config(name: &str, bytes: &[u8]) -> anyhow::Result<Config> {
    let wrong = || format!("{name} is not the config of a Llama; pass another with --config");
    let json: serde_json::Value = serde_json::from_slice(bytes).with_context(wrong)?;
    if let Some(kind) = json.get("model_type").and_then(|kind| kind.as_str()) {
        ensure!(
            kind == "llama",
            "{name} has model_type `{kind}`: only models of type `llama` can be evaluated"
        );
    }
    refuse_what_is_ignored(name, &json)?;
    let config: LlamaConfig = serde_json::from_value(json).with_context(wrong)?;
    let config = config.into_config(false);
    check(&config).with_context(wrong)?;
    Ok(config)
}

/// Fields that change the result and that candle's Llama does not know.
fn refuse_what_is_ignored(name: &str, json: &serde_json::Value) -> anyhow::Result<()> {
    for field in ["attention_bias", "mlp_bias"] {
        let is_set = json.get(field).and_then(|value| value.as_bool()) == Some(true);
        ensure!(!is_set, "{name} has {field}, which candle's Llama has not");
    }
    if let Some(activation) = json.get("hidden_act").and_then(|value| value.as_str()) {
        ensure!(
            activation == "silu",
            "{name} has hidden_act `{activation}`: only `silu` can be evaluated"
        );
    }
    let number = |field| json.get(field).and_then(|value| value.as_u64());
    if let (Some(dim), Some(hidden), Some(heads)) = (
        number("head_dim"),
        number("hidden_size"),
        number("num_attention_heads"),
    ) {
        ensure!(
            dim.checked_mul(heads) == Some(hidden),
            "{name} has head_dim {dim}: only hidden_size / num_attention_heads can be evaluated"
        );
    }
    ensure!(
        json.get("rope_parameters").is_none() || json.get("rope_theta").is_some(),
        "{name} has rope_parameters, which are not understood: write their rope_theta beside them"
    );
    Ok(())
}

/// The sizes that are divided by, multiplied or allocated.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    let (hidden, heads) = (config.hidden_size, config.num_attention_heads);
    let kv_heads = config.num_key_value_heads;
    ensure!(
        heads > 0 && kv_heads > 0 && hidden > 0,
        "a width or a number of heads is 0"
    );
    ensure!(
        hidden % heads == 0 && (hidden / heads) % 2 == 0,
        "hidden_size {hidden} is not an even number for each of {heads} heads"
    );
    ensure!(
        heads >= kv_heads && heads % kv_heads == 0,
        "{heads} heads are not a multiple of {kv_heads} key/value heads"
    );
    let positions = config.max_position_embeddings;
    ensure!(
        (1..=MAX_POSITIONS).contains(&positions),
        "max_position_embeddings is {positions}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"hidden_size": 8, "intermediate_size": 12, "vocab_size": 5, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "max_position_embeddings": 16}"#;

    #[test]
    fn configs_that_cannot_run_are_refused() {
        assert_eq!(read_config("c", CONFIG.as_bytes()).unwrap().vocab_size, 5);
        for (from, to, words) in [
            ("\"hidden_size\"", "\"n\"", "missing field `hidden_size`"),
            ("heads\": 2", "heads\": 0", "is 0"),
            ("heads\": 2", "heads\": 3", "not an even number"),
            ("heads\": 1", "heads\": 4", "not a multiple"),
            (": 16}", ": 0}", "max_position_embeddings is 0"),
            (": 16}", ": 16, \"model_type\": \"qwen2\"}", "`qwen2`"),
            (": 16}", ": 16, \"attention_bias\": true}", "attention_bias"),
            (": 16}", ": 16, \"hidden_act\": \"gelu\"}", "`gelu`"),
            (": 16}", ": 16, \"head_dim\": 16}", "head_dim 16"),
            (": 16}", ": 16, \"rope_parameters\": {}}", "rope_parameters"),
        ] {
            let text = CONFIG.replace(from, to);
            let error = format!("{:#}", read_config("c", text.as_bytes()).unwrap_err());
            assert!(error.contains(words), "{error}");
        }
    }
}
