// Prediction of numbers by their neighbours (FORMAT.md, section 5.6; wcodec/src/predict).
#pragma once

#include "samples.cuh"

namespace wcodec {

constexpr uint32_t TILE = WCODEC_TILE;

__device__ __forceinline__ uint32_t tiles_across(uint32_t row) { return (row + TILE - 1) / TILE; }

// Number of tiles of a chunk.
__device__ __forceinline__ uint32_t num_tiles(uint32_t row, uint32_t num) {
    const uint32_t num_rows = (num + row - 1) / row;
    return tiles_across(row) * ((num_rows + TILE - 1) / TILE);
}

// Neighbours of a number; where one is missing, another stands for it.
template <class S>
struct Neighbours {
    S left, top, top_left, top_top, left_left;

    __device__ __forceinline__ S prediction(uint32_t predictor) const {
        const S both = left ^ top;
        const S top_bit = static_cast<S>(static_cast<S>(1) << (BITS<S> - 1));
        switch (predictor) {
            case WCODEC_PREDICTOR_LEFT:
                return left;
            case WCODEC_PREDICTOR_TOP:
                return top;
            // The bits of both, and half of those of one, rounded down: no carry is lost.
            case WCODEC_PREDICTOR_AVERAGE:
                return static_cast<S>((left & top) + static_cast<S>(both >> 1 | (both & top_bit)));
            case WCODEC_PREDICTOR_PLANAR:
                return static_cast<S>(left + top - top_left);
            case WCODEC_PREDICTOR_TOP_SLOPE:
                return static_cast<S>(2 * top - top_top);
            case WCODEC_PREDICTOR_LEFT_SLOPE:
                return static_cast<S>(2 * left - left_left);
            default:
                return 0;
        }
    }
};

// Residuals to numbers. Each lane has a row, a column behind the lane of the row above: what a prediction looks at is
// there. `per_tile` is looked at where `predictor` is one for each tile.
template <class S>
__device__ __forceinline__ void inverse_predict(uint32_t predictor, const uint8_t* per_tile, uint32_t row, uint32_t num,
                                                S* numbers) {
    const bool has_tiles = predictor == WCODEC_TILES_PREDICTOR;
    if (predictor == WCODEC_PREDICTOR_NONE) return;
    const uint32_t across = tiles_across(row), num_columns = min(row, num);
    for (uint32_t top_row = 0; top_row * row < num; top_row += LANES) {
        const uint32_t r = top_row + lane_id();
        const uint32_t start = r * row;
        const uint32_t len = start < num ? min(row, num - start) : 0;
        S left = 0, left_left = 0;
        for (uint32_t step = 0; step < num_columns + LANES - 1; ++step) {
            const uint32_t c = step - lane_id();
            if (step >= lane_id() && c < len) {
                S* at = numbers + start + c;
                const uint32_t mine = has_tiles ? per_tile[r / TILE * across + c / TILE] : predictor;
                Neighbours<S> near;
                near.top = r > 0 ? *(at - row) : left;
                near.left = c > 0 ? left : near.top;
                near.top_left = r == 0 ? near.left : c > 0 ? *(at - row - 1) : near.top;
                near.top_top = r > 1 ? *(at - 2 * row) : near.top;
                near.left_left = c > 1 ? left_left : near.left;
                const S number = static_cast<S>(*at + (r == 0 && c == 0 ? 0 : near.prediction(mine)));
                *at = number;
                left_left = left;
                left = number;
            }
            __syncwarp();
        }
    }
}

}  // namespace wcodec
