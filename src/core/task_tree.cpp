// SPDX-License-Identifier: BSL-1.0
// The walks through the tree of tasks: a cancel goes down, destruction comes up. Neither recurses:
// a chain may be long.
#include "core/task_tree.hpp"

namespace thole::detail {

namespace {

void resume_promise(runnable& self, turn how) {
    if (how == turn::run) {
        static_cast<promise_base&>(self).self().resume();
    }
}

// The first task right below, or null.
promise_base* below(const promise_base& at) noexcept {
    switch (at.kind) {
    case promise_base::awaits::child:
        return static_cast<promise_base*>(at.awaited);
    case promise_base::awaits::group:
        return static_cast<task_group*>(at.awaited)->first;
    case promise_base::awaits::nothing:
    case promise_base::awaits::operation:
        break;
    }
    return nullptr;
}

promise_base* above(const promise_base& at) noexcept {
    return at.grouped ? at.group->waiting : at.parent;
}

promise_base* beside(const promise_base& at) noexcept {
    return at.grouped ? at.next_task : nullptr;
}

// This one, or the first after it in its group that a cancel from above reaches.
promise_base* first_open(promise_base* at) noexcept {
    while (at != nullptr && at->shielded) {
        at = beside(*at);
    }
    return at;
}

}  // namespace

void queue_task(promise_base& task) noexcept {
    task.act = &resume_promise;
    task.core->ready.push(task);
}

void inherit_cancel(const promise_base& parent, promise_base& child) noexcept {
    if (!child.shielded && child.cancelled == reason::none) {
        child.cancelled = parent.cancelled;
    }
}

void raise_in_run(loop_core& core, std::exception_ptr failure) {
    auto thrower = [failure = std::move(failure)] { std::rethrow_exception(failure); };
    using node = posted_function<decltype(thrower)>;
    const posted_memory memory = core.take_elsewhere(sizeof(node), 0);
    core.ready.push(*::new (memory.at) node(std::move(thrower), memory.home));
}

// What it asks to end finishes in a later turn, so the tree stands still meanwhile.
void cancel_task(promise_base& task, reason why) noexcept {
    for (promise_base* at = &task; at != nullptr;) {
        if (at->cancelled == reason::none) {
            at->cancelled = why;
        }
        if (at->kind == promise_base::awaits::operation) {
            auto& op = *static_cast<operation*>(at->awaited);
            if (op.what != verb::close_gracefully) {  // its own deadline alone ends it
                at->core->cancel(op, why);
            }
        }
        promise_base* next = first_open(below(*at));
        while (next == nullptr && at != &task) {
            next = first_open(beside(*at));
            at = next == nullptr ? above(*at) : at;
        }
        at = next;
    }
}

void destroy_upwards(promise_base& from) noexcept {
    for (promise_base* at = &from; at != nullptr;) {
        while (promise_base* inner = below(*at)) {
            at = inner;
        }
        promise_base* outer = above(*at);
        if (at->root) {
            at->core->remove_root(*at);
            if (at->handle != nullptr) {
                at->handle->of_ = nullptr;
            }
        } else if (at->owner != nullptr) {
            *at->owner = nullptr;
        }
        if (at->grouped) {
            leave_group(*at);
        } else if (outer != nullptr) {
            outer->kind = promise_base::awaits::nothing;
        }
        at->self().destroy();
        at = outer;
    }
}

void loop_core::add_root(promise_base& root) noexcept {
    root.core = this;
    root.root = true;
    root.next_task = roots;
    if (roots != nullptr) {
        roots->prev_task = &root;
    }
    roots = &root;
    queue_task(root);
}

void loop_core::remove_root(promise_base& root) noexcept {
    if (root.prev_task != nullptr) {
        root.prev_task->next_task = root.next_task;
    } else {
        roots = root.next_task;
    }
    if (root.next_task != nullptr) {
        root.next_task->prev_task = root.prev_task;
    }
}

// Scopes first, the youngest first of all: what they hold uses what lives around them.
void loop_core::destroy_tasks() noexcept {
    while (scopes != nullptr) {
        scope& youngest = *scopes;
        leave(youngest);
        destroy_group(youngest.group_);
    }
    while (roots != nullptr) {
        destroy_upwards(*roots);
    }
}

}  // namespace thole::detail
