// SPDX-License-Identifier: BSL-1.0
// Clients beside the server: they speak the system's own calls, in a process of their own where
// there is fork(2), so that their descriptors are none of the server's, else on a thread.
#pragma once

#include <thole/thole.hpp>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>

#include "support/raw_peer.hpp"
#include "support/scenario.hpp"

namespace thole::test {

// Runs `act` at once, and then `at_end` on the loop. What `act` changes stays its own, and what it
// returns is all that is known of it. 0: as it should be. It must not use Catch2.
class crowd {
public:
    template <class F, class G>
    crowd(loop& on, F act, G at_end) {
        thread_ = std::thread([this, &on, act, at_end] {
            F own = act;
            const auto run = [](void* self) -> int {
                try {
                    return (*static_cast<F*>(self))();
                } catch (...) {
                    return 99;  // the system refused a call: a connection that was to last did not
                }
            };
            code_ = raw::is_windows() ? run(&own) : raw::in_forked_child(run, &own);
            on.post(at_end);
        });
    }
    crowd(const crowd&) = delete;
    crowd& operator=(const crowd&) = delete;
    ~crowd() {
        if (thread_.joinable()) thread_.join();
    }

    [[nodiscard]] int code() {
        if (thread_.joinable()) thread_.join();
        return code_;
    }

private:
    int code_ = -1;
    std::thread thread_;
};

// How many sockets of this machine with that port at either end are in that state. Linux's table,
// which programs under Wine can read as well.
inline std::size_t in_state(std::string_view state, std::uint16_t port) {
    std::ifstream table("/proc/net/tcp");
    REQUIRE(table.is_open());
    std::ostringstream wanted;
    wanted << ':' << std::uppercase << std::hex;
    wanted.width(4);
    wanted.fill('0');
    wanted << port;
    std::size_t count = 0;
    std::string line;
    std::getline(table, line);
    while (std::getline(table, line)) {
        std::istringstream words(line);
        std::string number, own, other, in;
        words >> number >> own >> other >> in;
        count += in == state && (own.ends_with(wanted.str()) || other.ends_with(wanted.str()));
    }
    return count;
}
inline constexpr std::string_view close_wait = "08";  // include/net/tcp_states.h

}  // namespace thole::test
