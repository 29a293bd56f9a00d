// Codes of fixed length (FORMAT.md, section 6.5; wcodec/src/chunk/packed.rs).
#pragma once

#include "bitplane.cuh"

namespace wcodec {

// What a code stands for.
__device__ __forceinline__ uint32_t value_of(const WcodecCodeBook* book, uint32_t code) {
    return reinterpret_cast<const uint16_t*>(book + 1)[code];
}

// The codes of a lane's samples from `first` on, a byte each. Their planes lie behind each other without padding,
// `num_bytes` in all; what a lane would look at beyond them is 0.
__device__ __forceinline__ uint2 load_codes(const uint8_t* coded, uint32_t num_bytes, uint32_t code_bits,
                                            uint32_t num_samples, uint32_t first) {
    uint2 codes = make_uint2(0, 0);
    uint32_t plane_at = 0;
    each_plane(code_bits, [&](uint32_t, uint32_t width, uint32_t shift) {
        const uint32_t at = plane_at + first / LANE_SAMPLES * width;
        uint2 bits = make_uint2(0, 0);
        for (uint32_t i = 0; i < width; ++i) {
            const uint32_t byte = at + i < num_bytes ? coded[at + i] : 0;
            if (i < 4) {
                bits.x |= byte << 8 * i;
            } else {
                bits.y |= byte << 8 * (i - 4);
            }
        }
        const uint32_t mask = (1u << width) - 1;
#pragma unroll
        for (uint32_t i = 0; i < LANE_SAMPLES; ++i) {
            const uint32_t bit = i * width;
            const uint32_t code = ((bit < 32 ? bits.x : bits.y) >> bit % 32 & mask) << shift;
            if (i < 4) {
                codes.x |= code << 8 * i;
            } else {
                codes.y |= code << 8 * (i - 4);
            }
        }
        plane_at += (num_samples * width + 7) / 8;
    });
    return codes;
}

}  // namespace wcodec
