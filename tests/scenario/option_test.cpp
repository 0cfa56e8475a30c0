// SPDX-License-Identifier: BSL-1.0
// Options of a connection, as a user sets them.
#include "support/scenario.hpp"

#include <limits>

using namespace thole;
using namespace thole::test;

THOLE_TEST("options are kept by the socket they were set on", "[option]") {
    scene in;
    pair both = make_pair(in.on);
    CHECK(both.here.keep_alive({.on = true, .idle = 60s, .interval = 5s}).error() == no_error);
    CHECK(both.here.no_delay(true).error() == no_error);
    REQUIRE(both.here.send_buffer(40'000).error() == no_error);
    REQUIRE(both.here.receive_buffer(50'000).error() == no_error);
    CHECK(both.here.send_buffer().value_or(0) >= 40'000);
    CHECK(both.here.receive_buffer().value_or(0) >= 50'000);
    CHECK(both.here.keep_alive()->on);
    CHECK(*both.here.no_delay());
    CHECK_FALSE(both.there.keep_alive()->on);
    CHECK_FALSE(*both.there.no_delay());
    run(in.on, send(both.here, "hello"));
    run(in.on, expect(both.there, "hello"));
}

THOLE_TEST("options that no system takes are refused", "[option]") {
    scene in;
    pair both = make_pair(in.on);
    tcp::socket& here = both.here;
    const std::size_t before = *here.send_buffer();
    const auto most = static_cast<std::size_t>(std::numeric_limits<int>::max());
    CHECK(here.send_buffer(0).error() == std::errc::invalid_argument);
    CHECK(here.receive_buffer(0).error() == std::errc::invalid_argument);
    CHECK(here.send_buffer(most + 1).error() == std::errc::invalid_argument);
    CHECK(here.user_timeout(-1ms).error() == std::errc::invalid_argument);
    CHECK(here.user_timeout(std::chrono::hours(1000)).error() == std::errc::invalid_argument);
    CHECK(here.keep_alive({.on = true, .idle = -1s}).error() == std::errc::invalid_argument);
    CHECK(here.keep_alive({.on = true, .interval = -1s}).error() == std::errc::invalid_argument);
    CHECK(here.keep_alive({.on = true, .count = -1}).error() == std::errc::invalid_argument);
    CHECK(*here.send_buffer() == before);
    CHECK_FALSE(here.keep_alive()->on);
    run(in.on, send(both.here, "hello"));
    run(in.on, expect(both.there, "hello"));
}

THOLE_TEST("options of a closed socket", "[option]") {
    scene in;
    pair both = make_pair(in.on);
    both.here.close();
    CHECK(both.here.keep_alive({.on = true}).error() == errc::closed);
    CHECK(both.here.keep_alive().error() == errc::closed);
    CHECK(both.here.send_buffer(1000).error() == errc::closed);
    CHECK(both.here.send_buffer().error() == errc::closed);
    CHECK(both.here.receive_buffer(1000).error() == errc::closed);
    CHECK(both.here.receive_buffer().error() == errc::closed);
    CHECK(both.here.user_timeout(1s).error() == errc::closed);
    CHECK(both.here.user_timeout().error() == errc::closed);
}

namespace {

task<result<tcp::socket>> dial(loop& on, endpoint where, tcp::connect_options options) {
    co_return co_await tcp::connect(on, where, options);
}

}  // namespace

THOLE_TEST("connect sets its options before the connection is made", "[option][connect]") {
    scene in;
    tcp::listener door = open_door(in.on);
    const endpoint where = *door.local();
    auto plain = in.on.block_on(dial(in.on, where, {}));
    auto small =
        in.on.block_on(dial(in.on, where, {.send_buffer = 6'000, .receive_buffer = 12'000}));
    REQUIRE(plain.error() == no_error);
    REQUIRE(small.error() == no_error);
    CHECK(*small->send_buffer() >= 6'000);
    CHECK(*small->send_buffer() <= 12'000);
    CHECK(*small->receive_buffer() >= 12'000);
    CHECK(*small->receive_buffer() <= 24'000);
    CHECK(*plain->send_buffer() > 12'000);

    const auto timed = in.on.block_on(dial(in.on, where, {.user_timeout = 1500ms}));
    if (timed) {
        CHECK(*timed->user_timeout() >= 1500ms);
        CHECK(*timed->user_timeout() <= 2s);
    } else {
        CHECK(timed.error() == std::errc::operation_not_supported);
    }
    for (const tcp::connect_options wrong :
         {tcp::connect_options{.send_buffer = -1}, tcp::connect_options{.receive_buffer = -1},
          tcp::connect_options{.user_timeout = -1ms}}) {
        const auto refused = in.on.block_on(dial(in.on, where, wrong));
        CHECK(refused.error() == std::errc::invalid_argument);
    }
}

THOLE_TEST("a listener hands its buffer sizes on", "[option][accept]") {
    scene in;
    tcp::listener door =
        open_door(in.on, address_family::ipv4, {.send_buffer = 6'000, .receive_buffer = 12'000});
    const pair both = run(in.on, connected(in.on, door));
    CHECK(*both.there.send_buffer() >= 6'000);
    CHECK(*both.there.send_buffer() <= 12'000);
    CHECK(*both.there.receive_buffer() <= 24'000);
    CHECK(*both.here.send_buffer() > 12'000);
    const endpoint any = endpoint::loopback(address_family::ipv4, 0);
    CHECK(tcp::listener::open(in.on, any, {.send_buffer = -1}).error() ==
          std::errc::invalid_argument);
    CHECK(tcp::listener::open(in.on, any, {.receive_buffer = -1}).error() ==
          std::errc::invalid_argument);
}
