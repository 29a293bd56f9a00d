//! FORMAT.md tells the truth: its example is the golden file, its constants are the crate's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking, in helpers too"
)]

use std::collections::BTreeMap;
use wcodec::format;

const FORMAT_MD: &str = include_str!("../../FORMAT.md");
const EXAMPLE: &[u8] = include_bytes!("golden/v2_example.wcodec");

/// The bytes of the document's hex block.
fn example_in_document() -> Vec<u8> {
    let (_, block) = FORMAT_MD.split_once("```hex\n").expect("a hex block");
    let (block, _) = block.split_once("```").expect("its end");
    let digits: String = block
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(_, hex)| hex.replace(' ', ""))
        .collect();
    (0..digits.len() / 2)
        .map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).expect("hex"))
        .collect()
}

/// Rows of the table that explains the example: start, length, contents.
fn explained() -> Vec<(usize, usize, String)> {
    let (_, example) = FORMAT_MD
        .split_once("| start | length | contents | meaning |")
        .expect("the table");
    let (table, _) = example.split_once("\n\n").expect("its end");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(" | ").collect();
        let start = usize::from_str_radix(cells[0].trim_start_matches("| "), 16).ok()?;
        Some((
            start,
            cells[1].parse().expect("a length"),
            cells[2].to_owned(),
        ))
    };
    table.lines().filter_map(row).collect()
}

#[test]
fn the_worked_example_is_the_golden_file() {
    assert!(
        example_in_document() == EXAMPLE,
        "the hex block and v2_example.wcodec differ"
    );
}

#[test]
fn every_byte_of_the_example_is_explained_once_and_as_it_is() {
    let mut at = 0;
    for (start, length, contents) in explained() {
        assert_eq!(start, at, "rows follow one another");
        let bytes = &EXAMPLE[start..start + length];
        if contents == "0" {
            assert!(bytes.iter().all(|&byte| byte == 0), "{start:03x} is zero");
        } else {
            let quoted = contents.split('`').nth(1).expect("quoted bytes");
            let (quoted, rest_is_zero) = match quoted.strip_suffix(" …") {
                Some(quoted) => (quoted, true),
                None => (quoted, false),
            };
            let quoted: Vec<u8> = quoted
                .split(' ')
                .map(|byte| u8::from_str_radix(byte, 16).expect("hex"))
                .collect();
            assert_eq!(bytes[..quoted.len()], quoted, "{start:03x}");
            let rest = &bytes[quoted.len()..];
            assert!(
                !rest_is_zero || rest.iter().all(|&byte| byte == 0),
                "{start:03x}"
            );
            assert!(
                rest_is_zero || rest.is_empty() || contents.ends_with('…'),
                "{start:03x} is quoted whole"
            );
        }
        at += length;
    }
    assert_eq!(at, EXAMPLE.len());
}

#[test]
fn constants_in_the_document_are_the_crates() {
    let quoted: BTreeMap<&str, u64> = FORMAT_MD
        .split('`')
        .filter_map(|code| code.split_once(" = "))
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .collect();
    for (name, value, _) in format::ALL {
        assert_eq!(quoted.get(name), Some(value), "{name} in FORMAT.md");
    }
    assert_eq!(
        quoted.len(),
        format::ALL.len(),
        "the document names constants that the crate does not have"
    );
}

/// Prints what a changed format needs: the hex block, ready to paste.
#[test]
#[ignore = "prints the hex block of the golden example"]
fn hex_block() {
    for (row, bytes) in EXAMPLE.chunks(16).enumerate() {
        let pairs: Vec<String> = bytes
            .chunks(2)
            .map(|pair| pair.iter().map(|b| format!("{b:02x}")).collect())
            .collect();
        println!("    {:08x}: {}", row * 16, pairs.join(" "));
    }
}
