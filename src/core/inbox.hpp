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
        do {
            item.next = head == &asleep_ ? nullptr : head;
        } while (!head_.compare_exchange_weak(head, &item, std::memory_order_seq_cst,
                                              std::memory_order_relaxed));
        return head == &asleep_;
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
        runnable* newest = head_.exchange(nullptr, std::memory_order_acquire);
        runnable* oldest = nullptr;
        while (newest != nullptr) {
            runnable* older = newest->next;
            newest->next = oldest;
            oldest = newest;
            newest = older;
        }
        while (oldest != nullptr) {
            runnable* item = oldest;
            oldest = oldest->next;
            ready.push(*item);
        }
    }

private:
    runnable asleep_;
    std::atomic<runnable*> head_{nullptr};
};

}  // namespace thole::detail
