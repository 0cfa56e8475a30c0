// SPDX-License-Identifier: BSL-1.0
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

// A connect to a peer that never answers, and what ends it.
struct attempt {
    explicit attempt(scene& in) : nobody(in.on) {}

    silent_port nobody;
    journal log;
    tcp::socket made;
    noting<tcp::connect_op> connecting{noted{&log, "connect", &made}};
};

task<> is_refused(loop& on, endpoint where) {
    const auto made = co_await tcp::connect(on, where);
    CHECK(made.error() == std::errc::connection_refused);
    CHECK(made.error() != errc::cancelled);
}

}  // namespace

THOLE_TEST("CN01 refused on a closed loopback port", "[connect]") {
    scene in;
    const closed_port nobody;
    const guard late(in.on, 2500ms);
    run(in.on, is_refused(in.on, nobody.where()));
    CHECK_FALSE(late.fired());
}

THOLE_TEST("CN01 refused, told to a callback, never inside start", "[connect]") {
    scene in;
    const closed_port nobody;
    journal log;
    noting<tcp::connect_op> connecting{noted{&log, "connect"}};
    connecting.start(in.on, nobody.where());
    CHECK(log.size() == 0);
    settle(in.on);
    REQUIRE(log.size() == 1);
    CHECK(log[0].error == std::errc::connection_refused);
    connecting.start(in.on, nobody.where());  // the same operation again
    settle(in.on);
    CHECK(log.size() == 2);
}

THOLE_TEST("CN05 R44 the deadline of a pending connect", "[connect]") {
    scene in;
    attempt it(in);
    const guard late(in.on, 2s);
    const time_point start = in.on.now();
    it.log.stop_at(in.on, 1);
    it.connecting.start(in.on, it.nobody.where(), tcp::connect_options{}, within(40ms));
    CHECK(it.connecting.pending());
    settle(in.on);
    CHECK(in.on.now() - start >= 40ms);
    CHECK_FALSE(late.fired());
    REQUIRE(it.log.size() == 1);
    CHECK(it.log[0].error == errc::deadline_reached);
    CHECK(it.log[0].error == std::errc::timed_out);
    CHECK(it.log[0].error != errc::cancelled);
    CHECK_FALSE(it.made.is_open());
}

namespace {

task<> late_connect(loop& on, endpoint silent) {
    const time_point start = on.now();
    const auto made = co_await tcp::connect(on, silent, within(40ms));
    CHECK(made.error() == errc::deadline_reached);
    CHECK(on.now() - start >= 40ms);

    const time_point when = on.now() + 30ms;
    const auto again = co_await tcp::connect(on, silent, at(when));
    CHECK(again.error() == errc::deadline_reached);
    CHECK(on.now() >= when);
}

}  // namespace

THOLE_TEST("CN05 R44 the deadline of a pending connect, awaited", "[connect]") {
    scene in;
    const silent_port nobody(in.on);
    const guard late(in.on, 4s);
    run(in.on, late_connect(in.on, nobody.where()));
    CHECK_FALSE(late.fired());
}

THOLE_TEST("CN06 cancel of a pending connect", "[connect]") {
    scene in;
    attempt it(in);
    it.connecting.start(in.on, it.nobody.where(), tcp::connect_options{}, within(patience / 2));
    it.connecting.cancel();
    CHECK(it.log.size() == 0);
    it.connecting.cancel();
    settle(in.on);
    REQUIRE(it.log.size() == 1);
    CHECK(it.log[0].error == errc::cancelled);
    CHECK(it.log[0].error == std::errc::operation_canceled);
    CHECK(it.log[0].error != std::errc::timed_out);
    it.connecting.cancel();  // CX03: it has finished
    settle(in.on);
    CHECK(it.log.size() == 1);
}

namespace {

task<std::error_code> error_of_connect(loop& on, endpoint where) {
    const auto made = co_await tcp::connect(on, where);
    co_return made.error();
}

task<> cancel_connect(loop& on, endpoint silent) {
    auto connecting = on.spawn(error_of_connect(on, silent));
    co_await yield();
    CHECK_FALSE(connecting.ended());
    connecting.cancel();
    const std::error_code error = co_await connecting;
    CHECK(error == errc::cancelled);
}

}  // namespace

THOLE_TEST("CN06 cancel of a task that connects", "[connect]") {
    scene in;
    const silent_port nobody(in.on);
    run(in.on, cancel_connect(in.on, nobody.where()));
}

// thole's connect owns its socket, so "close while connecting" is its cancel, or the loop's end.
THOLE_TEST("CN07 a cancelled connect leaves nothing open, and one completion", "[connect]") {
    scene in;
    attempt it(in);
    const std::size_t before = raw::open_handles();
    it.connecting.start(in.on, it.nobody.where());
    turn(in.on);
    CHECK(it.log.size() == 0);
    it.connecting.cancel();
    settle(in.on);
    CHECK(it.log.times("connect") == 1);
    CHECK(it.log[0].error == errc::cancelled);
    if (!on_iocp()) {  // see ~scene
        CHECK(raw::open_handles() == before);
    }
}

THOLE_TEST("CN07 the loop's end while connecting calls nothing", "[connect]") {
    journal log;
    noting<tcp::connect_op> connecting{noted{&log, "connect"}};
    scene in;
    const silent_port nobody(in.on);
    connecting.start(in.on, nobody.where());
    turn(in.on);
    CHECK(connecting.pending());
    in.end_loop();
    CHECK_FALSE(connecting.pending());
    CHECK(log.size() == 0);
}

namespace {

task<> expired_connect(loop& on, tcp::listener& door) {
    const endpoint where = *door.local();
    for (const deadline past : {within(0s), within(-5s), at(on.now()), at(on.now() - 1s)}) {
        const auto made = co_await tcp::connect(on, where, past);
        CHECK(made.error() == errc::deadline_reached);
    }
    const auto nobody = co_await door.accept(within(20ms));  // nothing was started
    CHECK(nobody.error() == errc::deadline_reached);
}

}  // namespace

THOLE_TEST("CN08 a deadline that has passed starts nothing", "[connect]") {
    scene in;
    tcp::listener door = open_door(in.on);
    run(in.on, expired_connect(in.on, door));

    journal log;
    noting<tcp::connect_op> connecting{noted{&log, "connect"}};
    connecting.start(in.on, *door.local(), tcp::connect_options{}, within(0s));
    CHECK(log.size() == 0);
    settle(in.on);
    REQUIRE(log.size() == 1);
    CHECK(log[0].error == errc::deadline_reached);
}

namespace {

task<> connect_from(loop& on, tcp::listener& door, tcp::connect_options options) {
    const auto made = co_await tcp::connect(on, *door.local(), options);
    REQUIRE(made.error() == no_error);
    const auto here = made->local();
    REQUIRE(here.error() == no_error);
    CHECK(here->is_loopback());
    CHECK(here->port() != 0);
    const auto accepted = co_await door.accept();
    REQUIRE(accepted.error() == no_error);
    CHECK(accepted->peer().value() == *here);
    const auto fast = made->no_delay();
    REQUIRE(fast.error() == no_error);
    CHECK(*fast == options.no_delay);
}

}  // namespace

THOLE_TEST("CN15 R40 a socket that nobody bound connects, and so does a bound one", "[connect]") {
    scene in;
    tcp::listener door = open_door(in.on);
    run(in.on, connect_from(in.on, door, {}));
    run(in.on, connect_from(in.on, door, {.no_delay = true}));
    run(in.on, connect_from(in.on, door, {.local = endpoint::loopback(address_family::ipv4, 0)}));
}

namespace {

task<> connect_unspecified(loop& on, tcp::listener& door, address_family family) {
    const std::uint16_t port = door.local()->port();
    auto made = co_await tcp::connect(on, endpoint::any(family, port));
    REQUIRE(made.error() == no_error);
    CHECK(made->peer().value() == endpoint::loopback(family, port));
    auto accepted = co_await door.accept();
    REQUIRE(accepted.error() == no_error);
    co_await send(*made, "hello");
    co_await expect(*accepted, "hello");
}

}  // namespace

THOLE_TEST("CN18 R43 the unspecified address means the loopback address", "[connect]") {
    scene in;
    tcp::listener door = open_door(in.on);
    run(in.on, connect_unspecified(in.on, door, address_family::ipv4));
}

THOLE_TEST("CN18 R43 the unspecified address of IPv6", "[connect]") {
    if (!on_sim() && !raw::has_ipv6()) {
        skip("this machine has no ::1");
    }
    scene in;
    tcp::listener door = open_door(in.on, address_family::ipv6);
    run(in.on, connect_unspecified(in.on, door, address_family::ipv6));
}

// H12: epoll reports OUT|HUP for a socket that is registered before connect.
THOLE_TEST("CN24 a pending connect does not succeed by itself", "[connect]") {
    if (on_iocp()) {
        skip("cases.md CN24: a completion port has no readiness that could be taken for success");
    }
    scene in;
    attempt it(in);
    it.connecting.start(in.on, it.nobody.where());
    CHECK(in.on.run_for(50ms).error() == no_error);
    CHECK(it.log.size() == 0);
    CHECK(it.connecting.pending());
    it.connecting.cancel();
    settle(in.on);
    CHECK(it.log.of("connect").error == errc::cancelled);
}

namespace {

task<> accept_and_reset(tcp::listener& door) {
    auto client = co_await door.accept();
    REQUIRE(client.error() == no_error);
    if (on_iocp()) {
        // docs/windows.md: Wine 8 hides the reset from a receive issued after it. The byte says
        // that the client reads.
        co_await expect(*client, "r");
    }
    client->abort();
}

task<> reset_at_once(loop& on, tcp::listener& door) {
    auto resetting = on.spawn(accept_and_reset(door));
    auto made = co_await tcp::connect(on, *door.local());
    REQUIRE(made.error() == no_error);
    if (on_iocp()) {
        co_await send(*made, "r");
    }
    std::byte buffer[8];
    const auto got = co_await made->read(buffer);
    CHECK(got.error() == std::errc::connection_reset);
    CHECK(got.error() != errc::cancelled);
    CHECK(got.error() != errc::end_of_stream);
    co_await resetting;
}

}  // namespace

THOLE_TEST("CN28 the peer accepts and resets at once", "[connect]") {
    scene in;
    tcp::listener door = open_door(in.on);
    for (int i = 0; i < 20; ++i) {
        run(in.on, reset_at_once(in.on, door));
    }
}

THOLE_TEST("a raw peer is connected to, and answers", "[connect]") {
    if (on_sim()) {
        skip("the simulated network has no peers of the system's");
    }
    scene in;
    raw::socket door = raw::socket::bind(address_family::ipv4, 8);
    auto made = in.on.block_on([](loop& on, endpoint to) -> task<result<tcp::socket>> {
        co_return co_await tcp::connect(on, to);
    }(in.on, door.local()));
    REQUIRE(made.error() == no_error);
    raw::socket peer = door.accept();
    run(in.on, send(*made, "ping"));
    CHECK(peer.receive_all(4).bytes == "ping");
    peer.send("pong");
    run(in.on, expect(*made, "pong"));
    peer.finish();
    const transfer end = run(in.on, drain(*made));
    CHECK(end.error == errc::end_of_stream);
}

THOLE_TEST("CN22 a connection to itself counts as refused", "[connect]") {
    scene in;
    int refused = 0;
    for (int i = 0; i < 200 && refused < 20; ++i) {
        endpoint self;
        {
            const closed_port free;
            self = free.where();
        }
        auto made = in.on.block_on([](loop& on, endpoint to) -> task<result<tcp::socket>> {
            const tcp::connect_options from{.local = to};
            co_return co_await tcp::connect(on, to, from);
        }(in.on, self));
        if (made.error() == std::errc::address_in_use) {
            continue;  // another program has taken the port in between
        }
        CHECK(made.error() == std::errc::connection_refused);
        ++refused;
    }
    CHECK(refused == 20);
}

THOLE_TEST("CN19 port 0, or no target at all: refused at once", "[connect]") {
    scene in;
    journal log;
    noting<tcp::connect_op> connecting{noted{&log, "connect"}};
    const endpoint targets[] = {endpoint::loopback(address_family::ipv4, 0),
                                endpoint::loopback(address_family::ipv6, 0),
                                endpoint::any(address_family::ipv4, 0), endpoint{}};
    for (const endpoint& target : targets) {
        connecting.start(in.on, target);
        CHECK_FALSE(connecting.pending());
        settle(in.on);
    }
    REQUIRE(log.size() == std::size(targets));
    for (std::size_t i = 0; i < log.size(); ++i) {
        CHECK(log[i].error == std::errc::invalid_argument);
    }
}

THOLE_TEST("CN21 a local address of the other family is refused at once", "[connect]") {
    scene in;
    journal log;
    noting<tcp::connect_op> connecting{noted{&log, "connect"}};
    const endpoint v4 = endpoint::loopback(address_family::ipv4, 5000);
    const endpoint v6 = endpoint::loopback(address_family::ipv6, 5000);
    connecting.start(in.on, v6, tcp::connect_options{.local = v4.with_port(0)});
    CHECK_FALSE(connecting.pending());
    settle(in.on);
    connecting.start(in.on, v4, tcp::connect_options{.local = v6.with_port(0)});
    settle(in.on);
    REQUIRE(log.size() == 2);
    CHECK(log[0].error == std::errc::invalid_argument);
    CHECK(log[1].error == std::errc::invalid_argument);
}
