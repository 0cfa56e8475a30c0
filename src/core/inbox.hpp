// SPDX-License-Identifier: BSL-1.0
// What other threads hand to a loop: one intrusive list, many producers, one consumer.
#pragma once

#include <atomic>

#include "core/queue.hpp"

namespace thole::detail {

// The head is null (awake, empty), the mark (asleep, empty) or the newest item. Sleeping and
// emptiness are one word, so that no wake is lost (R119) and only a sleeping loop is woken.
class inbox {
public:
    // True: the consumer sleeps and must be woken by this caller. Any thread.
    [[nodiscard]] bool push(runnable& item) noexcept {
        runnable* head = head_.load(std::memory_order_relaxed);
        for (unsigned rest = shortest_rest;;) {
            item.next = head == &asleep_ ? nullptr : head;
            if (head_.compare_exchange_strong(head, &item, std::memory_order_seq_cst,
                                              std::memory_order_relaxed)) {
                return head == &asleep_;
            }
            rest = keep_away(rest);
            head = head_.load(std::memory_order_relaxed);
        }
    }
    // The same without an item.
    [[nodiscard]] bool rouse() noexcept {
        runnable* mark = &asleep_;
        return head_.compare_exchange_strong(mark, nullptr, std::memory_order_seq_cst);
    }

    // The consumer is about to sleep; false: something has come, do not.
    [[nodiscard]] bool fall_asleep() noexcept {
        runnable* nothing = nullptr;
        return head_.compare_exchange_strong(nothing, &asleep_, std::memory_order_seq_cst);
    }
    void awake() noexcept {
        runnable* mark = &asleep_;
        head_.compare_exchange_strong(mark, nullptr, std::memory_order_seq_cst);
    }

    [[nodiscard]] bool empty() const noexcept {
        const runnable* head = head_.load(std::memory_order_relaxed);
        return head == nullptr || head == &asleep_;
    }

    // Moves everything to the end of `ready`, the oldest first. Consumer only, awake.
    void drain(run_queue& ready) noexcept {
        if (empty()) {
            return;
        }
        runnable* const newest = head_.exchange(nullptr, std::memory_order_acquire);
        runnable* oldest = nullptr;
        for (runnable* item = newest; item != nullptr;) {
            runnable* older = item->next;
            item->next = oldest;
            oldest = item;
            item = older;
        }
        ready.append(*oldest, *newest);
    }

private:
    // Who meets another one here leaves it the line of the cache for about a microsecond: that
    // takes a dozen items in then, where two that take turns would each wait for the line.
    static constexpr unsigned shortest_rest = 1000;  // instructions, roughly
    static constexpr unsigned longest_rest = 4000;
    static unsigned keep_away(unsigned rest) noexcept {
        for (unsigned i = 0; i < rest; ++i) {
            std::atomic_signal_fence(std::memory_order_seq_cst);  // or the loop would be dropped
        }
        return rest < longest_rest ? 2 * rest : rest;
    }

    // On a line of its own: other threads write to it.
    alignas(64) std::atomic<runnable*> head_{nullptr};
    alignas(64) runnable asleep_;
};

}  // namespace thole::detail
