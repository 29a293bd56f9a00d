//! Section 2: header, footer, regions.

use super::support::forge::{Forge, ForgedFile, fix_header};
use super::{assert_refused, base, refuse_after_layout, refuse_before_layout};

/// The file with `bytes` at `at`, header and footer fitting.
fn with_header(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = base().to_vec();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    fix_header(&mut file);
    file
}

#[test]
fn header() {
    let len = base().len() as u64;
    let cases: [(&str, &str, usize, &[u8]); 18] = [
        ("magic", "not a wcodec file", 0, b"PK"),
        ("text mode transfer", "not a wcodec file", 5, b"\n\n"),
        ("newer version", "format version 3 is newer", 8, &[3, 0]),
        ("version 0", "version breaks rule 2.1", 8, &[0, 0]),
        ("version 1", "version breaks rule 2.1", 8, &[1, 0]),
        (
            "length of the header",
            "header length breaks rule 2.1",
            10,
            &[127, 0],
        ),
        (
            "content flags",
            "content flags 1 is not supported",
            12,
            &[1],
        ),
        ("content flags, top bit", "is not supported", 15, &[0x80]),
        (
            "index over the header",
            "place of the index breaks rule 2.1",
            16,
            &64u64.to_le_bytes(),
        ),
        (
            "index far away",
            "place of the index breaks rule 2.1",
            16,
            &u64::MAX.to_le_bytes(),
        ),
        (
            "index too long",
            "place of the index breaks rule 2.1",
            24,
            &len.to_le_bytes(),
        ),
        (
            "checksum of the index",
            "index is damaged",
            32,
            &[0, 0, 0, 0],
        ),
        ("reserved field", "is not supported", 39, &[1]),
        (
            "file longer than it is",
            "place of the index breaks rule 2.1",
            40,
            &(len + 1).to_le_bytes(),
        ),
        (
            "file shorter than it is",
            "place of the index breaks rule 2.1",
            40,
            &(len - 1).to_le_bytes(),
        ),
        ("digest of a reference", "is not supported", 48, &[1]),
        ("end of that digest", "is not supported", 79, &[1]),
        ("last reserved byte", "is not supported", 123, &[1]),
    ];
    for (label, expected, at, bytes) in cases {
        assert_refused(label, expected, &with_header(at, bytes));
    }
}

/// A newer file is called newer, not damaged, whatever its header looks like.
#[test]
fn newer_versions_are_told_before_checksums() {
    for version in [3, 4, 0xffff_u16] {
        let mut file = base().to_vec();
        file[8..10].copy_from_slice(&version.to_le_bytes());
        assert_refused(
            "newer",
            &format!("format version {version} is newer"),
            &file,
        );
        assert_refused(
            "newer and cut",
            &format!("format version {version} is newer"),
            &file[..10],
        );
    }
}

#[test]
fn footer() {
    let mut file = base().to_vec();
    let footer = file.len() - 16;
    for at in [0, 7, 8, 11, 12, 15] {
        file[footer + at] ^= 1;
        assert_refused("footer", "footer breaks rule 2.2", &file);
        file[footer + at] ^= 1;
    }
    file[124] ^= 1;
    assert_refused("checksum of the header", "header is damaged", &file);
}

fn empty_attachment(offset: u64) -> ForgedFile {
    ForgedFile {
        name: b"nothing".to_vec(),
        bytes: vec![],
        offset,
        len: 0,
        crc: 0,
        file_len: 0,
    }
}

#[test]
fn regions() {
    refuse_after_layout(&[
        ("payload outside", "rule 2.3", |f| {
            f.part("w").fields.offset = 1 << 40
        }),
        ("payload at the end of numbers", "rule 2.3", |f| {
            f.part("w").fields.offset = u64::MAX - 63
        }),
        ("payload over the header", "overlap of two regions", |f| {
            f.part("w").fields.offset = 64
        }),
        ("payload not aligned", "alignment of a region", |f| {
            f.part("w").fields.offset += 16
        }),
        ("two payloads in one place", "rule 2.3", |f| {
            f.part("ids").fields.offset = f.part("w").fields.offset
        }),
        ("attachment outside", "rule 2.3", |f| {
            f.attachments[0].offset = 1 << 40
        }),
        ("two attachments in one place", "rule 2.3", |f| {
            f.attachments[0].offset = f.attachments[1].offset
        }),
        ("attachment longer than the file", "rule 2.3", |f| {
            f.attachments[0].len += 1 << 20
        }),
        ("safetensors header outside", "rule 2.3", |f| {
            f.sources[0].offset += 64
        }),
        ("padding of 64 bytes", "gap between two regions", |f| {
            f.body.extend([0; 64])
        }),
        ("index not aligned", "alignment of a region", |f| {
            f.body.extend([0; 32])
        }),
        (
            "an empty region in another",
            "overlap of two regions",
            |f| {
                let inside = f.part("w").fields.offset + 64;
                f.attachments.push(empty_attachment(inside));
            },
        ),
    ]);
    refuse_before_layout(&[
        ("padding that is not zero", "padding breaks rule 2.3", |f| {
            f.padding = 1
        }),
    ]);
}

/// A region without bytes has a place like any other: `offset != end` once let it lie at the footer, unaligned.
#[test]
fn empty_regions_are_aligned() {
    let mut forge = Forge::open(base());
    forge.attachments.push(empty_attachment(0));
    forge.lay_out();
    let index = 128 + forge.body.len() as u64;
    let index_len = forge.seal().len() as u64 - 16 - index;
    assert_ne!((index + index_len) % 64, 0, "the footer is not aligned");
    forge.attachments.last_mut().unwrap().offset = index + index_len;
    assert_refused(
        "empty region at the footer",
        "alignment of a region",
        &forge.seal(),
    );
}
