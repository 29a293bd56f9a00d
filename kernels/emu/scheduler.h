// Runs the threads of a block as fibers on one thread of the CPU.
//
// A lane runs until it reaches a collective of its warp or __syncthreads; which ready lane, warp or block is next, a
// schedule decides: a missing synchronisation shows as a result that depends on the schedule. A collective that not all
// of its lanes reach, or reach with another mask, is an error instead of a hang. Not modelled: weak memory, and threads
// that interrupt each other between collectives.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#ifndef __x86_64__
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace cuda_emu {

enum class Schedule : uint32_t { Ascending, Descending, Random };

enum class Kind : uint32_t { Sync, Ballot, All, Shfl, ShflUp };

inline const char* name_of(Kind kind) {
    static const char* const names[] = {"__syncwarp", "__ballot_sync", "__all_sync", "__shfl_sync", "__shfl_up_sync"};
    return names[static_cast<uint32_t>(kind)];
}

constexpr uint32_t WARP = 32;
constexpr size_t STACK_BYTES = 64 << 10;
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

struct Fiber {
#ifdef __x86_64__
    void* stack_pointer = nullptr;
#else
    ucontext_t context;
#endif
    char* stack = nullptr;
    uint32_t thread = 0;
};

// One kernel launch at a time for each thread of the CPU.
struct State {
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    Fiber scheduler;
    Fiber* current = nullptr;
    char* stacks = nullptr;
    size_t num_stacks = 0;
    void (*entry)(void*) = nullptr;
    void* context = nullptr;
    Schedule schedule = Schedule::Ascending;
    uint64_t random = 1;
    uint32_t num_alive = 0, num_at_barrier = 0;
    std::string error;
    alignas(16) unsigned char shared[SHARED_BYTES];

    ~State() {
        if (stacks) munmap(stacks, num_stacks * STACK_BYTES);
    }
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

#ifdef __x86_64__
extern "C" void cuda_emu_switch(void** save, void* to);
// Saves what a called function must keep, and takes up the other stack.
__asm__(R"(
    .section .text.cuda_emu_switch,"axG",@progbits,cuda_emu_switch,comdat
    .weak cuda_emu_switch
    .type cuda_emu_switch,@function
cuda_emu_switch:
    endbr64
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size cuda_emu_switch, .-cuda_emu_switch
    .text
)");
#endif

inline void switch_to(Fiber* to) {
    Fiber* from = state().current;
    state().current = to;
    thread_index.x = to->thread;
#ifdef __x86_64__
    cuda_emu_switch(&from->stack_pointer, to->stack_pointer);
#else
    swapcontext(&from->context, &to->context);
#endif
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

inline uint64_t result_of(const Warp& warp, const Meeting& meeting, uint32_t lane) {
    uint32_t from = lane;
    switch (meeting.kind) {
        case Kind::Sync:
            return 0;
        case Kind::Ballot:
        case Kind::All: {
            uint32_t set = 0;
            for (uint32_t other = 0; other < WARP; ++other) {
                if (meeting.arrived >> other & 1 && warp.values[other]) set |= 1u << other;
            }
            return meeting.kind == Kind::Ballot ? set : set == meeting.arrived;
        }
        case Kind::Shfl:
            from = warp.arguments[lane] % WARP;
            break;
        case Kind::ShflUp:
            from = lane >= warp.arguments[lane] ? lane - warp.arguments[lane] : lane;
            break;
    }
    if (!(meeting.arrived >> from & 1)) {
        set_error(std::string(name_of(meeting.kind)) + ": lane " + std::to_string(lane) + " reads lane " +
                  std::to_string(from) + ", which takes no part");
        return 0;
    }
    return warp.values[from];
}

// Lets the lanes of a collective go on that all of them have reached.
inline void complete(Warp& warp, size_t index) {
    const Meeting meeting = warp.meetings[index];
    warp.meetings.erase(warp.meetings.begin() + static_cast<std::ptrdiff_t>(index));
    for (uint32_t lane = 0; lane < WARP; ++lane) {
        if (meeting.arrived >> lane & 1) warp.results[lane] = result_of(warp, meeting, lane);
    }
    warp.ready |= meeting.arrived;
}

inline uint64_t collective(Kind kind, uint32_t mask, uint64_t value, uint32_t argument = 0) {
    const uint32_t lane = state().current->thread % WARP;
    Warp& warp = warp_of(*state().current);
    if (!(mask >> lane & 1)) {
        set_error(std::string(name_of(kind)) + ": lane " + std::to_string(lane) + " is not in its own mask");
        switch_to(&state().scheduler);  // which ends the launch
    }
    warp.values[lane] = value;
    warp.arguments[lane] = argument;
    size_t index = 0;
    while (index < warp.meetings.size() && !(warp.meetings[index].mask == mask && warp.meetings[index].kind == kind))
        ++index;
    if (index == warp.meetings.size()) warp.meetings.push_back({kind, mask, 0});
    warp.meetings[index].arrived |= 1u << lane;
    warp.ready &= ~(1u << lane);
    // A lane that has ended takes no part, as on the device.
    if (warp.meetings[index].arrived == (mask & warp.alive)) complete(warp, index);
    give_way();
    return warp.results[lane];
}

inline void open_barrier() {
    for (Warp& warp : state().warps) {
        warp.ready |= warp.at_barrier;
        warp.at_barrier = 0;
    }
    state().num_at_barrier = 0;
}

inline void barrier() {
    const uint32_t lane = state().current->thread % WARP;
    Warp& warp = warp_of(*state().current);
    warp.ready &= ~(1u << lane);
    warp.at_barrier |= 1u << lane;
    if (++state().num_at_barrier < state().num_alive) return give_way();
    open_barrier();
    switch_to(&state().scheduler);
}

// What a fiber runs.
inline void run_thread() {
    state().entry(state().context);
    const uint32_t lane = state().current->thread % WARP;
    Warp& warp = warp_of(*state().current);
    warp.alive &= ~(1u << lane);
    warp.ready &= ~(1u << lane);
    --state().num_alive;
    for (size_t index = 0; index < warp.meetings.size();) {
        const Meeting& meeting = warp.meetings[index];
        if (meeting.arrived == (meeting.mask & warp.alive)) {
            complete(warp, index);
        } else {
            ++index;
        }
    }
    if (state().num_alive > 0 && state().num_at_barrier == state().num_alive) open_barrier();
    give_way();
    abort();  // nobody takes it up again
}

inline void prepare(Fiber& fiber) {
#ifdef __SANITIZE_ADDRESS__
    // What it remembers of who used this memory before, perhaps as another thread's stack.
    __asan_unpoison_memory_region(fiber.stack, STACK_BYTES);
#endif
#ifdef __x86_64__
    void** top = reinterpret_cast<void**>(fiber.stack + STACK_BYTES);
    *--top = nullptr;  // where a caller would return to; it aligns the stack
    *--top = reinterpret_cast<void*>(run_thread);
    for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
    fiber.stack_pointer = top;
#else
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = STACK_BYTES;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run_thread, 0);
#endif
}

// Where every thread of a block stands that cannot go on.
inline std::string deadlock() {
    std::string text = "deadlock:";
    char place[96];
    for (size_t index = 0; index < state().warps.size(); ++index) {
        const Warp& warp = state().warps[index];
        if (warp.at_barrier) {
            snprintf(place, sizeof place, " warp %zu lanes %08x at __syncthreads;", index, warp.at_barrier);
            text += place;
        }
        for (const Meeting& meeting : warp.meetings) {
            snprintf(place, sizeof place, " warp %zu lanes %08x at %s(%08x);", index, meeting.arrived,
                     name_of(meeting.kind), meeting.mask);
            text += place;
        }
    }
    return text;
}

// The next warp with a ready lane, or the number of warps.
inline size_t next_warp(size_t last) {
    const std::vector<Warp>& warps = state().warps;
    const size_t start = state().schedule == Schedule::Random ? next_random() % warps.size() : last;
    for (size_t step = 0; step < warps.size(); ++step) {
        const size_t index =
            (state().schedule == Schedule::Descending ? start + warps.size() - step : start + step) % warps.size();
        if (warps[index].ready) return index;
    }
    return warps.size();
}

inline void run_block() {
    State& all = state();
    const uint32_t num_threads = block_size.x;
    memset(all.shared, POISON, SHARED_BYTES);
    all.num_alive = num_threads;
    all.num_at_barrier = 0;
    for (size_t index = 0; index < all.warps.size(); ++index) {
        const uint32_t lanes = num_threads - static_cast<uint32_t>(index) * WARP;
        Warp& warp = all.warps[index];
        warp.alive = warp.ready = lanes >= WARP ? ~0u : (1u << lanes) - 1;
        warp.at_barrier = 0;
        warp.meetings.clear();
    }
    for (Fiber& fiber : all.fibers) prepare(fiber);
    all.current = &all.scheduler;
    size_t warp = 0;
    while (all.num_alive > 0 && all.error.empty()) {
        warp = next_warp(warp);
        if (warp == all.warps.size()) return set_error(deadlock());
        switch_to(&all.fibers[warp * WARP + pick(all.warps[warp].ready)]);
    }
}

// Runs `entry(context)` for every thread of a grid; returns what went wrong, if anything.
inline const std::string& launch(uint32_t grid, uint32_t block, void (*entry)(void*), void* context, Schedule schedule,
                                 uint64_t seed) {
    State& all = state();
    all.error.clear();
    all.schedule = schedule;
    all.random = seed * 2654435761u + 88172645463325252u;
    all.entry = entry;
    all.context = context;
    if (all.num_stacks < block) {
        if (all.stacks) munmap(all.stacks, all.num_stacks * STACK_BYTES);
        void* stacks = mmap(nullptr, block * STACK_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stacks == MAP_FAILED) abort();
        all.stacks = static_cast<char*>(stacks);
        all.num_stacks = block;
        for (uint32_t thread = 0; thread < block; ++thread)
            mprotect(all.stacks + thread * STACK_BYTES, 4096, PROT_NONE);
    }
    all.fibers.resize(block);
    all.warps.resize((block + WARP - 1) / WARP);
    for (uint32_t thread = 0; thread < block; ++thread) {
        all.fibers[thread].stack = all.stacks + thread * STACK_BYTES;
        all.fibers[thread].thread = thread;
    }
    block_size.x = block;
    grid_size.x = grid;
    for (uint32_t number = 0; number < grid && all.error.empty(); ++number) {
        block_index.x = schedule == Schedule::Ascending ? number : grid - 1 - number;
        run_block();
    }
    return all.error;
}

// The shared memory of the running block, as one record.
template <class T>
T& shared() {
    static_assert(sizeof(T) <= SHARED_BYTES && alignof(T) <= 16, "it fits");
    return *reinterpret_cast<T*>(state().shared);
}

}  // namespace cuda_emu
