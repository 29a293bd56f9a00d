//! Section 3: source files, attachments, tensors.

use super::support::forge::Forge;
use super::{assert_refused, base, refuse_after_layout, refuse_before_layout};

#[test]
fn index() {
    refuse_before_layout(&[
        ("more sources than there are", "truncated", |f| {
            f.counts = Some([2, 2, 9])
        }),
        ("more tensors than there are", "truncated", |f| {
            f.counts = Some([1, 2, u32::MAX])
        }),
        (
            "fewer tensors than there are",
            "end of the index breaks rule 3",
            |f| f.counts = Some([1, 2, 8]),
        ),
        ("reserved field", "is not supported", |f| f.reserved = 1),
        (
            "bytes after the last tensor",
            "end of the index breaks rule 3",
            |f| f.after_last_tensor.push(0),
        ),
        ("name that is not UTF-8", "rule 1.2", |f| {
            f.tensors[0].name = vec![0xff]
        }),
        ("file name that is not UTF-8", "rule 1.2", |f| {
            f.attachments[0].name = vec![0xc3]
        }),
        ("two files of one name", "rule 3.1", |f| {
            f.attachments[0].name = f.attachments[1].name.clone()
        }),
        ("attachment named as a source", "rule 3.1", |f| {
            f.attachments[0].name = f.sources[0].name.clone()
        }),
        (
            "source file too long",
            "length of a source file breaks rule 3.1",
            |f| f.sources[0].file_len += 1,
        ),
        (
            "source file too short",
            "length of a source file breaks rule 3.1",
            |f| f.sources[0].file_len -= 1,
        ),
        ("no source file", "rule 3.2", |f| f.sources.clear()),
    ]);
    refuse_after_layout(&[
        ("checksum of an attachment", "attachment is damaged", |f| {
            f.attachments[0].crc ^= 1
        }),
        (
            "checksum of a safetensors header",
            "safetensors header is damaged",
            |f| f.sources[0].crc ^= 1,
        ),
    ]);
}

#[test]
fn file_names() {
    let long = "x".repeat(256);
    let names = [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        "..\\x",
        "C:x",
        "a*",
        "a?",
        "\"",
        "<",
        ">",
        "|",
        "a\0",
        "a\n",
        "\u{85}",
        &long,
    ];
    for name in names {
        for is_source in [false, true] {
            let mut forge = Forge::open(base());
            let file = if is_source {
                &mut forge.sources[0]
            } else {
                &mut forge.attachments[0]
            };
            file.name = name.as_bytes().to_vec();
            forge.lay_out();
            assert_refused(name, "name of a file breaks rule 3.1", &forge.seal());
        }
    }
}

#[test]
fn tensors() {
    refuse_before_layout(&[
        ("two tensors of one name", "given twice", |f| {
            f.tensors[1].name = f.tensors[0].name.clone()
        }),
        (
            "source out of range",
            "source of a tensor breaks rule 3.2",
            |f| f.tensor("w").source = 1,
        ),
        ("dtype 0", "dtype 0 is not supported", |f| {
            f.tensor("w").dtype = 0
        }),
        ("dtype 23", "dtype 23 is not supported", |f| {
            f.tensor("w").dtype = 23
        }),
        ("shape over 2^64", "shape breaks rule 3.2", |f| {
            f.tensor("w").shape = vec![1 << 32, 1 << 32]
        }),
        ("bits over 2^64", "shape breaks rule 3.2", |f| {
            f.tensor("w").shape = vec![1 << 60]
        }),
        (
            "shape over 2^64 before its zero",
            "shape breaks rule 3.2",
            |f| f.tensor("empty").shape = vec![1 << 40, 1 << 40, 0],
        ),
        ("half a byte", "shape breaks rule 3.2", |f| {
            (f.tensor("noise").dtype, f.tensor("noise").shape) = (22, vec![129])
        }),
        ("three quarters of a byte", "shape breaks rule 3.2", |f| {
            (f.tensor("noise").dtype, f.tensor("noise").shape) = (20, vec![87])
        }),
        ("a huge tensor", "over the limit", |f| {
            f.tensor("ones").shape = vec![1 << 58]
        }),
        ("a hole in the data", "data offset breaks rule 3.2", |f| {
            f.tensor("ids").data_offset += 8
        }),
        (
            "an overlap in the data",
            "data offset breaks rule 3.2",
            |f| f.tensor("ids").data_offset -= 8,
        ),
        (
            "data at the end of numbers",
            "data offset breaks rule 3.2",
            |f| f.tensor("ids").data_offset = u64::MAX,
        ),
        (
            "no samples in a chunk",
            "chunk_samples breaks rule 3.2",
            |f| f.tensor("w").chunk_samples = 0,
        ),
        (
            "no samples in no chunk",
            "chunk_samples breaks rule 3.2",
            |f| f.tensor("empty").chunk_samples = 0,
        ),
        (
            "too many samples in a chunk",
            "chunk_samples breaks rule 3.2",
            |f| f.tensor("w").chunk_samples = 65_537,
        ),
        ("more than 2^32 chunks", "rule 3.2", |f| {
            (f.tensor("ones").shape, f.tensor("ones").chunk_samples) = (vec![1 << 33], 1);
        }),
        (
            "a lossy reconstruction",
            "reconstruction 1 is not supported",
            |f| f.tensor("w").reconstruction = 1,
        ),
        (
            "another digest",
            "digest of the decoded bytes breaks rule 3.2",
            |f| f.tensor("ids").digest[31] ^= 1,
        ),
        (
            "the digest of nothing",
            "digest of the decoded bytes breaks rule 3.2",
            |f| f.tensor("empty").digest[0] ^= 1,
        ),
        ("an empty tensor with a part", "rule 3.3", |f| {
            f.tensor("empty").parts = f.tensor("ones").parts.clone()
        }),
        (
            "a tensor without its parts",
            "number of chunks breaks rule 3.3",
            |f| f.tensor("w").parts.clear(),
        ),
    ]);
}

#[test]
fn duplicates() {
    refuse_before_layout(&[
        ("of a later tensor", "duplicate_of breaks rule 3.2", |f| {
            let original = f
                .tensors
                .iter()
                .position(|tensor| tensor.name == b"w")
                .unwrap();
            let twin = f
                .tensors
                .iter()
                .position(|tensor| tensor.name == b"twin")
                .unwrap();
            f.tensors.swap(original, twin);
        }),
        ("of itself", "duplicate_of breaks rule 3.2", |f| {
            let twin = f
                .tensors
                .iter()
                .position(|tensor| tensor.name == b"twin")
                .unwrap();
            f.tensors[twin].duplicate_of = u32::try_from(twin).unwrap();
        }),
        ("of nothing", "duplicate_of breaks rule 3.2", |f| {
            f.tensor("twin").duplicate_of = u32::MAX - 1
        }),
        ("of a duplicate", "duplicate_of breaks rule 3.2", |f| {
            let twin = f
                .tensors
                .iter()
                .position(|tensor| tensor.name == b"twin")
                .unwrap();
            f.tensor("triplet").duplicate_of = u32::try_from(twin).unwrap();
        }),
        ("of another shape", "duplicate_of breaks rule 3.2", |f| {
            f.tensor("twin").shape = vec![64, 400]
        }),
        ("of another dtype", "duplicate_of breaks rule 3.2", |f| {
            f.tensor("twin").dtype = 10
        }),
        ("of other chunks", "duplicate_of breaks rule 3.2", |f| {
            f.tensor("twin").chunk_samples -= 1
        }),
        ("of another digest", "duplicate_of breaks rule 3.2", |f| {
            f.tensor("twin").digest[0] ^= 1
        }),
        ("with parts", "duplicate_of breaks rule 3.2", |f| {
            f.tensor("twin").parts = f.tensor("w").parts.clone()
        }),
    ]);
}
