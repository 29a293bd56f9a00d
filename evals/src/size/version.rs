//! A model in one format, measured as a whole and by tensor class.

use super::peers::Peer;
use super::{CodecSize, SizeRow, WHOLE};
use crate::quantise::Scheme;
use crate::tensor::{self, Tensor};
use anyhow::{Context, ensure};
use rayon::prelude::*;
use std::io::Cursor;
use std::path::Path;
use std::time::Instant;
use wcodec::checkpoint::{ImportOptions, Source, import_into};
use wcodec::{Effort, Limits, Reader};

/// The quantised versions of each model.
const SCHEMES: [Scheme; 4] = [
    Scheme::Int8Tensor,
    Scheme::Int8Row,
    Scheme::Int4Group128,
    Scheme::Fp8Row,
];

/// What a tensor does in a Llama.
fn class(name: &str) -> &'static str {
    const CLASSES: [(&str, &str); 6] = [
        ("_scale", "scales"),
        ("norm", "norms"),
        ("embed_tokens", "embedding"),
        ("lm_head", "head"),
        ("self_attn", "attention"),
        ("mlp", "MLP"),
    ];
    let found = CLASSES.iter().find(|(part, _)| name.contains(part));
    found.map_or("other", |(_, class)| class)
}

/// One version of a model.
pub(super) struct Version {
    model: String,
    format: String,
    tensors: Vec<Tensor>,
    /// Weights of each class, and of all.
    weights: Vec<(&'static str, u64)>,
}

/// The versions of a model.
pub(super) fn versions(model: &str, folder: &Path) -> anyhow::Result<Vec<Version>> {
    let mut versions = Vec::new();
    for (format, dtype) in [("BF16", "bf16"), ("F16", "f16"), ("F32", "f32")] {
        let path = folder.join(dtype).join("model.safetensors");
        if path.is_file() {
            versions.push((format, tensor::read(&path)?));
        }
    }
    let path = folder.join("f32").join("model.safetensors");
    let base = tensor::read(&path)?;
    for scheme in SCHEMES {
        let mut tensors = Vec::new();
        for tensor in &base {
            match tensor.is_matrix() {
                true => {
                    tensors.extend(scheme.apply(&tensor.name, &tensor.weights()?, tensor.columns()))
                }
                false => tensors.push(tensor.clone()),
            }
        }
        versions.push((scheme.name(), tensors));
    }
    let mut weights: Vec<(&'static str, u64)> = vec![(WHOLE, 0)];
    for tensor in &base {
        let count = tensor.shape.iter().product::<usize>() as u64;
        for class in [WHOLE, class(&tensor.name)] {
            match weights.iter_mut().find(|(other, _)| *other == class) {
                Some((_, weights)) => *weights += count,
                None => weights.push((class, count)),
            }
        }
    }
    let versions = versions.into_iter().map(|(format, tensors)| Version {
        model: model.to_owned(),
        format: format.to_owned(),
        tensors,
        weights: weights.clone(),
    });
    Ok(versions.collect())
}

impl Version {
    /// The whole file, timed, and each class.
    pub(super) fn rows(&self, effort: Effort, peers: &[Peer]) -> anyhow::Result<Vec<SizeRow>> {
        let source = tensor::safetensors_file(&self.tensors)?;
        let options = ImportOptions {
            effort,
            ..Default::default()
        };
        let mut container = Cursor::new(Vec::new());
        let bytes = Source::Safetensors {
            name: "model.safetensors",
            bytes: &source,
        };
        let summary = import_into(bytes, &mut container, &options)?;
        let reader = Reader::new(container.into_inner(), &Limits::default())?;
        let decode = self.decode(&reader)?;
        let all: Vec<&Tensor> = self.tensors.iter().collect();
        let raw: u64 = all.iter().map(|tensor| tensor.bytes.len() as u64).sum();
        let speed = |seconds: f64| Some(raw as f64 / seconds / 1e9);
        let mut whole = vec![CodecSize {
            codec: "wcodec".to_owned(),
            bytes: summary.file_bytes,
            decode_gb_per_s: speed(decode),
        }];
        for peer in peers {
            let coded = peer.measure(&all)?;
            whole.push(CodecSize {
                codec: peer.name(),
                bytes: coded.bytes,
                decode_gb_per_s: speed(coded.decode),
            });
        }
        let mut rows = vec![self.row(WHOLE, source.len() as u64, whole)];
        let mut classes: Vec<&str> = self
            .tensors
            .iter()
            .map(|tensor| class(&tensor.name))
            .collect();
        classes.sort_unstable();
        classes.dedup();
        for class_name in classes {
            let tensors: Vec<&Tensor> = self
                .tensors
                .iter()
                .filter(|tensor| class(&tensor.name) == class_name)
                .collect();
            let of_reader = tensors
                .iter()
                .filter_map(|tensor| reader.find(&tensor.name));
            let ours = CodecSize {
                codec: "wcodec".to_owned(),
                bytes: of_reader.map(|id| reader.info(id).coded_bytes()).sum(),
                decode_gb_per_s: None,
            };
            let theirs = peers.par_iter().map(|peer| {
                Ok(CodecSize {
                    codec: peer.name(),
                    bytes: peer.measure(&tensors)?.bytes,
                    decode_gb_per_s: None,
                })
            });
            let theirs = theirs.collect::<anyhow::Result<Vec<_>>>()?;
            let raw = tensors.iter().map(|tensor| tensor.bytes.len() as u64).sum();
            rows.push(self.row(class_name, raw, [vec![ours], theirs].concat()));
        }
        Ok(rows)
    }

    /// Seconds to decode everything with one thread; what comes is compared.
    fn decode(&self, reader: &Reader) -> anyhow::Result<f64> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        let mut buffers: Vec<Vec<u8>> = self
            .tensors
            .iter()
            .map(|tensor| vec![1; tensor.bytes.len()])
            .collect();
        let start = Instant::now();
        pool.install(|| -> anyhow::Result<()> {
            for (tensor, buffer) in self.tensors.iter().zip(&mut buffers) {
                let id = reader.find(&tensor.name);
                let id = id.with_context(|| format!("tensor `{}` is gone", tensor.name))?;
                reader.decode_bytes(id, buffer)?;
            }
            Ok(())
        })?;
        let seconds = start.elapsed().as_secs_f64();
        for (tensor, buffer) in self.tensors.iter().zip(&buffers) {
            ensure!(
                tensor.bytes == *buffer,
                "tensor `{}` came back changed",
                tensor.name
            );
        }
        Ok(seconds)
    }

    fn row(&self, class: &str, raw_bytes: u64, codecs: Vec<CodecSize>) -> SizeRow {
        // Scales are no weights: what they take is shared out over the weights of the file.
        let of_class = self.weights.iter().find(|(other, _)| *other == class);
        let weights = of_class.or(self.weights.first());
        SizeRow {
            model: self.model.clone(),
            format: self.format.clone(),
            class: class.to_owned(),
            weights: weights.map_or(0, |(_, weights)| *weights),
            raw_bytes,
            codecs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_have_classes() {
        for (name, expected) in [
            ("model.layers.3.self_attn.q_proj.weight", "attention"),
            ("model.layers.3.mlp.up_proj.weight_scale", "scales"),
            ("model.layers.0.input_layernorm.weight", "norms"),
            ("model.embed_tokens.weight", "embedding"),
            ("lm_head.weight", "head"),
            ("rope.freqs", "other"),
        ] {
            assert_eq!(class(name), expected, "{name}");
        }
    }

    #[test]
    fn classes_and_their_payloads_add_up_to_the_file() {
        let values: Vec<f32> = (0..6000u16).map(|i| (f32::from(i) * 0.7).sin()).collect();
        let float = tensor::Float::Bf16;
        let version = Version {
            model: "m".into(),
            format: "BF16".into(),
            tensors: vec![
                float.tensor("model.embed_tokens.weight", &[60, 50], &values[..3000]),
                float.tensor(
                    "model.layers.0.mlp.up_proj.weight",
                    &[60, 50],
                    &values[3000..],
                ),
            ],
            weights: vec![(WHOLE, 6000), ("embedding", 3000), ("MLP", 3000)],
        };
        let rows = version.rows(Effort::Default, &[Peer::Zstd(1)]).unwrap();
        let classes: Vec<&str> = rows.iter().map(|row| row.class.as_str()).collect();
        assert_eq!(classes, [WHOLE, "MLP", "embedding"]);
        let parts: u64 = rows[1..].iter().map(SizeRow::ours).sum();
        assert!(parts < rows[0].ours() && rows[0].ours() < rows[0].raw_bytes);
        assert_eq!(rows[1].raw_bytes + rows[2].raw_bytes, 12_000);
        assert!(
            rows.iter()
                .all(|row| row.codecs.len() == 2 && row.codecs[1].bytes > 0)
        );
    }
}
