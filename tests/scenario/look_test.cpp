// SPDX-License-Identifier: BSL-1.0
// Looking at what has come: peek, wait_readable, connected_for.
#include "support/scenario.hpp"

#include <array>

using namespace thole;
using namespace thole::test;

namespace {

task<> looks_then_reads(tcp::socket& here, tcp::socket& there) {
    co_await send(there, "hello");
    const auto ready = co_await here.wait_readable();
    CHECK(ready.error() == no_error);
    std::byte buffer[8];
    for (int i = 0; i < 3; ++i) {
        const auto seen = co_await here.peek(std::span(buffer).first(4));
        REQUIRE(seen.error() == no_error);
        CHECK(*seen == 4);
        CHECK(text_of(std::span(buffer).first(4)) == "hell");
    }
    const std::array<std::span<std::byte>, 2> pieces = {std::span(buffer).first(2),
                                                        std::span(buffer).last(3)};
    const auto seen = co_await here.peek(pieces);
    REQUIRE(seen.error() == no_error);
    CHECK(*seen == 5);
    CHECK(text_of(pieces[1]) == "llo");
    const auto still = co_await here.wait_readable();
    CHECK(still.error() == no_error);
    co_await expect(here, "hello");
    const auto nothing = co_await here.peek(std::span<std::byte>());  // R105
    REQUIRE(nothing.error() == no_error);
    CHECK(*nothing == 0);
}

task<> looks_again_and_again(tcp::socket& here, tcp::socket& there, std::size_t times) {
    std::byte one[1];
    for (std::size_t i = 0; i < times; ++i) {
        co_await send(there, "ab");
        const auto ready = co_await here.wait_readable(within(patience));
        REQUIRE(ready.error() == no_error);
        const auto seen = co_await here.peek(one, within(patience));
        REQUIRE(seen.error() == no_error);
        const auto first = co_await here.read(one, within(patience));
        REQUIRE(first.error() == no_error);
        const auto rest = co_await here.wait_readable(within(patience));
        REQUIRE(rest.error() == no_error);
        co_await expect(here, "b");
    }
}

task<> looks_at_the_end(tcp::socket& here, tcp::socket& there) {
    CHECK(there.shutdown_write().error() == no_error);
    std::byte buffer[8];
    const auto ready = co_await here.wait_readable();
    CHECK(ready.error() == no_error);
    const auto seen = co_await here.peek(buffer);
    CHECK(seen.error() == errc::end_of_stream);
    const auto again = co_await here.wait_readable();
    CHECK(again.error() == no_error);
    const auto got = co_await here.read(buffer);
    CHECK(got.error() == errc::end_of_stream);
}

}  // namespace

THOLE_TEST("peek and wait_readable leave the bytes where they are", "[look]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, looks_then_reads(both.here, both.there));
}

THOLE_TEST("looking and reading in turn never waits for what is there", "[look]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, looks_again_and_again(both.here, both.there, rounds() / 10));
}

THOLE_TEST("peek and wait_readable at the end of the stream", "[look]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, looks_at_the_end(both.here, both.there));
}

namespace {

task<std::error_code> error_of_read(tcp::socket& from) {
    std::byte buffer[8];
    const auto got = co_await from.read(buffer);
    co_return got.error();
}

}  // namespace

THOLE_TEST("wait_readable is over when the peer resets, and the read tells", "[look]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<tcp::wait_readable_op> waiting{noted{&log, "wait"}};
    waiting.start(both.here);
    turn(in.on);
    CHECK(log.size() == 0);
    both.there.abort();
    settle(in.on);
    CHECK(log.of("wait").error == no_error);
    CHECK(run(in.on, error_of_read(both.here)) == std::errc::connection_reset);
}

THOLE_TEST("peek and wait_readable have a deadline, a cancel and a close", "[look]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    noting<tcp::wait_readable_op> waiting{noted{&log, "wait"}};
    noting<tcp::peek_op> looking{noted{&log, "peek"}};
    const time_point start = in.on.now();
    waiting.start(both.here, within(20ms));
    looking.start(both.there, buffer, within(20ms));
    CHECK(log.size() == 0);
    settle(in.on);
    CHECK(in.on.now() - start >= 20ms);
    REQUIRE(log.size() == 2);
    CHECK(log.of("wait").error == errc::deadline_reached);
    CHECK(log.of("peek").error == errc::deadline_reached);

    waiting.start(both.here);
    looking.start(both.there, buffer);
    both.here.cancel_read();
    looking.cancel();
    settle(in.on);
    REQUIRE(log.size() == 4);
    CHECK(log[2].error == errc::cancelled);
    CHECK(log[3].error == errc::cancelled);

    waiting.start(both.here);
    looking.start(both.there, buffer);
    both.here.close();
    both.there.close();
    settle(in.on);
    REQUIRE(log.size() == 6);
    CHECK(log[4].error == errc::closed);
    CHECK(log[5].error == errc::closed);
    waiting.start(both.here);
    settle(in.on);
    CHECK(log[6].error == errc::closed);
}

THOLE_TEST("one read, peek or wait at a time", "[look]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    noting<tcp::wait_readable_op> waiting{noted{&log, "wait"}};
    noting<tcp::peek_op> looking{noted{&log, "peek"}};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    waiting.start(both.here);
    looking.start(both.here, buffer);
    reading.start(both.here, buffer);
    turn(in.on);
    CHECK(log.size() == 2);
    CHECK(log.of("peek").error == errc::operation_in_progress);
    CHECK(log.of("read").error == errc::operation_in_progress);
    run(in.on, send(both.there, "hello"));
    settle(in.on);
    CHECK(log.of("wait").error == no_error);
    run(in.on, expect(both.here, "hello"));
}

THOLE_TEST("connected_for counts from the connection on", "[look]") {
    scene in;
    pair both = make_pair(in.on);
    REQUIRE(both.here.connected_for().error() == no_error);
    CHECK(*both.here.connected_for() < 10s);
    CHECK(in.on.run_for(1100ms).error() == no_error);
    run(in.on, [](loop& on) -> task<> {
        const auto slept = co_await sleep_until(on, within(1100ms));
        CHECK(slept.error() == no_error);
    }(in.on));
    CHECK(*both.here.connected_for() >= 1s);
    CHECK(*both.there.connected_for() >= 1s);
    CHECK(*both.there.connected_for() < patience);
    both.here.close();
    CHECK(both.here.connected_for().error() == errc::closed);
}
