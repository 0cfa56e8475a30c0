// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <thole/loop.hpp>

namespace thole::detail {

// One budget for several steps: the point of time that a deadline means now.
[[nodiscard]] inline deadline as_point(loop& on, deadline until) noexcept {
    if (until.kind() != deadline::form::relative || until.over()) {
        return until;
    }
    const time_point now = on.now();
    const std::chrono::nanoseconds budget(until.count());
    return budget < time_point::max() - now ? at(now + budget) : never;
}

}  // namespace thole::detail
