// The records of a work list. Generated from kernels/src/layout.rs; do not edit.
#ifndef WCODEC_WORK_H
#define WCODEC_WORK_H

#include <stdint.h>

// Places in a work list are counted in so many bytes.
#define WCODEC_PLACE_BYTES 16

// Most planes of a sample: of 1, 2, 4 and 8 bits, and three of 16.
#define WCODEC_MAX_PLANES 7

// Warps of a block, each with a chunk of its own.
#define WCODEC_GROUP_CHUNKS 8

// Warps of a block of the kernels for tools.
#define WCODEC_TOOLS_GROUP_CHUNKS 4

// Status: the states are not there, or one is below the lower bound.
#define WCODEC_STATUS_STATES 1

// Status: words are missing or left over, or a state ends elsewhere than it must.
#define WCODEC_STATUS_WORDS 2

// Status: a position of an escape does not rise or is not there, or a literal is no symbol.
#define WCODEC_STATUS_ESCAPE 3

// Status: more or fewer bits than the classes have, or bits that are not zero after them.
#define WCODEC_STATUS_BITS 4

// Status: a predictor that there is not.
#define WCODEC_STATUS_PREDICTOR 5

// Conversion: none.
#define WCODEC_CONVERT_NONE 0

// Conversion: BF16 to F16.
#define WCODEC_CONVERT_BF16_TO_F16 1

// Conversion: BF16 to F32.
#define WCODEC_CONVERT_BF16_TO_F32 2

// Conversion: F16 to BF16.
#define WCODEC_CONVERT_F16_TO_BF16 3

// Conversion: F16 to F32.
#define WCODEC_CONVERT_F16_TO_F32 4

// Conversion: F32 to BF16.
#define WCODEC_CONVERT_F32_TO_BF16 5

// Conversion: F32 to F16.
#define WCODEC_CONVERT_F32_TO_F16 6

// No order: samples are what is classified.
#define WCODEC_NO_ORDER 255

// What one block decodes.
struct WcodecGroup {
    uint32_t first; // Place of its first chunk; the others follow.
    uint32_t count; // Its chunks.
    uint32_t table; // Place of their table or code book.
    uint32_t unused; // 0.
};
static_assert(sizeof(WcodecGroup) == 16, "as the host writes it");

// What one warp decodes.
struct WcodecChunk {
    uint64_t output; // Device address of its first element.
    uint64_t payload; // Offset of its part's payload in the payload buffer.
    uint64_t scratch; // Offset of its own memory in the scratch buffer.
    uint32_t coded; // Offset of its coded bytes in the payload.
    uint32_t coded_bytes; // Length of its coded bytes.
    uint32_t num_samples; // Its samples.
    uint32_t status; // Its status slot.
    uint32_t planes[7]; // Offset of each of its planes in the payload.
    uint32_t tools; // Place of the record of its tools.
    uint32_t bits_bytes; // Length of the bits, with tools.
    uint16_t num_escapes; // Its escapes.
    uint8_t mode; // Its mode.
    uint8_t conversion; // What happens to its elements.
    uint8_t mapping; // Mapping of its samples.
    uint8_t symbol_bits; // Bits of a symbol.
    uint8_t stored_bits; // Stored bits.
    uint8_t zero_bits; // Zero bits.
    uint32_t table; // Place of its table or code book.
    uint32_t unused[2]; // 0.
};
static_assert(sizeof(WcodecChunk) == 96, "as the host writes it");

// A frequency table: this, its buckets, the values of its codes.
struct WcodecTable {
    uint32_t buckets_log2; // log2 of the number of buckets.
    uint32_t is_single; // Whether one symbol has all slots.
    uint32_t base; // The value of code 0, where values are codes as much higher.
    uint32_t has_values; // Whether values are looked up instead: 256 of two bytes, after the buckets.
};
static_assert(sizeof(WcodecTable) == 16, "as the host writes it");

// Slots of two symbols: of the first slot of each the frequency less one (12 bits from 20 on), the rank (12 bits
// from 8 on), the code.
struct WcodecBucket {
    uint32_t own; // Its own symbol's.
    uint32_t alias; // The other's.
    uint32_t threshold; // Slots of its own symbol.
    uint32_t unused; // 0.
};
static_assert(sizeof(WcodecBucket) == 16, "as the host writes it");

// A code book: this, then the values of its codes, 256 of two bytes.
struct WcodecCodeBook {
    uint32_t code_bits; // Bits of a code.
    uint32_t unused[3]; // 0.
};
static_assert(sizeof(WcodecCodeBook) == 16, "as the host writes it");

// What tools do: this, then the place of the table of each context, the values of the palette, 8 bytes each, and
// the factors.
struct WcodecTools {
    uint8_t unit_bits; // Bits of a unit.
    uint8_t order; // Order of samples, or none.
    uint8_t predictor; // Predictor, or a recurrence, or one for each tile.
    uint8_t transform; // Transform.
    uint8_t classes; // Kind of classes.
    uint8_t fraction_bits; // Of floats: bits of the fraction.
    uint8_t zero_bits; // Of floats: zeros at its end.
    uint8_t has_full; // Of floats: whether there are classes without these zeros.
    uint32_t row; // Units of a row.
    uint32_t num_classes; // Number of classes.
    uint32_t contexts; // Kind of contexts.
    uint32_t num_contexts; // Number of contexts.
    uint32_t palette; // Place of the values of the palette.
    uint32_t palette_len; // Values of the palette.
    uint32_t factors; // Place of the factors of a recurrence: as many as a row has units, 4 bytes each.
    uint32_t exponent_bits; // Exponent bits of its floats.
    uint32_t unused[2]; // 0.
};
static_assert(sizeof(WcodecTools) == 48, "as the host writes it");

#endif
