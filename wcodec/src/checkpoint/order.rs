//! In which order a model uses its tensors first, guessed from their names.
//!
//! The norm behind the layers is small and asked for while the model is built, before any layer, so it comes early.
//! Only how well loading overlaps with reading depends on the guess, never what is decoded.

/// Where a tensor is used: stage (embedding, final norm, layers, the rest, head), layer, place within the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FirstUse {
    stage: u8,
    layer: u64,
    step: u8,
}

const EMBEDDING: u8 = 0;
const FINAL_NORM: u8 = 1;
const LAYERS: u8 = 2;
const REST: u8 = 3;
const HEAD: u8 = 4;

const EMBEDDING_NAMES: [&str; 4] = ["embed", "wte", "wpe", "word_embeddings"];
const HEAD_NAMES: [&str; 4] = ["lm_head", "output", "score", "classifier"];

/// The tensors of a transformer block in the order of a forward pass, several families' names on a line.
const BLOCK_STEPS: [&[&str]; 9] = [
    &["input_layernorm", "attention_norm", "ln_1"],
    &["q_proj", "wq", "c_attn", "qkv"],
    &["k_proj", "wk"],
    &["v_proj", "wv"],
    &["o_proj", "wo", "attn.c_proj"],
    &["post_attention_layernorm", "ffn_norm", "ln_2"],
    &["gate_proj", "w1", "router", "mlp.gate"],
    &["up_proj", "w3", "c_fc"],
    &["down_proj", "w2", "mlp.c_proj"],
];

/// Where the tensor of that name is used first.
pub(super) fn first_use(name: &str) -> FirstUse {
    let any_of = |names: &[&str]| names.iter().any(|part| name.contains(part));
    let layer = name
        .split('.')
        .skip(1)
        .find_map(|component| component.parse::<u64>().ok());
    if let Some(layer) = layer {
        let step = BLOCK_STEPS
            .iter()
            .position(|names| any_of(names))
            .unwrap_or(BLOCK_STEPS.len());
        return FirstUse {
            stage: LAYERS,
            layer,
            step: u8::try_from(step).unwrap_or(u8::MAX),
        };
    }
    let stage = if any_of(&EMBEDDING_NAMES) {
        EMBEDDING
    } else if any_of(&HEAD_NAMES) {
        HEAD
    } else if any_of(&["norm", "ln_f"]) {
        FINAL_NORM
    } else {
        REST
    };
    FirstUse {
        stage,
        layer: 0,
        step: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_llama_sorts_into_the_order_in_which_it_is_built_and_run() {
        let expected = [
            "model.embed_tokens.weight",
            "model.norm.weight",
            "model.layers.0.input_layernorm.weight",
            "model.layers.0.self_attn.q_proj.weight",
            "model.layers.0.self_attn.k_proj.weight",
            "model.layers.0.self_attn.o_proj.weight",
            "model.layers.0.post_attention_layernorm.weight",
            "model.layers.0.mlp.down_proj.weight",
            "model.layers.2.self_attn.q_proj.weight",
            "model.layers.10.self_attn.q_proj.weight",
            "model.rotary.inv_freq",
            "lm_head.weight",
        ];
        let mut sorted = expected;
        sorted.reverse();
        sorted.sort_by_key(|name| first_use(name));
        assert_eq!(sorted, expected);
    }
}
