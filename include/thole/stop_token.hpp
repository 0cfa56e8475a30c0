// SPDX-License-Identifier: BSL-1.0
/// \file
/// The bridge from std::stop_token. Not part of thole.hpp: `<stop_token>` weighs.
#pragma once

#include <coroutine>
#include <optional>
#include <stop_token>
#include <utility>

#include <thole/task.hpp>

namespace thole {
namespace detail {

/// A cancel on its way to a task's loop. Its memory is a recycled block: it may arrive after the
/// task has ended. All but the posting happens on the loop's thread.
struct stop_letter : runnable {
    promise_base* to = nullptr;  ///< null: the task has ended
    loop_core* core = nullptr;
    bool posted = false;
};
[[nodiscard]] THOLE_API stop_letter* write_letter(promise_base& to);
/// Any thread, once.
THOLE_API void post_letter(stop_letter& letter) noexcept;
/// The task has ended, and nobody will post it any more.
THOLE_API void drop_letter(stop_letter* letter) noexcept;

template <class T>
class [[nodiscard]] stoppable_awaiter : public child_awaiter<T> {
public:
    stoppable_awaiter(std::stop_token token, task<T>&& work) noexcept
        : child_awaiter<T>(task_access::release(std::move(work))), token_(std::move(token)) {}
    ~stoppable_awaiter() { disarm(); }

    template <class Promise>
    [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiting) {
        promise_base& child = this->child();
        if (token_.stop_requested()) {
            if (waiting.promise().cancelled == reason::none) {
                child.cancelled = reason::cancelled;  // R102: it starts nothing
            }
        } else if (token_.stop_possible()) {
            child.core = waiting.promise().core;
            letter_ = write_letter(child);
            callback_.emplace(token_, poster{letter_});
        }
        return child_awaiter<T>::await_suspend(waiting);
    }
    T await_resume() {
        disarm();
        return child_awaiter<T>::await_resume();
    }

private:
    struct poster {
        stop_letter* letter;
        void operator()() const noexcept { post_letter(*letter); }
    };

    // R126: the end of the callback waits for one that runs, which only posts.
    void disarm() noexcept {
        callback_.reset();
        drop_letter(std::exchange(letter_, nullptr));
    }

    std::stop_token token_;
    stop_letter* letter_ = nullptr;
    std::optional<std::stop_callback<poster>> callback_;
};

}  // namespace detail

/// Runs `work` as a part of the awaiting task, and cancels it when `token` is asked to stop, on
/// whatever thread that happens: the request is posted to the loop, and what the task awaits then
/// ends with errc::cancelled. A token that was stopped before lets it start nothing. A stop that
/// comes after the end does nothing. The value is the task's own; an exception passes through.
/// Throws std::bad_alloc where there is no memory for the request.
///
/// With mingw-w64's GCC 12 define _GLIBCXX_USE_POSIX_SEMAPHORE=1 for all of a program that stops
/// from other threads: that library's own semaphore loses a wake-up, and the end of a
/// std::stop_callback, which waits for one that runs, may hang.
template <class T>
[[nodiscard]] detail::stoppable_awaiter<T> with_stop_token(std::stop_token token,
                                                           task<T>&& work) noexcept {
    return {std::move(token), std::move(work)};
}

}  // namespace thole
