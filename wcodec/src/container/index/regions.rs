//! Regions of the file: aligned, apart from one another, with nothing between them but padding (FORMAT.md 2.3).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::error::ErrorKind;

const REGION_ALIGN: u64 = crate::format::REGION_ALIGN as u64;

/// A run of bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Region {
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// Checks that `regions` tile the file up to `end`, each aligned and behind the one before with less than one
/// alignment unit between them, and returns the padding.
///
/// # Errors
///
/// `Malformed` (rule 2.3).
pub(super) fn padding_between(
    mut regions: Vec<Region>,
    end: u64,
) -> Result<Vec<Region>, ErrorKind> {
    let malformed = |what| ErrorKind::Malformed { what, rule: "2.3" };
    regions.sort_unstable();
    let mut gaps = Vec::new();
    let mut at = 0u64;
    let footer = Region {
        offset: end,
        len: 0,
    };
    for (Region { offset, len }, is_region) in
        (regions.into_iter().map(|region| (region, true))).chain([(footer, false)])
    {
        // The footer is no region, and begins where the index ends.
        if is_region && !offset.is_multiple_of(REGION_ALIGN) {
            return Err(malformed("alignment of a region"));
        }
        let gap = offset
            .checked_sub(at)
            .ok_or(malformed("overlap of two regions"))?;
        if gap >= REGION_ALIGN {
            return Err(malformed("gap between two regions"));
        }
        if gap > 0 {
            gaps.push(Region {
                offset: at,
                len: gap,
            });
        }
        at = offset
            .checked_add(len)
            .ok_or(malformed("place of a region"))?;
    }
    Ok(gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_tile_the_file() {
        let region = |offset, len| Region { offset, len };
        let check = |regions: &[Region], end| padding_between(regions.to_vec(), end);
        assert_eq!(check(&[region(128, 64), region(0, 128)], 192).unwrap(), []);
        assert_eq!(
            check(&[region(0, 100), region(128, 1)], 130).unwrap(),
            [region(100, 28), region(129, 1)]
        );
        let cases = [
            (vec![region(0, 64), region(65, 1)], 128, "alignment"),
            (vec![region(0, 65), region(64, 1)], 128, "overlap"),
            (vec![region(0, 64), region(0, 64)], 128, "overlap"),
            (vec![region(0, 64), region(128, 64)], 192, "gap"),
            (vec![region(64, u64::MAX)], 192, "gap"),
            (vec![region(0, 64), region(64, u64::MAX)], 192, "place"),
            (vec![region(0, 200)], 192, "overlap"),
            (vec![region(0, 100), region(100, 0)], 100, "alignment"),
        ];
        for (regions, end, message) in cases {
            let error = check(&regions, end).unwrap_err().to_string();
            assert!(error.contains(message), "{regions:?}: {error}");
        }
    }
}
