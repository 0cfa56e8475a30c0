// SPDX-License-Identifier: BSL-1.0
// Bytes in a buffer that the loop lends.
#include "support/allocations.hpp"
#include "support/scenario.hpp"

#include <memory>
#include <optional>

using namespace thole;
using namespace thole::test;

namespace {

using lent_result = result<tcp::lent_buffer>;

// Notes the end, and keeps the buffer in `to`, or gives it back at once.
struct keeping {
    journal* in;
    std::string_view who;
    std::vector<tcp::lent_buffer>* to = nullptr;

    void operator()(lent_result got) const {
        in->note(who, got.error(), got ? got->size() : 0);
        if (got && to != nullptr) {
            to->push_back(std::move(*got));
        }
    }
};
using receiving = callback<tcp::receive_op, keeping>;

task<lent_result> receive(tcp::socket& from, deadline until = never) {
    co_return co_await from.receive(until);
}

task<> echo(tcp::socket peer, std::error_code& end) {
    for (;;) {
        auto lent = co_await peer.receive(within(patience));
        if (!lent) {
            end = lent.error();
            co_return;
        }
        for (std::byte& one : lent->bytes()) {  // it is ours: in place
            one ^= std::byte{0x20};
        }
        const transfer sent = co_await peer.write(lent->bytes());
        CHECK(sent.error == no_error);
        CHECK(sent.count == lent->size());
    }
}

task<> asks(tcp::socket& server) {
    for (int i = 0; i < 50; ++i) {
        co_await send(server, "hello");
        co_await expect(server, "HELLO");
    }
    server.close();
}

}  // namespace

THOLE_TEST("LR01 an echo from lent buffers, changed in place", "[receive]") {
    scene in;
    pair both = make_pair(in.on);
    std::error_code end;
    auto serving = in.on.spawn(echo(std::move(both.there), end));
    run(in.on, asks(both.here));
    settle(in.on);
    CHECK(end == errc::end_of_stream);
    CHECK(in.on.lent_buffers() == 0);
}

THOLE_TEST("LR02 an idle connection owns no buffer", "[receive]") {
    scene in;
    constexpr std::size_t many = 100;
    tcp::listener door = open_door(in.on);
    std::vector<pair> pairs;
    std::vector<std::unique_ptr<receiving>> waiting;
    std::vector<tcp::lent_buffer> kept;
    journal log;
    for (std::size_t i = 0; i < many; ++i) {
        pairs.push_back(run(in.on, connected(in.on, door)));
        waiting.push_back(std::make_unique<receiving>(keeping{&log, "receive", &kept}));
    }
    kept.reserve(many);
    const std::size_t before = allocations();
    for (std::size_t i = 0; i < many; ++i) {
        waiting[i]->start(pairs[i].here);
    }
    turn(in.on);
    CHECK(allocations() - before < many / 10);
    CHECK(in.on.lent_buffers() == 0);
    for (std::size_t i = 0; i < 3; ++i) {  // one has bytes, and only that one has a buffer
        run(in.on, send(pairs[7].there, "some"));
        log.stop_at(in.on, i + 1);
        if (log.size() == i) {
            settle(in.on);
        }
        REQUIRE(kept.size() == 1);
        CHECK(text_of(kept[0].bytes()) == "some");
        CHECK(in.on.lent_buffers() == 1);
        kept.clear();
        CHECK(in.on.lent_buffers() == 0);
        waiting[7]->start(pairs[7].here);
        turn(in.on);
    }
    for (pair& one : pairs) {
        one.here.cancel_read();
    }
    settle(in.on);
    CHECK(log.size() == 3 + many);
    CHECK(in.on.lent_buffers() == 0);
}

THOLE_TEST("a receive is refused beside a read, and a read beside a receive", "[receive]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    receiving first{keeping{&log, "first"}};
    receiving second{keeping{&log, "second"}};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    first.start(both.here);
    second.start(both.here);
    reading.start(both.here, buffer);
    turn(in.on);
    CHECK(log.of("second").error == errc::operation_in_progress);
    CHECK(log.of("read").error == errc::operation_in_progress);
    reading.start(both.there, buffer);
    second.start(both.there);
    turn(in.on);
    CHECK(log[2].error == errc::operation_in_progress);
    run(in.on, send(both.there, "hello"));
    run(in.on, send(both.here, "there"));
    settle(in.on);
    CHECK(log.of("first").count == 5);
    CHECK(log[4].error == no_error);
    CHECK(in.on.lent_buffers() == 0);
}

namespace {

task<> takes_turns(tcp::socket& here, tcp::socket& there) {
    std::byte few[3];
    for (int i = 0; i < 20; ++i) {
        co_await send(there, "one two");
        const auto read = co_await here.read(few);
        REQUIRE(read.error() == no_error);
        CHECK(text_of(std::span(few).first(*read)) == "one");
        const auto seen = co_await here.peek(few);
        REQUIRE(seen.error() == no_error);
        CHECK(text_of(few) == " tw");
        auto rest = co_await here.receive();
        REQUIRE(rest.error() == no_error);
        CHECK(text_of(rest->bytes()) == " two");
        rest->give_back();
        CHECK(rest->empty());
        CHECK(rest->bytes().empty());
        rest->give_back();
        co_await send(there, "all");
        co_await expect(here, "all");
    }
}

}  // namespace

THOLE_TEST("reads, peeks and receives take turns on a stream", "[receive]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, takes_turns(both.here, both.there));
    CHECK(in.on.lent_buffers() == 0);
}

namespace {

task<std::error_code> receives_all(tcp::socket& from, std::size_t most, std::string& to) {
    for (;;) {
        auto lent = co_await from.receive();
        if (!lent) {
            co_return lent.error();
        }
        CHECK_FALSE(lent->empty());
        CHECK(lent->size() <= most);
        to += text_of(lent->bytes());
    }
}

}  // namespace

THOLE_TEST("what comes is received in pieces of a buffer's size at the most", "[receive]") {
    loop_options small = options_of_run();
    small.lent_buffer_size = 64;
    small.lent_buffers = 1;
    scene in(small);
    pair both = make_pair(in.on);
    std::string text(1000, ' ');
    for (std::size_t i = 0; i < text.size(); ++i) {
        text[i] = static_cast<char>('a' + i % 26);
    }
    run(in.on, send(both.there, text));
    CHECK(both.there.shutdown_write().error() == no_error);
    std::string got;
    CHECK(run(in.on, receives_all(both.here, 64, got)) == errc::end_of_stream);
    CHECK((got == text));
    CHECK(run(in.on, receives_all(both.here, 64, got)) == errc::end_of_stream);
    CHECK(in.on.lent_buffers() == 0);
}

THOLE_TEST("a reset ends a receive, pending or not, and gives no buffer", "[receive]") {
    scene in;
    for (const bool pending : {true, false}) {
        if (!pending && on_iocp()) {
            continue;  // Wine 8 hides the reset from a receive issued after it (docs/windows.md)
        }
        CAPTURE(pending);
        pair both = make_pair(in.on);
        journal log;
        receiving waiting{keeping{&log, "receive"}};
        if (pending) {
            waiting.start(both.here);
            turn(in.on);
        }
        both.there.abort();
        if (!pending) {
            turn(in.on);
            waiting.start(both.here);
        }
        settle(in.on);
        CHECK(log.of("receive").error == std::errc::connection_reset);
        CHECK(in.on.lent_buffers() == 0);
    }
}

THOLE_TEST("a receive has a deadline, a cancel and a close", "[receive]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    receiving waiting{keeping{&log, "receive"}};
    const time_point start = in.on.now();
    waiting.start(both.here, within(20ms));
    settle(in.on);
    CHECK(in.on.now() - start >= 20ms);
    CHECK(log[0].error == errc::deadline_reached);
    waiting.start(both.here);
    both.here.cancel_read();
    settle(in.on);
    CHECK(log[1].error == errc::cancelled);
    waiting.start(both.here);
    waiting.cancel();
    settle(in.on);
    CHECK(log[2].error == errc::cancelled);
    REQUIRE(both.here.default_times({.read = 10ms}).error() == no_error);
    waiting.start(both.here);
    settle(in.on);
    CHECK(log[3].error == errc::deadline_reached);
    waiting.start(both.here, within(0ms));
    settle(in.on);
    CHECK(log[4].error == errc::deadline_reached);
    waiting.start(both.here);
    both.here.close();
    settle(in.on);
    CHECK(log[5].error == errc::closed);
    waiting.start(both.here);
    settle(in.on);
    CHECK(log[6].error == errc::closed);
    CHECK(in.on.lent_buffers() == 0);
}

THOLE_TEST("bytes that come after a cancel go to the next read", "[receive]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    receiving waiting{keeping{&log, "receive"}};
    waiting.start(both.here);
    turn(in.on);
    waiting.cancel();
    run(in.on, send(both.there, "kept"));
    settle(in.on);
    CHECK(log.of("receive").error == errc::cancelled);
    run(in.on, expect(both.here, "kept"));
}

// ---- The buffer's life.

THOLE_TEST("a lent buffer outlives its socket and its loop", "[receive]") {
    tcp::lent_buffer kept;
    std::optional<receiving> untold;
    journal log;
    {
        scene in;
        pair both = make_pair(in.on);
        pair other = make_pair(in.on);
        run(in.on, send(both.there, "hello"));
        kept = std::move(*run(in.on, receive(both.here)));
        both.here.close();
        settle(in.on);
        CHECK(text_of(kept.bytes()) == "hello");
        CHECK(in.on.lent_buffers() == 1);
        // One that has finished, or will have, and of which nobody is told.
        untold.emplace(keeping{&log, "never"});
        untold->start(other.here);
        run(in.on, send(other.there, "hello"));
        in.end_loop();
    }
    CHECK(log.times("never") <= 1);
    CHECK(text_of(kept.bytes()) == "hello");
    kept.bytes()[0] = std::byte{'J'};
    tcp::lent_buffer moved = std::move(kept);
    CHECK(kept.empty());  // NOLINT(bugprone-use-after-move)
    CHECK(text_of(moved.bytes()) == "Jello");
    moved = tcp::lent_buffer();
    CHECK(moved.empty());
}

THOLE_TEST("a receive that has finished and is not asked for gives its buffer back", "[receive]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, send(both.there, "hello"));
    {
        auto never_awaited = both.here.receive();
        CHECK_FALSE(never_awaited.pending());
    }
    run(in.on, [](tcp::socket& from) -> task<> {
        const auto ready = co_await from.wait_readable();
        CHECK(ready.error() == no_error);
    }(both.here));
    journal log;
    {
        receiving dropped{keeping{&log, "receive"}};
        dropped.start(both.here);
        settle(in.on);
        CHECK(log.of("receive").count == 5);
        CHECK(in.on.lent_buffers() == 0);
    }
    run(in.on, send(both.there, "again"));
    in.on.stop();
    {
        auto unheard = std::make_unique<receiving>(keeping{&log, "receive"});
        unheard->start(both.here);
        in.on.restart();
        settle(in.on);
        CHECK(log.size() == 2);
    }
    CHECK(in.on.lent_buffers() == 0);
}

THOLE_TEST("numbers and sizes of lent buffers that make no sense are refused", "[receive]") {
    struct attempt {
        std::size_t size;
        std::size_t count;
        bool good;
    };
    for (const attempt& one : {attempt{0, 8, false}, attempt{32, 8, false}, attempt{100, 8, false},
                               attempt{std::size_t{1} << 17, 8, false}, attempt{4096, 0, false},
                               attempt{4096, 32769, false}, attempt{64, 32768, true},
                               attempt{std::size_t{1} << 16, 1, true}, attempt{4096, 1, true}}) {
        CAPTURE(one.size, one.count);
        loop_options asked = options_of_run();
        asked.lent_buffer_size = one.size;
        asked.lent_buffers = one.count;
        loop on(asked);
        CHECK((on.error() == no_error) == one.good);
        if (!one.good) {
            CHECK(on.error() == std::errc::invalid_argument);
            CHECK(on.backend().reason.find("lent_buffer") != std::string::npos);
            CHECK(on.run().error() == on.error());
            CHECK(on.lent_buffers() == 0);
        }
    }
}
