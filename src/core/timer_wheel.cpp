// SPDX-License-Identifier: BSL-1.0
#include "core/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>

namespace thole::detail {

namespace {

constexpr int tick_shift = timer_wheel::tick_shift;
constexpr int most_rounding = 11;  // 2^(16 + 11) ns: 134 ms
// No later time is held: to round it up must not overflow.
constexpr std::int64_t furthest = std::numeric_limits<std::int64_t>::max() &
                                  ~((std::int64_t{2} << (tick_shift + most_rounding)) - 1);

// The tick that is over no earlier than `due`, whose lowest bit does not count.
std::int64_t tick_of(std::int64_t due) noexcept {
    return (due + ((std::int64_t{1} << tick_shift) - 2)) >> tick_shift;
}

// The point of the clock that a deadline's word names.
std::int64_t time_of(std::int64_t word, std::int64_t now) noexcept {
    if (word > 0) {
        return word < furthest - now ? now + word : furthest;
    }
    return word < -furthest ? (word == std::numeric_limits<std::int64_t>::min() ? now : furthest)
                            : -word;
}

// Up to a whole step: of a tick, or of the power of two of ticks next below a thousandth of what is
// left. A step that is rounded to once stays a step of every smaller size.
std::int64_t rounded(std::int64_t time, std::int64_t now) noexcept {
    const auto left = static_cast<std::uint64_t>(time > now ? time - now : 0);
    const int coarser = static_cast<int>(std::bit_width((left >> (tick_shift + 10)) | 1)) - 1;
    const int shift = tick_shift + std::min(coarser, most_rounding);
    const std::int64_t below = (std::int64_t{1} << shift) - 1;
    return (time + below) & ~below;
}

}  // namespace

// Takes out one that waits, or that next() may have named.
void timer_wheel::forget(timer_node& node) noexcept {
    if (node.due >= 0) {
        soonest_ = unknown;
    } else {
        waiting& entry = waiting_of(node);
        if (!is_loose(node) && entry.before <= soonest_) {
            soonest_ = unknown;
        }
        entry.node = nullptr;
        while (waiting_count_ > 0 && waiting_[waiting_count_ - 1].node == nullptr) {
            --waiting_count_;
        }
    }
    timer_list::unlink(node);
}

void timer_wheel::arm_again(timer_node& node, std::int64_t word) noexcept {
    const std::int64_t due = node.due;
    if (due < 0) {
        waiting_of(node).word = word;
    } else if (word < 0 && word >= -furthest && -word >= due && due > soonest_) {
        node.due = ((1 - word) & ~std::int64_t{1}) | (due & 1);
    } else {
        wait_for_clock(node, word, due & 1).before = due;
    }
}

// The level is that of the highest group of bits in which the due tick differs from the current
// one.
inline timer_list& timer_wheel::slot_of(std::int64_t due) noexcept {
    const std::int64_t tick = std::max(tick_of(due), tick_);
    const auto differs = static_cast<std::uint64_t>(tick ^ tick_) | 1;
    const auto highest = 63U - static_cast<unsigned>(std::countl_zero(differs));
    const unsigned level = highest * 43 / 256;  // highest / level_shift
    const auto slot = static_cast<unsigned>(tick >> (level * level_shift)) % slots;
    used_[level] |= std::uint64_t{1} << slot;
    used_levels_ |= 1U << level;
    soonest_ = std::min(soonest_, (tick << tick_shift) | 1);
    return list_at(level, slot);
}

timer_list& timer_wheel::insert(timer_node& node) noexcept {
    timer_list& list = slot_of(node.due);
    list.push(node);
    return list;
}

// Its due time was worked out from an earlier reading of the clock.
void timer_wheel::place_row(std::int64_t now) noexcept {
    const std::int64_t time = time_of(row_word_, now);
    if (time > row_due_) {
        row_due_ = rounded(time, now);
        row_.for_each([due = row_due_](timer_node& node) { node.due = due; });
    }
    slot_of(row_due_).append(row_);
}

// The row that nobody stood in is for the duration that came twice, last.
void timer_wheel::choose_row() noexcept {
    const waiting& last = waiting_[waiting_count_ - 1];
    const bool is_lone = (last.node->due & 1) != 0;
    if (waiting_count_ > 1 && last.word > 0 && last.word == (&last)[-1].word && !is_lone) {
        row_word_ = last.word;
        row_due_ = last.node->due;
    }
}

void timer_wheel::place(std::int64_t now) noexcept {
    clock_ = now;
    const bool has_row = !row_.empty();
    if (has_row) {
        place_row(now);
    }
    if (waiting_count_ != 0) {
        place_waiting(now);
        if (!has_row) {
            choose_row();
        }
        waiting_count_ = 0;
    }
}

void timer_wheel::place_waiting(std::int64_t now) noexcept {
    std::int64_t word = 0;
    std::int64_t due = 0;
    timer_list* list = nullptr;  // of fresh nodes with this word: the same times come in rows
    for (std::int64_t i = 0; i < waiting_count_; ++i) {
        const waiting& entry = waiting_[i];
        if (entry.node == nullptr) {
            continue;
        }
        timer_node& node = *entry.node;
        if (entry.word != word) {
            word = entry.word;
            due = rounded(time_of(word, now), now);
            list = nullptr;
        }
        node.due = due | (node.due & 1);
        if (!is_loose(node)) {
            if (entry.before <= soonest_) {
                soonest_ = unknown;
            }
            if (node.due >= entry.before) {
                continue;  // it moves on when its slot is due
            }
            timer_list::unlink(node);
        }
        if (list != nullptr) {
            list->push(node);
        } else {
            list = &insert(node);
        }
    }
}

// A slot's time has come: its nodes are due, or move to where they belong by now.
void timer_wheel::spread(timer_list& list, timer_list* expired) noexcept {
    while (!list.empty()) {
        timer_node& node = list.pop();
        if (node.due < 0) {
            node.later = node.earlier = &node;  // it waits for the clock, with a time to come
        } else if (expired == nullptr) {
            static_cast<void>(insert(node));
        } else if (tick_of(node.due) > tick_) {
            node.due = rounded(node.due & ~std::int64_t{1}, clock_) | (node.due & 1);
            static_cast<void>(insert(node));
        } else {
            expired->push(node);
        }
    }
}

// The current tick entered a new slot of level 1, and maybe of higher ones: spread those.
void timer_wheel::cascade() noexcept {
    for (unsigned level = 1; level < levels; ++level) {
        const unsigned shift = level * level_shift;
        if ((tick_ & ((std::int64_t{1} << shift) - 1)) != 0) {
            return;
        }
        const auto slot = static_cast<unsigned>(tick_ >> shift) % slots;
        used_[level] &= ~(std::uint64_t{1} << slot);
        spread(list_at(level, slot), nullptr);
    }
}

// The first slot, from the current tick on, that fires or cascades; slots that disarming has
// emptied are forgotten on the way.
timer_wheel::place_of_slot timer_wheel::next_used() noexcept {
    for (unsigned left = used_levels_; left != 0; left &= left - 1) {
        const auto level = static_cast<unsigned>(std::countr_zero(left));
        const unsigned shift = level * level_shift;
        const unsigned current = static_cast<unsigned>(tick_ >> shift) % slots;
        const unsigned first = level == 0 ? current : current + 1;
        std::uint64_t ahead = first == slots ? 0 : used_[level] & (~std::uint64_t{0} << first);
        for (; ahead != 0; ahead &= ahead - 1) {
            const auto slot = static_cast<unsigned>(std::countr_zero(ahead));
            if (list_at(level, slot).empty()) {
                used_[level] &= ~(std::uint64_t{1} << slot);
                continue;
            }
            const std::int64_t base = level == levels - 1 ? 0 : tick_ >> (shift + level_shift);
            return {level, slot, ((base << level_shift) | slot) << shift};
        }
        used_levels_ &= ~((used_[level] == 0 ? 1U : 0U) << level);
    }
    return {levels, 0, std::numeric_limits<std::int64_t>::max() >> tick_shift};
}

void timer_wheel::settle(std::int64_t now, timer_list& expired) noexcept {
    clock_ = now;
    const std::int64_t target = now >> tick_shift;
    // Nothing is due: only nodes that come should find the current tick near.
    if ((now | 1) >= soonest_ || target - tick_ >= slots) {
        soonest_ = unknown;
        advance(target, expired);  // first: placing is cheapest beside the current tick
    }
    if (anything_waits()) {
        place(now);
    }
}

void timer_wheel::advance(std::int64_t target, timer_list& expired) noexcept {
    while (tick_ <= target) {
        const std::int64_t next = next_used().tick;
        if (next > target) {
            tick_ = target + 1;
            if (next == tick_) {
                cascade();
            }
            return;
        }
        if (next != tick_) {
            tick_ = next;
            cascade();
        }
        const unsigned slot = static_cast<unsigned>(tick_) % slots;
        used_[0] &= ~(std::uint64_t{1} << slot);
        spread(list_at(0, slot), &expired);
        ++tick_;
        cascade();
    }
}

// The first tick at which something in this slot is due, or that of the slot itself where asking
// each of its nodes would take long. Those that are due later than the slot ends move on; none left
// gives -1.
std::int64_t timer_wheel::first_tick(const place_of_slot& at) noexcept {
    constexpr int most = 8;
    timer_list& list = list_at(at.level, at.slot);
    const std::int64_t over = at.tick + (std::int64_t{1} << (at.level * level_shift));
    std::int64_t first = over;
    timer_node* node = list.front();
    for (int asked = 0; node != nullptr; ++asked) {
        timer_node* following = list.after(*node);
        const std::int64_t tick = tick_of(node->due);
        if (tick >= over) {
            timer_list::unlink(*node);
            static_cast<void>(insert(*node));
        }
        first = std::min(first, tick);
        if (first <= at.tick || asked == most) {
            return at.tick;
        }
        node = following;
    }
    return first < over ? first : -1;
}

std::int64_t timer_wheel::next_of_used() noexcept {
    assert(!anything_waits());
    while (soonest_ == unknown) {
        const place_of_slot at = next_used();
        if (at.level == levels) {
            return std::numeric_limits<std::int64_t>::max();
        }
        const std::int64_t tick = first_tick(at);
        soonest_ = tick < 0 ? unknown : (tick << tick_shift) | 1;
    }
    return soonest_ & ~std::int64_t{1};
}

timer_node* timer_wheel::take_any() noexcept {
    soonest_ = unknown;
    timer_node* taken = nullptr;
    while (waiting_count_ > 0 && taken == nullptr) {
        taken = waiting_[--waiting_count_].node;
    }
    if (taken == nullptr && !row_.empty()) {
        taken = row_.front();
    }
    if (taken == nullptr) {
        const auto used = std::ranges::find_if_not(lists_, &timer_list::empty);
        taken = used == std::end(lists_) ? nullptr : used->front();
    }
    if (taken != nullptr) {
        timer_list::unlink(*taken);
    }
    return taken;
}

}  // namespace thole::detail
