// Classes and their bits to units, and the predictors of tiles (FORMAT.md, sections 4.4 and 5.4; wcodec/src/tools).
#pragma once

#include "samples.cuh"

namespace wcodec {

// Bit strings, one after another, read at any place. Beyond the end all bits are zero.
struct Bits {
    const uint8_t* bytes;
    uint32_t num_bytes;

    // The `num` bits, at most 64, from bit `at` on.
    __device__ __forceinline__ uint64_t pull(uint32_t at, uint32_t num) const {
        uint64_t bits = 0;
        const uint32_t first = at / 8, skipped = at % 8;
        const uint32_t end = min(num_bytes, (at + num + 7) / 8);
        for (uint32_t index = first; index < end; ++index) {
            const uint64_t byte = bytes[index];
            const uint32_t place = 8 * (index - first);
            // The ninth byte has what the first one's place took from the last bits.
            bits |= place >= skipped ? byte << (place - skipped) : byte >> (skipped - place);
        }
        return num < 64 ? bits & ((static_cast<uint64_t>(1) << num) - 1) : bits;
    }

    // Whether `at` is the end, the bits left in the last byte being zero.
    __device__ __forceinline__ bool ends_at(uint32_t at) const { return (at + 7) / 8 == num_bytes && pull(at, 7) == 0; }
};

// A class: what of a unit it says, and how many bits say the rest.
struct Class {
    // Of tokens the smallest magnitude, of floats the exponent in its place.
    uint64_t base;
    uint32_t num_bits;
    // Of floats.
    uint32_t zero_bits;
};

__device__ __forceinline__ Class token_class(uint32_t symbol) {
    constexpr uint32_t DIRECT = 1u << WCODEC_TOKENS_DIRECT_LOG2, OCTAVE = 1u << WCODEC_TOKENS_OCTAVE_LOG2;
    if (symbol < DIRECT) return {symbol, 0, 0};
    const uint32_t beyond = symbol - DIRECT;
    const uint32_t top = min(63u, WCODEC_TOKENS_DIRECT_LOG2 + beyond / OCTAVE);
    const uint32_t num_bits = top - WCODEC_TOKENS_OCTAVE_LOG2;
    return {static_cast<uint64_t>(OCTAVE | beyond % OCTAVE) << num_bits, num_bits, 0};
}

__device__ __forceinline__ Class float_class(const WcodecTools& tools, uint32_t symbol) {
    if (symbol == 0) return {0, 0, 0};
    const uint32_t above = symbol - 1;
    const uint32_t zero_bits = tools.has_full && above % 2 == 1 ? 0 : tools.zero_bits;
    const uint64_t exponent = tools.has_full ? above / 2 : above;
    return {exponent << tools.fraction_bits, 1 + tools.fraction_bits - zero_bits, zero_bits};
}

__device__ __forceinline__ Class class_of(const uint8_t* work, const WcodecTools& tools, uint32_t symbol) {
    switch (tools.classes) {
        case WCODEC_CLASSES_TOKENS:
            return token_class(symbol);
        case WCODEC_CLASSES_FLOAT:
            return float_class(tools, symbol);
        case WCODEC_CLASSES_PALETTE:
            return {symbol < tools.palette_len ? at_place<uint64_t>(work, tools.palette)[symbol] : 0, 0, 0};
        default:
            return {symbol, 0, 0};
    }
}

// The unit of a class with these bits.
template <class S>
__device__ __forceinline__ S unit_of(const WcodecTools& tools, const Class& of, uint64_t bits) {
    if (tools.classes == WCODEC_CLASSES_TOKENS) return unzigzag(static_cast<S>(of.base | bits));
    if (tools.classes != WCODEC_CLASSES_FLOAT || of.num_bits == 0) return static_cast<S>(of.base);
    const uint32_t below = of.num_bits - 1;
    const uint64_t fraction = (bits & ((static_cast<uint64_t>(1) << below) - 1)) << of.zero_bits;
    const S sign = static_cast<S>(static_cast<S>(bits >> below) << (BITS<S> - 1));
    return static_cast<S>(of.base | fraction) | sign;
}

// Symbols to units, with the bits from `at` on; returns where they end.
template <class S>
__device__ __forceinline__ uint32_t inverse_classes(const uint8_t* work, const WcodecTools& tools,
                                                    const uint16_t* symbols, uint32_t num, const Bits& bits,
                                                    uint32_t at, S* units) {
    for (uint32_t first = 0; first < num; first += LANES) {
        const uint32_t index = first + lane_id();
        const bool is_there = index < num;
        const Class mine = class_of(work, tools, is_there ? symbols[index] : 0);
        const uint32_t num_bits = is_there ? mine.num_bits : 0;
        uint32_t end = num_bits;
        for (uint32_t distance = 1; distance < LANES; distance *= 2) {
            const uint32_t before = __shfl_up_sync(ALL_LANES, end, distance);
            if (lane_id() >= distance) end += before;
        }
        if (is_there) units[index] = unit_of<S>(tools, mine, bits.pull(at + end - num_bits, num_bits));
        at += __shfl_sync(ALL_LANES, end, LANES - 1);
    }
    __syncwarp();
    return at;
}

// Where the bits of the tiles' predictors end, or UNKNOWN_PREDICTOR. Each is said with the one before as its context,
// so one lane reads them all.
constexpr uint32_t UNKNOWN_PREDICTOR = 0xffffffffu;

__device__ __forceinline__ uint32_t read_predictors(const Bits& bits, uint32_t num, uint8_t* predictors) {
    uint32_t at = 0;
    if (lane_id() == 0) {
        uint32_t predictor = WCODEC_PREDICTOR_NONE;
        for (uint32_t tile = 0; tile < num && at != UNKNOWN_PREDICTOR; ++tile) {
            if (bits.pull(at++, 1) == 0) {
                predictor = static_cast<uint32_t>(bits.pull(at, WCODEC_TILE_PREDICTOR_BITS));
                at += WCODEC_TILE_PREDICTOR_BITS;
            }
            predictors[tile] = static_cast<uint8_t>(predictor);
            if (predictor >= WCODEC_NUM_PREDICTORS) at = UNKNOWN_PREDICTOR;
        }
    }
    __syncwarp();
    return __shfl_sync(ALL_LANES, at, 0);
}

}  // namespace wcodec
