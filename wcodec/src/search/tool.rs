//! The encoder's tools by name.

use crate::predict::Predictor;

/// A coding tool of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tool {
    /// The bytes as they are.
    Stored,
    /// A symbol from the upper bits, the lower ones stored: what weight matrices are coded with.
    Split,
    /// Predicted by the element to the left.
    Left,
    /// Predicted by the element above.
    Top,
    /// Predicted by the mean of both.
    Average,
    /// Predicted on the plane through both and the one between them.
    Planar,
    /// Predicted on the line through the two elements above.
    TopSlope,
    /// Predicted on the line through the two elements to the left.
    LeftSlope,
    /// Predicted by the two elements above, as an oscillation of the column goes on.
    Recurrence,
    /// A predictor for each tile of 16 x 16.
    Tiles,
    /// The discrete cosine transform of blocks of 8 x 8.
    Dct,
    /// The asymmetric discrete sine transform of blocks of 8 x 8.
    Adst,
    /// A list of the values that occur.
    Palette,
    /// Classes of floats: zeros and short fractions apart.
    Classes,
    /// Two symbols to a byte.
    Nibbles,
    /// Codes of fixed length instead of rANS.
    Packed,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 16] = [
        Self::Stored,
        Self::Split,
        Self::Left,
        Self::Top,
        Self::Average,
        Self::Planar,
        Self::TopSlope,
        Self::LeftSlope,
        Self::Recurrence,
        Self::Tiles,
        Self::Dct,
        Self::Adst,
        Self::Palette,
        Self::Classes,
        Self::Nibbles,
        Self::Packed,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Split => "split",
            Self::Left => "left",
            Self::Top => "top",
            Self::Average => "average",
            Self::Planar => "planar",
            Self::TopSlope => "top-slope",
            Self::LeftSlope => "left-slope",
            Self::Recurrence => "recurrence",
            Self::Tiles => "tiles",
            Self::Dct => "dct",
            Self::Adst => "adst",
            Self::Palette => "palette",
            Self::Classes => "classes",
            Self::Nibbles => "nibbles",
            Self::Packed => "packed",
        }
    }

    pub(super) fn of_predictor(predictor: Predictor) -> Self {
        match predictor {
            Predictor::None => Self::Classes,
            Predictor::Left => Self::Left,
            Predictor::Top => Self::Top,
            Predictor::Average => Self::Average,
            Predictor::Planar => Self::Planar,
            Predictor::TopSlope => Self::TopSlope,
            Predictor::LeftSlope => Self::LeftSlope,
        }
    }
}
