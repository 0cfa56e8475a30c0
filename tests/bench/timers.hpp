// SPDX-License-Identifier: BSL-1.0
// The workload `timers`, the same for every peer: n= timers are armed, all but a hundredth are
// cancelled, the rest fires; then live= timers are armed once more and moved rounds= times.
// mode=churn: live= timers stand armed; n= times one of them is cancelled and armed anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench.hpp"

namespace bench {

struct random_numbers {
    std::uint64_t state = 88172645463325252ULL;

    std::uint32_t below(std::uint32_t limit) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return static_cast<std::uint32_t>(((state >> 32) * limit) >> 32);
    }
};

struct timer_plan {
    std::vector<std::uint32_t> due_ms;     // from the beginning
    std::vector<std::uint32_t> any_order;  // of the timers' numbers

    explicit timer_plan(std::size_t n) : due_ms(n), any_order(n) {
        random_numbers random;
        for (std::size_t i = 0; i < n; ++i) {
            due_ms[i] = 1500 + random.below(1000);
            any_order[i] = static_cast<std::uint32_t>(i);
        }
        for (std::size_t i = n; i-- > 1;) {
            std::swap(any_order[i], any_order[random.below(static_cast<std::uint32_t>(i + 1))]);
        }
    }
};

// What a peer writes: one class, made for n timers that exist and are not armed.
//   arm(i, ms)   timer i fires ms after the making of this object
//   rearm(i, ms) as arm, for one that is armed
//   cancel(i)
//   settle()     runs what arming and cancelling left to be done, never waits
//   run()        waits until none is armed
//   fired, early how many fired; how many of them before their time
template <class Timers>
void churn_timers(const arguments& a, result& r) {
    const auto live = static_cast<std::size_t>(a.number("live", 1000));
    const auto n = static_cast<std::size_t>(a.number("n", 1'000'000));
    const timer_plan plan(live);
    Timers timers(live);
    for (std::size_t i = 0; i < live; ++i) {
        timers.arm(i, 600'000 + 30 * plan.due_ms[i]);
    }
    timers.settle();
    r.workload = "timers_churn";
    const stopwatch watch;
    for (std::size_t k = 0, at = 0; k < n; ++k) {
        const std::size_t i = plan.any_order[at];
        at = at + 1 == live ? 0 : at + 1;
        timers.cancel(i);
        timers.arm(i, 600'000 + 30 * plan.due_ms[at]);
        if (k % 1024 == 1023) {
            timers.settle();
        }
    }
    timers.settle();
    watch.stop(r, n);
    for (std::size_t i = 0; i < live; ++i) {
        timers.cancel(i);
    }
    timers.settle();
}

template <class Timers>
void time_timers(const arguments& a, result& r) {
    if (a.text("mode", "all") == "churn") {
        churn_timers<Timers>(a, r);
        return;
    }
    const auto n = static_cast<std::size_t>(a.number("n", 1'000'000));
    const std::size_t kept = n / 100;
    const auto live = std::min<std::size_t>(n, 10'000);
    const auto rounds = static_cast<std::size_t>(a.number("rounds", 100));
    const timer_plan plan(n);
    const double memory = own_memory();
    Timers timers(n);
    const std::uint64_t begun = now_ns();
    const std::uint64_t armed0 = cpu_ns();
    for (std::size_t i = 0; i < n; ++i) {
        timers.arm(i, plan.due_ms[i]);
    }
    const std::uint64_t armed1 = cpu_ns();
    const double more_memory = own_memory() - memory;
    const std::uint64_t cancelled0 = cpu_ns();
    for (std::size_t i = kept; i < n; ++i) {
        timers.cancel(plan.any_order[i]);
    }
    timers.settle();
    const std::uint64_t cancelled1 = cpu_ns();
    const bool none_yet = timers.fired == 0;  // else what firing costs is partly in cancelling
    timers.run();
    const std::uint64_t fired = cpu_ns();
    if (timers.fired < static_cast<long>(kept)) {
        die("a timer did not fire");
    }
    for (std::size_t i = 0; i < live; ++i) {
        timers.arm(i, 60'000 + plan.due_ms[i]);
    }
    timers.settle();
    const std::uint64_t moved0 = cpu_ns();
    for (std::size_t k = 0; k < rounds; ++k) {
        for (std::size_t i = 0; i < live; ++i) {
            timers.rearm(i, 60'000 + plan.due_ms[i] + static_cast<std::uint32_t>(k));
        }
        timers.settle();
    }
    const std::uint64_t moved1 = cpu_ns();
    const auto each = [](std::uint64_t from, std::uint64_t to, std::size_t count) {
        return count == 0 ? 0.0 : static_cast<double>(to - from) / static_cast<double>(count);
    };
    r.ops = 2 * n;
    r.seconds = static_cast<double>(now_ns() - begun) / 1e9;
    r.extra = {{"arm_ns", each(armed0, armed1, n)},
               {"cancel_ns", each(cancelled0, cancelled1, n - kept)},
               {"rearm_ns", each(moved0, moved1, live * rounds)},
               {"bytes_per_timer", more_memory / static_cast<double>(n)},
               {"fired", static_cast<double>(timers.fired)},
               {"early", static_cast<double>(timers.early)}};
    if (none_yet) {
        r.extra.emplace_back("fire_ns", each(cancelled1, fired, kept));
    }
    for (std::size_t i = 0; i < live; ++i) {
        timers.cancel(i);
    }
    timers.settle();
}

}  // namespace bench
