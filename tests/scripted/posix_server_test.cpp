// SPDX-License-Identifier: BSL-1.0
// A server that finds no descriptor for a while: the last resort.
#include "rig.hpp"

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;

task<> read_to_the_end(connection& with) {
    std::byte buffer[64];
    while (auto n = co_await with.socket().read(buffer)) {
    }
}

THOLE_TEST("G12 serve: the last resort is for who waits: once there is room nobody is let go",
           "[scripted]") {
    constexpr std::size_t guests = 20;
    for (const backend_kind kind : {backend_kind::epoll, backend_kind::select}) {
        CAPTURE(to_string(kind));
        rig r(kind);
        tcp::listener door = open_door(r.on);
        const endpoint where = door.local().value();
        server runs = serve(r.on, std::move(door), &read_to_the_end);
        std::vector<raw::socket> inside;
        const auto come = [&] {
            inside.push_back(raw::socket::connect(where));
            for (int turns = 0; runs.counters().accepted < inside.size(); ++turns) {
                REQUIRE(turns < 10'000);
                REQUIRE(r.on.run_for(1ms));
            }
        };
        while (inside.size() < guests) {
            come();
        }
        script::on("accept4").times(3).gives(-1, EMFILE);
        const time_point start = r.on.now();
        come();  // served after 35 ms, and until then the last resort was asked for three times
        const auto tries = 1 + (r.on.now() - start) / 100ms;
        CHECK(runs.counters().pauses == 3);
        REQUIRE(r.on.run_for(20ms));  // who was let go has gone
        const std::uint64_t gone = runs.counters().closed.last_resort;
        CHECK(gone >= 2);
        CHECK(gone <= 2 * static_cast<std::uint64_t>(tries));
        REQUIRE(r.on.run_for(250ms));
        CHECK(runs.counters().closed.last_resort == gone);
        CHECK(runs.counters().active == inside.size() - gone);
        runs.close();
        REQUIRE(r.on.run());
    }
}

}  // namespace
