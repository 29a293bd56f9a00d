//! The one hand-written place of every constant; FORMAT.md and the C header are checked against it by tests.

use std::fmt::Write;

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
    /// Prediction: by the recurrence of each column (FORMAT.md 4.4).
    RECURRENCE_PREDICTOR: u8 = 254;
    /// log2 of the unit of a recurrence's factors is minus this (FORMAT.md 5.6).
    RECURRENCE_FACTOR_BITS: u32 = 29;
    /// Most columns of a recurrence (FORMAT.md 4.4).
    RECURRENCE_MAX_ROW: u32 = 4096;
    /// Prediction: one for each tile (FORMAT.md 4.4).
    TILES_PREDICTOR: u8 = 255;
    /// Rows and columns of a tile (FORMAT.md 5.6).
    TILE: usize = 16;
    /// Rows and columns of a transformed block (FORMAT.md 5.7).
    BLOCK: usize = 8;
    /// Classes: the sample itself (FORMAT.md 5.4).
    CLASSES_VALUES: u8 = 0;
    /// Classes: tokens of the zigzag magnitude (FORMAT.md 5.4).
    CLASSES_TOKENS: u8 = 1;
    /// Classes: the values of a palette (FORMAT.md 5.4).
    CLASSES_PALETTE: u8 = 2;
    /// Classes: exponents, zero and short fractions apart (FORMAT.md 5.4).
    CLASSES_FLOAT: u8 = 3;
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
    /// Bands of coefficients (FORMAT.md 6.4).
    NUM_BANDS: usize = 16;
}

/// The first bytes of a file (FORMAT.md 2.1): a byte over 127, the name, and the line ends that a text-mode transfer would change.
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
    text.push_str("\n#endif\n");
    text
}
