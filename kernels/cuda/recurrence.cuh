// Prediction of columns that oscillate (FORMAT.md, section 5.6; wcodec/src/predict/recurrence.rs). Every operation
// rounds once, to nearest: the compiler must not fuse a product and a difference.
#pragma once

#include "convert.cuh"
#include "predict.cuh"

namespace wcodec {

constexpr uint32_t F16_EXPONENT_BITS = 5;

// The bits of a number as binary32, which holds all values of the shorter forms.
template <class S>
__device__ __forceinline__ uint32_t single_of(S number, uint32_t exponent_bits) {
    const uint32_t bits = static_cast<uint32_t>(ordered(number, WCODEC_ORDER_FLOAT));
    if constexpr (sizeof(S) == 4) return bits;
    return exponent_bits == F16_EXPONENT_BITS ? f32_of_f16(bits) : f32_of_bf16(bits);
}

// The number of the nearest float.
template <class S>
__device__ __forceinline__ S number_of(uint32_t single, uint32_t exponent_bits) {
    uint32_t bits = single;
    if constexpr (sizeof(S) < 4) bits = exponent_bits == F16_EXPONENT_BITS ? f16_of_f32(single) : bf16_of_f32(single);
    return ordered(static_cast<S>(bits), WCODEC_ORDER_FLOAT);
}

__device__ __forceinline__ bool is_finite(uint32_t single) { return (single & 0x7f800000u) != 0x7f800000u; }

// The number below `top` in a column with `factor`.
template <class S>
__device__ __forceinline__ S oscillate(double factor, S top_top, S top, uint32_t exponent_bits) {
    const uint32_t far = single_of(top_top, exponent_bits), near = single_of(top, exponent_bits);
    if (!is_finite(far) || !is_finite(near)) return top;
    const double product = __dmul_rn(factor, static_cast<double>(__uint_as_float(near)));
    const double value = __dsub_rn(product, static_cast<double>(__uint_as_float(far)));
    return number_of<S>(__float_as_uint(__double2float_rn(value)), exponent_bits);
}

// Residuals to numbers: the first two rows as top-slope, then each lane columns of its own.
template <class S>
__device__ __forceinline__ void inverse_recurrence(const uint8_t* work, const WcodecTools& tools, uint32_t num,
                                                   S* numbers) {
    const uint32_t row = tools.row;
    inverse_predict(WCODEC_PREDICTOR_TOP_SLOPE, nullptr, row, min(num, 2 * row), numbers);
    if constexpr (sizeof(S) == 2 || sizeof(S) == 4) {
        const int32_t* factors = at_place<int32_t>(work, tools.factors);
        for (uint32_t c = lane_id(); c < row && c + 2 * row < num; c += LANES) {
            const double unit = 1.0 / (1u << WCODEC_RECURRENCE_FACTOR_BITS);
            const double factor = __dmul_rn(static_cast<double>(factors[c]), unit);
            S top_top = numbers[c], top = numbers[row + c];
            for (uint32_t i = 2 * row + c; i < num; i += row) {
                const S number = static_cast<S>(numbers[i] + oscillate(factor, top_top, top, tools.exponent_bits));
                numbers[i] = number;
                top_top = top;
                top = number;
            }
        }
        __syncwarp();
    }
}

}  // namespace wcodec
