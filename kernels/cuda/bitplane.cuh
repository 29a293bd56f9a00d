// Stored bits from their planes (FORMAT.md, section 5.3; wcodec/src/bitplane).
#pragma once

#include "device.cuh"

namespace wcodec {

// Joins a plane's bits of LANE_SAMPLES samples, `width` bytes, into their stored bits. `group` counts such samples from
// the chunk's first.
template <class S>
__device__ __forceinline__ void join_plane(const uint8_t* plane, uint32_t group, uint32_t width, uint32_t shift,
                                           S (&stored)[LANE_SAMPLES]) {
    const uint8_t* bytes = plane + group * width;
    if (width == 16) {
        const uint4 words = *reinterpret_cast<const uint4*>(bytes);
        const uint32_t all[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
        for (uint32_t i = 0; i < LANE_SAMPLES; ++i)
            stored[i] |= static_cast<S>(static_cast<S>(all[i / 2] >> 16 * (i % 2) & 0xffff) << shift);
        return;
    }
    uint2 words = make_uint2(0, 0);
    switch (width) {
        case 1:
            words.x = *bytes;
            break;
        case 2:
            words.x = *reinterpret_cast<const uint16_t*>(bytes);
            break;
        case 4:
            words.x = *reinterpret_cast<const uint32_t*>(bytes);
            break;
        default:
            words = *reinterpret_cast<const uint2*>(bytes);
    }
    const uint32_t mask = (1u << width) - 1;
#pragma unroll
    for (uint32_t i = 0; i < LANE_SAMPLES; ++i) {
        const uint32_t bit = i * width;
        const uint32_t word = bit < 32 ? words.x : words.y;
        stored[i] |= static_cast<S>(static_cast<S>(word >> bit % 32 & mask) << shift);
    }
}

// Calls `visit(plane, width, shift)` for each plane of `stored_bits`, most significant first, with its number.
template <class Visit>
__device__ __forceinline__ void each_plane(uint32_t stored_bits, Visit visit) {
    uint32_t shift = stored_bits, plane = 0;
    for (uint32_t width = 1; width < 16; width *= 2) {
        if (stored_bits & width) visit(plane++, width, shift -= width);
    }
    while (shift >= 16) visit(plane++, 16, shift -= 16);
}

// The stored bits of a lane's samples from `first` on, a multiple of LANE_SAMPLES. The first of them is one of the
// chunk's; its planes' padding covers the others.
template <class S>
__device__ __forceinline__ void load_stored(const uint8_t* payload, const WcodecChunk& chunk, uint32_t first,
                                            S (&stored)[LANE_SAMPLES]) {
#pragma unroll
    for (uint32_t i = 0; i < LANE_SAMPLES; ++i) stored[i] = 0;
    each_plane(chunk.stored_bits, [&](uint32_t plane, uint32_t width, uint32_t shift) {
        join_plane(payload + chunk.payload + chunk.planes[plane], first / LANE_SAMPLES, width, shift, stored);
    });
}

// The stored bits of one of the chunk's samples.
template <class S>
__device__ __forceinline__ S stored_at(const uint8_t* payload, const WcodecChunk& chunk, uint32_t index) {
    S stored = 0;
    each_plane(chunk.stored_bits, [&](uint32_t plane, uint32_t width, uint32_t shift) {
        const uint8_t* bytes = payload + chunk.payload + chunk.planes[plane];
        const uint32_t bits = width == 16 ? u16_at(bytes + 2 * index)
                                          : bytes[index * width / 8] >> index * width % 8 & ((1u << width) - 1);
        stored |= static_cast<S>(static_cast<S>(bits) << shift);
    });
    return stored;
}

}  // namespace wcodec
