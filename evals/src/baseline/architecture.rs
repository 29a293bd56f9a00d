//! Llamas by name: their configs, tensors and shards.

use serde_json::json;

/// A published architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Model {
    /// Llama 3 8B.
    #[value(name = "llama3-8b")]
    Llama3,
    /// Llama 2 7B.
    #[value(name = "llama2-7b")]
    Llama2,
    /// TinyLlama 1.1B.
    Tiny,
}

/// How many of a model's layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Size {
    /// A sixteenth of them.
    Small,
    /// A fourth of them.
    Medium,
    /// All.
    Full,
}

/// Sizes of a Llama.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Architecture {
    hidden: usize,
    intermediate: usize,
    heads: usize,
    kv_heads: usize,
    vocabulary: usize,
    /// Layers of the whole model.
    pub(crate) all_layers: usize,
    /// Layers that are made.
    pub(crate) layers: usize,
    rope_theta: f64,
    positions: usize,
}

/// A tensor to draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
}

impl Planned {
    pub(crate) fn num_weights(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn is_matrix(&self) -> bool {
        self.shape.len() == 2
    }
}

impl Model {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Llama3 => "llama3-8b",
            Self::Llama2 => "llama2-7b",
            Self::Tiny => "tiny",
        }
    }

    /// Its sizes, with some of its layers.
    pub(crate) fn architecture(self, size: Size) -> Architecture {
        let whole = match self {
            Self::Llama3 => Architecture {
                hidden: 4096,
                intermediate: 14_336,
                heads: 32,
                kv_heads: 8,
                vocabulary: 128_256,
                all_layers: 32,
                layers: 32,
                rope_theta: 500_000.0,
                positions: 8192,
            },
            Self::Llama2 => Architecture {
                hidden: 4096,
                intermediate: 11_008,
                heads: 32,
                kv_heads: 32,
                vocabulary: 32_000,
                all_layers: 32,
                layers: 32,
                rope_theta: 10_000.0,
                positions: 4096,
            },
            Self::Tiny => Architecture {
                hidden: 2048,
                intermediate: 5632,
                heads: 32,
                kv_heads: 4,
                vocabulary: 32_000,
                all_layers: 22,
                layers: 22,
                rope_theta: 10_000.0,
                positions: 2048,
            },
        };
        let share = match size {
            Size::Small => 16,
            Size::Medium => 4,
            Size::Full => 1,
        };
        Architecture {
            layers: (whole.all_layers / share).max(1),
            ..whole
        }
    }
}

impl Architecture {
    /// One for tests.
    #[cfg(test)]
    pub(super) fn small() -> Self {
        Self {
            hidden: 256,
            intermediate: 768,
            heads: 8,
            kv_heads: 4,
            vocabulary: 1000,
            all_layers: 2,
            layers: 2,
            rope_theta: 10_000.0,
            positions: 64,
        }
    }

    /// Every tensor, in the order of first use.
    pub(crate) fn tensors(&self) -> Vec<Planned> {
        let (hidden, inner) = (self.hidden, self.intermediate);
        let kv = hidden / self.heads * self.kv_heads;
        let planned = |name: String, shape: &[usize]| Planned {
            name: format!("{name}.weight"),
            shape: shape.to_vec(),
        };
        let mut tensors = vec![
            planned("model.embed_tokens".into(), &[self.vocabulary, hidden]),
            planned("lm_head".into(), &[self.vocabulary, hidden]),
            planned("model.norm".into(), &[hidden]),
        ];
        let of_layer: [(&str, &[usize]); 9] = [
            ("self_attn.q_proj", &[hidden, hidden]),
            ("self_attn.k_proj", &[kv, hidden]),
            ("self_attn.v_proj", &[kv, hidden]),
            ("self_attn.o_proj", &[hidden, hidden]),
            ("mlp.gate_proj", &[inner, hidden]),
            ("mlp.up_proj", &[inner, hidden]),
            ("mlp.down_proj", &[hidden, inner]),
            ("input_layernorm", &[hidden]),
            ("post_attention_layernorm", &[hidden]),
        ];
        for layer in 0..self.layers {
            tensors.extend(
                of_layer
                    .map(|(name, shape)| planned(format!("model.layers.{layer}.{name}"), shape)),
            );
        }
        tensors
    }

    /// Its config.json.
    pub(crate) fn config(&self) -> String {
        let config = json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "vocab_size": self.vocabulary,
            "max_position_embeddings": self.positions,
            "rms_norm_eps": 1e-5,
            "rope_theta": self.rope_theta,
            "tie_word_embeddings": false,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "torch_dtype": "bfloat16",
        });
        format!("{config:#}\n")
    }
}

/// The tensors in runs of at most `most` weights, one at least in each.
pub(crate) fn shards(tensors: &[Planned], most: usize) -> Vec<Vec<Planned>> {
    let mut shards: Vec<Vec<Planned>> = Vec::new();
    let mut room = 0;
    for tensor in tensors {
        let weights = tensor.num_weights();
        match shards.last_mut().filter(|_| weights <= room) {
            Some(shard) => {
                shard.push(tensor.clone());
                room -= weights;
            }
            None => {
                shards.push(vec![tensor.clone()]);
                room = most.saturating_sub(weights);
            }
        }
    }
    shards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_their_published_sizes() {
        for (model, weights) in [
            (Model::Llama3, 8_030_261_248),
            (Model::Llama2, 6_738_415_616),
            (Model::Tiny, 1_100_048_384),
        ] {
            let tensors = model.architecture(Size::Full).tensors();
            let total: usize = tensors.iter().map(Planned::num_weights).sum();
            assert_eq!(total, weights, "{model:?}");
        }
        assert_eq!(Model::Llama2.architecture(Size::Small).layers, 2);
        assert_eq!(Model::Tiny.architecture(Size::Small).layers, 1);
    }

    #[test]
    fn configs_are_read_back() {
        let architecture = Model::Tiny.architecture(Size::Medium);
        let config = crate::model::read_config("c", architecture.config().as_bytes()).unwrap();
        assert_eq!(
            (config.num_hidden_layers, config.num_key_value_heads),
            (5, 4)
        );
    }

    #[test]
    fn shards_hold_everything_in_order() {
        let tensors = Model::Tiny.architecture(Size::Small).tensors();
        let shards = shards(&tensors, 100_000_000);
        assert!(shards.len() > 1 && shards.concat() == tensors);
        for shard in &shards {
            let weights: usize = shard.iter().map(Planned::num_weights).sum();
            assert!(weights <= 100_000_000 || shard.len() == 1);
        }
    }
}
