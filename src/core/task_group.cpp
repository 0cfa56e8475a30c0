// SPDX-License-Identifier: BSL-1.0
// Tasks that run at the same time on behalf of one: when_all, when_any, scope.
#include <exception>
#include <utility>

#include <thole/scope.hpp>

#include "core/task_tree.hpp"

namespace thole {
namespace detail {

void start_in_group(task_group& group, promise_base& child, void** owner) noexcept {
    child.core = group.core;
    child.group = &group;
    child.grouped = true;
    child.owner = owner;
    if (group.cancelled != reason::none) {
        child.cancelled = group.cancelled;
    }
    child.prev_task = group.last;
    child.next_task = nullptr;
    (group.last != nullptr ? group.last->next_task : group.first) = &child;
    group.last = &child;
    ++group.size;
    queue_task(child);
}

void leave_group(promise_base& child) noexcept {
    task_group& group = *child.group;
    (child.prev_task != nullptr ? child.prev_task->next_task : group.first) = child.next_task;
    (child.next_task != nullptr ? child.next_task->prev_task : group.last) = child.prev_task;
    --group.size;
}

bool wait_for_group(task_group& group, promise_base& waiting) noexcept {
    if (group.waiting != nullptr || group.core != waiting.core) {
        misuse("a scope is waited for by one task of its own loop at a time");
    }
    if (group.size == 0) {
        return false;
    }
    group.waiting = &waiting;
    waiting.awaited = &group;
    waiting.kind = promise_base::awaits::group;
    if (waiting.cancelled != reason::none) {
        cancel_group(group, waiting.cancelled);
    }
    return true;
}

void cancel_group(task_group& group, reason why) noexcept {
    if (group.cancelled == reason::none) {
        group.cancelled = why;
    }
    for (promise_base* at = group.first; at != nullptr; at = at->next_task) {
        if (!at->shielded) {
            cancel_task(*at, why);
        }
    }
}

void rethrow_failure(task_group& group) {
    if (group.failed) {
        std::rethrow_exception(std::exchange(group.failed, nullptr));
    }
}

promise_base* ended_in_group(promise_base& ended, const std::exception_ptr* failed) noexcept {
    task_group& group = *ended.group;
    leave_group(ended);
    if (group.winner == nullptr) {
        group.winner = &ended;
    }
    const bool first_failure = failed != nullptr && !group.failed;
    if (first_failure) {
        group.failed = *failed;
    }
    if (first_failure || (group.ends_with_first && group.winner == &ended)) {
        cancel_group(group, reason::cancelled);
    }
    if (group.frees) {
        ended.self().destroy();
    }
    if (group.size > 0 || group.waiting == nullptr) {
        return nullptr;
    }
    promise_base* waiting = std::exchange(group.waiting, nullptr);
    waiting->kind = promise_base::awaits::nothing;
    return waiting;
}

void destroy_group(task_group& group) noexcept {
    while (group.first != nullptr) {
        destroy_upwards(*group.first);
    }
}

void loop_core::enter(scope& made) noexcept {
    made.next_ = scopes;
    if (scopes != nullptr) {
        scopes->prev_ = &made;
    }
    scopes = &made;
}

void loop_core::leave(scope& gone) noexcept {
    (gone.prev_ != nullptr ? gone.prev_->next_ : scopes) = gone.next_;
    if (gone.next_ != nullptr) {
        gone.next_->prev_ = gone.prev_;
    }
    gone.next_ = nullptr;
    gone.prev_ = nullptr;
    gone.group_.core = nullptr;
}

}  // namespace detail

scope::scope(detail::loop_core* core) noexcept {
    group_.core = core;
    group_.frees = true;
    core->enter(*this);
}

void scope::start(detail::promise_base& child) noexcept {
    if (group_.core == nullptr) {
        child.self().destroy();  // the loop is gone
    } else {
        detail::start_in_group(group_, child, nullptr);
    }
}

scope::~scope() {
    detail::loop_core* core = group_.core;
    if (core == nullptr) {
        return;
    }
    if (group_.size > 0 && !core->closing) {
        detail::misuse("a scope was destroyed while a child runs: co_await its wait() first");
    }
    core->leave(*this);
    detail::destroy_group(group_);
    if (group_.failed && !core->closing) {
        detail::raise_in_run(*core, std::move(group_.failed));
    }
}

}  // namespace thole
