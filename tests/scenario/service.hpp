// SPDX-License-Identifier: BSL-1.0
// What the scenarios of servers share.
#pragma once

#include "support/scenario.hpp"

namespace thole::test {

// A server and where to find it.
struct service {
    template <class F>
    service(loop& on, F handler, serve_options options = {}) {
        tcp::listener door = open_door(on);
        where = *door.local();
        runs = serve(on, std::move(door), std::move(handler), options);
        REQUIRE(runs.error() == no_error);
    }
    [[nodiscard]] closed_counters closed() const { return runs.counters().closed; }

    endpoint where;
    server runs;
};

inline task<> echo(connection& with) {
    std::byte buffer[512];
    while (auto n = co_await with.socket().read(buffer)) {
        const transfer sent = co_await with.socket().write(std::span(buffer).first(*n));
        if (!sent) {
            co_return;
        }
    }
}

inline task<tcp::socket> client_of(loop& on, const endpoint& where) {
    auto made = co_await tcp::connect(on, where, within(patience));
    REQUIRE(made.error() == no_error);
    co_return std::move(*made);
}
// One that has been answered: the server has it, and waits for its next request.
inline task<tcp::socket> known_client(loop& on, const endpoint& where) {
    tcp::socket made = co_await client_of(on, where);
    co_await send(made, "hello");
    co_await expect(made, "hello");
    co_return made;
}

// Until `holds`; the scenario's patience is the limit.
template <class F>
task<> until(F holds) {
    while (!holds()) {
        (void)co_await sleep_for(std::chrono::microseconds(500));
    }
}
// Until the server has had somebody, and has nobody left.
inline task<> until_empty(const server& of) {
    co_await until([&of] {
        const server_counters now = of.counters();
        return now.accepted != 0 && now.active + now.closing == 0;
    });
}

// A reset, of which Wine tells no receive that comes after it.
[[nodiscard]] inline bool is_cut(const std::error_code& end) {
    return end == std::errc::connection_reset || (on_iocp() && end == errc::end_of_stream);
}

// Reads on until the end, which is what is given.
inline task<std::error_code> end_of(tcp::socket& peer) {
    const transfer rest = co_await drain(peer);
    co_return rest.error;
}

}  // namespace thole::test
