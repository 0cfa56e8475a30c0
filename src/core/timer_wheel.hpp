// SPDX-License-Identifier: BSL-1.0
// A hierarchical timing wheel: O(1) arm and disarm, nothing ever fires early.
#pragma once

#include <cstdint>

#include <thole/deadline.hpp>
#include <thole/operation.hpp>

namespace thole::detail {

// A ring of timer nodes with a head of its own.
class timer_list {
public:
    timer_list() noexcept { head_.later = head_.earlier = &head_; }
    timer_list(const timer_list&) = delete;
    timer_list& operator=(const timer_list&) = delete;

    [[nodiscard]] bool empty() const noexcept { return head_.later == &head_; }
    [[nodiscard]] timer_node* front() const noexcept { return head_.later; }

    void push(timer_node& node) noexcept {
        node.later = &head_;
        node.earlier = head_.earlier;
        head_.earlier->later = &node;
        head_.earlier = &node;
    }
    timer_node& pop() noexcept {
        timer_node& node = *head_.later;
        unlink(node);
        return node;
    }
    static void unlink(timer_node& node) noexcept {
        node.earlier->later = node.later;
        node.later->earlier = node.earlier;
        node.later = nullptr;
        node.earlier = nullptr;
    }

private:
    timer_node head_;
};

// Ticks of 2^16 ns (65.5 µs); eight levels of 64 slots reach beyond any 64-bit time. A node's due
// time is rounded up to a tick, and a tick is over before its nodes fire.
//
// A node armed with a duration stays apart (`fresh`) until settle(), which the loop calls with the
// clock once a turn: so no call reads the clock, a timer that is disarmed in the same turn never
// touches the wheel, and a duration counts from no earlier than the call.
class timer_wheel {
public:
    explicit timer_wheel(std::int64_t now) noexcept : tick_(now >> tick_shift) {}

    // `kind` becomes the lowest bit of the due time: 1 marks a lone timer.
    void arm_at(timer_node& node, std::int64_t when, int kind = 0) noexcept;
    void arm_after(timer_node& node, std::int64_t duration, int kind = 0) noexcept;
    void disarm(timer_node& node) noexcept;

    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

    // Places what is fresh and moves what is due by `now` to `expired`.
    void settle(std::int64_t now, timer_list& expired) noexcept;
    // No later than this something has to be done; never later than the next due time, and exactly
    // it when that is near. Call after settle(), with at least one node armed.
    [[nodiscard]] std::int64_t next() noexcept;
    // Takes out any node, due or not; null when empty.
    [[nodiscard]] timer_node* take_any() noexcept;

private:
    static constexpr int tick_shift = 16;
    static constexpr int level_shift = 6;
    static constexpr int levels = 8;
    static constexpr int slots = 1 << level_shift;

    void place(timer_node& node) noexcept;
    void advance(std::int64_t target, timer_list& expired) noexcept;
    void cascade() noexcept;
    void fire(int slot, timer_list& expired) noexcept;
    [[nodiscard]] std::int64_t next_used(std::int64_t from) noexcept;

    timer_list fresh_;
    timer_list wheel_[levels][slots];
    std::uint64_t used_[levels] = {};  // a bit a slot that may hold nodes
    std::int64_t tick_;                // every tick before this one is over
    std::size_t count_ = 0;            // armed, fresh ones included
};

}  // namespace thole::detail
