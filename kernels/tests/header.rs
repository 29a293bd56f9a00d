//! The C headers and the Rust constants are the same.

use std::path::Path;

#[test]
fn c_headers_are_current() {
    let hint = "run `cargo test -p wcodec-kernels --test header -- --ignored generate`";
    assert_eq!(
        wcodec_kernels::FORMAT_H,
        wcodec::format::c_header(),
        "{hint}"
    );
    assert_eq!(
        wcodec_kernels::WORK_H,
        wcodec_kernels::work_header(),
        "{hint}"
    );
}

#[test]
#[ignore = "writes the C headers; run it by name when a constant changes"]
fn generate() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    std::fs::write(folder.join("wcodec_format.h"), wcodec::format::c_header()).unwrap();
    std::fs::write(folder.join("wcodec_work.h"), wcodec_kernels::work_header()).unwrap();
}
