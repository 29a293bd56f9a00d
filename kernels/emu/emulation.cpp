// The kernels on the CPU, by name, and memory that shows who writes beyond its end.

#include "cuda_emu.h"

#include "../cuda/wcodec.cu"

namespace {

using Kernel = void (*)(const uint8_t*, const uint8_t*, uint8_t*, uint32_t*, uint32_t, uint32_t);

struct Named {
    const char* name;
    Kernel kernel;
};

// A kernel in which a lane leaves out a collective: what the emulator is there to find.
void missing_lane(const uint8_t*, const uint8_t*, uint8_t*, uint32_t* status, uint32_t, uint32_t) {
    if (threadIdx.x != 5) status[0] = __ballot_sync(0xffffffffu, true);
    __syncthreads();
}

// One in which a lane is not in the mask that it names.
void wrong_mask(const uint8_t*, const uint8_t*, uint8_t*, uint32_t* status, uint32_t, uint32_t) {
    status[0] = __shfl_sync(0x0000ffffu, threadIdx.x, 0);
}

// One in which lanes read what others write, without synchronisation.
void race(const uint8_t*, const uint8_t*, uint8_t*, uint32_t* status, uint32_t, uint32_t) {
    struct Shared {
        uint32_t values[32];
    };
    WCODEC_SHARED(Shared, shared);
    shared.values[threadIdx.x] = threadIdx.x;
    const uint32_t other = shared.values[threadIdx.x ^ 1];
    if (threadIdx.x == 0) status[0] = other;
}

// One that writes beyond its memory.
void beyond(const uint8_t*, const uint8_t*, uint8_t* scratch, uint32_t*, uint32_t first, uint32_t) {
    if (threadIdx.x == 0) scratch[static_cast<int32_t>(first)] = 1;
}

#define NAMED(name) {#name, name}

const Named kernels[] = {
    NAMED(rans_bf16),   NAMED(rans_bf16_to_f16), NAMED(rans_bf16_to_f32),
    NAMED(rans_u8),     NAMED(rans_u16),         NAMED(rans_u32),
    NAMED(rans_u64),    NAMED(packed_u8),        NAMED(packed_u16),
    NAMED(packed_u32),  NAMED(packed_u64),       NAMED(uncoded_u8),
    NAMED(uncoded_u16), NAMED(uncoded_u32),      NAMED(uncoded_u64),
    NAMED(tools_u8),    NAMED(tools_u16),        NAMED(tools_u32),
    NAMED(tools_u64),   NAMED(missing_lane),     NAMED(wrong_mask),
    NAMED(race),        NAMED(beyond),
};

struct Call {
    Kernel kernel;
    const uint8_t *payload, *work;
    uint8_t* scratch;
    uint32_t* status;
    uint32_t first, count;
};

constexpr unsigned char FILL = 0xa5;
#ifndef __SANITIZE_ADDRESS__
constexpr size_t PAGE = 4096;

size_t pages(size_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }
#endif

}  // namespace

// Launches a kernel. Returns null, or what went wrong: valid until the next launch of the same thread.
extern "C" const char* wcodec_emu_launch(const char* name, uint32_t grid, uint32_t block, const Call* arguments,
                                         uint32_t schedule, uint64_t seed) {
    for (const Named& named : kernels) {
        if (strcmp(named.name, name) != 0) continue;
        Call call = *arguments;
        call.kernel = named.kernel;
        const auto entry = [](void* context) {
            const Call& call = *static_cast<const Call*>(context);
            call.kernel(call.payload, call.work, call.scratch, call.status, call.first, call.count);
        };
        const std::string& error =
            cuda_emu::launch(grid, block, entry, &call, static_cast<cuda_emu::Schedule>(schedule), seed);
        return error.empty() ? nullptr : error.c_str();
    }
    return "no such kernel";
}

#ifdef __SANITIZE_ADDRESS__

// Memory that the sanitizer watches to the byte.
extern "C" uint8_t* wcodec_emu_allocate(size_t bytes) {
    void* memory = nullptr;
    if (posix_memalign(&memory, 16, bytes) != 0) return nullptr;
    memset(memory, FILL, bytes);
    return static_cast<uint8_t*>(memory);
}
extern "C" bool wcodec_emu_is_intact(const uint8_t*, size_t) { return true; }
extern "C" void wcodec_emu_free(uint8_t* memory, size_t) { free(memory); }

#else

// `bytes` at a multiple of 16, as near as that allows to a page behind them that cannot be touched; another one lies
// before them. Null if there is no memory.
extern "C" uint8_t* wcodec_emu_allocate(size_t bytes) {
    const size_t room = pages(bytes) + PAGE;
    void* all = mmap(nullptr, room + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return nullptr;
    uint8_t* start = static_cast<uint8_t*>(all) + PAGE;
    if (mprotect(start, room, PROT_READ | PROT_WRITE) != 0) return nullptr;
    memset(start, FILL, room);
    return start + (room - bytes) / 16 * 16;
}

// Whether nothing was written in the same pages before and behind `bytes` at `memory`.
extern "C" bool wcodec_emu_is_intact(const uint8_t* memory, size_t bytes) {
    const size_t room = pages(bytes) + PAGE;
    const uint8_t *start = memory - (room - bytes) / 16 * 16, *end = start + room;
    for (const uint8_t* at = start; at < memory; ++at) {
        if (*at != FILL) return false;
    }
    for (const uint8_t* at = memory + bytes; at < end; ++at) {
        if (*at != FILL) return false;
    }
    return true;
}

extern "C" void wcodec_emu_free(uint8_t* memory, size_t bytes) {
    const size_t room = pages(bytes) + PAGE;
    munmap(memory - (room - bytes) / 16 * 16 - PAGE, room + 2 * PAGE);
}

#endif
