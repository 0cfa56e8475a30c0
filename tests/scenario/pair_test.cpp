// SPDX-License-Identifier: BSL-1.0
// Two sockets that are connected with each other, and with nobody else.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

task<> talk(loop& on) {
    auto made = co_await tcp::pair(on, within(5s));
    REQUIRE(made.error() == no_error);
    CHECK(*made->first.local() == *made->second.peer());
    CHECK(*made->second.local() == *made->first.peer());
    co_await send(made->first, "there");
    co_await expect(made->second, "there");
    co_await send(made->second, "back");
    co_await expect(made->first, "back");
    made->first.close();
    std::byte rest[4];
    const auto got = co_await made->second.read(rest);
    CHECK(got.error() == errc::end_of_stream);
}

task<> too_late(loop& on) {
    const auto made = co_await tcp::pair(on, within(0ms));
    CHECK(made.error() == errc::deadline_reached);
}

}  // namespace

THOLE_TEST("pair: two ends that have seen each other's name", "[pair]") {
    scene in;
    run(in.on, talk(in.on));
}

THOLE_TEST("pair: one budget over all of it", "[pair]") {
    scene in;
    run(in.on, too_late(in.on));
}
