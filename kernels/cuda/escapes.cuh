// Symbols without a frequency or a code of their own (FORMAT.md, section 4.3; wcodec/src/entropy/escapes.rs).
#pragma once

#include "device.cuh"

namespace wcodec {

// Calls `replace(position, literal)` for every escape, lanes side by side: positions are distinct. `escapes` are `num`
// positions, then literals. False if positions do not rise, or one is not below `num_symbols`, or a literal not below
// `limit`; some may then be replaced.
template <class Replace>
__device__ __forceinline__ bool each_escape(const uint8_t* escapes, uint32_t num, uint32_t num_symbols, uint32_t limit,
                                            Replace replace) {
    bool is_right = true;
    for (uint32_t index = lane_id(); index < num; index += LANES) {
        const uint32_t position = u16_at(escapes + 2 * index), literal = u16_at(escapes + 2 * (num + index));
        const bool rises = index == 0 || u16_at(escapes + 2 * (index - 1)) < position;
        if (rises && position < num_symbols && literal < limit) {
            replace(position, literal);
        } else {
            is_right = false;
        }
    }
    return __all_sync(ALL_LANES, is_right);
}

}  // namespace wcodec
