// SPDX-License-Identifier: BSL-1.0
// What the tests of the timer wheel share.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "core/timer_wheel.hpp"

namespace thole::test {

using detail::timer_list;
using detail::timer_node;
using detail::timer_wheel;

inline constexpr std::int64_t tick = 1 << 16;
inline constexpr std::int64_t second = 1'000'000'000;
inline constexpr std::int64_t year = 365 * 24 * 3600 * second;

// Times stay even throughout: the lowest bit of a node's due time is not the wheel's.
inline std::int64_t even(std::int64_t n) { return n & ~std::int64_t{1}; }

// The words of deadlines.
inline std::int64_t point(std::int64_t when) {
    return at(time_point(std::chrono::nanoseconds(when))).word();
}
inline std::int64_t lasting(std::int64_t time) {
    return within(std::chrono::nanoseconds(time)).word();
}

// How late a node may fire that had this much time left when the clock placed it.
inline std::int64_t slack(std::int64_t left) {
    constexpr std::int64_t most = std::int64_t{1} << 27;
    return tick + std::clamp<std::int64_t>(left / 1024, 0, most);
}

inline std::vector<timer_node*> fire(timer_wheel& wheel, std::int64_t now) {
    timer_list expired;
    wheel.settle(now, expired);
    std::vector<timer_node*> out;
    while (!expired.empty()) {
        out.push_back(&expired.pop());
    }
    return out;
}

}  // namespace thole::test
