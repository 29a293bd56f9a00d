// What the emulator knows of a launch, and who runs next.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "fiber.h"

namespace cuda_emu {

enum class Schedule : uint32_t { Ascending, Descending, Random };

enum class Kind : uint32_t { Sync, Ballot, All, Shfl, ShflUp };

constexpr uint32_t WARP = 32;
constexpr size_t SHARED_BYTES = 48 << 10;
// What shared memory holds before a block writes it.
constexpr int POISON = 0xcd;

// A collective that some lanes have reached.
struct Meeting {
    Kind kind;
    uint32_t mask, arrived;
};

struct Warp {
    uint32_t alive = 0, ready = 0, at_barrier = 0;
    std::vector<Meeting> meetings;
    uint64_t values[WARP], results[WARP];
    uint32_t arguments[WARP];
};

// One kernel launch at a time for each thread of the CPU.
struct State {
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    Fiber scheduler;
    Fiber* current = nullptr;
    Stacks stacks;
    void (*entry)(void*) = nullptr;
    void* context = nullptr;
    Schedule schedule = Schedule::Ascending;
    uint64_t random = 1;
    uint32_t num_alive = 0, num_at_barrier = 0;
    std::string error;
    alignas(16) unsigned char shared[SHARED_BYTES];
};

struct Index {
    uint32_t x;
};

inline State& state() {
    static thread_local State all;
    return all;
}

// Where the running thread is.
inline thread_local Index thread_index, block_index, block_size, grid_size;

inline Warp& warp_of(const Fiber& fiber) { return state().warps[fiber.thread / WARP]; }

inline void switch_to(Fiber* to) {
    Fiber* from = state().current;
    state().current = to;
    thread_index.x = to->thread;
    change(*from, *to);
}

// xorshift64 (Marsaglia, 2003).
inline uint64_t next_random() {
    uint64_t& random = state().random;
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random >> 33;
}

// One of the lanes in `ready`, of which there is at least one.
inline uint32_t pick(uint32_t ready) {
    switch (state().schedule) {
        case Schedule::Descending:
            return 31 - static_cast<uint32_t>(__builtin_clz(ready));
        case Schedule::Random:
            for (uint64_t skip = next_random() % static_cast<uint32_t>(__builtin_popcount(ready)); skip > 0; --skip)
                ready &= ready - 1;
            [[fallthrough]];
        default:
            return static_cast<uint32_t>(__builtin_ctz(ready));
    }
}

inline void set_error(const std::string& error) {
    if (state().error.empty()) state().error = "block " + std::to_string(block_index.x) + ": " + error;
}

// Leaves the CPU to another lane of the warp, or to another warp.
inline void give_way() {
    Fiber* current = state().current;
    const Warp& warp = warp_of(*current);
    if (!warp.ready) return switch_to(&state().scheduler);
    Fiber* next = &state().fibers[current->thread / WARP * WARP + pick(warp.ready)];
    if (next != current) switch_to(next);
}

}  // namespace cuda_emu
