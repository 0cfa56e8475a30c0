// SPDX-License-Identifier: BSL-1.0
// Driven by another event loop: when to call poll(), and what to wait on.
#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole {

namespace detail {

time_point loop_core::next_deadline() noexcept {
    if (network == nullptr || !fit()) {
        return refusals.empty() ? time_point::max() : time_point::min();
    }
    if (stopped.load(std::memory_order_relaxed)) {
        return time_point::max();
    }
    settle_timers();
    // The simulated clock stands still outside of poll().
    const bool only_poll_moves = info.kind == backend_kind::sim && has_work();
    if (only_poll_moves || network->unsent() || !ready.empty() || !expired.empty() ||
        !mail.empty() || !loopless().empty()) {
        return clock();
    }
    return time_point(std::chrono::nanoseconds(wheel.next()));
}

std::error_code loop_core::waitable(std::uintptr_t& handle) noexcept {
    if (!fit()) {
        return usable();
    }
    const std::error_code failed = network->waitable(handle);
    if (!failed && !watched) {
        watched = true;
        expect_mail();
    }
    return failed;
}

// Whoever posts while nobody runs the loop makes the handle readable.
void loop_core::expect_mail() noexcept {
    if (watched && !running) {
        static_cast<void>(mail.fall_asleep());  // false: next_deadline() tells of what has come
    }
}

}  // namespace detail

time_point loop::next_deadline() noexcept {
    const time_point next = core_->next_deadline();
    return next == time_point::min() ? now() : next;
}

result<std::uintptr_t> loop::native_waitable() noexcept {
    std::uintptr_t handle = 0;
    if (const std::error_code failed = core_->waitable(handle)) {
        return unexpected(failed);
    }
    return handle;
}

}  // namespace thole
