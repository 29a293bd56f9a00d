//! The predictors of a chunk's tiles, each said with that of the tile before as its context (FORMAT.md, section 4.4).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::bitplane::stream::{BitReader, BitWriter};
use crate::error::ErrorKind;
use crate::format::TILE_PREDICTOR_BITS;
use crate::predict::Predictor;

/// Appends the predictors of all tiles.
pub(super) fn write(predictors: &[Predictor], bits: &mut BitWriter) {
    let mut before = Predictor::None;
    for &predictor in predictors {
        bits.push(u64::from(predictor == before), 1);
        if predictor != before {
            bits.push(u64::from(predictor as u8), TILE_PREDICTOR_BITS);
        }
        before = predictor;
    }
}

/// Reads the predictors of `num_tiles` tiles.
///
/// # Errors
///
/// `UnsupportedFeature` for a predictor that there is not.
pub(super) fn read(
    num_tiles: usize,
    bits: &mut BitReader<'_>,
) -> Result<Vec<Predictor>, ErrorKind> {
    let mut before = Predictor::None;
    (0..num_tiles)
        .map(|_| {
            if bits.pull(1) == 0 {
                let id = bits.pull(TILE_PREDICTOR_BITS).to_le_bytes();
                before = Predictor::try_from(id.first().copied().unwrap_or(0))?;
            }
            Ok(before)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictors_come_back() {
        let all: Vec<Predictor> = Predictor::ALL
            .into_iter()
            .chain(Predictor::ALL.map(|_| Predictor::Top))
            .collect();
        let mut writer = BitWriter::default();
        write(&all, &mut writer);
        let bytes = writer.finish().to_vec();
        let mut reader = BitReader::new(&bytes);
        assert_eq!(read(all.len(), &mut reader).unwrap(), all);
        assert!(reader.is_exhausted());
        assert!(read(1, &mut BitReader::new(&[0b1110])).is_err());
    }
}
