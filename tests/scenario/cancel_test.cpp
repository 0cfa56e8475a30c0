// SPDX-License-Identifier: BSL-1.0
#include "support/scenario.hpp"

#include <algorithm>
#include <memory>

using namespace thole;
using namespace thole::test;

namespace {

using piece = std::array<std::byte, 8>;

task<result<std::size_t>> read_some(tcp::socket& from, piece& into, deadline until = never) {
    const auto got = co_await from.read(into, until);
    co_return got;
}

task<transfer> write_bulk(tcp::socket& to, deadline until = never) {
    const transfer sent = co_await to.write(bulk(), until);
    co_return sent;
}

}  // namespace

THOLE_TEST("CX01 a cancelled read, and the socket goes on", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    piece buffer{};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    for (int i = 0; i < 3; ++i) {
        reading.start(both.here, buffer);
        turn(in.on);
        if (i == 0) {
            reading.cancel();
        } else if (i == 1) {
            both.here.cancel();
        } else {
            both.here.cancel_read();
        }
        CHECK(log.size() == static_cast<std::size_t>(i));
        settle(in.on);
        REQUIRE(log.size() == static_cast<std::size_t>(i) + 1);
        CHECK(log[static_cast<std::size_t>(i)].error == errc::cancelled);
        CHECK(log[static_cast<std::size_t>(i)].count == 0);
    }
    run(in.on, send(both.there, "later"));
    run(in.on, expect(both.here, "later"));
    run(in.on, send(both.here, "back"));
    run(in.on, expect(both.there, "back"));
}

namespace {

task<> cancel_reader(loop& on, pair& both) {
    piece buffer{};
    auto reading = on.spawn(read_some(both.here, buffer));
    co_await yield();
    reading.cancel();
    const auto got = co_await reading;
    CHECK(got.error() == errc::cancelled);
    co_await send(both.there, "later");
    co_await expect(both.here, "later");
}

}  // namespace

THOLE_TEST("CX01 a cancelled task that reads, and the socket goes on", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, cancel_reader(in.on, both));
}

THOLE_TEST("CX02 only the read is cancelled, the write goes on", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    piece buffer{};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    noting<tcp::write_op> writing{noted{&log, "write"}};
    reading.start(both.here, buffer);
    writing.start(both.here, bulk());
    turn(in.on);
    REQUIRE(writing.pending());
    both.here.cancel_read();
    log.stop_at(in.on, 1);
    settle(in.on);
    CHECK(log.of("read").error == errc::cancelled);
    CHECK(writing.pending());

    std::vector<std::byte> arrived(bulk().size());
    noting<tcp::read_exactly_op> receiving{noted{&log, "receive"}};
    receiving.start(both.there, std::span(arrived));
    settle(in.on);
    CHECK(log.of("write").error == no_error);
    CHECK(log.of("write").count == bulk().size());
    CHECK(log.of("receive").error == no_error);
    CHECK(std::equal(arrived.begin(), arrived.end(), bulk().begin()));
}

THOLE_TEST("CX02 only the write is cancelled, the read goes on", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    piece buffer{};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    noting<tcp::write_op> writing{noted{&log, "write"}};
    reading.start(both.here, buffer);
    writing.start(both.here, bulk());
    turn(in.on);
    REQUIRE(writing.pending());
    both.here.cancel_write();
    log.stop_at(in.on, 1);
    settle(in.on);
    CHECK(log.of("write").error == errc::cancelled);
    CHECK(log.of("write").count < bulk().size());
    CHECK(reading.pending());
    run(in.on, send(both.there, "x"));
    settle(in.on);
    CHECK(log.of("read").error == no_error);
    CHECK(log.of("read").count == 1);
}

THOLE_TEST("CX03 cancel of what has finished, or never started, does nothing", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    piece buffer{};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.cancel();  // never started
    both.here.cancel();
    tcp::socket().cancel();
    run(in.on, send(both.there, "x"));
    reading.start(both.here, buffer);
    settle(in.on);
    REQUIRE(log.size() == 1);
    CHECK(log[0].error == no_error);
    reading.cancel();
    both.here.cancel_read();
    both.here.cancel();
    settle(in.on);
    CHECK(log.size() == 1);
    run(in.on, send(both.there, "y"));  // and the next one is not touched by it
    reading.start(both.here, buffer);
    settle(in.on);
    REQUIRE(log.size() == 2);
    CHECK(log[1].error == no_error);

    auto ended = in.on.spawn(send(both.there, "z"));
    settle(in.on);
    CHECK(ended.ended());
    ended.cancel();
    settle(in.on);
}

namespace {

task<> inner_first(loop& on, pair& both, time_point& finished) {
    co_await send(both.there, "result");
    piece buffer{};
    const auto got = co_await both.here.read(buffer, within(10s));
    CHECK(got.error() == no_error);
    CHECK(got.value() == 6);

    auto parked = on.spawn(read_some(both.here, buffer, within(10s)));
    co_await yield();
    co_await send(both.there, "again");
    const auto later = co_await parked;
    CHECK(later.value() == 5);
    finished = on.now();
}

}  // namespace

THOLE_TEST("CX05 the result comes first: it is kept, and the timer is gone", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    time_point finished;
    in.on.spawn(inner_first(in.on, both, finished));
    settle(in.on);  // ends when no timer is armed any more
    CHECK(finished != time_point());
    CHECK(in.on.now() - finished < 9s);
}

namespace {

task<> expired_verbs(loop& on, pair& both) {
    co_await send(both.there, "data");
    piece buffer{};
    for (const deadline past : {within(0ns), within(-1h), at(on.now() - 1ns)}) {
        const auto got = co_await both.here.read(buffer, past);
        CHECK(got.error() == errc::deadline_reached);
        CHECK(got.error() == std::errc::timed_out);
        const transfer all = co_await both.here.read_exactly(buffer, past);
        CHECK(all == transfer{0, make_error_code(errc::deadline_reached)});
        const transfer sent = co_await both.here.write(bytes_of("x"), past);
        CHECK(sent == transfer{0, make_error_code(errc::deadline_reached)});
        const auto slept = co_await sleep_until(past);
        CHECK(slept.error() == no_error);
    }
    co_await expect(both.here, "data");  // nothing was consumed
    co_await send(both.here, "y");
    co_await expect(both.there, "y");  // and nothing was sent
}

}  // namespace

THOLE_TEST("CX06 zero and negative times", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, expired_verbs(in.on, both));

    journal log;
    piece buffer{};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(both.here, buffer, within(0s));
    CHECK(log.size() == 0);
    settle(in.on);
    CHECK(log.of("read").error == errc::deadline_reached);
}

namespace {

task<> partial_at_deadline(loop& on, pair& both) {
    co_await send(both.there, "abcd");
    std::byte buffer[10] = {};
    const time_point start = on.now();
    const transfer got = co_await both.here.read_exactly(buffer, within(30ms));
    CHECK(on.now() - start >= 30ms);
    CHECK(got.error == errc::deadline_reached);
    CHECK(got.count == 4);
    CHECK(text_of(std::span(buffer).first(4)) == "abcd");
    co_await send(both.there, "efgh");
    co_await expect(both.here, "efgh");  // the next bytes, none lost, none twice
}

}  // namespace

THOLE_TEST("CX09 the bytes that came before the deadline are reported", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    const guard late(in.on, 10s);
    run(in.on, partial_at_deadline(in.on, both));
    CHECK_FALSE(late.fired());
}

THOLE_TEST("CX09 a write's deadline reports what the kernel took", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    const time_point start = in.on.now();
    const transfer sent = run(in.on, write_bulk(both.here, within(30ms)));
    CHECK(in.on.now() - start >= 30ms);
    CHECK(sent.error == errc::deadline_reached);
    CHECK(sent.count > 0);
    CHECK(sent.count < bulk().size());
    both.here.close();
    const transfer arrived = run(in.on, drain(both.there));
    CHECK(arrived.error == errc::end_of_stream);
    CHECK(arrived.count >= sent.count);
    if (!on_iocp()) {
        CHECK(arrived.count == sent.count);
    }
}

THOLE_TEST("CX10 a cancelled buffer is not touched afterwards", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<tcp::read_op> reading{noted{&log, "read"}};
    for (int i = 0; i < 20; ++i) {
        auto freed = std::make_unique<piece>();  // AddressSanitizer watches this one
        reading.start(both.here, *freed);
        turn(in.on);
        reading.cancel();
        settle(in.on);
        freed.reset();

        piece kept;
        kept.fill(std::byte{0x5a});
        reading.start(both.here, kept, within(1us));
        settle(in.on);
        CHECK(log[log.size() - 1].error == errc::deadline_reached);
        run(in.on, send(both.there, "late"));
        turn(in.on);
        CHECK(std::count(kept.begin(), kept.end(), std::byte{0x5a}) == 8);
        run(in.on, expect(both.here, "late"));
    }
    CHECK(log.size() == 40);
}
