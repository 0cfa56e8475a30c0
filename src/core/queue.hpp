// SPDX-License-Identifier: BSL-1.0
// Intrusive queues: what is ready to run, and what waits on a socket.
#pragma once

#include <cassert>

#include <thole/operation.hpp>

namespace thole::detail {

// First in, first out, singly linked.
class run_queue {
public:
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

    void push(runnable& item) noexcept {
        item.next = nullptr;
        if (first_ == nullptr) {
            first_ = &item;
        } else {
            last_->next = &item;
        }
        last_ = &item;
    }

    [[nodiscard]] runnable* pop() noexcept {
        runnable* item = first_;
        if (item != nullptr) {
            first_ = item->next;
        }
        return item;
    }

    // Moves everything of `other` to the end of this one.
    void append(run_queue& other) noexcept {
        if (other.empty()) {
            return;
        }
        if (first_ == nullptr) {
            first_ = other.first_;
        } else {
            last_->next = other.first_;
        }
        last_ = other.last_;
        other.first_ = nullptr;
    }

private:
    runnable* first_ = nullptr;
    runnable* last_ = nullptr;
};

// The operations that wait on one direction of a socket, in order. A ring through next and prev;
// one pointer, because an idle connection should weigh little.
class operation_queue {
public:
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] operation* front() const noexcept { return first_; }

    // What comes after `op`, null at the end.
    [[nodiscard]] operation* after(const operation& op) const noexcept {
        auto* following = static_cast<operation*>(op.next);
        return following == first_ ? nullptr : following;
    }

    void push(operation& op) noexcept {
        if (first_ == nullptr) {
            push_alone(op);
            return;
        }
        operation* last = first_->prev;
        op.next = first_;
        op.prev = last;
        last->next = &op;
        first_->prev = &op;
    }

    // One that has a direction of a socket to itself.
    void push_alone(operation& op) noexcept {
        assert(first_ == nullptr);
        op.next = &op;
        op.prev = &op;
        first_ = &op;
    }
    void remove_alone() noexcept {
        assert(first_ != nullptr && first_->next == first_);
        first_ = nullptr;
    }

    void remove(operation& op) noexcept {
        if (op.next == &op) {
            first_ = nullptr;
        } else {
            op.prev->next = op.next;
            static_cast<operation*>(op.next)->prev = op.prev;
            if (first_ == &op) {
                first_ = static_cast<operation*>(op.next);
            }
        }
    }

private:
    operation* first_ = nullptr;
};

}  // namespace thole::detail
