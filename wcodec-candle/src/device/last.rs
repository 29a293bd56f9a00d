//! What models ask for early and use last.

use super::machine::Lane;
use wcodec::TensorInfo;

/// Bytes from which a tensor that is used last waits for the others.
const LARGE_BYTES: u64 = 1 << 20;

/// The lane of a tensor, by its name and size: [`Lane::Last`] is for large heads.
pub(crate) fn lane_of(info: &TensorInfo) -> Lane {
    match info.raw_bytes >= LARGE_BYTES && is_head(&info.name) {
        true => Lane::Last,
        false => Lane::Layers,
    }
}

/// Whether a name is that of what turns the last layer's output into logits: those of a layer have its number.
fn is_head(name: &str) -> bool {
    let is_number = |component: &str| component.parse::<u64>().is_ok();
    let is_of_head = |component| matches!(component, "lm_head" | "output" | "embed_out");
    name.split('.').any(is_of_head) && !name.split('.').any(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::support::{Source, encode_bytes};
    use safetensors::Dtype;

    #[test]
    fn large_heads_come_last() {
        let large = usize::try_from(LARGE_BYTES).unwrap();
        let bytes = encode_bytes(&[
            ("lm_head.weight", Dtype::U8, vec![0; large]),
            ("output.weight", Dtype::U8, vec![1; large - 1]),
            ("model.embed_tokens.weight", Dtype::U8, vec![2; large]),
        ]);
        let reader = Source::new(bytes).reader();
        let lanes = reader.tensors().iter();
        let last = lanes.filter(|info| lane_of(info) == Lane::Last);
        let names: Vec<&str> = last.map(|info| info.name.as_str()).collect();
        assert_eq!(names, ["lm_head.weight"]);
    }

    #[test]
    fn heads_have_no_layer() {
        for name in [
            "lm_head.weight",
            "output.weight",
            "embed_out.weight",
            "model.lm_head",
        ] {
            assert!(is_head(name), "{name}");
        }
        for name in [
            "model.layers.0.attention.output.weight",
            "h.3.output",
            "model.embed_tokens.weight",
            "my_lm_head.weight",
            "",
        ] {
            assert!(!is_head(name), "{name}");
        }
    }
}
