// Reversible transforms of blocks of 8 x 8 numbers (FORMAT.md, section 5.7; wcodec/src/transform).
#pragma once

#include "samples.cuh"

namespace wcodec {

constexpr uint32_t BLOCK = WCODEC_BLOCK;
// A lane has a column or a row of a block.
constexpr uint32_t WARP_BLOCKS = LANES / BLOCK;

__device__ __forceinline__ uint32_t whole(uint32_t len) { return len - len % BLOCK; }

// The band of a number: 0 outside blocks.
__device__ __forceinline__ uint32_t band_of(uint32_t row, uint32_t num, uint32_t index) {
    const uint32_t r = index / row, c = index % row;
    return r < whole(num / row) && c < whole(row) ? 1 + r % BLOCK + c % BLOCK : 0;
}

// The number times `factor` / 2^14, to nearest and halves up.
template <class S>
__device__ __forceinline__ S scaled(S number, int32_t factor) {
    constexpr uint32_t FRACTION = WCODEC_LIFTING_FRACTION_BITS;
    constexpr int64_t HALF = 1 << (FRACTION - 1);
    constexpr uint32_t ABOVE = 64 - BITS<S>;
    const int64_t value = static_cast<int64_t>(static_cast<uint64_t>(number) << ABOVE) >> ABOVE;
    if constexpr (sizeof(S) < 8) {
        return static_cast<S>((value * factor + HALF) >> FRACTION);
    } else {
        // The bits above the fraction's times the factor are whole, so the product never needs more than 64 bits.
        const uint64_t upper =
            static_cast<uint64_t>(value >> FRACTION) * static_cast<uint64_t>(static_cast<int64_t>(factor));
        const int64_t lower = static_cast<int64_t>(number & ((1u << FRACTION) - 1)) * factor + HALF;
        return upper + static_cast<uint64_t>(lower >> FRACTION);
    }
}

// Undoes the turn of points a and b: three lifting steps.
template <class S>
__device__ __forceinline__ void turn_back(S& a, S& b, int32_t tangent, int32_t sine) {
    a = static_cast<S>(a - scaled(b, tangent));
    b = static_cast<S>(b + scaled(a, sine));
    a = static_cast<S>(a - scaled(b, tangent));
}

// Coefficients to points.
template <bool IS_DCT, class S>
__device__ __forceinline__ void inverse_points(const S (&coefficients)[BLOCK], S (&points)[BLOCK]) {
    constexpr uint32_t PLACES[BLOCK] = WCODEC_TRANSFORM_PLACES;
    constexpr int32_t TANGENTS[] = WCODEC_LIFTING_TANGENTS, SINES[] = WCODEC_LIFTING_SINES;
    constexpr uint32_t DCT[][3] = WCODEC_DCT_TURNS, ADST[][3] = WCODEC_ADST_TURNS;
    constexpr uint32_t TURNS = IS_DCT ? sizeof DCT / sizeof *DCT : sizeof ADST / sizeof *ADST;
#pragma unroll
    for (uint32_t i = 0; i < BLOCK; ++i) points[PLACES[i]] = coefficients[i];
#pragma unroll
    for (uint32_t left = TURNS; left > 0; --left) {
        const uint32_t turn = left - 1;
        const uint32_t a = IS_DCT ? DCT[IS_DCT ? turn : 0][0] : ADST[turn][0];
        const uint32_t b = IS_DCT ? DCT[IS_DCT ? turn : 0][1] : ADST[turn][1];
        const uint32_t k = IS_DCT ? DCT[IS_DCT ? turn : 0][2] : ADST[turn][2];
        turn_back(points[a], points[b], TANGENTS[k - 1], SINES[k - 1]);
    }
}

// Transforms eight numbers that lie `stride` apart.
template <bool IS_DCT, class S>
__device__ __forceinline__ void inverse_line(S* numbers, uint32_t stride) {
    S coefficients[BLOCK], points[BLOCK];
#pragma unroll
    for (uint32_t i = 0; i < BLOCK; ++i) coefficients[i] = numbers[i * stride];
    inverse_points<IS_DCT>(coefficients, points);
#pragma unroll
    for (uint32_t i = 0; i < BLOCK; ++i) numbers[i * stride] = points[i];
}

// Coefficients of all whole blocks to numbers: their columns, then their rows.
template <bool IS_DCT, class S>
__device__ __forceinline__ void inverse_blocks(uint32_t row, uint32_t num, S* numbers) {
    const uint32_t across = row / BLOCK, num_blocks = num / row / BLOCK * across;
    for (uint32_t first = 0; first < num_blocks; first += WARP_BLOCKS) {
        const uint32_t block = first + lane_id() / BLOCK, line = lane_id() % BLOCK;
        const bool is_there = block < num_blocks;
        S* corner = is_there ? numbers + block / across * BLOCK * row + block % across * BLOCK : nullptr;
        if (is_there) inverse_line<IS_DCT>(corner + line, row);
        __syncwarp();
        if (is_there) inverse_line<IS_DCT>(corner + line * row, 1);
    }
    __syncwarp();
}

template <class S>
__device__ __forceinline__ void inverse_transform(uint32_t transform, uint32_t row, uint32_t num, S* numbers) {
    if (transform == WCODEC_TRANSFORM_DCT) inverse_blocks<true>(row, num, numbers);
    if (transform == WCODEC_TRANSFORM_ADST) inverse_blocks<false>(row, num, numbers);
}

}  // namespace wcodec
