// Runs the threads of a block as fibers on one thread of the CPU.
//
// A lane runs until it reaches a collective of its warp or __syncthreads; which ready lane, warp or block is next, a
// schedule decides: a missing synchronisation shows as a result that depends on the schedule. A collective that not all
// of its lanes reach, or reach with another mask, is an error instead of a hang. Not modelled: weak memory, and threads
// that interrupt each other between collectives.
#pragma once

#include <cstdio>

#include "collective.h"

namespace cuda_emu {

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
    for (Fiber& fiber : all.fibers) prepare(fiber, run_thread);
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
    all.stacks.reserve(block);
    all.fibers.resize(block);
    all.warps.resize((block + WARP - 1) / WARP);
    for (uint32_t thread = 0; thread < block; ++thread) {
        all.fibers[thread].stack = all.stacks.at(thread);
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
