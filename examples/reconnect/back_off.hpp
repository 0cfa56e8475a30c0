// SPDX-License-Identifier: BSL-1.0
// How long to wait before the next attempt.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace examples {

// Doubles from `least` to `most`. What is waited is drawn from the upper half of that, so that
// thousands of clients of one server that went away do not come back in step.
class back_off {
public:
    using milliseconds = std::chrono::milliseconds;

    back_off(milliseconds least, milliseconds most)
        : least_(std::max(least, milliseconds(1))), most_(std::max(most, least_)), next_(least_) {}

    [[nodiscard]] milliseconds next() {
        const milliseconds bound = next_;
        next_ = std::min(next_ * 2, most_);
        std::uniform_int_distribution<milliseconds::rep> drawn((bound.count() + 1) / 2,
                                                               bound.count());
        return milliseconds(drawn(chance_));
    }
    // After something that worked.
    void reset() { next_ = least_; }

private:
    milliseconds least_;
    milliseconds most_;
    milliseconds next_;
    std::minstd_rand chance_{std::random_device{}()};
};

}  // namespace examples
