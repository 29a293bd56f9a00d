// A symbol and stored bits to a sample, and samples as numbers (FORMAT.md, sections 5.1, 5.2 and 5.5;
// wcodec/src/samples).
#pragma once

#include "device.cuh"

namespace wcodec {

template <class S>
constexpr uint32_t BITS = 8 * sizeof(S);

// The sample with this symbol and these stored bits. All sums of shifts are below the sample's bits: the host checked
// the split.
template <class S>
__device__ __forceinline__ S sample_of(uint32_t symbol, S stored, const WcodecChunk& chunk) {
    const uint32_t sign = chunk.mapping == WCODEC_MAPPING_FLOAT ? 1 : 0;
    const uint32_t below = chunk.stored_bits - sign;
    S low = stored;
    if (sign) low = stored & static_cast<S>((static_cast<S>(1) << below) - 1);
    const S magnitude =
        static_cast<S>(static_cast<S>(low | static_cast<S>(static_cast<S>(symbol) << below)) << chunk.zero_bits);
    if (sign) return magnitude | static_cast<S>(static_cast<S>(stored >> below) << (BITS<S> - 1));
    if (chunk.mapping == WCODEC_MAPPING_ZIGZAG)
        return static_cast<S>(magnitude >> 1) ^ static_cast<S>(0 - static_cast<S>(magnitude & 1));
    return magnitude;
}

// The inverse of zigzag.
template <class S>
__device__ __forceinline__ S unzigzag(S folded) {
    return static_cast<S>(folded >> 1) ^ static_cast<S>(0 - static_cast<S>(folded & 1));
}

// A number as the sample it is the order of: an order is its own inverse.
template <class S>
__device__ __forceinline__ S ordered(S number, uint32_t order) {
    const S top = static_cast<S>(static_cast<S>(1) << (BITS<S> - 1));
    if (order == WCODEC_ORDER_UNSIGNED) return number ^ top;
    if (order == WCODEC_ORDER_FLOAT && (number & top)) return number ^ static_cast<S>(top - 1);
    return number;
}

}  // namespace wcodec
