// SPDX-License-Identifier: BSL-1.0
// Transfers beyond the lettered cases: both styles, both directions at once, and misuse.
#include "support/scenario.hpp"

#include <cstring>

using namespace thole;
using namespace thole::test;

namespace {

task<> echo(tcp::socket& peer) {
    std::byte buffer[256];
    for (;;) {
        const auto got = co_await peer.read(buffer);
        if (!got) {
            CHECK(got.error() == errc::end_of_stream);
            break;
        }
        const transfer sent = co_await peer.write(std::span(buffer).first(*got));
        CHECK(sent.error == no_error);
    }
    peer.close();
}

task<> ping_pong(loop& on, pair& both, std::size_t times) {
    auto echoing = on.spawn(echo(both.there));
    for (std::size_t i = 0; i < times; ++i) {
        const std::string text = "message " + std::to_string(i);
        co_await send(both.here, text);
        co_await expect(both.here, text);
    }
    CHECK(both.here.shutdown_write().error() == no_error);
    const transfer rest = co_await drain(both.here);
    CHECK(rest == transfer{0, make_error_code(errc::end_of_stream)});
    co_await echoing;
}

// The same, as callbacks that start one another.
struct pong {
    struct on_read {
        pong* of;
        void operator()(result<std::size_t> got) const { of->was_read(got); }
    };
    struct on_written {
        pong* of;
        void operator()(const transfer& sent) const { of->was_written(sent); }
    };

    explicit pong(tcp::socket& peer) : with(peer) {}

    void start() { reading.start(with, std::span(buffer)); }
    void was_read(const result<std::size_t>& got) {
        ++reads;
        if (!got) {
            end = got.error();
            with.close();
            return;
        }
        writing.start(with, std::span<const std::byte>(buffer, *got));
    }
    void was_written(const transfer& sent) {
        CHECK(sent.error == no_error);
        ++writes;
        start();
    }

    tcp::socket& with;
    std::byte buffer[256];
    std::size_t reads = 0;
    std::size_t writes = 0;
    std::error_code end;
    callback<tcp::read_op, on_read> reading{on_read{this}};
    callback<tcp::write_op, on_written> writing{on_written{this}};
};

task<> ping(pair& both, std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
        co_await send(both.here, "ping");
        co_await expect(both.here, "ping");
    }
    CHECK(both.here.shutdown_write().error() == no_error);
    const transfer rest = co_await drain(both.here);
    CHECK(rest.error == errc::end_of_stream);
}

}  // namespace

THOLE_TEST("echo between two tasks", "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, ping_pong(in.on, both, rounds() / 2));
}

THOLE_TEST("echo by callbacks: each start ends exactly once", "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    pong peer(both.there);
    peer.start();
    const std::size_t times = rounds() / 2;
    run(in.on, ping(both, times));
    settle(in.on);
    CHECK(peer.reads >= times + 1);
    CHECK(peer.writes == peer.reads - 1);
    CHECK(peer.end == errc::end_of_stream);
}

namespace {

task<transfer> write_all(tcp::socket& to, std::span<const std::byte> bytes) {
    const transfer sent = co_await to.write(bytes);
    CHECK(to.shutdown_write().error() == no_error);
    co_return sent;
}

task<> read_bulk(tcp::socket& from) {
    std::vector<std::byte> buffer(100'000);
    std::size_t at = 0;
    bool equal = true;
    for (;;) {
        const auto got = co_await from.read(buffer);
        if (!got) {
            CHECK(got.error() == errc::end_of_stream);
            break;
        }
        equal = equal && at + *got <= bulk().size() &&
                std::memcmp(buffer.data(), bulk().data() + at, *got) == 0;
        at += *got;
    }
    CHECK(at == bulk().size());
    CHECK(equal);
}

task<> both_ways(loop& on, pair& both) {
    auto one = on.spawn(write_all(both.here, bulk()));
    auto other = on.spawn(write_all(both.there, bulk()));
    auto reading = on.spawn(read_bulk(both.here));
    co_await read_bulk(both.there);
    co_await reading;
    const transfer here = co_await one;
    const transfer there = co_await other;
    CHECK(here == transfer{bulk().size(), {}});
    CHECK(there == transfer{bulk().size(), {}});
}

}  // namespace

THOLE_TEST("16 megabytes both ways at once arrive as they were sent", "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, both_ways(in.on, both));
}

THOLE_TEST("write_some takes at least a byte, and at most what it was given", "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<tcp::write_some_op> writing{noted{&log, "write"}};
    writing.start(both.here, bytes_of("some bytes"));
    settle(in.on);
    REQUIRE(log.size() == 1);
    CHECK(log[0].error == no_error);
    CHECK(log[0].count >= 1);
    CHECK(log[0].count <= 10);
    run(in.on, expect(both.there, std::string_view("some bytes").substr(0, log[0].count)));
}

THOLE_TEST("R29 a second read is refused, and nothing is lost", "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[4] = {};
    std::byte other[4] = {};
    noting<tcp::read_op> reading{noted{&log, "first"}};
    noting<tcp::read_op> second{noted{&log, "second"}};
    noting<tcp::read_exactly_op> third{noted{&log, "third"}};
    reading.start(both.here, std::span(buffer));
    second.start(both.here, std::span(other));
    third.start(both.here, std::span(other));
    turn(in.on);
    CHECK(log.of("second").error == errc::operation_in_progress);
    CHECK(log.of("second").error == std::errc::operation_in_progress);
    CHECK(log.of("third").error == errc::operation_in_progress);
    CHECK(log.times("first") == 0);
    run(in.on, send(both.there, "abcd"));
    settle(in.on);
    CHECK(log.of("first").error == no_error);
    CHECK(text_of(buffer) == "abcd");
    CHECK(other[0] == std::byte{0});
}

namespace {

task<> read_the_rest(tcp::socket& from, std::size_t& count) {
    const transfer all = co_await drain(from);
    CHECK(all.error == errc::end_of_stream);
    count = all.count;
}

}  // namespace

THOLE_TEST("R29 a second write and shutdown_write are refused while a write is pending",
           "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<tcp::write_op> writing{noted{&log, "first"}};
    noting<tcp::write_some_op> second{noted{&log, "second"}};
    writing.start(both.here, bulk());
    turn(in.on);
    REQUIRE(writing.pending());
    second.start(both.here, bytes_of("lost?"));
    CHECK(both.here.shutdown_write().error() == errc::operation_in_progress);
    turn(in.on);
    CHECK(log.of("second").error == errc::operation_in_progress);
    CHECK(writing.pending());

    std::size_t arrived = 0;
    in.on.spawn(read_the_rest(both.there, arrived));
    log.stop_at(in.on, 2);
    settle(in.on);
    CHECK(log.of("first").error == no_error);
    CHECK(log.of("first").count == bulk().size());
    CHECK(both.here.shutdown_write().error() == no_error);
    settle(in.on);
    CHECK(arrived == bulk().size());
}

namespace {

task<> million_empty_reads(loop& on, pair& both, std::size_t times, bool& others_ran) {
    on.post([&others_ran] { others_ran = true; });
    std::size_t moved = 0;
    for (std::size_t i = 0; i < times; ++i) {
        const auto got = co_await both.here.read(std::span<std::byte>());
        moved += got.value_or(std::size_t{1});
    }
    CHECK(moved == 0);
}

}  // namespace

THOLE_TEST("R62 a million reads that finish at once: a bounded stack, and others run",
           "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    bool others_ran = false;
    run(in.on, million_empty_reads(in.on, both, 1'000'000, others_ran));
    CHECK(others_ran);
}

namespace {

struct starver {
    loop& on;
    tcp::socket& with;
    journal& log;
    std::size_t left;
    struct again {
        starver* of;
        void operator()(const result<std::size_t>&) const { of->next(); }
    };
    callback<tcp::read_op, again> reading{again{this}};

    void next() {
        if (left-- > 0) {
            reading.start(with, std::span<std::byte>());
        } else {
            log.note("starver", {});
        }
    }
};

}  // namespace

// I9, R120: a callback that always has a next one ready does not keep the others waiting.
THOLE_TEST("R65 a busy callback starves neither timers nor other sockets", "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    pair other = make_pair(in.on);
    journal log;
    std::byte buffer[4];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(other.here, std::span(buffer));
    starver busy{in.on, both.here, log, 200'000};
    busy.next();
    run(in.on, send(other.there, "x"));
    settle(in.on);
    REQUIRE(log.size() == 2);
    CHECK(log[0].who == "read");
}
