//! A model in one format, measured as a whole and by tensor class.

use super::peers::{Peer, best};
use super::{CodecSize, RUNS, SizeRow, WHOLE};
use crate::quantise::Scheme;
use crate::tensor::{self, Tensor};
use anyhow::{Context, ensure};
use rayon::prelude::*;
use std::io::Cursor;
use std::path::Path;
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
        versions.push((scheme.name(), scheme.checkpoint(&base)?));
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
        let mut whole = vec![self.whole("wcodec", summary.file_bytes, decode)];
        let all: Vec<&Tensor> = self.tensors.iter().collect();
        for peer in peers {
            let coded = peer.measure(&all, RUNS)?;
            whole.push(self.whole(&peer.name(), coded.bytes, coded.decode));
        }
        let mut rows = vec![self.row(WHOLE, source.len() as u64, whole)];
        let mut classes: Vec<&str> = all.iter().map(|tensor| class(&tensor.name)).collect();
        classes.sort_unstable();
        classes.dedup();
        for name in classes {
            rows.push(self.class_row(name, &reader, peers)?);
        }
        Ok(rows)
    }

    /// A codec on the whole file, decoded in so many seconds.
    fn whole(&self, codec: &str, coded_bytes: u64, seconds: f64) -> CodecSize {
        let raw: usize = self.tensors.iter().map(|tensor| tensor.bytes.len()).sum();
        CodecSize {
            codec: codec.to_owned(),
            coded_bytes,
            decode_gb_per_s: Some(raw as f64 / seconds / 1e9),
        }
    }

    /// The tensors of a class.
    fn class_row(&self, name: &str, reader: &Reader, peers: &[Peer]) -> anyhow::Result<SizeRow> {
        let tensors = self.tensors.iter();
        let tensors: Vec<&Tensor> = tensors
            .filter(|tensor| class(&tensor.name) == name)
            .collect();
        let ids = tensors
            .iter()
            .filter_map(|tensor| reader.find(&tensor.name));
        let size = |codec: String, coded_bytes| CodecSize {
            codec,
            coded_bytes,
            decode_gb_per_s: None,
        };
        let ours = ids.map(|id| reader.info(id).coded_bytes()).sum();
        let ours = size("wcodec".to_owned(), ours);
        let theirs = peers
            .par_iter()
            .map(|peer| Ok(size(peer.name(), peer.measure(&tensors, 1)?.bytes)));
        let theirs = theirs.collect::<anyhow::Result<Vec<_>>>()?;
        let raw = tensors.iter().map(|tensor| tensor.bytes.len() as u64).sum();
        Ok(self.row(name, raw, [vec![ours], theirs].concat()))
    }

    /// Seconds to decode everything with one thread, the best of some runs; what comes is compared.
    fn decode(&self, reader: &Reader) -> anyhow::Result<f64> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        let tensors = self.tensors.iter();
        let mut buffers: Vec<Vec<u8>> = tensors.map(|tensor| vec![1; tensor.bytes.len()]).collect();
        let seconds = pool.install(|| {
            best(RUNS, || {
                for (tensor, buffer) in self.tensors.iter().zip(&mut buffers) {
                    let id = reader.find(&tensor.name);
                    let id = id.with_context(|| format!("tensor `{}` is gone", tensor.name))?;
                    reader.decode_bytes(id, buffer)?;
                }
                Ok(())
            })
        })?;
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
                .all(|row| row.codecs.len() == 2 && row.codecs[1].coded_bytes > 0)
        );
    }
}
