// Which table a symbol is coded with (FORMAT.md, section 6.4; wcodec/src/tools/contexts.rs).
#pragma once

#include "transform.cuh"

namespace wcodec {

// How large the symbols above a unit and beside it are, in the nearest row that is whole groups before.
__device__ __forceinline__ uint32_t context_above(uint32_t index, uint32_t row, const uint16_t* symbols) {
    // More than the lanes of a group, so that the symbol to the right is there too.
    const uint32_t up = row * (LANES / row + 1);
    if (index < up) return 0;
    const uint32_t at = index - up;
    const uint32_t left = symbols[at == 0 ? 0 : at - 1];
    const uint32_t sum = left + 2 * symbols[at] + symbols[at + 1];
    return min(static_cast<uint32_t>(WCODEC_NUM_CONTEXTS_ABOVE - 1), sum / WCODEC_CONTEXTS_ABOVE_DIVISOR);
}

// The context of a unit of a chunk. All symbols of the groups of 32 before its own are in `symbols`.
__device__ __forceinline__ uint32_t context_of(const WcodecTools& tools, uint32_t index, uint32_t num_units,
                                               const uint16_t* symbols) {
    switch (tools.contexts) {
        case WCODEC_CONTEXTS_ABOVE:
            return context_above(index, tools.row, symbols);
        case WCODEC_CONTEXTS_BANDS:
            return band_of(tools.row, num_units, index);
        default:
            return index % tools.row;
    }
}

// The table of a unit: the chunk's own where contexts do not choose.
__device__ __forceinline__ const WcodecTable* table_of(const uint8_t* work, const WcodecChunk& chunk,
                                                       const WcodecTools& tools, uint32_t index, uint32_t num_units,
                                                       const uint16_t* symbols) {
    uint32_t place = chunk.table;
    if (tools.contexts != WCODEC_CONTEXTS_NONE) {
        const uint32_t* tables = reinterpret_cast<const uint32_t*>(&tools + 1);
        place = tables[context_of(tools, index, num_units, symbols)];
    }
    return at_place<WcodecTable>(work, place);
}

}  // namespace wcodec
