// SPDX-License-Identifier: BSL-1.0
// backend.hpp held to its word: noticing the connection's end, without taking what lies before it.
#include "contract/rig.hpp"

using namespace thole;
using namespace thole::test;
using namespace std::chrono_literals;
using detail::reason;

namespace {

class end_ask : public asked<tcp::closed_op> {
public:
    using asked::asked;
    bool start(socket_state* on) {
        prepare_for(on);
        return by_.submit(*this);
    }
    // As a user's, with what the core does before it asks the backend.
    void start_as_user(socket_state* on) {
        prepare_for(on);
        detail::begin_callback(*this);
    }

private:
    void prepare_for(socket_state* on) {
        reset(verb::closed, on, never);
        length = 1;
    }
};

class user_read : public asked<tcp::read_op> {
public:
    using asked::asked;
    void start(socket_state* on, std::span<std::byte> bytes) {
        reset(verb::read, on, never);
        buffer = bytes.data();
        length = bytes.size();
        vectored = false;
        detail::begin_callback_read(*this);
    }
};

enum class ways : std::uint8_t { finish, close, reset };

void end(rig& r, socket_state* peer, ways how) {
    if (how == ways::finish) {
        CHECK_FALSE(r.control(peer, request::shutdown_write));
    } else {
        r.close(peer, how == ways::reset ? farewell::reset : farewell::usual);
    }
}

}  // namespace

THOLE_TEST("the end is told when the peer has finished, closed or reset, once, and again",
           "[contract][closed]") {
    for (const ways how : {ways::finish, ways::close, ways::reset}) {
        CAPTURE(static_cast<int>(how));
        rig r;
        const auto [client, server] = r.pair();
        end_ask waiting(r);
        REQUIRE_FALSE(waiting.start(server));
        CHECK(server->reading.front() == &waiting);
        CHECK(r.pass(5ms) == 0);
        end(r, client, how);
        r.finish(waiting);
        CHECK(waiting.reported() == 1);
        CHECK_FALSE(waiting.error());
        CHECK(waiting.count == 0);
        CHECK(server->reading.empty());
        end_ask again(r);
        again.start(server);  // it has ended already
        r.finish(again);
        CHECK_FALSE(again.error());
        std::string text;
        const std::error_code told = r.read_to_end(server, text);  // nothing was taken from it
        if (how == ways::reset) {
            CHECK(told == std::errc::connection_reset);
        } else {
            CHECK(told == errc::end_of_stream);
        }
        CHECK(text.empty());
    }
}

THOLE_TEST("bytes are no end, and are left for the read", "[contract][closed]") {
    rig r;
    const auto [client, server] = r.pair();
    end_ask before(r);
    REQUIRE_FALSE(before.start(server));
    r.write(client, "some");
    CHECK(r.pass(50ms) == 0);
    CHECK(before.pending());
    r.write(client, " more");  // and what comes later is none either
    CHECK(r.pass(50ms) == 0);
    r.cancel(before);
    r.finish(before);
    CHECK(before.error() == errc::cancelled);
    end_ask behind(r);
    REQUIRE_FALSE(behind.start(server));
    CHECK(r.pass(50ms) == 0);
    r.cancel(behind);
    r.finish(behind);
    CHECK(behind.error() == errc::cancelled);
    CHECK(r.read(server, 9) == "some more");
    end_ask drained(r);  // nothing of them is left in what is asked for now
    REQUIRE_FALSE(drained.start(server));
    CHECK(r.pass(50ms) == 0);
    end(r, client, ways::finish);
    r.finish(drained);
    CHECK_FALSE(drained.error());
}

THOLE_TEST("the end behind unread bytes is told, and the bytes before it stay (R61)",
           "[contract][closed]") {
    bool untold = false;
    for (const ways how : {ways::finish, ways::close}) {
        for (const bool bytes_first : {true, false}) {
            CAPTURE(static_cast<int>(how), bytes_first);
            rig r;
            const auto [client, server] = r.pair();
            end_ask waiting(r);
            if (bytes_first) {
                r.write(client, "unread");
                r.pass(5ms);
            }
            REQUIRE_FALSE(waiting.start(server));
            if (!bytes_first) {
                r.write(client, "unread");
            }
            CHECK(r.pass(30ms) == 0);
            end(r, client, how);
            if (r.is("iocp")) {
                r.pass(30ms);
                untold = untold || waiting.pending();
                r.cancel(waiting);
                r.finish(waiting);
            } else {
                r.finish(waiting);
                CHECK_FALSE(waiting.error());
            }
            CHECK(waiting.reported() <= 1);
            std::string text;
            CHECK(r.read_to_end(server, text) == errc::end_of_stream);
            CHECK(text == "unread");
        }
    }
    if (untold) {
        skip("docs/windows.md: Wine 8 does not tell of an end behind unread bytes");
    }
}

// What the system drops with a reset is its own affair; that there is an end is not.
THOLE_TEST("a reset behind unread bytes is told", "[contract][closed]") {
    rig r;
    const auto [client, server] = r.pair();
    r.write(client, "unread");
    end_ask waiting(r);
    REQUIRE_FALSE(waiting.start(server));
    CHECK(r.pass(5ms) == 0);
    end(r, client, ways::reset);
    if (r.is("iocp")) {
        r.pass(100ms);
        if (waiting.pending()) {
            r.cancel(waiting);
            r.finish(waiting);
            skip("docs/windows.md: Wine 8 does not tell of an end behind unread bytes");
        }
    }
    r.finish(waiting);
    CHECK(waiting.reported() == 1);
    CHECK_FALSE(waiting.error());
}

THOLE_TEST("waiting for the end is over by cancel, deadline and close, and is reported once",
           "[contract][closed]") {
    for (const bool unread : {false, true}) {
        for (const reason why : {reason::cancelled, reason::deadline, reason::closed}) {
            CAPTURE(unread, static_cast<int>(why));
            rig r;
            const auto [client, server] = r.pair();
            if (unread) {
                r.write(client, "kept");
                r.pass(5ms);
            }
            end_ask waiting(r);
            REQUIRE_FALSE(waiting.start(server));
            CHECK(r.pass(30ms) == 0);
            if (why == reason::closed) {
                r.close(server);
            } else {
                r.cancel(waiting, why);
            }
            r.finish(waiting);
            r.pass(30ms);  // nor is it looked for any more
            CHECK(waiting.reported() == 1);
            CHECK(waiting.error() == (why == reason::closed     ? errc::closed
                                      : why == reason::deadline ? errc::deadline_reached
                                                                : errc::cancelled));
            if (why == reason::closed) {
                continue;
            }
            CHECK(server->reading.empty());
            if (!unread) {
                r.write(client, "kept");
            }
            CHECK(r.read(server, 4) == "kept");
            r.write(server, "and back");
            CHECK(r.read(client, 8) == "and back");
        }
    }
}

THOLE_TEST("waiting for the end takes the place of a read, and of nothing else",
           "[contract][closed]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(4, '-');
    end_ask waiting(r);
    REQUIRE_FALSE(waiting.start(server));
    end_ask second(r);
    user_read reading(r);
    second.start_as_user(server);
    reading.start(server, bytes_of(text));
    r.poll();
    CHECK(second.reported() == 1);
    CHECK(second.error() == errc::operation_in_progress);
    CHECK(reading.reported() == 1);
    CHECK(reading.error() == errc::operation_in_progress);
    CHECK(waiting.pending());
    r.write(server, "to the peer");  // the other direction is free
    CHECK(r.read(client, 11) == "to the peer");
    CHECK(waiting.pending());
    r.cancel(waiting);
    r.finish(waiting);

    user_read first(r);
    first.start(server, bytes_of(text));
    r.poll();
    REQUIRE(first.pending());
    end_ask late(r);
    late.start_as_user(server);
    r.poll();
    CHECK(late.error() == errc::operation_in_progress);
    CHECK(first.pending());
    r.write(client, "word");
    r.finish(first);
    CHECK_FALSE(first.error());
    CHECK(text == "word");
    end_ask last(r);  // and is free again
    last.start_as_user(server);
    r.poll();
    CHECK(last.pending());
    end(r, client, ways::close);
    r.finish(last);
    CHECK_FALSE(last.error());
}
