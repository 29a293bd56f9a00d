// rANS, 32 states of a chunk in the lanes of a warp (FORMAT.md, section 6; wcodec/src/entropy/rans).
//
// A block expands its table once into an entry for each of the 4,096 slots, 16 KiB of shared memory for eight warps:
// one load and five instructions then take a symbol off a state. The 32 buckets of a small table would take less memory
// but twice the instructions, and no fewer bank conflicts.
#pragma once

#include "device.cuh"

namespace wcodec {

constexpr uint32_t SLOTS = 1u << WCODEC_RANS_SCALE_BITS;
constexpr uint32_t STATES_BYTES = LANES * 4;
constexpr uint32_t STEPS = LANE_SAMPLES;
// Words that a tile may take, and how many the window holds.
constexpr uint32_t TILE_WORDS = TILE_SAMPLES;
constexpr uint32_t WINDOW_WORDS = 2 * TILE_WORDS;
constexpr uint32_t WORD_BYTES = WCODEC_RANS_WORD_BITS / 8;
constexpr uint32_t TILE_BYTES = TILE_WORDS * WORD_BYTES;
// An entry of a slot: from the low bit code (8), rank (12), frequency (12, of which 4,096 does not fit).
constexpr uint32_t CODE_BITS = 8;
constexpr uint32_t FREQ_SHIFT = CODE_BITS + WCODEC_RANS_SCALE_BITS;

static_assert(FREQ_SHIFT + WCODEC_RANS_SCALE_BITS == 32, "an entry fills a word");
static_assert(TILE_BYTES == LANES * sizeof(uint4), "a warp loads the words of a tile at once");

struct SlotTable {
    uint32_t entries[SLOTS];
};

// What a warp keeps in shared memory.
struct WarpWords {
    // The words that come next.
    uint4 window[WINDOW_WORDS * WORD_BYTES / sizeof(uint4)];
    // The codes of a tile, in order.
    uint2 codes[LANES];
};

// What a block keeps in shared memory.
struct BlockShared {
    SlotTable slots;
    WarpWords warps[WCODEC_GROUP_CHUNKS];
};

// The entry of a slot before its frequency less one becomes the frequency.
__device__ __forceinline__ uint32_t bucket_entry(const WcodecTable* table, uint32_t slot) {
    const uint32_t place_bits = WCODEC_RANS_SCALE_BITS - table->buckets_log2;
    const WcodecBucket* buckets = reinterpret_cast<const WcodecBucket*>(table + 1);
    const WcodecBucket& bucket = buckets[slot >> place_bits];
    const uint32_t place = slot & ((1u << place_bits) - 1);
    const bool is_own = place < bucket.threshold;
    return is_own ? bucket.own + (place << CODE_BITS) : bucket.alias + ((place - bucket.threshold) << CODE_BITS);
}

// Expands a table, by all threads of a block.
__device__ __forceinline__ void expand(const WcodecTable* table, SlotTable& slots) {
    for (uint32_t slot = threadIdx.x; slot < SLOTS; slot += blockDim.x) {
        slots.entries[slot] = bucket_entry(table, slot) + (1u << FREQ_SHIFT);
    }
    __syncthreads();
}

// What a code stands for.
__device__ __forceinline__ uint32_t value_of(const WcodecTable* table, uint32_t code) {
    if (!table->has_values) return table->base + code;
    const WcodecBucket* buckets = reinterpret_cast<const WcodecBucket*>(table + 1);
    return reinterpret_cast<const uint16_t*>(buckets + (1u << table->buckets_log2))[code];
}

// A warp's decoder: each lane has a state, all share the words.
class Decoder {
public:
    // `coded`: the states, then `words_bytes` of words; at a multiple of 16, and so is the end of the memory that they
    // lie in.
    __device__ __forceinline__ Decoder(const uint8_t* coded, uint32_t words_bytes, BlockShared& block)
        : words_(coded + STATES_BYTES),
          words_bytes_(words_bytes),
          block_(block),
          shared_(block.warps[warp_id()]),
          next_(window()),
          before_(0) {
        state_ = reinterpret_cast<const uint32_t*>(coded)[lane_id()];
        below_ = (1u << lane_id()) - 1;
        shared_.window[lane_id()] = piece(0);
        shared_.window[LANES + lane_id()] = piece(TILE_BYTES);
        ahead_ = piece(2 * TILE_BYTES);
        __syncwarp();
    }

    // Whether no state is below the lower bound.
    __device__ __forceinline__ bool has_states() const {
        return __all_sync(ALL_LANES, state_ >= WCODEC_RANS_STATE_MIN);
    }

    // Decodes a whole tile into the warp's codes. The caller synchronises the warp before it reads them and before the
    // next tile.
    __device__ __forceinline__ void decode() {
        refill();
        uint8_t* codes = reinterpret_cast<uint8_t*>(shared_.codes) + lane_id();
#pragma unroll
        for (uint32_t step = 0; step < STEPS; ++step) codes[step * LANES] = static_cast<uint8_t>(take(true));
    }

    // Decodes `num` symbols, fewer than a tile.
    __device__ __forceinline__ void decode_last(uint32_t num) {
        refill();
        uint8_t* codes = reinterpret_cast<uint8_t*>(shared_.codes);
        for (uint32_t first = 0; first < num; first += LANES) {
            const bool is_there = first + lane_id() < num;
            const uint32_t entry = take(is_there);
            if (is_there) codes[first + lane_id()] = static_cast<uint8_t>(entry);
        }
    }

    // Whether the chunk ended where its encoder began: every word taken and none missing, every state at the lower
    // bound.
    __device__ __forceinline__ bool is_finished() const {
        const bool is_at_end = before_ + next_ - window() == words_bytes_;
        return __all_sync(ALL_LANES, is_at_end && state_ == WCODEC_RANS_STATE_MIN);
    }

private:
    // This lane's 16 bytes of the words that a tile may take, from `first` on; zeros beyond the end.
    __device__ __forceinline__ uint4 piece(uint32_t first) const {
        const uint32_t offset = first + lane_id() * sizeof(uint4);
        return offset < words_bytes_ ? __ldg(reinterpret_cast<const uint4*>(words_ + offset)) : make_uint4(0, 0, 0, 0);
    }

    // Sees to it that the window has the words of a tile.
    __device__ __forceinline__ void refill() {
        if (next_ < window() + TILE_BYTES) return;
        __syncwarp();
        shared_.window[lane_id()] = shared_.window[LANES + lane_id()];
        shared_.window[LANES + lane_id()] = ahead_;
        next_ -= TILE_BYTES;
        before_ += TILE_BYTES;
        // What was loaded ahead is used only when the window has moved again.
        ahead_ = piece(before_ + 2 * TILE_BYTES);
        __syncwarp();
    }

    // Takes a symbol off this lane's state, if it `is_there`; returns the entry of its slot.
    __device__ __forceinline__ uint32_t take(bool is_there) {
        const uint32_t entry = block_.slots.entries[state_ & (SLOTS - 1)];
        // Below 2^32: the frequency is at most 2^12, the rank is below it.
        const uint32_t next =
            (entry >> FREQ_SHIFT) * (state_ >> WCODEC_RANS_SCALE_BITS) + (entry >> CODE_BITS & (SLOTS - 1));
        const bool takes = is_there && next < WCODEC_RANS_STATE_MIN;
        const uint32_t takers = __ballot_sync(ALL_LANES, takes);
        // The window has a word for every lane, also for those that take none.
        const uint32_t longer = next << WCODEC_RANS_WORD_BITS | word_at(next_ + WORD_BYTES * __popc(takers & below_));
        if (is_there) state_ = takes ? longer : next;
        next_ += WORD_BYTES * __popc(takers);
        return entry;
    }

    // Where the window begins in the block's shared memory: offsets from there take one instruction less than pointers.
    __device__ __forceinline__ static uint32_t window() { return sizeof(SlotTable) + warp_id() * sizeof(WarpWords); }

    __device__ __forceinline__ uint32_t word_at(uint32_t offset) const {
        return *reinterpret_cast<const uint16_t*>(reinterpret_cast<const uint8_t*>(&block_) + offset);
    }

    const uint8_t* words_;
    uint32_t words_bytes_;
    BlockShared& block_;
    WarpWords& shared_;
    uint32_t state_;
    uint32_t below_;
    // The next word's place in the block's shared memory.
    uint32_t next_;
    // Bytes of words before the window.
    uint32_t before_;
    uint4 ahead_;
};

}  // namespace wcodec
