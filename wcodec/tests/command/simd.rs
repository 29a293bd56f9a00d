//! `WCODEC_SIMD`: every path of this machine decodes real weights to the same bytes.

use crate::support::{Run, command, encoded, wcodec};
use std::path::Path;

/// Runs the command with `WCODEC_SIMD` set.
fn wcodec_with_simd(folder: &Path, name: &str, args: &[&str]) -> Run {
    let mut command = command(folder, args);
    Run::of(command.env("WCODEC_SIMD", name).output().unwrap())
}

#[test]
fn every_path_verifies_real_weights_and_every_mode() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = here.join("tests/golden");
    let files = [
        here.join("../examples/models/tinystories-3m.wcodec"),
        golden.join("v2_chunks.wcodec"),
        golden.join("v2_example.wcodec"),
        golden.join("v2_modes.wcodec"),
    ];
    let home = tempfile::tempdir().unwrap();
    for file in &files {
        for path in wcodec::simd::available() {
            // Digests of the tensors' bytes are in the file.
            let run = wcodec_with_simd(home.path(), path, &["verify", file.to_str().unwrap()]);
            run.succeeded();
        }
    }
}

#[test]
fn a_path_that_this_machine_does_not_have_is_a_usage_error() {
    let home = encoded();
    for name in ["avx513", "AVX2", "scalar "] {
        wcodec_with_simd(home.path(), name, &["verify", "model.wcodec"]).failed(
            2,
            &[&format!("WCODEC_SIMD={name}: this machine has scalar")],
        );
    }
    wcodec_with_simd(home.path(), "", &["verify", "model.wcodec"]).succeeded();
    wcodec(home.path(), &["verify", "model.wcodec"]).succeeded();
}
