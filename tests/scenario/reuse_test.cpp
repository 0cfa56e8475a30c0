// SPDX-License-Identifier: BSL-1.0
// A port, a descriptor and an accept that are used again.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

// Takes each client and starts itself again, at once and inside its own end; every third restart is
// cancelled on the spot.
struct restarts {
    tcp::listener* door;
    callback<tcp::accept_op, restarts>* self = nullptr;
    std::size_t starts = 0;
    bool waits = false;
    std::size_t uncalled_for = 0;
    std::vector<endpoint> clients{};

    void start() {
        ++starts;
        waits = true;
        self->start(*door);
        if (starts % 3 == 0) {
            self->cancel();
        }
    }
    void operator()(result<tcp::socket> end) {
        uncalled_for += waits ? 0U : 1U;
        waits = false;
        if (end) {
            clients.push_back(end->peer().value());
            end->abort();
        } else {
            CHECK((end.error() == errc::cancelled ||
                   (end.error() == errc::closed && !door->is_open())));
        }
        if (door->is_open()) {
            start();
        }
    }
};

task<endpoint> knock(loop& on, endpoint where) {
    auto made = co_await tcp::connect(on, where);
    REQUIRE(made.error() == no_error);
    const endpoint own = made->local().value();
    std::byte buffer[1];
    const auto gone = co_await made->read(buffer);  // until the server has turned us away
    CHECK(gone.error() != no_error);
    co_return own;
}

}  // namespace

THOLE_TEST("AC09 R31 a cancel while the accept is started again: one completion each", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on, address_family::ipv4, {.standing_accepts = 1});
    callback<tcp::accept_op, restarts> accepting{restarts{&door}};
    restarts& server = accepting.function();
    server.self = &accepting;
    server.start();
    std::vector<endpoint> knocked;
    for (std::size_t i = 0; i < rounds() / 8; ++i) {
        auto client = in.on.spawn(knock(in.on, *door.local()));
        if (i % 2 == 0) {
            turn(in.on);
            accepting.cancel();  // between the arrival and its report, or before
        }
        knocked.push_back(
            run(in.on, [](auto& going) -> task<endpoint> { co_return co_await going; }(client)));
        REQUIRE(server.uncalled_for == 0);
    }
    door.close();
    settle(in.on);
    CHECK_FALSE(server.waits);
    CHECK(server.uncalled_for == 0);
    CHECK(server.starts > knocked.size());
    CHECK(server.clients == knocked);  // no client was lost, none came twice
}

namespace {

// A listener of that kind whose server end closed first; gives what opening the port again says.
std::error_code rebound(scene& in, bool old_reuses, bool new_reuses) {
    tcp::listener door = open_door(in.on, address_family::ipv4, {.reuse_address = old_reuses});
    const endpoint where = *door.local();
    {
        pair both = run(in.on, connected(in.on, door));
        both.there.close();
        CHECK(run(in.on, drain(both.here)).error == errc::end_of_stream);
        both.here.close();
    }
    door.close();
    settle(in.on);
    return tcp::listener::open(in.on, where, {.reuse_address = new_reuses}).error();
}

}  // namespace

THOLE_TEST("AC24 R48 the same port again after an active close", "[accept]") {
    if (on_sim()) {
        skip("the simulated network has no TIME_WAIT: a closed port is free");
    }
    scene in;
    for (const bool old_reuses : {false, true}) {
        for (const bool new_reuses : {false, true}) {
            CAPTURE(old_reuses, new_reuses);
            // On Windows the port is free, and exclusive use asks for nothing else
            // (docs/windows.md).
            const bool works = on_iocp() || (old_reuses && new_reuses);
            std::error_code end;
            for (int i = 0; i < 10; ++i) {  // unless another program was faster
                end = rebound(in, old_reuses, new_reuses);
                if ((end == no_error) == works) {
                    break;
                }
            }
            CHECK((works ? end == no_error : end == std::errc::address_in_use));
        }
    }
}

namespace {

// Both have something to read in one batch; this one's end closes the other and connects anew,
// which takes the other's number.
struct replaces {
    loop* on;
    endpoint where;
    tcp::socket* other;
    noting<tcp::connect_op>* fresh;
    journal* log;

    void operator()(result<std::size_t> end) const {
        log->note("first", end.error(), end ? *end : 0);
        other->close();
        fresh->start(*on, where);
    }
};

task<> send_both(pair& first, pair& second, bool with_end) {
    co_await send(second.there, "stale");  // neither write waits: both events are in one batch
    co_await send(first.there, "x");
    if (with_end) {
        second.there.abort();
    }
}

}  // namespace

THOLE_TEST("AC26 R66 an event of a closed socket does not reach the next of its number",
           "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    for (std::size_t i = 0; i < rounds() / 20; ++i) {
        pair first = run(in.on, connected(in.on, door));
        pair second = run(in.on, connected(in.on, door));
        journal log;
        tcp::socket fresh;
        tcp::socket there;
        std::byte one[1];
        noting<tcp::connect_op> connecting{noted{&log, "connect", &fresh}};
        noting<tcp::accept_op> accepting{noted{&log, "accept", &there}};
        callback<tcp::read_op, replaces> reading{
            replaces{&in.on, *door.local(), &second.here, &connecting, &log}};
        accepting.start(door);
        reading.start(first.here, one);
        turn(in.on);
        run(in.on, send_both(first, second, i % 2 == 0));
        settle(in.on);
        REQUIRE(log.of("first").count == 1);
        REQUIRE(log.of("connect").error == no_error);
        REQUIRE(log.of("accept").error == no_error);

        std::byte buffer[8];
        noting<tcp::read_op> fresh_read{noted{&log, "fresh"}};
        fresh_read.start(fresh, buffer);
        turn(in.on);
        turn(in.on);
        CHECK(fresh_read.pending());  // neither the old one's bytes nor its end
        run(in.on, send(there, "new"));
        settle(in.on);
        CHECK(log.of("fresh").error == no_error);
        CHECK(text_of(std::span(buffer).first(log.of("fresh").count)) == "new");
        first.here.abort();
        second.there.abort();
        fresh.abort();
        settle(in.on);
    }
}

namespace {

// What a connection was told, and may have kept.
struct told {
    bool no_delay;
    bool keep_alive;
    tcp::transfer_times times;
    std::size_t send_buffer;
    std::size_t receive_buffer;

    explicit told(const tcp::socket& of)
        : no_delay(of.no_delay().value()), keep_alive(of.keep_alive().value().on),
          times(of.default_times().value()), send_buffer(of.send_buffer().value()),
          receive_buffer(of.receive_buffer().value()) {}
};

void tell_otherwise(tcp::socket& one, const told& usual) {
    REQUIRE(one.no_delay(!usual.no_delay).error() == no_error);
    REQUIRE(one.keep_alive({.on = !usual.keep_alive}).error() == no_error);
    REQUIRE(one.default_times({.read = 1h, .write = 1h}).error() == no_error);
    REQUIRE(one.send_buffer(20'000).error() == no_error);
    REQUIRE(one.receive_buffer(20'000).error() == no_error);
}

void check_fresh(const told& now, const told& usual, const told& changed) {
    CHECK(now.no_delay == usual.no_delay);
    CHECK(now.keep_alive == usual.keep_alive);
    CHECK(now.times == tcp::transfer_times{});
    CHECK(now.send_buffer != changed.send_buffer);  // the system chooses what it likes
    CHECK(now.receive_buffer != changed.receive_buffer);
}

// What is there at once is not its own.
void check_silent(scene& in, pair& both) {
    journal log;
    std::byte buffer[16];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(both.here, std::span(buffer));
    turn(in.on);
    turn(in.on);
    CHECK(reading.pending());
    run(in.on, send(both.there, "mine"));
    settle(in.on);
    CHECK(text_of(std::span(buffer).first(log.of("read").count)) == "mine");
}

}  // namespace

// R41: no socket is used a second time (nothing calls DisconnectEx), so nothing of it can come
// back. Its number does, and with it whatever a table remembered by that.
THOLE_TEST("R41 a connection has neither the options nor the bytes of the last one", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    std::optional<told> usual;
    std::optional<told> changed;
    for (int i = 0; i < 20; ++i) {
        CAPTURE(i);
        pair both = run(in.on, connected(in.on, door));
        if (!usual) {
            usual.emplace(both.here);
        } else {
            check_fresh(told(both.here), *usual, *changed);
            check_fresh(told(both.there), *usual, *changed);
        }
        check_silent(in, both);
        tell_otherwise(both.here, *usual);
        tell_otherwise(both.there, *usual);
        changed.emplace(both.here);
        run(in.on, send(both.there, "left unread"));
        i % 2 == 0 ? both.here.close() : both.here.abort();
        both.there.close();
        settle(in.on);
    }
}
