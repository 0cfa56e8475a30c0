// SPDX-License-Identifier: BSL-1.0
// The tree of tasks: each promise names what it awaits, an operation, a child or a group.
#pragma once

#include <exception>

#include <thole/task_group.hpp>

#include "core/loop_core.hpp"

namespace thole::detail {

// Resumes it in a later turn.
void queue_task(promise_base& task) noexcept;
// A child starts as cancelled as its parent is.
void inherit_cancel(const promise_base& parent, promise_base& child) noexcept;
// An exception that nobody awaits leaves run() in a turn of its own.
void raise_in_run(loop_core& core, std::exception_ptr failure);

// One of a group has ended; gives the task to go on with, if it was the last.
[[nodiscard]] promise_base* ended_in_group(promise_base& ended,
                                           const std::exception_ptr* failed) noexcept;
void leave_group(promise_base& child) noexcept;
// Destroys the frames of what has not ended, without resuming one. The loop's end only.
void destroy_group(task_group& group) noexcept;
// Destroys this frame and all that it awaits, from the innermost out, then those that await it.
void destroy_upwards(promise_base& from) noexcept;

}  // namespace thole::detail
