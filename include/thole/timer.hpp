// SPDX-License-Identifier: BSL-1.0
/// \file
/// Waiting for a time.
#pragma once

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/operation.hpp>

namespace thole {

/// A timer by itself: an entry of the loop's wheel and the function it calls. It allocates nothing;
/// arming and disarming cost a few instructions whatever the number of timers.
///
/// The function runs in the loop's turn, never inside arm(), never before the time; it may arm the
/// timer again, or destroy it. Late by about 65 microseconds on POSIX (a millisecond on Windows),
/// or by a thousandth of the time that was left when it was armed, 134 milliseconds at the most:
/// so many far timers share a wake. An armed timer keeps `run()` going. Loop's thread only.
class timer : detail::timer_node {
public:
    using function = void (*)(void* context);  ///< what it calls

    /// `run(context)` is called at each expiry.
    THOLE_API timer(loop& on, function run, void* context) noexcept;
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;
    /// Disarms it.
    THOLE_API ~timer();

    /// Sets the time, in place of an earlier one; to move an armed timer to a later time, as a
    /// watchdog does at each sign of life, costs least of all. A time that has passed fires at the
    /// next tick; `never` disarms. Error: what the loop itself reports, on a loop that could not be
    /// made.
    THOLE_API std::error_code arm(deadline until) noexcept;
    /// The function will not be called for what was armed before.
    THOLE_API void disarm() noexcept;
    /// Set, and not fired yet.
    [[nodiscard]] bool armed() const noexcept { return timer_node::armed(); }

    /// For the library's own awaiters, which learn their loop later.
    THOLE_API timer(function run, void* context) noexcept;
    /// For the library's own awaiters.
    void belong_to(detail::loop_core* core) noexcept { core_ = core; }

private:
    friend struct detail::loop_core;
    detail::loop_core* core_;
    function run_;
    void* context_;
};

static_assert(sizeof(timer) <= 48);

/// The operation behind sleep_for and sleep_until.
class sleep_op : public local_operation {
public:
    using result_type = result<void>;
    THOLE_API sleep_op() noexcept;
    sleep_op(loop& on, deadline until) noexcept : sleep_op() { prepare(on, until); }
    THOLE_API explicit sleep_op(deadline until) noexcept;  // the awaiting task's loop
    THOLE_API void prepare(loop& on, deadline until) noexcept;
    /// Success when the time has come; errc::cancelled if it was cancelled before.
    [[nodiscard]] THOLE_API result<void> take() noexcept;
};

/// Suspends the awaiting thole::task until `until`, never less. Gives success, or errc::cancelled.
/// `sleep_until(never)` ends only by a cancel.
[[nodiscard]] inline awaitable<sleep_op> sleep_until(deadline until) noexcept {
    return awaitable<sleep_op>(until);
}
/// The same for a point of the loop's clock.
[[nodiscard]] inline awaitable<sleep_op> sleep_until(time_point when) noexcept {
    return awaitable<sleep_op>(at(when));
}
/// Suspends the awaiting thole::task for `time`, never less. Gives success, or errc::cancelled.
template <class Rep, class Period>
[[nodiscard]] awaitable<sleep_op> sleep_for(std::chrono::duration<Rep, Period> time) noexcept {
    return awaitable<sleep_op>(within(time));
}
/// The same with the loop named, for coroutines of any type.
[[nodiscard]] inline awaitable<sleep_op> sleep_until(loop& on, deadline until) noexcept {
    return awaitable<sleep_op>(on, until);
}

}  // namespace thole
