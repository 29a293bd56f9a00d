//! What the example `01_load_one_tensor` writes.

mod support;

use support::example;

#[test]
fn the_built_in_model_is_listed_and_one_tensor_decoded() {
    let output = example("01_load_one_tensor").output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text.lines().filter(|line| line.contains(" BF16 ")).count(),
        56,
        "{text}"
    );
    assert!(text.contains("model.norm.weight: 192 values, ["), "{text}");
}
