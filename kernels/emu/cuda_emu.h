// What the kernels use of CUDA's language, for a C++ compiler: the files of ../cuda compile unchanged, and scheduler.h
// runs them.
#pragma once

#include <algorithm>

#include "scheduler.h"

#define __global__
#define __device__
#define __restrict__ __restrict
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

struct alignas(8) uint2 {
    uint32_t x, y;
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};

inline uint2 make_uint2(uint32_t x, uint32_t y) { return {x, y}; }
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }

#define threadIdx (cuda_emu::thread_index)
#define blockIdx (cuda_emu::block_index)
#define blockDim (cuda_emu::block_size)
#define gridDim (cuda_emu::grid_size)

using std::min;

inline void __syncthreads() { cuda_emu::barrier(); }
inline void __syncwarp(uint32_t mask = 0xffffffffu) { cuda_emu::collective(cuda_emu::Kind::Sync, mask, 0); }
inline uint32_t __ballot_sync(uint32_t mask, bool value) {
    return static_cast<uint32_t>(cuda_emu::collective(cuda_emu::Kind::Ballot, mask, value));
}
inline int __all_sync(uint32_t mask, bool value) { return cuda_emu::collective(cuda_emu::Kind::All, mask, value) != 0; }
inline uint32_t __shfl_sync(uint32_t mask, uint32_t value, uint32_t lane) {
    return static_cast<uint32_t>(cuda_emu::collective(cuda_emu::Kind::Shfl, mask, value, lane));
}
inline uint32_t __shfl_up_sync(uint32_t mask, uint32_t value, uint32_t distance) {
    return static_cast<uint32_t>(cuda_emu::collective(cuda_emu::Kind::ShflUp, mask, value, distance));
}

template <class T>
inline T __ldg(const T* from) {
    return *from;
}

inline uint32_t __popc(uint32_t bits) { return static_cast<uint32_t>(__builtin_popcount(bits)); }

// Byte i of the result is byte `selector >> 4 i & 7` of both words; the sign replication of bit 3 is not used.
inline uint32_t __byte_perm(uint32_t low, uint32_t high, uint32_t selector) {
    const uint64_t both = static_cast<uint64_t>(high) << 32 | low;
    uint32_t result = 0;
    for (uint32_t i = 0; i < 4; ++i)
        result |= (static_cast<uint32_t>(both >> 8 * (selector >> 4 * i & 7)) & 0xff) << 8 * i;
    return result;
}

inline float __uint_as_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
inline uint32_t __float_as_uint(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline float __double2float_rn(double value) { return static_cast<float>(value); }
