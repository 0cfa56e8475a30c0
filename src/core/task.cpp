// SPDX-License-Identifier: BSL-1.0
// Tasks: who awaits whom, and the handles of those that a loop runs by itself.
#include <cstdio>
#include <exception>
#include <utility>

#include "core/task_tree.hpp"

namespace thole::detail {

namespace {

// Goes on with `promise`: at once while the budget of this dispatch lasts, else in a later turn.
// This bounds the stack where a compiler makes no tail call of a transfer.
std::coroutine_handle<> transfer_to(promise_base& promise) noexcept {
    if (promise.core->budget > 0) {
        --promise.core->budget;
        return promise.self();
    }
    queue_task(promise);
    return std::noop_coroutine();
}

}  // namespace

std::coroutine_handle<> enter_child(promise_base& parent, promise_base& child,
                                    void** owner) noexcept {
    child.core = parent.core;
    child.parent = &parent;
    child.owner = owner;
    inherit_cancel(parent, child);
    parent.awaited = &child;
    parent.kind = promise_base::awaits::child;
    return transfer_to(child);
}

std::coroutine_handle<> task_ended(promise_base& ended, std::exception_ptr* failed) noexcept {
    ended.ended = true;
    if (ended.grouped) {
        promise_base* waiting = ended_in_group(ended, failed);
        return waiting != nullptr ? transfer_to(*waiting) : std::noop_coroutine();
    }
    if (promise_base* parent = ended.parent; parent != nullptr) {
        parent->kind = promise_base::awaits::nothing;
        return transfer_to(*parent);
    }
    if (ended.handle == nullptr) {  // detached: nobody will ask
        if (failed != nullptr) {
            raise_in_run(*ended.core, std::move(*failed));
        }
        ended.core->remove_root(ended);
        ended.self().destroy();
    } else {
        ended.handle->failed_ = failed;
    }
    return std::noop_coroutine();
}

void yield_awaiter::requeue(promise_base& waiting) noexcept { queue_task(waiting); }

// ---- Spawned tasks

spawned_base::spawned_base(promise_base& of) noexcept : of_(&of) { of.handle = this; }

spawned_base::spawned_base(spawned_base&& other) noexcept
    : of_(std::exchange(other.of_, nullptr)), failed_(std::exchange(other.failed_, nullptr)) {
    if (of_ != nullptr) {
        of_->handle = this;
    }
}

spawned_base& spawned_base::operator=(spawned_base&& other) noexcept {
    if (this != &other) {
        detach();
        of_ = std::exchange(other.of_, nullptr);
        failed_ = std::exchange(other.failed_, nullptr);
        if (of_ != nullptr) {
            of_->handle = this;
        }
    }
    return *this;
}

spawned_base::~spawned_base() { detach(); }

// The task goes on by itself; an exception that it has left already leaves run().
void spawned_base::detach() noexcept {
    if (of_ == nullptr) {
        return;
    }
    of_->handle = nullptr;
    if (of_->ended) {
        if (failed_ != nullptr && !of_->core->closing) {
            raise_in_run(*of_->core, *failed_);
        }
        release();
    }
    of_ = nullptr;
}

void spawned_base::cancel() noexcept {
    if (of_ != nullptr && !of_->ended) {
        cancel_task(*of_, reason::cancelled);
    }
}

bool spawned_base::ended() const noexcept { return of_ == nullptr || of_->ended; }

std::coroutine_handle<> spawned_base::wait_for(promise_base& waiting) noexcept {
    if (of_ == nullptr || of_->parent != nullptr || of_->core != waiting.core) {
        std::fputs("thole: a spawned task is awaited once, by a task of its own loop\n", stderr);
        std::terminate();
    }
    if (of_->ended) {
        return transfer_to(waiting);
    }
    of_->parent = &waiting;
    waiting.awaited = of_;
    waiting.kind = promise_base::awaits::child;
    if (waiting.cancelled != reason::none) {
        cancel_task(*of_, waiting.cancelled);
    }
    return std::noop_coroutine();
}

void spawned_base::release() noexcept {
    promise_base* root = std::exchange(of_, nullptr);
    root->core->remove_root(*root);
    root->self().destroy();
}

}  // namespace thole::detail
