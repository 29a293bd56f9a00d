//! Real models: the reference's figures, and nothing lost.

use super::text::windows;
use super::*;
use crate::accuracy::TEXT;
use crate::inputs::{DEFAULT_MODELS, DEFAULT_TEXT};
use crate::model::tests::embedded;
use std::path::Path;
use wcodec::Reader;
use wcodec::checkpoint::{ExportOptions, ImportOptions, export, import};

const STORY: &str = "Once upon a time, there was a little dog named Max. Max loved to play in the park. One day, he \
    saw \
    a big ball.<|endoftext|>Lily had a red hat. She wore it every day. Her mom said, \"You look very nice!\" Lily \
    was happy.";

/// The folder of models and the text, if they are there.
fn real() -> Option<(PathBuf, PathBuf)> {
    let folder = |variable, default: &str| {
        let default = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(default);
        std::env::var_os(variable).map_or(default, PathBuf::from)
    };
    let models = folder("WCODEC_MODELS", DEFAULT_MODELS);
    let text = folder("WCODEC_TEXT", DEFAULT_TEXT).join(TEXT);
    if models.is_dir() && text.is_file() {
        return Some((models, text));
    }
    println!(
        "skipped: no {} or no {} (set WCODEC_MODELS and WCODEC_TEXT)",
        models.display(),
        text.display()
    );
    None
}

#[test]
fn the_embedded_model_is_the_same_as_safetensors() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, STORY).unwrap();
    let restored = folder.path().join("restored");
    export(
        &Reader::open(embedded()).unwrap(),
        &restored,
        &ExportOptions::default(),
    )
    .unwrap();
    for (dtype, most) in [
        (DtypeArg::F32, None),
        (DtypeArg::BF16, Some(20)),
        (DtypeArg::F16, Some(20)),
    ] {
        let outcome = compare(&restored, &embedded(), &text, dtype, most).unwrap();
        let difference = outcome.difference.as_ref().unwrap();
        assert!(difference.is_none() && difference.largest_logit_difference == 0.0);
        assert_eq!(
            (difference.perplexity.value, difference.perplexity.error),
            (0.0, 0.0)
        );
        assert!(
            (1.5..40.0).contains(&outcome.quality.perplexity),
            "{outcome:?}"
        );
        assert!(outcome.table().contains("differ by exactly 0"));
    }
}

#[test]
fn sliding_windows_predict_better_with_more_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(&path, STORY.replace("<|endoftext|>", " ")).unwrap();
    let opened = Opened::load(&embedded(), None, DtypeArg::F32, &candle_core::Device::Cpu).unwrap();
    let tokenizer = opened.checkpoint.tokenizer(None).unwrap();
    let quality = |context, stride| {
        let windows = windows(&path, &tokenizer, 1, Cut::Sliding { context, stride }).unwrap();
        Quality::of(
            &Predictions::make(&opened.llama, None, &windows)
                .unwrap()
                .first,
        )
    };
    let (short, long) = (quality(8, 4), quality(64, 1));
    assert_eq!(short.tokens, long.tokens);
    assert!(
        short.perplexity > 1.2 * long.perplexity,
        "{short:?} {long:?}"
    );
}

#[test]
fn another_format_is_measured_as_different() {
    let Some((models, text)) = real() else {
        return;
    };
    let model = models.join("tiny1m");
    let outcome = compare(
        &model.join("f32"),
        &model.join("bf16"),
        &text,
        DtypeArg::F32,
        Some(300),
    )
    .unwrap();
    let difference = outcome.difference.unwrap();
    assert!(!difference.logits_equal && difference.largest_logit_difference > 1e-4);
    assert!(difference.divergence.value > 0.0 && difference.divergence.value < 1e-3);
    assert!(difference.divergence_999 >= difference.divergence.value);
}

/// The figures of models/README.md, made by another program.
#[test]
fn perplexities_are_the_references_to_three_digits() {
    let Some((models, text)) = real() else {
        return;
    };
    for (model, stored, perplexity, tokens) in [
        ("stories260K", "f32", 4.1101, 15_300),
        ("tiny1m", "f32", 3.2122, 15_300),
        ("tiny1m", "bf16", 3.2133, 15_300),
        ("tinystories-3m", "bf16", 12.3118, 15_089),
        ("stories7m", "f32", 15.7797, 14_999),
    ] {
        let folder = models.join(model).join(stored);
        if !folder.is_dir() {
            println!("skipped: no {}", folder.display());
            continue;
        }
        let scratch = tempfile::tempdir().unwrap();
        let coded = scratch.path().join("m.wcodec");
        import(&folder, &coded, &ImportOptions::default()).unwrap();
        // The large ones are compared on a part of the text: what is predicted does not depend on how much is.
        let most = (tokens < 15_300).then_some(1000);
        let outcome = compare(&folder, &coded, &text, DtypeArg::F32, most).unwrap();
        assert!(outcome.difference.unwrap().is_none(), "{model} {stored}");
        let opened = Opened::load(&folder, None, DtypeArg::F32, &candle_core::Device::Cpu).unwrap();
        let windows = opened.windows(None, &text, REFERENCE).unwrap();
        let quality = match most {
            None => outcome.quality,
            Some(_) => Quality::of(
                &Predictions::make(&opened.llama, None, &windows)
                    .unwrap()
                    .first,
            ),
        };
        assert_eq!(quality.tokens, tokens, "{model} {stored}");
        assert!(
            (quality.perplexity - perplexity).abs() < 5e-4,
            "{model} {stored}: {}",
            quality.perplexity
        );
    }
}

#[test]
fn tables_of_tokens_have_a_column_for_each_model() {
    let score = |nll| Score { nll, is_top: true };
    let mut predictions = Predictions {
        first: vec![score(0.5), score(2.0)],
        ..Predictions::default()
    };
    assert_eq!(predictions.csv(), "nll_nats\n0.5\n2\n");
    predictions.second = vec![score(1.5), score(3.0)];
    assert_eq!(
        predictions.csv(),
        "nll_nats,nll_nats_against\n0.5,1.5\n2,3\n"
    );
}
