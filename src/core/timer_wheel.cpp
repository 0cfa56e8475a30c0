// SPDX-License-Identifier: BSL-1.0
#include "core/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace thole::detail {

namespace {

constexpr std::int64_t latest = std::numeric_limits<std::int64_t>::max();

// The lowest bit tells a lone timer from an operation's: round up to an even number beside it.
std::int64_t with_kind(std::int64_t time, std::int64_t kind) noexcept {
    const std::int64_t even = time > latest - 2 ? latest - 1 : (time + 1) & ~std::int64_t{1};
    return even | kind;
}

std::int64_t plus(std::int64_t a, std::int64_t b) noexcept {
    return b > latest - a ? latest : a + b;
}

}  // namespace

void timer_wheel::arm_at(timer_node& node, std::int64_t when, int kind) noexcept {
    node.due = with_kind(when, kind);
    ++count_;
    place(node);
}

void timer_wheel::arm_after(timer_node& node, std::int64_t duration, int kind) noexcept {
    node.due = with_kind(duration, kind);
    ++count_;
    fresh_.push(node);
}

void timer_wheel::disarm(timer_node& node) noexcept {
    timer_list::unlink(node);
    --count_;
}

// The level is that of the highest group of bits in which the due tick differs from the current
// one.
void timer_wheel::place(timer_node& node) noexcept {
    const std::int64_t last = (std::int64_t{1} << tick_shift) - 1;
    std::int64_t tick =
        node.due > latest - last ? latest >> tick_shift : (node.due + last) >> tick_shift;
    tick = std::max(tick, tick_);
    const auto differs = static_cast<std::uint64_t>(tick ^ tick_);
    const int level = differs == 0 ? 0 : (63 - std::countl_zero(differs)) / level_shift;
    const int slot = static_cast<int>(tick >> (level * level_shift)) & (slots - 1);
    wheel_[level][slot].push(node);
    used_[level] |= std::uint64_t{1} << slot;
}

// The current tick entered a new slot of level 1, and maybe of higher ones: spread those.
void timer_wheel::cascade() noexcept {
    for (int level = 1; level < levels; ++level) {
        const int shift = level * level_shift;
        if ((tick_ & ((std::int64_t{1} << shift) - 1)) != 0) {
            return;
        }
        const int slot = static_cast<int>(tick_ >> shift) & (slots - 1);
        used_[level] &= ~(std::uint64_t{1} << slot);
        timer_list& list = wheel_[level][slot];
        while (!list.empty()) {
            place(list.pop());
        }
    }
}

void timer_wheel::fire(int slot, timer_list& expired) noexcept {
    used_[0] &= ~(std::uint64_t{1} << slot);
    timer_list& list = wheel_[0][slot];
    while (!list.empty()) {
        expired.push(list.pop());
        --count_;
    }
}

// The first tick, from `from` on, at which a slot fires or cascades; slots that disarming has
// emptied are forgotten on the way.
std::int64_t timer_wheel::next_used(std::int64_t from) noexcept {
    for (int level = 0; level < levels; ++level) {
        const int shift = level * level_shift;
        const int current = static_cast<int>(from >> shift) & (slots - 1);
        const int first = level == 0 ? current : current + 1;
        std::uint64_t ahead =
            first == slots ? 0 : used_[level] & (~std::uint64_t{0} << static_cast<unsigned>(first));
        for (; ahead != 0; ahead &= ahead - 1) {
            const int slot = std::countr_zero(ahead);
            if (wheel_[level][slot].empty()) {
                used_[level] &= ~(std::uint64_t{1} << slot);
                continue;
            }
            const std::int64_t base = level == levels - 1 ? 0 : from >> (shift + level_shift);
            return ((base << level_shift) | slot) << shift;
        }
    }
    return latest >> tick_shift;
}

void timer_wheel::settle(std::int64_t now, timer_list& expired) noexcept {
    advance(now >> tick_shift, expired);  // first: placing is cheapest beside the current tick
    while (!fresh_.empty()) {
        timer_node& node = fresh_.pop();
        node.due = with_kind(plus(now, node.due & ~std::int64_t{1}), node.due & 1);
        place(node);
    }
}

void timer_wheel::advance(std::int64_t target, timer_list& expired) noexcept {
    while (tick_ <= target) {
        const std::int64_t next = next_used(tick_);
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
        fire(static_cast<int>(tick_) & (slots - 1), expired);
        ++tick_;
        cascade();
    }
}

std::int64_t timer_wheel::next() noexcept {
    const std::int64_t tick = next_used(tick_);
    return tick >= latest >> tick_shift ? latest : tick << tick_shift;
}

timer_node* timer_wheel::take_any() noexcept {
    if (!fresh_.empty()) {
        --count_;
        return &fresh_.pop();
    }
    for (int level = 0; level < levels; ++level) {
        for (std::uint64_t& used = used_[level]; used != 0; used &= used - 1) {
            timer_list& list = wheel_[level][std::countr_zero(used)];
            if (!list.empty()) {
                --count_;
                return &list.pop();
            }
        }
    }
    return nullptr;
}

}  // namespace thole::detail
