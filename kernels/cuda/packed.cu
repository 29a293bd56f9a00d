// Kernels for chunks of packed codes (wcodec/src/chunk/packed.rs).

#include "chunk.cuh"

namespace wcodec {

// What a kernel for packed codes does.
template <class S>
__device__ __forceinline__ void run_packed(const uint8_t* payload, const uint8_t* work, uint32_t* status,
                                           uint32_t first, uint32_t count) {
    using Split = AnySplit<S, WcodecCodeBook>;
    const WcodecGroup* group = group_of(work, first, count);
    const WcodecChunk* found = group ? chunk_of(work, *group) : nullptr;
    if (!found) return;
    const WcodecChunk& chunk = *found;
    const WcodecCodeBook* book = at_place<WcodecCodeBook>(work, group->table);
    const uint8_t* coded = coded_of(payload, chunk);
    const uint32_t num_bytes = chunk.coded_bytes - WCODEC_ESCAPE_BYTES * chunk.num_escapes;
    Split split(payload, chunk, book);
    for (uint32_t at = LANE_SAMPLES * lane_id(); at < chunk.num_samples; at += TILE_SAMPLES) {
        split.load(at);
        const uint2 codes = load_codes(coded, num_bytes, book->code_bits, chunk.num_samples, at);
        split.merge(at, num_from(at, chunk.num_samples), codes);
    }
    report(status, chunk, patch_escapes<Split>(payload, chunk));
}

}  // namespace wcodec

#define WCODEC_PACKED_KERNEL(name, sample)                                             \
    WCODEC_KERNEL __launch_bounds__(WCODEC_GROUP_CHUNKS * 32) name(WCODEC_ARGUMENTS) { \
        (void)scratch;                                                                 \
        wcodec::run_packed<sample>(payload, work, status, first, count);               \
    }

WCODEC_PACKED_KERNEL(packed_u8, uint8_t)
WCODEC_PACKED_KERNEL(packed_u16, uint16_t)
WCODEC_PACKED_KERNEL(packed_u32, uint32_t)
WCODEC_PACKED_KERNEL(packed_u64, uint64_t)
