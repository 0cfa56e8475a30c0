// SPDX-License-Identifier: BSL-1.0
// One operation, several ways to be told: coroutines of other types, callbacks that end
// themselves, handles that move meanwhile.
#include "support/scenario.hpp"

#include <coroutine>
#include <exception>
#include <memory>

using namespace thole;
using namespace thole::test;

namespace {

// A coroutine that knows nothing of thole: it starts at once and frees itself.
struct foreign {
    struct promise_type {
        foreign get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

foreign foreign_client(loop& on, endpoint where, journal& log) {
    auto made = co_await tcp::connect(on, where, within(patience / 2));
    log.note("connect", made.error());
    if (!made) {
        co_return;
    }
    const transfer sent = co_await made->write(bytes_of("hello"));
    log.note("write", sent.error, sent.count);
    std::byte buffer[8];
    const transfer got = co_await made->read_exactly(buffer, within(patience / 2));
    log.note("read", got.error, got.count);
    const auto slept = co_await sleep_until(on, within(5ms));
    log.note("sleep", slept.error());
}

foreign foreign_server(tcp::listener& door, journal& log) {
    auto peer = co_await door.accept();
    log.note("accept", peer.error());
    if (!peer) {
        co_return;
    }
    std::byte buffer[5];
    const transfer got = co_await peer->read_exactly(buffer);
    const transfer sent = co_await peer->write(buffer);
    log.note("echo", got.error ? got.error : sent.error, sent.count);
}

}  // namespace

THOLE_TEST("coroutines of another type await operations", "[style]") {
    scene in;
    tcp::listener door = open_door(in.on);
    journal log;
    foreign_server(door, log);
    foreign_client(in.on, *door.local(), log);
    CHECK(log.size() == 0);
    settle(in.on);
    CHECK(log.size() == 6);
    for (const std::string_view who : {"accept", "connect", "write", "echo", "sleep"}) {
        CHECK(log.times(who) == 1);
        CHECK(log.of(who).error == no_error);
    }
    CHECK(log.of("read").error == errc::end_of_stream);
    CHECK(log.of("read").count == 5);
}

THOLE_TEST("a coroutine of another type is told of a loop that could not be made", "[style]") {
    loop broken({.backend = raw::is_windows() ? backend_kind::epoll : backend_kind::iocp});
    journal log;
    foreign_client(broken, endpoint::loopback(address_family::ipv4, 9), log);
    CHECK(log.of("connect").error == broken.error());
}

namespace {

// Owns itself from start() to its only call.
struct self_owned {
    struct ended {
        std::unique_ptr<self_owned> me;
        journal* log;
        void operator()(result<std::size_t> got) {
            log->note("read", got.error(), got ? *got : 0);
            me.reset();  // the last thing it does
        }
    };

    static self_owned& make(journal& log) {
        auto made = std::make_unique<self_owned>();
        self_owned& it = *made;
        it.log = &log;
        it.reading.function() = {std::move(made), &log};
        return it;
    }

    journal* log = nullptr;
    std::byte buffer[8];
    callback<tcp::read_op, ended> reading{ended{nullptr, nullptr}};
};

}  // namespace

THOLE_TEST("a callback may destroy its operation as the last thing it does", "[style]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    {
        self_owned& it = self_owned::make(log);
        it.reading.start(both.here, std::span(it.buffer));
    }
    run(in.on, send(both.there, "x"));
    settle(in.on);
    REQUIRE(log.size() == 1);
    CHECK(log[0].count == 1);
    {
        self_owned& it = self_owned::make(log);
        it.reading.start(both.here, std::span(it.buffer));
    }
    both.here.close();
    settle(in.on);
    REQUIRE(log.size() == 2);
    CHECK(log[1].error == errc::closed);
}

namespace {

// Reads again until the end, from within its own call.
struct rereader {
    struct again {
        rereader* of;
        void operator()(const result<std::size_t>& got) const { of->was_read(got); }
    };
    void was_read(const result<std::size_t>& got) {
        ++calls;
        inside = true;
        if (got) {
            bytes += *got;
            reading.start(*from, std::span(buffer));
        } else {
            end = got.error();
        }
        inside = false;
    }

    tcp::socket* from;
    std::byte buffer[3] = {};
    std::size_t calls = 0;
    std::size_t bytes = 0;
    bool inside = false;
    std::error_code end{};
    callback<tcp::read_op, again> reading{again{this}};
};

}  // namespace

THOLE_TEST("a callback is never called inside the call that started it", "[style]") {
    scene in;
    pair both = make_pair(in.on);
    const std::string text(1000, 'x');
    run(in.on, send(both.there, text));
    CHECK(both.there.shutdown_write().error() == no_error);
    turn(in.on);  // all of it is there: each read could finish at once
    rereader all{&both.here};
    all.reading.start(both.here, std::span(all.buffer));
    CHECK(all.calls == 0);
    settle(in.on);
    CHECK(all.bytes == text.size());
    CHECK(all.calls >= 335);
    CHECK(all.end == errc::end_of_stream);
}

THOLE_TEST("a listener moves under its pending accept", "[style]") {
    scene in;
    tcp::listener door = open_door(in.on);
    journal log;
    tcp::socket accepted;
    noting<tcp::accept_op> accepting{noted{&log, "accept", &accepted}};
    accepting.start(door);
    turn(in.on);
    tcp::listener elsewhere = std::move(door);
    CHECK_FALSE(door.is_open());  // NOLINT(bugprone-use-after-move)
    noting<tcp::connect_op> connecting{noted{&log, "connect"}};
    connecting.start(in.on, *elsewhere.local());
    settle(in.on);
    CHECK(log.of("connect").error == no_error);
    CHECK(log.of("accept").error == no_error);
    CHECK(accepted.local().value() == elsewhere.local().value());
}

THOLE_TEST("a socket moves under its pending read", "[style]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(both.here, std::span(buffer));
    turn(in.on);
    tcp::socket elsewhere = std::move(both.here);
    both.here = tcp::socket();
    turn(in.on);
    CHECK(log.size() == 0);
    run(in.on, send(both.there, "x"));
    settle(in.on);
    CHECK(log.of("read").count == 1);
    reading.start(elsewhere, std::span(buffer));
    elsewhere.cancel();
    settle(in.on);
    CHECK(log[1].error == errc::cancelled);
}
