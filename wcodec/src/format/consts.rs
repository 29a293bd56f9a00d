//! The one hand-written place of every constant; FORMAT.md and the C header are checked against it by tests.

use std::fmt::{Debug, Write};

macro_rules! format_consts {
    ($($(#[doc = $doc:literal])+ $name:ident: $ty:ty = $value:expr;)*) => {
        $($(#[doc = $doc])+ pub const $name: $ty = $value;)*

        /// Name, value and first line of documentation of every constant, in order of definition.
        pub const ALL: &[(&str, u64, &str)] =
            &[$((stringify!($name), $name as u64, [$($doc,)+][0])),*];
    };
}

format_consts! {
    /// Version of the format, in the header (FORMAT.md 2.1).
    FORMAT_VERSION: u16 = 2;
    /// Length of the header (FORMAT.md 2.1).
    HEADER_BYTES: usize = 128;
    /// Length of the footer (FORMAT.md 2.2).
    FOOTER_BYTES: usize = 16;
    /// Alignment of every region of the file (FORMAT.md 2.3).
    REGION_ALIGN: usize = 64;
    /// Alignment of each chunk's coded bytes and of each of its stored planes, within a part (FORMAT.md 4.1).
    CHUNK_ALIGN: usize = 16;
    /// Length of a part entry in the index (FORMAT.md 3.3).
    PART_ENTRY_BYTES: usize = 40;
    /// Most bytes that one part decodes to (FORMAT.md 3.3).
    PART_MAX_RAW_BYTES: u64 = 1 << 27;
    /// Most samples of one chunk (FORMAT.md 3.2).
    CHUNK_MAX_SAMPLES: u32 = 1 << 16;
    /// Length of a chunk entry in a chunk table (FORMAT.md 4.2).
    CHUNK_ENTRY_BYTES: usize = 16;
    /// Most frequency tables of one part (FORMAT.md 4.2).
    PART_MAX_TABLES: u32 = 256;
    /// Most bits of one symbol (FORMAT.md 5.2).
    SYMBOL_MAX_BITS: u32 = 14;
    /// log2 of the sum of the frequencies of a table (FORMAT.md 6.1).
    RANS_SCALE_BITS: u32 = 12;
    /// Width of one renormalisation word, in bits (FORMAT.md 6.3).
    RANS_WORD_BITS: u32 = 16;
    /// Lower bound of a rANS state after renormalisation (FORMAT.md 6.3).
    RANS_STATE_MIN: u32 = 1 << 16;
    /// Interleaved rANS states of one chunk (FORMAT.md 6.3).
    RANS_LANES: u32 = 32;
    /// log2 of the number of buckets of a small alias table (FORMAT.md 6.2).
    ALIAS_SMALL_LOG2: u32 = 5;
    /// log2 of the number of buckets of a large alias table (FORMAT.md 6.2).
    ALIAS_LARGE_LOG2: u32 = 8;
    /// Part method: chunks and a chunk table (FORMAT.md 3.3).
    METHOD_CHUNKED: u8 = 0;
    /// Part method: the tensor's bytes as they are (FORMAT.md 3.3).
    METHOD_STORED: u8 = 1;
    /// Part method: one sample, repeated (FORMAT.md 3.3).
    METHOD_CONSTANT: u8 = 2;
    /// Part method: chunks coded with tools, and a chunk table (FORMAT.md 3.3).
    METHOD_TOOLS: u8 = 3;
    /// Part method: chunks of codes of fixed length, and a chunk table (FORMAT.md 3.3).
    METHOD_PACKED: u8 = 4;
    /// Chunk mode: coded symbols and stored planes (FORMAT.md 4.2).
    MODE_CODED: u8 = 0;
    /// Chunk mode: the chunk's bytes as they are (FORMAT.md 4.2).
    MODE_STORED: u8 = 1;
    /// Chunk mode: one sample, repeated (FORMAT.md 4.2).
    MODE_CONSTANT: u8 = 2;
    /// Sample mapping: the bits as an unsigned integer (FORMAT.md 5.1).
    MAPPING_UNSIGNED: u8 = 0;
    /// Sample mapping: zigzag of the two's complement integer (FORMAT.md 5.1).
    MAPPING_ZIGZAG: u8 = 1;
    /// Sample mapping: sign apart, magnitude bits in order (FORMAT.md 5.1).
    MAPPING_FLOAT: u8 = 2;
    /// Order of samples: two's complement (FORMAT.md 5.5).
    ORDER_SIGNED: u8 = 0;
    /// Order of samples: unsigned (FORMAT.md 5.5).
    ORDER_UNSIGNED: u8 = 1;
    /// Order of samples: sign and magnitude (FORMAT.md 5.5).
    ORDER_FLOAT: u8 = 2;
    /// Most units of a row (FORMAT.md 4.4).
    ROW_MAX_UNITS: u32 = 1 << 17;
    /// Bits of a unit where bytes are cut in two (FORMAT.md 4.4).
    NIBBLE_BITS: u8 = 4;
    /// Bytes of one escape: its position and its literal (FORMAT.md 4.3).
    ESCAPE_BYTES: usize = 4;
    /// Most bits of a packed code (FORMAT.md 6.5).
    CODE_MAX_BITS: u8 = 8;
    /// Predictor: none, 0 (FORMAT.md 5.6).
    PREDICTOR_NONE: u8 = 0;
    /// Predictor: the number to the left (FORMAT.md 5.6).
    PREDICTOR_LEFT: u8 = 1;
    /// Predictor: the number above (FORMAT.md 5.6).
    PREDICTOR_TOP: u8 = 2;
    /// Predictor: half the sum of both (FORMAT.md 5.6).
    PREDICTOR_AVERAGE: u8 = 3;
    /// Predictor: on the plane of left, top and the one between (FORMAT.md 5.6).
    PREDICTOR_PLANAR: u8 = 4;
    /// Predictor: on the line of the two above (FORMAT.md 5.6).
    PREDICTOR_TOP_SLOPE: u8 = 5;
    /// Predictor: on the line of the two to the left (FORMAT.md 5.6).
    PREDICTOR_LEFT_SLOPE: u8 = 6;
    /// Predictors of 5.6 (FORMAT.md 5.6).
    NUM_PREDICTORS: u8 = 7;
    /// Prediction: by the recurrence of each column (FORMAT.md 4.4).
    RECURRENCE_PREDICTOR: u8 = 254;
    /// log2 of the unit of a recurrence's factors is minus this (FORMAT.md 5.6).
    RECURRENCE_FACTOR_BITS: u32 = 29;
    /// Most columns of a recurrence (FORMAT.md 4.4).
    RECURRENCE_MAX_ROW: u32 = 4096;
    /// Prediction: one for each tile (FORMAT.md 4.4).
    TILES_PREDICTOR: u8 = 255;
    /// Bits of a tile's predictor that is not the one before (FORMAT.md 4.4).
    TILE_PREDICTOR_BITS: u32 = 3;
    /// Rows and columns of a tile (FORMAT.md 5.6).
    TILE: usize = 16;
    /// Transform: none (FORMAT.md 5.7).
    TRANSFORM_NONE: u8 = 0;
    /// Transform: the cosine transform of type II (FORMAT.md 5.7).
    TRANSFORM_DCT: u8 = 1;
    /// Transform: the sine transform of type IV (FORMAT.md 5.7).
    TRANSFORM_ADST: u8 = 2;
    /// Rows and columns of a transformed block (FORMAT.md 5.7).
    BLOCK: usize = 8;
    /// Fraction bits of the factors of lifting steps (FORMAT.md 5.7).
    LIFTING_FRACTION_BITS: u32 = 14;
    /// Classes: the sample itself (FORMAT.md 5.4).
    CLASSES_VALUES: u8 = 0;
    /// Classes: tokens of the zigzag magnitude (FORMAT.md 5.4).
    CLASSES_TOKENS: u8 = 1;
    /// Classes: the values of a palette (FORMAT.md 5.4).
    CLASSES_PALETTE: u8 = 2;
    /// Classes: exponents, zero and short fractions apart (FORMAT.md 5.4).
    CLASSES_FLOAT: u8 = 3;
    /// log2 of the tokens that are one magnitude each (FORMAT.md 5.4).
    TOKENS_DIRECT_LOG2: u32 = 4;
    /// log2 of the tokens of an octave of larger magnitudes (FORMAT.md 5.4).
    TOKENS_OCTAVE_LOG2: u32 = 2;
    /// Contexts: none, the chunk names its table (FORMAT.md 6.4).
    CONTEXTS_NONE: u8 = 0;
    /// Contexts: by the symbols above (FORMAT.md 6.4).
    CONTEXTS_ABOVE: u8 = 1;
    /// Contexts: by the coefficient's band (FORMAT.md 6.4).
    CONTEXTS_BANDS: u8 = 2;
    /// Contexts: by the column (FORMAT.md 6.4).
    CONTEXTS_COLUMNS: u8 = 3;
    /// Contexts by the symbols above (FORMAT.md 6.4).
    NUM_CONTEXTS_ABOVE: usize = 32;
    /// What the weighted sum of the symbols above is divided by (FORMAT.md 6.4).
    CONTEXTS_ABOVE_DIVISOR: usize = 16;
    /// Bands of coefficients (FORMAT.md 6.4).
    NUM_BANDS: usize = 16;
}

macro_rules! format_arrays {
    ($($(#[doc = $doc:literal])+ $name:ident: $ty:ty = $value:expr;)*) => {
        $($(#[doc = $doc])+ pub const $name: $ty = $value;)*

        /// Name, values and first line of documentation of every array, in order of definition.
        const ARRAYS: &[(&str, &dyn Debug, &str)] = &[$((stringify!($name), &$name, [$($doc,)+][0])),*];
    };
}

format_arrays! {
    /// tan(k π / 64) with 14 fraction bits, k from 1 (FORMAT.md 5.7).
    ///
    /// Rounded to nearest; but the last one up, as (1 + tan) sin then comes within 2^-18 of 1: equal numbers turned by
    /// π / 4 leave no difference.
    LIFTING_TANGENTS: [i16; 8] = [805, 1614, 2430, 3259, 4104, 4970, 5862, 6787];
    /// sin(k π / 32) with 14 fraction bits, k from 1 (FORMAT.md 5.7).
    LIFTING_SINES: [i16; 8] = [1606, 3196, 4756, 6270, 7723, 9102, 10394, 11585];
    /// Where coefficient k of eight stands after the turns of either transform (FORMAT.md 5.7).
    TRANSFORM_PLACES: [usize; BLOCK] = [6, 1, 7, 0, 4, 3, 5, 2];
    /// The turns of the cosine transform, in order: two points and the angle k (FORMAT.md 5.7).
    ///
    /// Sums and differences of mirrored points; type II of the sums; type IV of the differences.
    DCT_TURNS: [[usize; 3]; 13] = [
        [7, 0, 8], [6, 1, 8], [5, 2, 8], [4, 3, 8],
        [4, 7, 8], [6, 5, 8], [6, 4, 8], [5, 7, 4],
        [0, 3, 2], [1, 2, 6], [1, 0, 8], [3, 2, 8], [3, 0, 8],
    ];
    /// The turns of the sine transform, in order: two points and the angle k (FORMAT.md 5.7).
    ///
    /// Mirrored points; cosines of points 7, 6, 5, 4; sines of points 0, 1, 2, 3; frequencies 1, 2, 3 of both.
    ADST_TURNS: [[usize; 3]; 15] = [
        [7, 0, 1], [6, 1, 3], [5, 2, 5], [4, 3, 7],
        [4, 7, 8], [6, 5, 8], [6, 4, 8], [5, 7, 4],
        [3, 0, 8], [1, 2, 8], [2, 0, 8], [1, 3, 4],
        [7, 1, 8], [4, 0, 8], [5, 3, 8],
    ];
}

/// The first bytes of a file (FORMAT.md 2.1): a byte over 127, the name, and the line ends that a text-mode transfer
/// would change.
pub const MAGIC: [u8; 8] = *b"\x89WCDC\r\n\n";
/// The last bytes of a file (FORMAT.md 2.2).
pub const END_MAGIC: [u8; 4] = *b"WCDE";

const _: () = assert!(RANS_SCALE_BITS <= RANS_WORD_BITS);
const _: () = assert!((RANS_STATE_MIN as u64) << RANS_WORD_BITS <= 1 << 32); // a state fits 32 bits
const _: () = assert!(CHUNK_MAX_SAMPLES as u64 * 8 <= PART_MAX_RAW_BYTES); // a chunk fits a part
const _: () = assert!(ALIAS_LARGE_LOG2 <= RANS_SCALE_BITS);

/// The constants as a C header for the CUDA kernels.
///
/// # Examples
///
/// ```
/// assert!(wcodec::format::c_header().contains("#define WCODEC_RANS_LANES 32"));
/// ```
pub fn c_header() -> String {
    let mut text = String::from(
        "// The constants of the wcodec format (FORMAT.md). Generated from wcodec/src/format/consts.rs; do not edit.\n\
         #ifndef WCODEC_FORMAT_H\n#define WCODEC_FORMAT_H\n",
    );
    for (name, value, doc) in ALL {
        let _ = write!(text, "\n//{doc}\n#define WCODEC_{name} {value}\n"); // writing to a String never fails
    }
    for (name, values, doc) in ARRAYS {
        let values = format!("{values:?}").replace('[', "{").replace(']', "}");
        let _ = write!(text, "\n//{doc}\n#define WCODEC_{name} {values}\n"); // as above
    }
    text.push_str("\n#endif\n");
    text
}
