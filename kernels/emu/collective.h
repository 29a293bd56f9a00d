// The collectives of warps and blocks: lanes that reach one wait until all have.
#pragma once

#include "state.h"

namespace cuda_emu {

inline const char* name_of(Kind kind) {
    static const char* const names[] = {"__syncwarp", "__ballot_sync", "__all_sync", "__shfl_sync", "__shfl_up_sync"};
    return names[static_cast<uint32_t>(kind)];
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

}  // namespace cuda_emu
