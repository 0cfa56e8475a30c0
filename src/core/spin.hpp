// SPDX-License-Identifier: BSL-1.0
// Whether a loop polls before it sleeps: an account of what polling gained and what it cost.
#pragma once

#include <algorithm>
#include <cstdint>

namespace thole::detail {

// News that come while it polls pay into the account, polling in vain is paid from it, and it polls
// while there is something in it. Time asleep pays in a little: that is what later trials are made
// from. So the time of polling in vain is at most half of `most` for each poll with success, and
// 1/64 of the time asleep. Times are nanoseconds.
class spin_policy {
public:
    static constexpr std::int64_t second = 1'000'000'000;
    static constexpr std::int64_t greatest = 16;  // what the account holds, in times of `most`

    // `most`: the longest polling before one sleep; 0 or less: none, ever.
    explicit spin_policy(std::int64_t most = 0) noexcept
        : most_(std::clamp<std::int64_t>(most, 0, second)), account_(most_) {}

    [[nodiscard]] bool enabled() const noexcept { return most_ > 0; }

    // How long to poll before the sleep that comes now.
    [[nodiscard]] std::int64_t allowance() const noexcept { return account_ > 0 ? most_ : 0; }

    // It polled for so long, and news came or not. Much longer than it was allowed: it was kept
    // from its core, so polling cost what it should save.
    void polled(std::int64_t time, bool news) noexcept {
        pay(news && time <= 2 * most_ ? most_ / 2 : -time);
    }
    void slept(std::int64_t time) noexcept { pay(time / 64); }

private:
    // Nothing, however dear, is remembered for longer than it takes to try once more.
    void pay(std::int64_t amount) noexcept {
        account_ = std::clamp(account_ + amount, -most_, greatest * most_);
    }

    std::int64_t most_;
    std::int64_t account_;
};

}  // namespace thole::detail
