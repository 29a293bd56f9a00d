// What every kernel needs: the constants, the records of a work list, a warp's own view of the launch.
//
// The kernels are plain CUDA C++ without inline PTX, so that the emulator in ../emu runs the same files.
#pragma once

#ifdef __CUDACC__
#include <cstdint>
// One record of shared memory for the whole block.
#define WCODEC_SHARED(type, name) __shared__ type name
#else
#include "cuda_emu.h"
#define WCODEC_SHARED(type, name) type& name = cuda_emu::shared<type>()
#endif

#include "wcodec_format.h"
#include "wcodec_work.h"

#define WCODEC_KERNEL extern "C" __global__ void
#define WCODEC_ARGUMENTS                                                                                  \
    const uint8_t *__restrict__ payload, const uint8_t *__restrict__ work, uint8_t *__restrict__ scratch, \
        uint32_t *__restrict__ status, uint32_t first, uint32_t count

namespace wcodec {

constexpr uint32_t LANES = WCODEC_RANS_LANES;
constexpr uint32_t ALL_LANES = 0xffffffffu;
// A lane's samples of a tile, and a warp's. A multiple of 8 samples is a whole number of bytes of every plane.
constexpr uint32_t LANE_SAMPLES = 8;
constexpr uint32_t TILE_SAMPLES = LANES * LANE_SAMPLES;

static_assert(LANES == 32, "a chunk's states are the lanes of a warp");

// What lies at a place of the work list.
template <class T>
__device__ __forceinline__ const T* at_place(const uint8_t* work, uint32_t place) {
    return reinterpret_cast<const T*>(work + static_cast<uint64_t>(place) * WCODEC_PLACE_BYTES);
}

__device__ __forceinline__ uint32_t lane_id() { return threadIdx.x % LANES; }

__device__ __forceinline__ uint32_t warp_id() { return threadIdx.x / LANES; }

// The group of this block, if the launch has that many.
__device__ __forceinline__ const WcodecGroup* group_of(const uint8_t* work, uint32_t first, uint32_t count) {
    return blockIdx.x < count ? at_place<WcodecGroup>(work, first) + blockIdx.x : nullptr;
}

// The chunk of this warp, if its group has that many.
__device__ __forceinline__ const WcodecChunk* chunk_of(const uint8_t* work, const WcodecGroup& group) {
    return warp_id() < group.count ? at_place<WcodecChunk>(work, group.first) + warp_id() : nullptr;
}

// A chunk's coded bytes.
__device__ __forceinline__ const uint8_t* coded_of(const uint8_t* payload, const WcodecChunk& chunk) {
    return payload + chunk.payload + chunk.coded;
}

// Two bytes wherever they lie.
__device__ __forceinline__ uint32_t u16_at(const uint8_t* bytes) {
    return bytes[0] | static_cast<uint32_t>(bytes[1]) << 8;
}

// Says what became of the chunk. Only one lane writes.
__device__ __forceinline__ void report(uint32_t* status, const WcodecChunk& chunk, uint32_t code) {
    if (lane_id() == 0) status[chunk.status] = code;
}

}  // namespace wcodec
