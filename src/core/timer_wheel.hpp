// SPDX-License-Identifier: BSL-1.0
// A hierarchical timing wheel: O(1) arm, re-arm and disarm, nothing ever fires early.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>

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
    // What comes after `node`, null at the end.
    [[nodiscard]] timer_node* after(const timer_node& node) const noexcept {
        return node.later == &head_ ? nullptr : node.later;
    }

    template <class Function>
    void for_each(Function&& call) noexcept {
        for (timer_node* node = head_.later; node != &head_; node = node->later) {
            call(*node);
        }
    }

    // In this order no compiler makes one wide store of two, which takes more instructions.
    void push(timer_node& node) noexcept {
        timer_node* last = head_.earlier;
        node.earlier = last;
        last->later = &node;
        node.later = &head_;
        head_.earlier = &node;
    }
    // All of `other`, which is not empty, behind what there is.
    void append(timer_list& other) noexcept {
        timer_node& first = *other.head_.later;
        timer_node& last = *other.head_.earlier;
        first.earlier = head_.earlier;
        last.later = &head_;
        head_.earlier->later = &first;
        head_.earlier = &last;
        other.head_.later = other.head_.earlier = &other.head_;
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
    }

private:
    timer_node head_;
};

// Ticks of 2^16 ns (65.5 µs); eight levels of 64 slots reach beyond any 64-bit time. A node's due
// time is rounded up to a tick, or to a coarser step of at most a thousandth of the time that was
// left, so that many far deadlines share a wake. A tick is over before its nodes fire.
//
// What is armed waits for the clock (`waiting_`) until settle(), which the loop calls once a turn:
// so no call reads the clock, a node that is disarmed in the same turn never touches the wheel,
// and a duration counts from no earlier than the call.
//
// Operations ask for the same duration again and again: those of one duration stand in a row, with
// the due time that the last reading of the clock gave them. It is still right at the next reading
// unless a step has passed meanwhile, and then the row moves to its slot as a whole.
//
// A node that is armed again for a later time stays in its slot, and moves on when that is due.
class timer_wheel {
public:
    static constexpr int tick_shift = 16;

    explicit timer_wheel(std::int64_t now) noexcept { begin(now); }
    // Nothing is armed yet.
    void begin(std::int64_t now) noexcept {
        tick_ = now >> tick_shift;
        clock_ = now;
    }

    // `word` is that of a deadline: above 0 a duration, below 0 a point of the clock. `kind`
    // becomes the lowest bit of the due time: 1 marks a lone timer. Not while full().
    void arm(timer_node& node, std::int64_t word, int kind = 0) noexcept {
        assert(!node.armed());
        node.later = node.earlier = &node;  // in no list
        wait_for_clock(node, word, kind);
    }
    // The same for a node that is never armed again, if its duration is that of the row; false if
    // not, and arm() is to be called.
    [[nodiscard]] bool join(timer_node& node, std::int64_t word) noexcept {
        assert(!node.armed() && word != 0);
        if (word != row_word_) {
            return false;
        }
        node.due = row_due_;
        row_.push(node);
        return true;
    }
    // As arm() for a node that is armed and did not join, in place of its earlier time.
    // Not while full().
    void arm_again(timer_node& node, std::int64_t word) noexcept;
    void disarm(timer_node& node) noexcept {
        if (node.due <= soonest_) {
            forget(node);
        } else {
            timer_list::unlink(node);
        }
    }

    [[nodiscard]] bool empty() noexcept {
        return !anything_waits() && (used_levels_ == 0 || next_used().level == levels);
    }

    // Too many wait for the clock: place() first.
    [[nodiscard]] bool full() const noexcept { return waiting_count_ == most_waiting; }
    // Places what waits; `now` was read after it was armed.
    void place(std::int64_t now) noexcept;

    // Places what waits and moves what is due by `now` to `expired`.
    void settle(std::int64_t now, timer_list& expired) noexcept;
    // No later than this something has to be done; never later than the next due time, and exactly
    // it unless many share its slot. Call after settle(), with at least one node armed.
    [[nodiscard]] std::int64_t next() noexcept {
        return used_levels_ == 0 ? std::numeric_limits<std::int64_t>::max() : next_of_used();
    }
    // Takes out any node, due or not; null when empty.
    [[nodiscard]] timer_node* take_any() noexcept;

private:
    [[nodiscard]] std::int64_t next_of_used() noexcept;

    static constexpr unsigned level_shift = 6;
    static constexpr unsigned levels = 8;
    static constexpr unsigned slots = 1U << level_shift;
    static constexpr std::int64_t most_waiting = 64;
    static constexpr std::int64_t waiting_mark = std::numeric_limits<std::int64_t>::min() + 2;
    static constexpr std::int64_t unknown = -1;  // later than any that waits, before any in a slot

    struct waiting {
        timer_node* node;  // null: disarmed; never the last
        std::int64_t word;
        std::int64_t before;  // the time it had, of one that stands in a slot
    };
    struct place_of_slot {
        unsigned level;  // `levels`: there is none
        unsigned slot;
        std::int64_t tick;  // the first of it
    };

    [[nodiscard]] bool anything_waits() const noexcept {
        return waiting_count_ != 0 || !row_.empty();
    }
    waiting& wait_for_clock(timer_node& node, std::int64_t word, std::int64_t kind) noexcept {
        assert(!full());
        waiting& entry = waiting_[waiting_count_];
        entry.node = &node;
        entry.word = word;
        node.due = waiting_mark + 2 * waiting_count_ + kind;
        ++waiting_count_;
        return entry;
    }
    [[nodiscard]] static bool is_loose(const timer_node& node) noexcept {
        return node.later == &node;
    }
    [[nodiscard]] waiting& waiting_of(const timer_node& node) noexcept {
        return waiting_[(node.due - waiting_mark) >> 1];
    }
    [[nodiscard]] timer_list& list_at(unsigned level, unsigned slot) noexcept {
        return lists_[level * slots + slot];
    }
    void forget(timer_node& node) noexcept;
    timer_list& slot_of(std::int64_t due) noexcept;
    timer_list& insert(timer_node& node) noexcept;
    void place_row(std::int64_t now) noexcept;
    void place_waiting(std::int64_t now) noexcept;
    void choose_row() noexcept;
    void spread(timer_list& list, timer_list* expired) noexcept;
    void advance(std::int64_t target, timer_list& expired) noexcept;
    void cascade() noexcept;
    [[nodiscard]] place_of_slot next_used() noexcept;
    [[nodiscard]] std::int64_t first_tick(const place_of_slot& at) noexcept;

    std::int64_t tick_;               // every tick before this one is over
    std::int64_t clock_;              // as it was read last
    std::int64_t soonest_ = unknown;  // what next() gives, with the lowest bit set
    std::int64_t waiting_count_ = 0;
    std::int64_t row_word_ = 0;  // the duration of those in the row; 0: none was chosen yet
    std::int64_t row_due_ = 0;
    timer_list row_;
    unsigned used_levels_ = 0;         // a bit a level that may hold nodes
    std::uint64_t used_[levels] = {};  // a bit a slot
    waiting waiting_[most_waiting];
    timer_list lists_[levels * slots];
};

}  // namespace thole::detail
