// SPDX-License-Identifier: BSL-1.0
// Intrusive queues: what is ready to run, and what waits on a socket.
#pragma once

#include <cassert>

#include <thole/operation.hpp>

namespace thole::detail {

// First in, first out, singly linked. What comes in is a list of its own until what goes out is
// used up: so coming in asks nothing, and going out has no end to keep.
class run_queue {
public:
    run_queue() noexcept = default;
    run_queue(const run_queue&) = delete;
    run_queue& operator=(const run_queue&) = delete;

    [[nodiscard]] bool empty() const noexcept { return out_ == nullptr && in_ == nullptr; }

    void push(runnable& item) noexcept {
        item.next = nullptr;
        *end_ = &item;
        end_ = &item.next;
    }

    [[nodiscard]] runnable* pop() noexcept {
        if (out_ == nullptr) {
            out_ = in_;
            in_ = nullptr;
            end_ = &in_;
            if (out_ == nullptr) {
                return nullptr;
            }
        }
        runnable* item = out_;
        out_ = item->next;
        return item;
    }

    // A chain of them, to the end.
    void append(runnable& first, runnable& last) noexcept {
        last.next = nullptr;
        *end_ = &first;
        end_ = &last.next;
    }
    // Moves everything of `other` to the end of this one.
    void append(run_queue& other) noexcept {
        while (runnable* item = other.pop()) {
            push(*item);
        }
    }

private:
    runnable* out_ = nullptr;
    runnable* in_ = nullptr;
    runnable** end_ = &in_;  // where the next one is linked
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
            op.prev = &op;
            push_alone(op);
            return;
        }
        operation* last = first_->prev;
        op.next = first_;
        op.prev = last;
        last->next = &op;
        first_->prev = &op;
    }

    void push_front(operation& op) noexcept {
        push(op);
        first_ = &op;
    }
    // Everything of `other`, to the end of this one.
    void append(operation_queue& other) noexcept {
        while (operation* op = other.front()) {
            other.remove(*op);
            push(*op);
        }
    }

    // One that has a direction of a socket to itself: no other comes before it is removed.
    void push_alone(operation& op) noexcept {
        assert(first_ == nullptr);
        op.next = &op;
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
