// SPDX-License-Identifier: BSL-1.0
/// \file
/// What when_all, when_any and scope share.
#pragma once

#include <cstddef>
#include <exception>

#include <thole/await.hpp>

namespace thole::detail {

/// Tasks that run at the same time on behalf of one. The first exception of one cancels the others
/// and is kept for who waits.
struct task_group {
    loop_core* core = nullptr;
    promise_base* waiting = nullptr;  ///< the task that waits until all have ended
    promise_base* first = nullptr;    ///< those that have not ended
    promise_base* last = nullptr;
    promise_base* winner = nullptr;   ///< who ended first
    std::size_t size = 0;             ///< of those that have not ended
    std::exception_ptr failed;        ///< the first exception
    reason cancelled = reason::none;  ///< what is started from now on is cancelled
    bool ends_with_first = false;     ///< the end of one cancels the others
    bool frees = false;               ///< frames are destroyed as they end

    task_group() noexcept = default;
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;
};

/// Starts a task in a later turn of the group's loop; `owner` is the pointer that owns its frame,
/// null if the group frees it.
THOLE_API void start_in_group(task_group& group, promise_base& child, void** owner) noexcept;
/// `waiting` waits for the end of all. False: there is nothing to wait for.
[[nodiscard]] THOLE_API bool wait_for_group(task_group& group, promise_base& waiting) noexcept;
THOLE_API void cancel_group(task_group& group, reason why) noexcept;
/// Takes the first exception out and throws it, if there was one.
THOLE_API void rethrow_failure(task_group& group);

}  // namespace thole::detail
