// SPDX-License-Identifier: BSL-1.0
/// \file
/// A deadline over a whole task, and a task out of the reach of a cancel.
#pragma once

#include <coroutine>
#include <utility>

#include <thole/deadline.hpp>
#include <thole/task.hpp>
#include <thole/timer.hpp>

namespace thole {
namespace detail {

/// The deadline has passed already on this loop's clock.
[[nodiscard]] THOLE_API bool is_over(const loop_core& core, deadline until) noexcept;

/// Awaits a task that is cancelled at a time, with the deadline as the reason.
template <class T>
class [[nodiscard]] limited_awaiter : public child_awaiter<T> {
public:
    limited_awaiter(deadline until, task<T>&& work, bool shielded) noexcept
        : child_awaiter<T>(task_access::release(std::move(work))), until_(until),
          shielded_(shielded) {}

    template <class Promise>
    [[nodiscard]] std::coroutine_handle<>
    await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        promise_base& by = waiting.promise();
        promise_base& child = this->child();
        child.shielded = shielded_;
        timer_.belong_to(by.core);
        if (!is_over(*by.core, until_)) {
            timer_.arm(until_);
        } else if (shielded_ || by.cancelled == reason::none) {
            child.cancelled = reason::deadline;  // R102: it starts nothing
        }
        return child_awaiter<T>::await_suspend(waiting);
    }
    T await_resume() {
        timer_.disarm();
        return child_awaiter<T>::await_resume();
    }

private:
    static void expired(void* self) {
        cancel_task(static_cast<limited_awaiter*>(self)->child(), reason::deadline);
    }

    deadline until_;
    bool shielded_;
    timer timer_{&expired, this};
};

}  // namespace detail

/// Runs `work` as a part of the awaiting task, with one deadline over everything that it does:
/// `auto reply = co_await with_deadline(within(2s), ask(peer));`
///
/// At that time what it awaits ends with errc::deadline_reached, and so does all that it awaits
/// after, at once; the deadlines of single operations and of nested calls go on beside it, and the
/// first to come wins. A cancel from above still arrives, as errc::cancelled. The value is the
/// task's own; an exception passes through. Nothing to free, no error of its own.
template <class T>
[[nodiscard]] detail::limited_awaiter<T> with_deadline(deadline until, task<T>&& work) noexcept {
    return {until, std::move(work), false};
}

/// Runs `work` out of the reach of a cancel from above: only `until` ends it, as
/// errc::deadline_reached at what it awaits. For the clean-up of a cancelled task:
/// `co_await shield(within(2s), say_goodbye(peer));`
template <class T>
[[nodiscard]] detail::limited_awaiter<T> shield(deadline until, task<T>&& work) noexcept {
    return {until, std::move(work), true};
}

}  // namespace thole
