// SPDX-License-Identifier: BSL-1.0
// Tasks: who awaits whom, the cancel that walks down, and what the loop owns.
#include <cstdio>
#include <exception>
#include <utility>

#include "core/loop_core.hpp"

namespace thole::detail {

namespace {

void resume_promise(runnable& self, turn how) {
    if (how == turn::run) {
        static_cast<promise_base&>(self).self.resume();
    }
}

void queue(promise_base& promise) noexcept {
    promise.act = &resume_promise;
    promise.core->ready.push(promise);
}

// Goes on with `promise`: at once while the budget of this dispatch lasts, else in a later turn.
// This bounds the stack where a compiler makes no tail call of a transfer.
std::coroutine_handle<> transfer_to(promise_base& promise) noexcept {
    if (promise.core->budget > 0) {
        --promise.core->budget;
        return promise.self;
    }
    queue(promise);
    return std::noop_coroutine();
}

void inherit_cancel(const promise_base& parent, promise_base& child) noexcept {
    if (!child.shielded && child.cancelled == reason::none) {
        child.cancelled = parent.cancelled;
    }
}

// An exception that nobody awaits leaves run() in a turn of its own.
void raise_in_run(loop_core& core, std::exception_ptr failure) {
    auto thrower = [failure = std::move(failure)] { std::rethrow_exception(failure); };
    using node = posted_function<decltype(thrower)>;
    core.ready.push(*::new (allocate_frame(sizeof(node))) node(std::move(thrower)));
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
    if (promise_base* parent = ended.parent; parent != nullptr) {
        parent->kind = promise_base::awaits::nothing;
        return transfer_to(*parent);
    }
    if (ended.handle == nullptr) {  // detached: nobody will ask
        if (failed != nullptr) {
            raise_in_run(*ended.core, std::move(*failed));
        }
        ended.core->remove_root(ended);
        ended.self.destroy();
    } else {
        ended.handle->failed_ = failed;
    }
    return std::noop_coroutine();
}

void cancel_task(promise_base& task, reason why) noexcept {
    for (promise_base* at = &task;;) {
        if (at->cancelled == reason::none) {
            at->cancelled = why;
        }
        if (at->kind == promise_base::awaits::operation) {
            at->core->cancel(*static_cast<operation*>(at->awaited), why);
            return;
        }
        if (at->kind != promise_base::awaits::child) {
            return;
        }
        at = static_cast<promise_base*>(at->awaited);
        if (at->shielded) {
            return;
        }
    }
}

void yield_awaiter::requeue(promise_base& waiting) noexcept { queue(waiting); }

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
    root->self.destroy();
}

void loop_core::add_root(promise_base& root) noexcept {
    root.core = this;
    root.root = true;
    root.next_root = roots;
    if (roots != nullptr) {
        roots->prev_root = &root;
    }
    roots = &root;
    queue(root);
}

void loop_core::remove_root(promise_base& root) noexcept {
    if (root.prev_root != nullptr) {
        root.prev_root->next_root = root.next_root;
    } else {
        roots = root.next_root;
    }
    if (root.next_root != nullptr) {
        root.next_root->prev_root = root.prev_root;
    }
}

// From the innermost frame out, without resuming one, and without recursion: a chain may be long.
void loop_core::destroy_roots() noexcept {
    while (roots != nullptr) {
        promise_base* at = roots;
        while (at->kind == promise_base::awaits::child) {
            at = static_cast<promise_base*>(at->awaited);
        }
        while (at != nullptr) {
            promise_base* parent = at->parent;
            if (at->root) {
                remove_root(*at);
            }
            if (at->handle != nullptr) {
                at->handle->of_ = nullptr;
            }
            if (at->owner != nullptr) {
                *at->owner = nullptr;
            }
            if (parent != nullptr) {
                parent->kind = promise_base::awaits::nothing;
            }
            at->self.destroy();
            at = parent;
        }
    }
}

}  // namespace thole::detail
