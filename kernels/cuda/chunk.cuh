// Codes and stored bits to elements (FORMAT.md, section 4; wcodec/src/chunk).
#pragma once

#include "bitplane.cuh"
#include "convert.cuh"
#include "escapes.cuh"
#include "packed.cuh"
#include "rans.cuh"
#include "samples.cuh"

namespace wcodec {

// Byte `index` of two words.
__device__ __forceinline__ uint32_t byte_of(uint2 words, uint32_t index) {
    return (index < 4 ? words.x : words.y) >> 8 * (index % 4) & 0xff;
}

// Any split of samples of type S. `Table` is what codes are looked up in.
template <class S, class Table>
struct AnySplit {
    const uint8_t* payload;
    const WcodecChunk& chunk;
    const Table* table;
    // Stored bits, loaded while codes are decoded.
    S stored[LANE_SAMPLES];

    __device__ __forceinline__ AnySplit(const uint8_t* payload, const WcodecChunk& chunk, const Table* table)
        : payload(payload), chunk(chunk), table(table) {}

    __device__ __forceinline__ void load(uint32_t first) { load_stored(payload, chunk, first, stored); }

    __device__ __forceinline__ void merge(uint32_t first, uint32_t num, uint2 codes) const {
        S samples[LANE_SAMPLES];
#pragma unroll
        for (uint32_t i = 0; i < LANE_SAMPLES; ++i)
            samples[i] = sample_of(value_of(table, byte_of(codes, i)), stored[i], chunk);
        write_elements(chunk, first, num, samples);
    }

    // Replaces a sample's symbol.
    __device__ __forceinline__ static void replace(const uint8_t* payload, const WcodecChunk& chunk, uint32_t index,
                                                   uint32_t symbol) {
        write_element(chunk, index, sample_of(symbol, stored_at<S>(payload, chunk, index), chunk));
    }
};

// What BF16 weights are: the exponent coded, sign and fraction a plane of 8 bits. Two samples a word, without a shift
// across bytes.
template <uint32_t CONVERSION>
struct Bf16Split {
    const uint8_t* plane;
    uint64_t output;
    uint2 bits;

    __device__ __forceinline__ Bf16Split(const uint8_t* payload, const WcodecChunk& chunk, const WcodecTable*)
        : plane(payload + chunk.payload + chunk.planes[0]), output(chunk.output) {}

    __device__ __forceinline__ void load(uint32_t first) {
        bits = __ldg(reinterpret_cast<const uint2*>(plane + first));
    }

    // Samples 2 `index` and 2 `index` + 1 of the lane.
    __device__ __forceinline__ uint32_t pair(uint2 codes, uint32_t index) const {
        const uint32_t upper = index < 2 ? codes.x : codes.y, lower = index < 2 ? bits.x : bits.y;
        const uint32_t exponents = __byte_perm(upper, 0, index % 2 ? 0x4342 : 0x4140);
        const uint32_t twice = __byte_perm(lower, 0, index % 2 ? 0x3322 : 0x1100);
        return exponents << 7 | (twice & 0x807f807f);
    }

    __device__ __forceinline__ void merge(uint32_t first, uint32_t num, uint2 codes) const {
        const bool is_aligned = output % 16 == 0;
        if (CONVERSION == WCODEC_CONVERT_NONE && num == LANE_SAMPLES && is_aligned) {
            uint16_t* out = reinterpret_cast<uint16_t*>(output) + first;
            *reinterpret_cast<uint4*>(out) = make_uint4(pair(codes, 0), pair(codes, 1), pair(codes, 2), pair(codes, 3));
            return;
        }
        uint16_t samples[LANE_SAMPLES];
#pragma unroll
        for (uint32_t i = 0; i < LANE_SAMPLES; ++i)
            samples[i] = static_cast<uint16_t>(pair(codes, i / 2) >> 16 * (i % 2));
        if constexpr (CONVERSION == WCODEC_CONVERT_BF16_TO_F32) {
            uint32_t wide[LANE_SAMPLES];
#pragma unroll
            for (uint32_t i = 0; i < LANE_SAMPLES; ++i) wide[i] = f32_of_bf16(samples[i]);
            store(reinterpret_cast<uint32_t*>(output) + first, num, is_aligned, wide);
        } else {
            if constexpr (CONVERSION == WCODEC_CONVERT_BF16_TO_F16) {
#pragma unroll
                for (uint32_t i = 0; i < LANE_SAMPLES; ++i)
                    samples[i] = static_cast<uint16_t>(f16_of_f32(f32_of_bf16(samples[i])));
            }
            store(reinterpret_cast<uint16_t*>(output) + first, num, is_aligned, samples);
        }
    }

    __device__ __forceinline__ static void replace(const uint8_t* payload, const WcodecChunk& chunk, uint32_t index,
                                                   uint32_t symbol) {
        AnySplit<uint16_t, WcodecTable>::replace(payload, chunk, index, symbol);
    }
};

// Replaces a chunk's escaped symbols; returns its status. The warp has written the elements.
template <class Split>
__device__ __forceinline__ uint32_t patch_escapes(const uint8_t* payload, const WcodecChunk& chunk) {
    if (chunk.num_escapes == 0) return 0;
    __syncwarp();
    const uint8_t* escapes = coded_of(payload, chunk) + chunk.coded_bytes - WCODEC_ESCAPE_BYTES * chunk.num_escapes;
    const bool is_right =
        each_escape(escapes, chunk.num_escapes, chunk.num_samples, 1u << chunk.symbol_bits,
                    [&](uint32_t index, uint32_t symbol) { Split::replace(payload, chunk, index, symbol); });
    return is_right ? 0 : WCODEC_STATUS_ESCAPE;
}

}  // namespace wcodec
