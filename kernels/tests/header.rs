//! The C header and the Rust constants are the same.

use std::path::Path;

#[test]
fn c_header_is_current() {
    assert_eq!(
        wcodec_kernels::FORMAT_H,
        wcodec::format::c_header(),
        "run `cargo test -p wcodec-kernels --test header -- --ignored generate`"
    );
}

#[test]
#[ignore = "writes the C header; run it by name when a constant changes"]
fn generate() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/wcodec_format.h");
    std::fs::write(path, wcodec::format::c_header()).unwrap();
}
