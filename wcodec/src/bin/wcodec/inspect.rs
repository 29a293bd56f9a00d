//! `wcodec inspect`: header and index alone, so a file of any length answers at once.

mod planes;
mod text;
mod view;

use crate::args::Inspect;
use crate::failure::{Failure, Outcome};
use crate::output::{self, printable};
use planes::PlanesView;
use std::path::Path;
use view::{FileView, OneTensor};
use wcodec::{Reader, TensorId};

/// Names offered for one that is not there.
const MAX_NEAR_NAMES: usize = 3;
/// Similarity from which a name is offered, 1 being the same.
const NEAR: f64 = 0.8;

/// Shows the file, or one tensor of it.
pub(crate) fn run(args: &Inspect) -> Outcome {
    let reader = Reader::open(&args.file)?;
    if let Some(name) = &args.tensor {
        let one = OneTensor::of(&reader, &args.file, find(&reader, &args.file, name)?);
        return if args.json {
            output::print_json(&one)
        } else {
            output::print(&text::tensor(&one))
        };
    }
    if args.planes {
        let planes = PlanesView::of(&reader, &args.file);
        return if args.json {
            output::print_json(&planes)
        } else {
            output::print(&planes.text())
        };
    }
    let file = FileView::of(&reader, &args.file)?;
    if args.json {
        output::print_json(&file)
    } else {
        output::print(&text::file(&file))
    }
}

/// The tensor of that name, or an error that offers names near it.
fn find(reader: &Reader, file: &Path, name: &str) -> Outcome<TensorId> {
    reader.find(name).ok_or_else(|| {
        let near = near_names(name, reader.tensors().iter().map(|info| info.name.as_str()));
        let advice = match near.as_slice() {
            [] => format!("; `wcodec inspect {}` lists them all", file.display()),
            near => format!("; is it `{}`?", near.join("`, `")),
        };
        Failure::Usage(format!(
            "{}, tensor `{name}`: no such tensor in the file{advice}",
            printable(&file.to_string_lossy())
        ))
    })
}

/// The names most like `name`, those that contain it first.
fn near_names<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let likeness = |candidate: &str| match candidate.contains(name) {
        true => 1.0,
        false => strsim::normalized_damerau_levenshtein(candidate, name),
    };
    let mut near: Vec<(f64, &str)> = names
        .map(|candidate| (likeness(candidate), candidate))
        .collect();
    near.retain(|(likeness, _)| *likeness >= NEAR);
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a)); // stable: the order of the file among equals
    near.into_iter()
        .take(MAX_NEAR_NAMES)
        .map(|(_, name)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_those_a_person_may_have_meant() {
        let names = [
            "model.layers.0.q_proj.weight",
            "model.layers.0.k_proj.weight",
            "lm_head.weight",
            "model.norm.weight",
        ];
        let near = |name| near_names(name, names.into_iter());
        assert_eq!(near("lm_head.weigth"), ["lm_head.weight"]);
        assert_eq!(near("q_proj"), ["model.layers.0.q_proj.weight"]);
        assert_eq!(near("model.layers.0.x_proj.weight").len(), 2);
        assert_eq!(near("weight").len(), MAX_NEAR_NAMES);
        assert!(near("vision.tower").is_empty());
    }
}
