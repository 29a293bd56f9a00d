// Kernels for chunks coded with tools (FORMAT.md, section 4.4; wcodec/src/tools/decode.rs): one step after the other,
// each by a whole warp, with symbols and numbers in scratch memory.

#include "chunk.cuh"
#include "classes.cuh"
#include "contexts.cuh"
#include "recurrence.cuh"

namespace wcodec {

// A chunk's own memory.
template <class S>
struct Scratch {
    uint16_t* symbols;
    S* numbers;
    uint8_t* predictors;

    __device__ __forceinline__ Scratch(uint8_t* scratch, uint32_t num_units, uint32_t num_samples) {
        symbols = reinterpret_cast<uint16_t*>(scratch);
        numbers = reinterpret_cast<S*>(scratch + aligned(num_units * sizeof(uint16_t)));
        predictors = reinterpret_cast<uint8_t*>(numbers) + aligned(num_samples * sizeof(S));
    }

    __device__ __forceinline__ static uint32_t aligned(uint32_t bytes) {
        return (bytes + WCODEC_PLACE_BYTES - 1) / WCODEC_PLACE_BYTES * WCODEC_PLACE_BYTES;
    }
};

// What a chunk with tools consists of.
struct Coded {
    const uint8_t *states, *words, *escapes;
    uint32_t num_words;
    Bits bits;

    __device__ __forceinline__ Coded(const uint8_t* payload, const WcodecChunk& chunk) {
        states = coded_of(payload, chunk);
        words = states + STATES_BYTES;
        escapes = states + chunk.coded_bytes - WCODEC_ESCAPE_BYTES * chunk.num_escapes;
        bits = {escapes - chunk.bits_bytes, chunk.bits_bytes};
        num_words = static_cast<uint32_t>(bits.bytes - words) / 2;
    }
};

// Decodes the symbols, each with the table of its context, as a table for a whole block would serve few of them;
// returns the chunk's status.
__device__ __forceinline__ uint32_t decode_symbols(const uint8_t* work, const WcodecChunk& chunk,
                                                   const WcodecTools& tools, const Coded& coded, uint32_t num_units,
                                                   uint16_t* symbols) {
    uint32_t state = reinterpret_cast<const uint32_t*>(coded.states)[lane_id()];
    if (!__all_sync(ALL_LANES, state >= WCODEC_RANS_STATE_MIN)) return WCODEC_STATUS_STATES;
    const uint32_t below = (1u << lane_id()) - 1;
    uint32_t taken = 0;
    for (uint32_t first = 0; first < num_units; first += LANES) {
        const uint32_t index = first + lane_id();
        bool takes = false;
        if (index < num_units) {
            const WcodecTable* table = table_of(work, chunk, tools, index, num_units, symbols);
            const uint32_t entry = bucket_entry(table, state & (SLOTS - 1));
            state =
                ((entry >> FREQ_SHIFT) + 1) * (state >> WCODEC_RANS_SCALE_BITS) + (entry >> CODE_BITS & (SLOTS - 1));
            symbols[index] = static_cast<uint16_t>(value_of(table, entry & 0xff));
            takes = state < WCODEC_RANS_STATE_MIN;
        }
        const uint32_t takers = __ballot_sync(ALL_LANES, takes);
        if (takes) {
            const uint32_t word = taken + __popc(takers & below);
            state = state << WCODEC_RANS_WORD_BITS | (word < coded.num_words ? u16_at(coded.words + 2 * word) : 0);
        }
        taken += __popc(takers);
        // The contexts of later symbols look at these.
        __syncwarp();
    }
    if (!__all_sync(ALL_LANES, taken == coded.num_words && state == WCODEC_RANS_STATE_MIN)) return WCODEC_STATUS_WORDS;
    if (chunk.num_escapes == 0) return 0;
    const bool is_right =
        each_escape(coded.escapes, chunk.num_escapes, num_units, tools.num_classes,
                    [&](uint32_t unit, uint32_t symbol) { symbols[unit] = static_cast<uint16_t>(symbol); });
    __syncwarp();
    return is_right ? 0 : WCODEC_STATUS_ESCAPE;
}

// Nibbles to samples, the lower one of a byte first.
template <class S>
__device__ __forceinline__ void join_nibbles(const uint16_t* nibbles, uint32_t num_samples, S* samples) {
    constexpr uint32_t NIBBLES = BITS<S> / WCODEC_NIBBLE_BITS;
    for (uint32_t index = lane_id(); index < num_samples; index += LANES) {
        uint64_t sample = 0;
        for (uint32_t i = 0; i < NIBBLES; ++i)
            sample |= static_cast<uint64_t>(nibbles[index * NIBBLES + i]) << WCODEC_NIBBLE_BITS * i;
        samples[index] = static_cast<S>(sample);
    }
    __syncwarp();
}

// Decodes a chunk; returns its status.
template <class S>
__device__ __forceinline__ uint32_t decode_tools(const uint8_t* payload, const uint8_t* work, const WcodecChunk& chunk,
                                                 uint8_t* scratch) {
    const WcodecTools& tools = *at_place<WcodecTools>(work, chunk.tools);
    const uint32_t num_samples = chunk.num_samples;
    const bool is_nibbles = tools.unit_bits == WCODEC_NIBBLE_BITS;
    const uint32_t num_units = is_nibbles ? num_samples * (BITS<S> / WCODEC_NIBBLE_BITS) : num_samples;
    const Scratch<S> own(scratch + chunk.scratch, num_units, num_samples);
    const Coded coded(payload, chunk);
    const uint32_t decoded = decode_symbols(work, chunk, tools, coded, num_units, own.symbols);
    if (decoded != 0) return decoded;
    uint32_t at = 0;
    if (tools.predictor == WCODEC_TILES_PREDICTOR)
        at = read_predictors(coded.bits, num_tiles(tools.row, num_samples), own.predictors);
    if (at == UNKNOWN_PREDICTOR) return WCODEC_STATUS_PREDICTOR;
    if (is_nibbles) {
        join_nibbles(own.symbols, num_samples, own.numbers);
    } else {
        at = inverse_classes(work, tools, own.symbols, num_samples, coded.bits, at, own.numbers);
    }
    if (!coded.bits.ends_at(at)) return WCODEC_STATUS_BITS;
    inverse_transform(tools.transform, tools.row, num_samples, own.numbers);
    if (tools.predictor == WCODEC_RECURRENCE_PREDICTOR) {
        inverse_recurrence(work, tools, num_samples, own.numbers);
    } else {
        inverse_predict(tools.predictor, own.predictors, tools.row, num_samples, own.numbers);
    }
    for (uint32_t first = LANE_SAMPLES * lane_id(); first < num_samples; first += TILE_SAMPLES) {
        const uint32_t num = num_from(first, num_samples);
        S samples[LANE_SAMPLES];
#pragma unroll
        for (uint32_t i = 0; i < LANE_SAMPLES; ++i)
            samples[i] = i < num ? ordered(own.numbers[first + i], tools.order) : 0;
        write_elements(chunk, first, num, samples);
    }
    return 0;
}

// What a kernel for tools does.
template <class S>
__device__ __forceinline__ void run_tools(const uint8_t* payload, const uint8_t* work, uint8_t* scratch,
                                          uint32_t* status, uint32_t first, uint32_t count) {
    const WcodecGroup* group = group_of(work, first, count);
    const WcodecChunk* chunk = group ? chunk_of(work, *group) : nullptr;
    if (chunk) report(status, *chunk, decode_tools<S>(payload, work, *chunk, scratch));
}

}  // namespace wcodec

#define WCODEC_TOOLS_KERNEL(name, sample)                                                       \
    WCODEC_KERNEL __launch_bounds__(WCODEC_TOOLS_GROUP_CHUNKS * 32, 6) name(WCODEC_ARGUMENTS) { \
        wcodec::run_tools<sample>(payload, work, scratch, status, first, count);                \
    }

WCODEC_TOOLS_KERNEL(tools_u8, uint8_t)
WCODEC_TOOLS_KERNEL(tools_u16, uint16_t)
WCODEC_TOOLS_KERNEL(tools_u32, uint32_t)
WCODEC_TOOLS_KERNEL(tools_u64, uint64_t)
