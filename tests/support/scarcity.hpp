// SPDX-License-Identifier: BSL-1.0
// A time without descriptors.
#pragma once

#include "support/scenario.hpp"

#include <optional>
#include <vector>

namespace thole::test {

// A loop for this, with at most `most` sockets on the simulated network.
[[nodiscard]] inline loop_options options_with_sockets(std::size_t most) {
    loop_options options = options_of_run();
    options.simulated_sockets = most;
    return options;
}

// No socket can be opened on that loop, but for those that are given free: eight at the most.
class scarcity {
public:
    explicit scarcity(loop& on) {
        if (!on_sim()) {
            native_.emplace();
            return;
        }
        for (;;) {
            auto made = tcp::listener::open(on, endpoint::loopback(address_family::ipv4, 0));
            if (!made) {
                REQUIRE(made.error() == std::errc::too_many_files_open);
                return;
            }
            held_.push_back(std::move(*made));
        }
    }
    void give(std::size_t count) {
        if (native_) {
            native_->give(count);
            return;
        }
        for (; count > 0; --count) {
            held_.pop_back();
        }
    }

private:
    std::optional<raw::no_descriptors> native_;
    std::vector<tcp::listener> held_;
};

}  // namespace thole::test
