// SPDX-License-Identifier: BSL-1.0
// The raw peers' timers: an intrusive hierarchical wheel, ticks of 1 ms, six levels of 64,
// arming and cancelling in constant time.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bench {

struct wheel_timer {
    wheel_timer *previous = nullptr, *next = nullptr;
    std::uint64_t due = 0;

    [[nodiscard]] bool armed() const { return previous != nullptr; }
};

class wheel {
public:
    // Everything due before `tick` has fired.
    explicit wheel(std::uint64_t tick) : tick_(tick) {
        for (auto& level : slots_) {
            for (wheel_timer& head : level) {
                head.previous = head.next = &head;
            }
        }
    }
    [[nodiscard]] std::size_t count() const { return count_; }

    void arm(wheel_timer& t, std::uint64_t due_ms) {
        t.due = due_ms;
        ++count_;
        place(t);
    }
    void cancel(wheel_timer& t) {
        if (!t.armed()) {
            return;
        }
        t.previous->next = t.next;
        t.next->previous = t.previous;
        t.previous = t.next = nullptr;
        --count_;
    }
    // How long one may sleep at most: -1 for ever.
    [[nodiscard]] int next_ms() const {
        if (count_ == 0) {
            return -1;
        }
        for (int level = 0; level < levels; ++level) {
            const int now = static_cast<int>(tick_ >> (bits * level)) & (slots - 1);
            std::uint64_t ahead = filled_[level] & (~std::uint64_t{0} << now);
            if (level != 0) {
                ahead &= ~(std::uint64_t{1} << now);
            }
            if (ahead != 0) {
                const std::uint64_t base = tick_ >> (bits * (level + 1)) << (bits * (level + 1));
                const auto slot = static_cast<std::uint64_t>(std::countr_zero(ahead));
                const std::uint64_t at = base + (slot << (bits * level));
                return static_cast<int>(at > tick_ ? at - tick_ : 0) + 1;
            }
        }
        return 1;
    }
    template <class Fire>
    void advance(std::uint64_t now_ms, Fire&& fire) {
        while (tick_ <= now_ms && count_ != 0) {
            const auto slot = static_cast<std::size_t>(tick_ & (slots - 1));
            wheel_timer& head = slots_[0][slot];
            while (head.next != &head) {
                wheel_timer& t = *head.next;
                cancel(t);
                fire(t);
            }
            filled_[0] &= ~(std::uint64_t{1} << slot);
            ++tick_;
            if ((tick_ & (slots - 1)) == 0) {
                turn();
            } else if ((filled_[0] & (~std::uint64_t{0} << (tick_ & (slots - 1)))) == 0) {
                tick_ = std::min(tick_ | (slots - 1), now_ms + 1);  // over the empty slots
            }
        }
        if (count_ == 0 && tick_ <= now_ms) {
            tick_ = now_ms + 1;
        }
    }

private:
    static constexpr int levels = 6, bits = 6, slots = 1 << bits;

    void place(wheel_timer& t) {
        const std::uint64_t due = std::max(t.due, tick_), apart = due ^ tick_;
        const int level =
            apart != 0 ? std::min((63 - std::countl_zero(apart)) / bits, levels - 1) : 0;
        const int slot = static_cast<int>(due >> (bits * level)) & (slots - 1);
        wheel_timer& head = slots_[level][slot];
        t.previous = head.previous;
        t.next = &head;
        head.previous->next = &t;
        head.previous = &t;
        filled_[level] |= std::uint64_t{1} << slot;
    }
    // The lowest level begins anew: what stands in the slot above comes one level down.
    void turn() {
        for (int level = 1; level < levels; ++level) {
            const int slot = static_cast<int>(tick_ >> (bits * level)) & (slots - 1);
            wheel_timer& head = slots_[level][slot];
            wheel_timer* t = head.next;
            head.previous->next = nullptr;
            head.previous = head.next = &head;
            while (t != &head && t != nullptr) {
                wheel_timer* const next = t->next;
                place(*t);
                t = next;
            }
            filled_[level] &= ~(std::uint64_t{1} << slot);
            if (slot != 0) {
                break;
            }
        }
    }

    wheel_timer slots_[levels][slots];
    std::uint64_t filled_[levels] = {};
    std::uint64_t tick_;
    std::size_t count_ = 0;
};

}  // namespace bench
