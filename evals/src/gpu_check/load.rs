//! From a file to the first token, beside candle's own loader.

use super::report::Report;
use crate::load::{Evicted, evict};
use crate::synthetic::{self, SyntheticArgs};
use anyhow::{Context, ensure};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Config, Llama};
use clap::Parser;
use serde_json::json;
use std::path::Path;
use std::time::Instant;
use wcodec::checkpoint::{ImportOptions, import};
use wcodec_candle::WcodecLoader;

/// Width of the model.
const HIDDEN: usize = 2048;
const HEAD: usize = 64;
/// Tokens of the prompt.
const PROMPT: [u32; 8] = [1, 2, 3, 5, 8, 13, 21, 34];

/// The options of `evals synthetic`, to be parsed.
#[derive(Debug, Parser)]
struct Synthetic {
    #[command(flatten)]
    args: SyntheticArgs,
}

/// Seconds from the start of a load.
struct Times {
    built: f64,
    first_token: f64,
    finished: f64,
    logits: Vec<f32>,
}

pub(super) fn run(
    report: &mut Report,
    device: &Device,
    (mebibytes, repeats): (u64, usize),
) -> anyhow::Result<()> {
    let names = ["load: first token, warm", "load: first token, cold"];
    if !names.iter().any(|name| report.is_wanted(name)) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let [source, target] = ["m.safetensors", "m.wcodec"].map(|name| folder.path().join(name));
    let [mebibytes, hidden] = [mebibytes.to_string(), HIDDEN.to_string()];
    let output = source.to_string_lossy();
    let words = [
        "synthetic",
        "-o",
        &output,
        "--mebibytes",
        &mebibytes,
        "--hidden",
        &hidden,
    ];
    synthetic::run(&Synthetic::try_parse_from(words)?.args)?;
    import(&source, &target, &ImportOptions::default()).context("encoding")?;
    for (name, is_cold) in names.into_iter().zip([false, true]) {
        report.bench(name, || {
            compare(device, (&source, &target), repeats, is_cold)
        });
    }
    Ok(())
}

/// Loads both files in turn; the first tokens have to be the same bits.
fn compare(
    device: &Device,
    (source, target): (&Path, &Path),
    repeats: usize,
    is_cold: bool,
) -> anyhow::Result<serde_json::Value> {
    let mut page_cache = if is_cold { "cold" } else { "warm" };
    let mut prepare = |path: &Path| -> anyhow::Result<()> {
        if is_cold && evict(&[path.to_path_buf()])? == Evicted::Unknown {
            page_cache = "warm, or not known: a file could not be dropped";
        }
        Ok(())
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..=repeats {
        prepare(target)?;
        ours.push(load_wcodec(target, device)?);
        prepare(source)?;
        theirs.push(load_safetensors(source, device)?);
    }
    let bits =
        |times: &Times| -> Vec<u32> { times.logits.iter().map(|logit| logit.to_bits()).collect() };
    let mut all = ours.iter().chain(&theirs).map(bits);
    let first = all.next();
    ensure!(
        all.all(|bits| Some(bits) == first),
        "the first token's logits differ"
    );
    // The first of each warms the page cache, or the device alone.
    Ok(json!({
        "safetensors_bytes": std::fs::metadata(source)?.len(),
        "wcodec_bytes": std::fs::metadata(target)?.len(),
        "page_cache": page_cache,
        "wcodec": figures(ours.get(1..).unwrap_or_default()),
        "safetensors": figures(theirs.get(1..).unwrap_or_default()),
    }))
}

/// Medians.
fn figures(runs: &[Times]) -> serde_json::Value {
    let median = |of: fn(&Times) -> f64| {
        let mut times: Vec<f64> = runs.iter().map(of).collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    };
    json!({
        "built_s": median(|times| times.built),
        "first_token_s": median(|times| times.first_token),
        "finished_s": median(|times| times.finished),
        "runs": runs.len(),
    })
}

fn load_wcodec(path: &Path, device: &Device) -> anyhow::Result<Times> {
    let start = Instant::now();
    let loader = WcodecLoader::open(path)?;
    let config = config(loader.names());
    let vb = loader.var_builder(DType::BF16, device);
    first_token(vb, &config, start, || Ok(loader.finish()?))
}

fn load_safetensors(path: &Path, device: &Device) -> anyhow::Result<Times> {
    let start = Instant::now();
    #[expect(unsafe_code, reason = "the peer that is measured")]
    // SAFETY: nobody changes the file while it is mapped.
    let mapped = unsafe { candle_core::safetensors::MmapedSafetensors::new(path) }?;
    let names: Vec<String> = mapped.tensors().into_iter().map(|(name, _)| name).collect();
    let config = config(names.iter().map(String::as_str));
    let vb = VarBuilder::from_backend(Box::new(mapped), DType::BF16, device.clone());
    first_token(vb, &config, start, || Ok(()))
}

fn first_token(
    vb: VarBuilder<'_>,
    config: &Config,
    start: Instant,
    finish: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Times> {
    let device = vb.device().clone();
    let mut cache = Cache::new(true, DType::BF16, config, &device)?;
    let model = Llama::load(vb, config)?;
    let built = start.elapsed().as_secs_f64();
    let prompt = Tensor::new(&PROMPT, &device)?.unsqueeze(0)?;
    let logits = model.forward(&prompt, 0, &mut cache)?;
    let logits = logits.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
    let first_token = start.elapsed().as_secs_f64();
    finish()?;
    let finished = start.elapsed().as_secs_f64();
    Ok(Times {
        built,
        first_token,
        finished,
        logits,
    })
}

/// The config of the synthetic Llama with these tensors.
fn config<'a>(names: impl Iterator<Item = &'a str>) -> Config {
    let layer = |name: &str| {
        name.strip_prefix("model.layers.")?
            .split('.')
            .next()?
            .parse::<usize>()
            .ok()
    };
    Config {
        hidden_size: HIDDEN,
        intermediate_size: (HIDDEN * 11 / 4).next_multiple_of(256),
        vocab_size: synthetic::VOCABULARY,
        num_hidden_layers: names.filter_map(layer).max().map_or(0, |last| last + 1),
        num_attention_heads: HIDDEN / HEAD,
        num_key_value_heads: HIDDEN / HEAD,
        use_flash_attn: false,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        bos_token_id: None,
        eos_token_id: None,
        rope_scaling: None,
        max_position_embeddings: 256,
        tie_word_embeddings: false,
    }
}
