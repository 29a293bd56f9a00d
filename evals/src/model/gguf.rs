//! GGUF: candle's quantised loader, and files that candle's own quantisation makes.

use super::config;
use super::llama::{Layer, Llama, Projection, Rotation, angles};
use anyhow::{Context, ensure};
use candle_core::quantized::gguf_file::{self, Content, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use candle_nn::{Embedding, RmsNorm};
use candle_transformers::models::llama::Config;
use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// Tensors of a layer: Hugging Face's name, GGUF's.
const LAYER_NAMES: [(&str, &str); 9] = [
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
];

/// The config that the metadata of an open file describe.
///
/// # Errors
///
/// If it is not a Llama, or the metadata do not say enough.
pub(super) fn config_of(content: &Content) -> anyhow::Result<Config> {
    let value = |key: &str| {
        let value = content.metadata.get(key);
        value.with_context(|| format!("the GGUF file has no `{key}`"))
    };
    let number = |key: &str| -> anyhow::Result<usize> {
        Ok(usize::try_from(value(&format!("llama.{key}"))?.to_u32()?)?)
    };
    let architecture = value("general.architecture")?.to_string()?;
    ensure!(
        architecture == "llama",
        "the GGUF file holds a `{architecture}`: only models of type `llama` can be evaluated"
    );
    let embedding = content.tensor_infos.get("token_embd.weight");
    let embedding = embedding.context("the GGUF file has no `token_embd.weight`")?;
    let theta = value("llama.rope.freq_base").and_then(|value| Ok(value.to_f32()?));
    let eps = value("llama.attention.layer_norm_rms_epsilon")?.to_f32()?;
    let config = Config {
        hidden_size: number("embedding_length")?,
        intermediate_size: number("feed_forward_length")?,
        vocab_size: *embedding.shape.dims().first().unwrap_or(&0),
        num_hidden_layers: number("block_count")?,
        num_attention_heads: number("attention.head_count")?,
        num_key_value_heads: number("attention.head_count_kv")?,
        use_flash_attn: false,
        rms_norm_eps: f64::from(eps),
        rope_theta: theta.unwrap_or(10_000.0),
        bos_token_id: value("tokenizer.ggml.bos_token_id")
            .and_then(|value| Ok(value.to_u32()?))
            .ok(),
        eos_token_id: None,
        rope_scaling: None,
        max_position_embeddings: number("context_length")?,
        tie_word_embeddings: !content.tensor_infos.contains_key("output.weight"),
    };
    config::check(&config)?;
    Ok(config)
}

/// Builds the model of a GGUF file; its matrices stay quantised.
///
/// # Errors
///
/// If the file cannot be read or lacks a tensor.
pub(super) fn load(path: &Path, device: &Device) -> anyhow::Result<Llama> {
    let mut file = File::open(path)?;
    let content = Content::read(&mut file)?;
    let config = config_of(&content)?;
    let mut tensor = |name: &str| content.tensor(&mut file, &format!("{name}.weight"), device);
    let embedding = tensor("token_embd")?;
    let vectors = embedding.dequantize(device)?;
    let norm = |weights: QTensor| -> candle_core::Result<RmsNorm> {
        Ok(RmsNorm::new(
            weights.dequantize(device)?,
            config.rms_norm_eps,
        ))
    };
    let head = match config.tie_word_embeddings {
        true => embedding,
        false => tensor("output")?,
    };
    let last_norm = norm(tensor("output_norm")?)?;
    let mut layers = Vec::new();
    for index in 0..config.num_hidden_layers {
        let mut part = |part: &str| tensor(&format!("blk.{index}.{part}"));
        layers.push(Layer {
            query: Projection::quantised(part("attn_q")?)?,
            key: Projection::quantised(part("attn_k")?)?,
            value: Projection::quantised(part("attn_v")?)?,
            output: Projection::quantised(part("attn_output")?)?,
            gate: Projection::quantised(part("ffn_gate")?)?,
            up: Projection::quantised(part("ffn_up")?)?,
            down: Projection::quantised(part("ffn_down")?)?,
            input_norm: norm(part("attn_norm")?)?,
            mlp_norm: norm(part("ffn_norm")?)?,
        });
    }
    Ok(Llama {
        embedding: Embedding::new(vectors, config.hidden_size),
        layers,
        norm: last_norm,
        head: Projection::quantised(head)?,
        rotation: Rotation::Neighbours,
        angles: angles(&config, DType::F32, device)?,
        config,
        device: device.clone(),
    })
}

/// Rows of each head from halves (row `i` turns with row `i + half`) to neighbours (`2 i` with `2 i + 1`), as GGUF
/// files of Llamas have the queries and keys.
fn permute_rows(matrix: &Tensor, heads: usize) -> candle_core::Result<Tensor> {
    let (rows, columns) = matrix.dims2()?;
    let half = rows / heads.max(1) / 2;
    matrix
        .reshape((heads, 2, half, columns))?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((rows, columns))
}

/// Writes F32 tensors with Hugging Face's names as a GGUF file: matrices in `format`, norms as they are.
///
/// # Errors
///
/// If a matrix does not go into the format, or the file cannot be written.
pub(crate) fn write(
    tensors: &HashMap<String, Tensor>,
    config: &Config,
    format: GgmlDType,
    path: &Path,
) -> anyhow::Result<()> {
    let mut out = Vec::new();
    for (theirs, name) in names(config) {
        let tensor = tensors.get(&theirs);
        let tensor = tensor.with_context(|| format!("the weights have no tensor `{theirs}`"))?;
        let tensor = match &name {
            name if name.contains("attn_q") => permute_rows(tensor, config.num_attention_heads)?,
            name if name.contains("attn_k") => permute_rows(tensor, config.num_key_value_heads)?,
            _ => tensor.clone(),
        };
        let format = match tensor.rank() {
            2 => format,
            _ => GgmlDType::F32,
        };
        let quantised =
            QTensor::quantize(&tensor, format).with_context(|| format!("tensor `{theirs}`"))?;
        out.push((name, quantised));
    }
    let metadata = metadata(config)?;
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<(&str, &QTensor)> =
        out.iter().map(|(name, tensor)| (&**name, tensor)).collect();
    let mut file = BufWriter::new(File::create(path)?);
    gguf_file::write(&mut file, &metadata, &tensors)?;
    Ok(())
}

/// Hugging Face's name and GGUF's of every tensor.
fn names(config: &Config) -> Vec<(String, String)> {
    let mut names = vec![
        (
            "model.embed_tokens.weight".into(),
            "token_embd.weight".into(),
        ),
        ("model.norm.weight".into(), "output_norm.weight".into()),
    ];
    if !config.tie_word_embeddings {
        names.push(("lm_head.weight".into(), "output.weight".into()));
    }
    for layer in 0..config.num_hidden_layers {
        let of_layer = LAYER_NAMES.map(|(theirs, ours)| {
            (
                format!("model.layers.{layer}.{theirs}.weight"),
                format!("blk.{layer}.{ours}.weight"),
            )
        });
        names.extend(of_layer);
    }
    names
}

fn metadata(config: &Config) -> anyhow::Result<Vec<(&'static str, Value)>> {
    let number = |value: usize| u32::try_from(value).map(Value::U32);
    let head_dim = config.hidden_size / config.num_attention_heads;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "GGUF has it in single precision"
    )]
    let eps = config.rms_norm_eps as f32;
    let mut metadata = vec![
        ("general.architecture", Value::String("llama".into())),
        ("llama.embedding_length", number(config.hidden_size)?),
        (
            "llama.feed_forward_length",
            number(config.intermediate_size)?,
        ),
        ("llama.block_count", number(config.num_hidden_layers)?),
        (
            "llama.attention.head_count",
            number(config.num_attention_heads)?,
        ),
        (
            "llama.attention.head_count_kv",
            number(config.num_key_value_heads)?,
        ),
        (
            "llama.context_length",
            number(config.max_position_embeddings)?,
        ),
        ("llama.rope.dimension_count", number(head_dim)?),
        ("llama.rope.freq_base", Value::F32(config.rope_theta)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(eps)),
    ];
    if let Some(token) = config.bos_token_id {
        metadata.push(("tokenizer.ggml.bos_token_id", Value::U32(token)));
    }
    Ok(metadata)
}
