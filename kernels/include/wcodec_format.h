// The constants of the wcodec format (FORMAT.md). Generated from wcodec/src/format/consts.rs; do not edit.
#ifndef WCODEC_FORMAT_H
#define WCODEC_FORMAT_H

// Version of the format, in the header (FORMAT.md 2.1).
#define WCODEC_FORMAT_VERSION 2

// Length of the header (FORMAT.md 2.1).
#define WCODEC_HEADER_BYTES 128

// Length of the footer (FORMAT.md 2.2).
#define WCODEC_FOOTER_BYTES 16

// Alignment of every region of the file (FORMAT.md 2.3).
#define WCODEC_REGION_ALIGN 64

// Alignment of each chunk's coded bytes and of each of its stored planes, within a part (FORMAT.md 4.1).
#define WCODEC_CHUNK_ALIGN 16

// Length of a part entry in the index (FORMAT.md 3.3).
#define WCODEC_PART_ENTRY_BYTES 40

// Most bytes that one part decodes to (FORMAT.md 3.3).
#define WCODEC_PART_MAX_RAW_BYTES 134217728

// Most samples of one chunk (FORMAT.md 3.2).
#define WCODEC_CHUNK_MAX_SAMPLES 65536

// Length of a chunk entry in a chunk table (FORMAT.md 4.2).
#define WCODEC_CHUNK_ENTRY_BYTES 16

// Most frequency tables of one part (FORMAT.md 4.2).
#define WCODEC_PART_MAX_TABLES 256

// Most bits of one symbol (FORMAT.md 5.2).
#define WCODEC_SYMBOL_MAX_BITS 14

// log2 of the sum of the frequencies of a table (FORMAT.md 6.1).
#define WCODEC_RANS_SCALE_BITS 12

// Width of one renormalisation word, in bits (FORMAT.md 6.3).
#define WCODEC_RANS_WORD_BITS 16

// Lower bound of a rANS state after renormalisation (FORMAT.md 6.3).
#define WCODEC_RANS_STATE_MIN 65536

// Interleaved rANS states of one chunk (FORMAT.md 6.3).
#define WCODEC_RANS_LANES 32

// log2 of the number of buckets of a small alias table (FORMAT.md 6.2).
#define WCODEC_ALIAS_SMALL_LOG2 5

// log2 of the number of buckets of a large alias table (FORMAT.md 6.2).
#define WCODEC_ALIAS_LARGE_LOG2 8

// Part method: chunks and a chunk table (FORMAT.md 3.3).
#define WCODEC_METHOD_CHUNKED 0

// Part method: the tensor's bytes as they are (FORMAT.md 3.3).
#define WCODEC_METHOD_STORED 1

// Part method: one sample, repeated (FORMAT.md 3.3).
#define WCODEC_METHOD_CONSTANT 2

// Part method: chunks coded with tools, and a chunk table (FORMAT.md 3.3).
#define WCODEC_METHOD_TOOLS 3

// Part method: chunks of codes of fixed length, and a chunk table (FORMAT.md 3.3).
#define WCODEC_METHOD_PACKED 4

// Chunk mode: coded symbols and stored planes (FORMAT.md 4.2).
#define WCODEC_MODE_CODED 0

// Chunk mode: the chunk's bytes as they are (FORMAT.md 4.2).
#define WCODEC_MODE_STORED 1

// Chunk mode: one sample, repeated (FORMAT.md 4.2).
#define WCODEC_MODE_CONSTANT 2

// Sample mapping: the bits as an unsigned integer (FORMAT.md 5.1).
#define WCODEC_MAPPING_UNSIGNED 0

// Sample mapping: zigzag of the two's complement integer (FORMAT.md 5.1).
#define WCODEC_MAPPING_ZIGZAG 1

// Sample mapping: sign apart, magnitude bits in order (FORMAT.md 5.1).
#define WCODEC_MAPPING_FLOAT 2

// Order of samples: two's complement (FORMAT.md 5.5).
#define WCODEC_ORDER_SIGNED 0

// Order of samples: unsigned (FORMAT.md 5.5).
#define WCODEC_ORDER_UNSIGNED 1

// Order of samples: sign and magnitude (FORMAT.md 5.5).
#define WCODEC_ORDER_FLOAT 2

// Most units of a row (FORMAT.md 4.4).
#define WCODEC_ROW_MAX_UNITS 131072

// Bits of a unit where bytes are cut in two (FORMAT.md 4.4).
#define WCODEC_NIBBLE_BITS 4

// Bytes of one escape: its position and its literal (FORMAT.md 4.3).
#define WCODEC_ESCAPE_BYTES 4

// Most bits of a packed code (FORMAT.md 6.5).
#define WCODEC_CODE_MAX_BITS 8

// Predictor: none, 0 (FORMAT.md 5.6).
#define WCODEC_PREDICTOR_NONE 0

// Predictor: the number to the left (FORMAT.md 5.6).
#define WCODEC_PREDICTOR_LEFT 1

// Predictor: the number above (FORMAT.md 5.6).
#define WCODEC_PREDICTOR_TOP 2

// Predictor: half the sum of both (FORMAT.md 5.6).
#define WCODEC_PREDICTOR_AVERAGE 3

// Predictor: on the plane of left, top and the one between (FORMAT.md 5.6).
#define WCODEC_PREDICTOR_PLANAR 4

// Predictor: on the line of the two above (FORMAT.md 5.6).
#define WCODEC_PREDICTOR_TOP_SLOPE 5

// Predictor: on the line of the two to the left (FORMAT.md 5.6).
#define WCODEC_PREDICTOR_LEFT_SLOPE 6

// Predictors of 5.6 (FORMAT.md 5.6).
#define WCODEC_NUM_PREDICTORS 7

// Prediction: by the recurrence of each column (FORMAT.md 4.4).
#define WCODEC_RECURRENCE_PREDICTOR 254

// log2 of the unit of a recurrence's factors is minus this (FORMAT.md 5.6).
#define WCODEC_RECURRENCE_FACTOR_BITS 29

// Most columns of a recurrence (FORMAT.md 4.4).
#define WCODEC_RECURRENCE_MAX_ROW 4096

// Prediction: one for each tile (FORMAT.md 4.4).
#define WCODEC_TILES_PREDICTOR 255

// Bits of a tile's predictor that is not the one before (FORMAT.md 4.4).
#define WCODEC_TILE_PREDICTOR_BITS 3

// Rows and columns of a tile (FORMAT.md 5.6).
#define WCODEC_TILE 16

// Transform: none (FORMAT.md 5.7).
#define WCODEC_TRANSFORM_NONE 0

// Transform: the cosine transform of type II (FORMAT.md 5.7).
#define WCODEC_TRANSFORM_DCT 1

// Transform: the sine transform of type IV (FORMAT.md 5.7).
#define WCODEC_TRANSFORM_ADST 2

// Rows and columns of a transformed block (FORMAT.md 5.7).
#define WCODEC_BLOCK 8

// Fraction bits of the factors of lifting steps (FORMAT.md 5.7).
#define WCODEC_LIFTING_FRACTION_BITS 14

// Classes: the sample itself (FORMAT.md 5.4).
#define WCODEC_CLASSES_VALUES 0

// Classes: tokens of the zigzag magnitude (FORMAT.md 5.4).
#define WCODEC_CLASSES_TOKENS 1

// Classes: the values of a palette (FORMAT.md 5.4).
#define WCODEC_CLASSES_PALETTE 2

// Classes: exponents, zero and short fractions apart (FORMAT.md 5.4).
#define WCODEC_CLASSES_FLOAT 3

// log2 of the tokens that are one magnitude each (FORMAT.md 5.4).
#define WCODEC_TOKENS_DIRECT_LOG2 4

// log2 of the tokens of an octave of larger magnitudes (FORMAT.md 5.4).
#define WCODEC_TOKENS_OCTAVE_LOG2 2

// Contexts: none, the chunk names its table (FORMAT.md 6.4).
#define WCODEC_CONTEXTS_NONE 0

// Contexts: by the symbols above (FORMAT.md 6.4).
#define WCODEC_CONTEXTS_ABOVE 1

// Contexts: by the coefficient's band (FORMAT.md 6.4).
#define WCODEC_CONTEXTS_BANDS 2

// Contexts: by the column (FORMAT.md 6.4).
#define WCODEC_CONTEXTS_COLUMNS 3

// Contexts by the symbols above (FORMAT.md 6.4).
#define WCODEC_NUM_CONTEXTS_ABOVE 32

// What the weighted sum of the symbols above is divided by (FORMAT.md 6.4).
#define WCODEC_CONTEXTS_ABOVE_DIVISOR 16

// Bands of coefficients (FORMAT.md 6.4).
#define WCODEC_NUM_BANDS 16

// tan(k π / 64) with 14 fraction bits, k from 1 (FORMAT.md 5.7).
#define WCODEC_LIFTING_TANGENTS {805, 1614, 2430, 3259, 4104, 4970, 5862, 6787}

// sin(k π / 32) with 14 fraction bits, k from 1 (FORMAT.md 5.7).
#define WCODEC_LIFTING_SINES {1606, 3196, 4756, 6270, 7723, 9102, 10394, 11585}

// Where coefficient k of eight stands after the turns of either transform (FORMAT.md 5.7).
#define WCODEC_TRANSFORM_PLACES {6, 1, 7, 0, 4, 3, 5, 2}

// The turns of the cosine transform, in order: two points and the angle k (FORMAT.md 5.7).
#define WCODEC_DCT_TURNS {{7, 0, 8}, {6, 1, 8}, {5, 2, 8}, {4, 3, 8}, {4, 7, 8}, {6, 5, 8}, {6, 4, 8}, {5, 7, 4}, {0, 3, 2}, {1, 2, 6}, {1, 0, 8}, {3, 2, 8}, {3, 0, 8}}

// The turns of the sine transform, in order: two points and the angle k (FORMAT.md 5.7).
#define WCODEC_ADST_TURNS {{7, 0, 1}, {6, 1, 3}, {5, 2, 5}, {4, 3, 7}, {4, 7, 8}, {6, 5, 8}, {6, 4, 8}, {5, 7, 4}, {3, 0, 8}, {1, 2, 8}, {2, 0, 8}, {1, 3, 4}, {7, 1, 8}, {4, 0, 8}, {5, 3, 8}}

#endif
