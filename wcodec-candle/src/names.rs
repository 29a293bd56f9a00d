//! Tensor names: which of them belong together, and which one a misspelt one may have meant.

use std::collections::HashMap;
use wcodec::TensorInfo;

/// Names offered for one that does not exist.
const NEAR_NAMES: usize = 3;
/// Similarity from 0 to 1 below which a name is not offered.
const NEAR_ENOUGH: f64 = 0.6;

/// The names of a file, grouped: `model.layers.0.mlp.up_proj.weight` and `model.layers.1.mlp.up_proj.weight` have the
/// template `model.layers.#.mlp.up_proj.weight` in common.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    texts: Vec<String>,
    tensors: Vec<Place>,
}

/// Where a tensor belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Its template, by number.
    pub(crate) template: usize,
    /// The first number in its name.
    pub(crate) layer: Option<u64>,
}

impl Templates {
    pub(crate) fn new(tensors: &[TensorInfo]) -> Self {
        let mut templates = Self::default();
        let mut by_text = HashMap::new();
        for info in tensors {
            let (text, numbers) = split(&info.name);
            let template = *by_text.entry(text).or_insert_with_key(|text| {
                templates.texts.push(text.clone());
                templates.texts.len() - 1
            });
            templates.tensors.push(Place {
                template,
                layer: numbers.first().copied(),
            });
        }
        templates
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The places of the tensors, in their order.
    pub(crate) fn places(&self) -> &[Place] {
        &self.tensors
    }

    /// The names most like `wanted`, best first: one from each template that is like its own.
    pub(crate) fn near<'a>(&self, wanted: &str, tensors: &'a [TensorInfo]) -> Vec<&'a str> {
        let (text, numbers) = split(wanted);
        let scored = self.texts.iter().enumerate();
        let mut scored: Vec<(f64, usize)> = scored
            .map(|(template, candidate)| (similarity(&text, candidate), template))
            .filter(|&(score, _)| score >= NEAR_ENOUGH)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scored.truncate(NEAR_NAMES);
        let closest = |&(_, template): &(f64, usize)| {
            let members = tensors
                .iter()
                .zip(&self.tensors)
                .filter(|(_, place)| place.template == template);
            let names = members.map(|(info, _)| info.name.as_str());
            names.min_by_key(|name| distance(&split(name).1, &numbers))
        };
        scored.iter().filter_map(closest).collect()
    }
}

/// The template and the numbers of a name: its components of digits only.
fn split(name: &str) -> (String, Vec<u64>) {
    let mut numbers = Vec::new();
    let mut text = String::with_capacity(name.len());
    for (at, component) in name.split('.').enumerate() {
        if at > 0 {
            text.push('.');
        }
        if component.is_empty() || component.contains(|c: char| !c.is_ascii_digit()) {
            text.push_str(component);
        } else {
            text.push('#');
            numbers.push(component.parse().unwrap_or(u64::MAX));
        }
    }
    (text, numbers)
}

/// How alike two templates are, by their letters and by their components: 1 for the same, or for one that is the
/// other without its first components.
fn similarity(a: &str, b: &str) -> f64 {
    let ends_with = |long: &str, short: &str| {
        long.strip_suffix(short)
            .is_some_and(|rest| rest.ends_with('.'))
    };
    if ends_with(a, b) || ends_with(b, a) {
        return 1.0;
    }
    let (parts_a, parts_b): (Vec<&str>, Vec<&str>) =
        (a.split('.').collect(), b.split('.').collect());
    let apart = strsim::generic_levenshtein(&parts_a, &parts_b) as f64;
    let by_components = 1.0 - apart / parts_a.len().max(parts_b.len()) as f64;
    (strsim::normalized_levenshtein(a, b) + by_components) / 2.0
}

/// How far apart two names of one template are: numbers that differ, and by how much.
fn distance(a: &[u64], b: &[u64]) -> (usize, u64) {
    let apart = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (
        apart().filter(|&by| by > 0).count(),
        apart().fold(0, u64::saturating_add),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_one_template() {
        assert_eq!(
            split("model.layers.17.mlp.experts.3.w1"),
            ("model.layers.#.mlp.experts.#.w1".into(), vec![17, 3])
        );
        assert_eq!(split("h.0"), ("h.#".into(), vec![0]));
        assert_eq!(
            split("lm_head.w8.weight"),
            ("lm_head.w8.weight".into(), vec![])
        );
        assert_eq!(split("a..b"), ("a..b".into(), vec![]));
        assert_eq!(
            split("layers.99999999999999999999.w"),
            ("layers.#.w".into(), vec![u64::MAX])
        );
    }

    #[test]
    fn a_missing_prefix_or_a_slip_is_near() {
        let (whole, _) = split("model.layers.4.self_attn.q_proj.weight");
        assert_eq!(similarity("layers.#.self_attn.q_proj.weight", &whole), 1.0);
        assert_eq!(similarity(&format!("model.{whole}"), &whole), 1.0);
        let slip = similarity("model.layers.#.q_proj.weight", &whole);
        assert!(slip > NEAR_ENOUGH);
        assert!(
            slip > similarity(
                "model.layers.#.q_proj.weight",
                "model.layers.#.mlp.up_proj.weight"
            )
        );
        assert!(similarity("visual.patch_embed.bias", &whole) < NEAR_ENOUGH);
        assert!(
            similarity("xlm_head.weight", "lm_head.weight") < 1.0,
            "only whole components are left out"
        );
    }

    #[test]
    fn the_nearest_layer_wins() {
        assert!(distance(&[31], &[32]) < distance(&[0], &[32]));
        assert!(distance(&[7, 0], &[7, 300]) < distance(&[6, 299], &[7, 300]));
    }
}
