// SPDX-License-Identifier: BSL-1.0
// Effects beat reasons (R101): a cancel or a deadline that races with a byte or a client.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

using piece = std::array<std::byte, 8>;

// R101: the byte is there, or it is read by the next one; never lost, never twice.
THOLE_TEST("a cancel that races with a byte loses no byte", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    piece buffer{};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    std::string expected;
    std::string got;
    for (std::size_t i = 0; i < rounds(); ++i) {
        const char letter = static_cast<char>('a' + i % 26);
        expected += letter;
        reading.start(both.here, buffer);
        if (i % 2 == 0) {
            turn(in.on);
        }
        run(in.on, send(both.there, std::string_view(&letter, 1)));
        reading.cancel();
        settle(in.on);
        REQUIRE(log.size() == i + 1);
        if (log[i].error == no_error) {
            got += text_of(std::span(buffer).first(log[i].count));
        } else {
            CHECK(log[i].error == errc::cancelled);
            CHECK(log[i].count == 0);
        }
    }
    REQUIRE(got.size() <= expected.size());
    CHECK(expected.substr(0, got.size()) == got);
    run(in.on, expect(both.here, std::string_view(expected).substr(got.size())));
}

namespace {

struct tally {
    std::size_t bytes = 0;
    std::size_t deadlines = 0;
    bool in_order = true;
};

task<> read_with_deadlines(tcp::socket& from, tally& seen) {
    std::byte buffer[3];
    for (;;) {
        const auto got = co_await from.read(buffer, within(20us));
        if (got.error() == errc::end_of_stream) {
            co_return;
        }
        if (!got) {
            CHECK(got.error() == errc::deadline_reached);
            ++seen.deadlines;
            continue;
        }
        for (std::size_t i = 0; i < *got; ++i, ++seen.bytes) {
            seen.in_order = seen.in_order && buffer[i] == bulk()[seen.bytes];
        }
    }
}

task<> drip(loop& on, pair& both, tally& seen, std::size_t count) {
    auto reading = on.spawn(read_with_deadlines(both.here, seen));
    for (std::size_t i = 0; i < count; ++i) {
        const transfer sent = co_await both.there.write(bulk().subspan(i, 1));
        CHECK(sent.error == no_error);
        (void)co_await sleep_for(std::chrono::microseconds(i % 60));
    }
    CHECK(both.there.shutdown_write().error() == no_error);
    co_await reading;
}

}  // namespace

THOLE_TEST("deadlines that race with bytes lose none and keep their order", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    tally seen;
    run(in.on, drip(in.on, both, seen, rounds()));
    CHECK(seen.bytes == rounds());
    CHECK(seen.in_order);
}

namespace {

struct canceller {
    journal* log;
    operation* other;

    void operator()(result<std::size_t> got) const {
        log->note("first", got.error(), got ? *got : 0);
        other->cancel();
    }
};

}  // namespace

// Effects beat reasons: what has finished is not undone by a cancel in the same turn.
THOLE_TEST("a byte that came wins over a cancel of the same turn", "[cancel]") {
    scene in;
    pair one = make_pair(in.on);
    pair two = make_pair(in.on);
    journal log;
    piece first_buffer{};
    piece second_buffer{};
    noting<tcp::read_op> second{noted{&log, "second"}};
    callback<tcp::read_op, canceller> first{canceller{&log, &second}};
    first.start(one.here, first_buffer);
    second.start(two.here, second_buffer);
    turn(in.on);
    run(in.on, send(two.there, "b"));
    run(in.on, send(one.there, "a"));
    settle(in.on);
    CHECK(log.of("first").count == 1);
    if (log.of("second").error == no_error) {
        CHECK(log.of("second").count == 1);
    } else {
        CHECK(log.of("second").error == errc::cancelled);
        run(in.on, expect(two.here, "b"));
    }
}

namespace {

task<tcp::socket> client_of(loop& on, endpoint where) {
    auto made = co_await tcp::connect(on, where);
    REQUIRE(made.error() == no_error);
    co_return std::move(*made);
}

task<> race_accept(loop& on, tcp::listener& door, std::size_t& taken) {
    auto connecting = on.spawn(client_of(on, *door.local()));
    const auto first = co_await door.accept(within(1us));
    CHECK((first || first.error() == errc::deadline_reached));
    taken += first ? 1U : 0U;
    tcp::socket client = co_await connecting;
    if (!first) {
        const auto next = co_await door.accept();
        REQUIRE(next.error() == no_error);
        CHECK(next->peer().value() == client.local().value());
    }
    client.abort();  // leaves no port in TIME_WAIT (cases.md 6.1.7)
}

}  // namespace

THOLE_TEST("R36 a deadline that races with a client loses no client", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    std::size_t taken = 0;
    for (std::size_t i = 0; i < rounds() / 4; ++i) {
        run(in.on, race_accept(in.on, door, taken));
    }
    CHECK(taken <= rounds());
}
