// SPDX-License-Identifier: BSL-1.0
// What `never` means on a socket with default times.
#include "support/scenario.hpp"

#include <vector>

using namespace thole;
using namespace thole::test;

namespace {

task<> reads_in_vain(loop& on, tcp::socket& from, deadline until, std::chrono::nanoseconds least) {
    std::byte buffer[8];
    const time_point start = on.now();
    const auto got = co_await from.read(buffer, until);
    CHECK(got.error() == errc::deadline_reached);
    CHECK(on.now() - start >= least);
}

task<> writes_in_vain(loop& on, tcp::socket& to, std::chrono::nanoseconds least) {
    const time_point start = on.now();
    const transfer sent = co_await to.write(bulk());
    CHECK(sent.error == errc::deadline_reached);
    CHECK(sent.count < bulk().size());
    CHECK(on.now() - start >= least);
}

}  // namespace

THOLE_TEST("a read without a deadline has the socket's time", "[times]") {
    scene in;
    pair both = make_pair(in.on);
    REQUIRE(both.here.default_times({.read = 30ms}).error() == no_error);
    CHECK(*both.here.default_times() == tcp::transfer_times{.read = 30ms});
    run(in.on, reads_in_vain(in.on, both.here, never, 30ms));
    run(in.on, reads_in_vain(in.on, both.here, never, 30ms));
    std::byte all[8];
    const time_point start = in.on.now();
    const transfer whole =
        run(in.on, [](tcp::socket& from, std::span<std::byte> to) -> task<transfer> {
            co_return co_await from.read_exactly(to);
        }(both.here, all));
    CHECK(whole.error == errc::deadline_reached);
    CHECK(in.on.now() - start >= 30ms);
    run(in.on, send(both.there, "hello"));
    run(in.on, expect(both.here, "hello"));
}

THOLE_TEST("a write without a deadline has the socket's time", "[times]") {
    scene in;
    pair both = make_pair(in.on);
    REQUIRE(both.here.default_times({.write = 30ms}).error() == no_error);
    run(in.on, writes_in_vain(in.on, both.here, 30ms));
}

THOLE_TEST("a deadline that is given wins over the socket's time, longer or shorter", "[times]") {
    scene in;
    pair both = make_pair(in.on);
    REQUIRE(both.here.default_times({.read = 5ms, .write = 5ms}).error() == no_error);
    run(in.on, reads_in_vain(in.on, both.here, within(60ms), 60ms));
    REQUIRE(both.here.default_times({.read = patience}).error() == no_error);
    run(in.on, reads_in_vain(in.on, both.here, within(10ms), 10ms));
}

namespace {

task<> outlasts(loop& on, tcp::socket& there) {
    co_await sleep_for(40ms);
    co_await send(there, "late");
    static_cast<void>(on);
}

}  // namespace

THOLE_TEST("`unlimited` is never, whatever the socket's time", "[times]") {
    scene in;
    pair both = make_pair(in.on);
    REQUIRE(both.here.default_times({.read = 5ms}).error() == no_error);
    auto sending = in.on.spawn(outlasts(in.on, both.there));
    const auto got = run(in.on, [](tcp::socket& from) -> task<result<std::size_t>> {
        std::byte buffer[8];
        co_return co_await from.read(buffer, unlimited);
    }(both.here));
    REQUIRE(got.error() == no_error);
    CHECK(*got == 4);
}

THOLE_TEST("default times change for what starts later, and can be taken back", "[times]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<tcp::read_op> reading{noted{&log, "read"}};
    std::byte buffer[8];
    reading.start(both.here, buffer);  // pending already
    REQUIRE(both.here.default_times({.read = 5ms}).error() == no_error);
    CHECK(in.on.run_for(30ms).error() == no_error);
    CHECK(log.size() == 0);
    reading.cancel();
    settle(in.on);
    CHECK(log.of("read").error == errc::cancelled);

    REQUIRE(both.here.default_times({}).error() == no_error);
    CHECK(*both.here.default_times() == tcp::transfer_times{});
    noting<tcp::read_op> again{noted{&log, "again"}};
    again.start(both.here, buffer);
    CHECK(in.on.run_for(30ms).error() == no_error);
    CHECK(log.times("again") == 0);
    again.cancel();
    settle(in.on);
}

THOLE_TEST("default times that make no sense are refused", "[times]") {
    scene in;
    pair both = make_pair(in.on);
    CHECK(both.here.default_times({.read = -1ns}).error() == std::errc::invalid_argument);
    CHECK(both.here.default_times({.write = -1s}).error() == std::errc::invalid_argument);
    CHECK(*both.here.default_times() == tcp::transfer_times{});
    both.here.close();
    CHECK(both.here.default_times({.read = 1s}).error() == errc::closed);
    CHECK(both.here.default_times().error() == errc::closed);
}

THOLE_TEST("a loop keeps 255 different default times, and those of closed sockets no more",
           "[times]") {
    scene in;
    tcp::listener door = open_door(in.on);
    std::vector<pair> many;
    for (int i = 0; i < 128; ++i) {
        many.push_back(run(in.on, connected(in.on, door)));
    }
    for (int i = 0; i < 255; ++i) {
        pair& one = many[static_cast<std::size_t>(i / 2)];
        tcp::socket& end = i % 2 == 0 ? one.here : one.there;
        REQUIRE(end.default_times({.read = std::chrono::seconds(i + 1)}).error() == no_error);
    }
    tcp::socket& last = many.back().there;
    CHECK(last.default_times({.read = 1h}).error() == errc::limit_reached);
    CHECK(last.default_times({.read = 7s}).error() == no_error);  // one of the 255
    CHECK(last.default_times({.read = 1h}).error() == errc::limit_reached);
    many.front().here.close();
    CHECK(last.default_times({.read = 1h}).error() == no_error);
    CHECK(*last.default_times() == tcp::transfer_times{.read = 1h});
}
