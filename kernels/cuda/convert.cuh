// Floats to other floats, bit for bit as the CPU decoder converts them (wcodec/src/samples/convert.rs), and elements to
// memory.
#pragma once

#include "device.cuh"

namespace wcodec {

__device__ __forceinline__ uint32_t f32_of_bf16(uint32_t bits) {
    const uint32_t is_nan = (bits & 0x7fff) > 0x7f80 ? 1 : 0;
    return (bits | is_nan << 6) << 16;
}

__device__ __forceinline__ uint32_t f32_of_f16(uint32_t bits) {
    const uint32_t magnitude = bits & 0x7fff;
    // The exponent's bias grows by 112; the multiplication is exact, for subnormals too.
    const float scaled = __fmul_rn(__uint_as_float(magnitude << 13), __uint_as_float((127u + 112u) << 23));
    const uint32_t special = magnitude >= 0x7c00 ? 0x7f800000u : 0;
    const uint32_t quiet = magnitude > 0x7c00 ? 1u << 22 : 0;
    return __float_as_uint(scaled) | special | quiet | (bits & 0x8000) << 16;
}

__device__ __forceinline__ uint32_t bf16_of_f32(uint32_t bits) {
    if ((bits & 0x7fffffff) > 0x7f800000) return bits >> 16 | 0x40;
    // To nearest, ties to even: up by just under half, and by the lowest bit that stays.
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

__device__ __forceinline__ uint32_t f16_of_f32(uint32_t bits) {
    const uint32_t magnitude = bits & 0x7fffffff, sign = bits >> 16 & 0x8000;
    if (magnitude > 0x7f800000) return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
    // 2^16 less half a unit: from here on everything rounds to infinity.
    if (magnitude >= 0x477ff000) return sign | 0x7c00;
    if (magnitude < 113u << 23) {
        // Below 2^-14, the least normal F16, adding 0.5 moves the bits that stay to the end and rounds.
        const float shifted = __fadd_rn(__uint_as_float(magnitude), 0.5f);
        return sign | (__float_as_uint(shifted) - (126u << 23));
    }
    return sign | (magnitude + 0xfff + (magnitude >> 13 & 1) - (112u << 23)) >> 13;
}

// An element in another float type. The chunk says which; it is the same for the whole warp.
__device__ __forceinline__ uint32_t converted(uint32_t bits, uint32_t conversion) {
    switch (conversion) {
        case WCODEC_CONVERT_BF16_TO_F16:
            return f16_of_f32(f32_of_bf16(bits));
        case WCODEC_CONVERT_BF16_TO_F32:
            return f32_of_bf16(bits);
        case WCODEC_CONVERT_F16_TO_BF16:
            return bf16_of_f32(f32_of_f16(bits));
        case WCODEC_CONVERT_F16_TO_F32:
            return f32_of_f16(bits);
        case WCODEC_CONVERT_F32_TO_BF16:
            return bf16_of_f32(bits);
        case WCODEC_CONVERT_F32_TO_F16:
            return f16_of_f32(bits);
        default:
            return bits;
    }
}

__device__ __forceinline__ bool widens(uint32_t conversion) {
    return conversion == WCODEC_CONVERT_BF16_TO_F32 || conversion == WCODEC_CONVERT_F16_TO_F32;
}

// Word `index` of a lane's elements as they lie in memory.
template <class T>
__device__ __forceinline__ uint32_t word_of(const T (&elements)[LANE_SAMPLES], uint32_t index) {
    if constexpr (sizeof(T) == 1) {
        return elements[4 * index] | elements[4 * index + 1] << 8 | elements[4 * index + 2] << 16 |
               static_cast<uint32_t>(elements[4 * index + 3]) << 24;
    } else if constexpr (sizeof(T) == 2) {
        return elements[2 * index] | static_cast<uint32_t>(elements[2 * index + 1]) << 16;
    } else if constexpr (sizeof(T) == 4) {
        return elements[index];
    } else {
        return static_cast<uint32_t>(elements[index / 2] >> 32 * (index % 2));
    }
}

// Writes the first `num` of a lane's elements to `out`: with the widest stores where they are all there and
// `is_aligned` to 16 bytes as those of the chunk's first lane are.
template <class T>
__device__ __forceinline__ void store(T* out, uint32_t num, bool is_aligned, const T (&elements)[LANE_SAMPLES]) {
    if (num == LANE_SAMPLES && is_aligned) {
        if constexpr (sizeof(T) == 1) {
            *reinterpret_cast<uint2*>(out) = make_uint2(word_of(elements, 0), word_of(elements, 1));
        } else {
#pragma unroll
            for (uint32_t i = 0; i < sizeof(T) / 2; ++i) {
                reinterpret_cast<uint4*>(out)[i] =
                    make_uint4(word_of(elements, 4 * i), word_of(elements, 4 * i + 1), word_of(elements, 4 * i + 2),
                               word_of(elements, 4 * i + 3));
            }
        }
        return;
    }
#pragma unroll
    for (uint32_t i = 0; i < LANE_SAMPLES; ++i) {
        if (i < num) out[i] = elements[i];
    }
}

// Writes a lane's samples `first` to `first + num` of the chunk, at most LANE_SAMPLES, as elements. `first` is a
// multiple of LANE_SAMPLES.
template <class S>
__device__ __forceinline__ void write_elements(const WcodecChunk& chunk, uint32_t first, uint32_t num,
                                               const S (&samples)[LANE_SAMPLES]) {
    const uint32_t conversion = chunk.conversion;
    const bool is_aligned = chunk.output % 16 == 0;
    if constexpr (sizeof(S) == 2 || sizeof(S) == 4) {
        if (widens(conversion)) {
            uint32_t wide[LANE_SAMPLES];
#pragma unroll
            for (uint32_t i = 0; i < LANE_SAMPLES; ++i) wide[i] = converted(samples[i], conversion);
            store(reinterpret_cast<uint32_t*>(chunk.output) + first, num, is_aligned, wide);
            return;
        }
        if (conversion != WCODEC_CONVERT_NONE) {
            uint16_t narrow[LANE_SAMPLES];
#pragma unroll
            for (uint32_t i = 0; i < LANE_SAMPLES; ++i)
                narrow[i] = static_cast<uint16_t>(converted(samples[i], conversion));
            store(reinterpret_cast<uint16_t*>(chunk.output) + first, num, is_aligned, narrow);
            return;
        }
    }
    store(reinterpret_cast<S*>(chunk.output) + first, num, is_aligned, samples);
}

// Writes one sample as an element.
template <class S>
__device__ __forceinline__ void write_element(const WcodecChunk& chunk, uint32_t index, S sample) {
    const uint32_t conversion = chunk.conversion;
    if (conversion == WCODEC_CONVERT_NONE) {
        reinterpret_cast<S*>(chunk.output)[index] = sample;
    } else if (widens(conversion)) {
        reinterpret_cast<uint32_t*>(chunk.output)[index] = converted(static_cast<uint32_t>(sample), conversion);
    } else {
        reinterpret_cast<uint16_t*>(chunk.output)[index] =
            static_cast<uint16_t>(converted(static_cast<uint32_t>(sample), conversion));
    }
}

// How many of a lane's samples from `first` on there are.
__device__ __forceinline__ uint32_t num_from(uint32_t first, uint32_t num_samples) {
    return first < num_samples ? min(LANE_SAMPLES, num_samples - first) : 0;
}

}  // namespace wcodec
