// Kernels for chunks of rANS, and for chunks that are stored or constant (wcodec/src/chunk/decode.rs).

#include "chunk.cuh"

namespace wcodec {

// Decodes a chunk; returns its status.
template <class Split>
__device__ __forceinline__ uint32_t decode_rans(const uint8_t* payload, const WcodecChunk& chunk,
                                                const WcodecTable* table, BlockShared& block) {
    const uint32_t num_samples = chunk.num_samples;
    const uint32_t words_bytes = chunk.coded_bytes - STATES_BYTES - WCODEC_ESCAPE_BYTES * chunk.num_escapes;
    Decoder decoder(coded_of(payload, chunk), words_bytes, block);
    WarpWords& shared = block.warps[warp_id()];
    if (!decoder.has_states()) return WCODEC_STATUS_STATES;
    const bool is_single = table->is_single;
    if (is_single) {
        // Its slots leave every state as it is.
        const uint32_t code = block.slots.entries[0] & 0xff;
        shared.codes[lane_id()] = make_uint2(code * 0x01010101u, code * 0x01010101u);
        __syncwarp();
    }
    Split split(payload, chunk, table);
    uint32_t first = LANE_SAMPLES * lane_id();
    for (uint32_t tile = num_samples / TILE_SAMPLES; tile > 0; --tile) {
        split.load(first);
        if (!is_single) {
            decoder.decode();
            __syncwarp();
        }
        const uint2 codes = shared.codes[lane_id()];
        split.merge(first, LANE_SAMPLES, codes);
        first += TILE_SAMPLES;
        __syncwarp();
    }
    const uint32_t num = num_from(first, num_samples);
    if (num > 0) split.load(first);
    if (!is_single) {
        decoder.decode_last(num_samples % TILE_SAMPLES);
        __syncwarp();
    }
    if (num > 0) split.merge(first, num, shared.codes[lane_id()]);
    if (!decoder.is_finished()) return WCODEC_STATUS_WORDS;
    return patch_escapes<Split>(payload, chunk);
}

// What a kernel for rANS does: a table for the block, a chunk for each warp.
template <class Split>
__device__ __forceinline__ void run_rans(const uint8_t* payload, const uint8_t* work, uint32_t* status, uint32_t first,
                                         uint32_t count) {
    WCODEC_SHARED(BlockShared, shared);
    const WcodecGroup* group = group_of(work, first, count);
    if (!group) return;
    const WcodecTable* table = at_place<WcodecTable>(work, group->table);
    expand(table, shared.slots);
    const WcodecChunk* chunk = chunk_of(work, *group);
    if (!chunk) return;
    report(status, *chunk, decode_rans<Split>(payload, *chunk, table, shared));
}

// Copies a stored chunk, 16 bytes a lane.
__device__ __forceinline__ void copy(const uint8_t* from, uint8_t* to, uint32_t num_bytes) {
    const uint32_t num_vectors = num_bytes / 16;
#pragma unroll 4
    for (uint32_t i = lane_id(); i < num_vectors; i += LANES) {
        reinterpret_cast<uint4*>(to)[i] = __ldg(reinterpret_cast<const uint4*>(from) + i);
    }
    for (uint32_t i = num_vectors * 16 + lane_id(); i < num_bytes; i += LANES) to[i] = from[i];
}

// What a kernel for chunks that are not coded does.
template <class S>
__device__ __forceinline__ void run_uncoded(const uint8_t* payload, const uint8_t* work, uint32_t* status,
                                            uint32_t first, uint32_t count) {
    const WcodecGroup* group = group_of(work, first, count);
    const WcodecChunk* found = group ? chunk_of(work, *group) : nullptr;
    if (!found) return;
    const WcodecChunk& chunk = *found;
    const uint8_t* coded = coded_of(payload, chunk);
    const S* samples = reinterpret_cast<const S*>(coded);
    const bool is_constant = chunk.mode == WCODEC_MODE_CONSTANT;
    const uint64_t both = chunk.output | reinterpret_cast<uint64_t>(coded);
    if (!is_constant && chunk.conversion == WCODEC_CONVERT_NONE && both % 16 == 0) {
        copy(coded, reinterpret_cast<uint8_t*>(chunk.output), chunk.num_samples * sizeof(S));
    } else {
        for (uint32_t at = LANE_SAMPLES * lane_id(); at < chunk.num_samples; at += TILE_SAMPLES) {
            const uint32_t num = num_from(at, chunk.num_samples);
            S here[LANE_SAMPLES];
#pragma unroll
            for (uint32_t i = 0; i < LANE_SAMPLES; ++i) here[i] = samples[is_constant || i >= num ? 0 : at + i];
            write_elements(chunk, at, num, here);
        }
    }
    report(status, chunk, 0);
}

}  // namespace wcodec

// `blocks` are those of a multiprocessor that registers must be left for.
#define WCODEC_RANS_KERNEL(name, blocks, ...)                                                  \
    WCODEC_KERNEL __launch_bounds__(WCODEC_GROUP_CHUNKS * 32, blocks) name(WCODEC_ARGUMENTS) { \
        (void)scratch;                                                                         \
        wcodec::run_rans<__VA_ARGS__>(payload, work, status, first, count);                    \
    }

#define WCODEC_UNCODED_KERNEL(name, sample)                                            \
    WCODEC_KERNEL __launch_bounds__(WCODEC_GROUP_CHUNKS * 32) name(WCODEC_ARGUMENTS) { \
        (void)scratch;                                                                 \
        wcodec::run_uncoded<sample>(payload, work, status, first, count);              \
    }

WCODEC_RANS_KERNEL(rans_bf16, 6, wcodec::Bf16Split<WCODEC_CONVERT_NONE>)
WCODEC_RANS_KERNEL(rans_bf16_to_f16, 5, wcodec::Bf16Split<WCODEC_CONVERT_BF16_TO_F16>)
WCODEC_RANS_KERNEL(rans_bf16_to_f32, 5, wcodec::Bf16Split<WCODEC_CONVERT_BF16_TO_F32>)
WCODEC_RANS_KERNEL(rans_u8, 4, wcodec::AnySplit<uint8_t, WcodecTable>)
WCODEC_RANS_KERNEL(rans_u16, 4, wcodec::AnySplit<uint16_t, WcodecTable>)
WCODEC_RANS_KERNEL(rans_u32, 4, wcodec::AnySplit<uint32_t, WcodecTable>)
WCODEC_RANS_KERNEL(rans_u64, 4, wcodec::AnySplit<uint64_t, WcodecTable>)
WCODEC_UNCODED_KERNEL(uncoded_u8, uint8_t)
WCODEC_UNCODED_KERNEL(uncoded_u16, uint16_t)
WCODEC_UNCODED_KERNEL(uncoded_u32, uint32_t)
WCODEC_UNCODED_KERNEL(uncoded_u64, uint64_t)
