// SPDX-License-Identifier: BSL-1.0
// Connecting from and to particular addresses, and what there is right after it.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

void need_ipv6() {
    if (!on_sim() && !raw::has_ipv6()) {
        skip("this machine has no ::1");
    }
}

task<result<tcp::socket>> dial(loop& on, endpoint to, tcp::connect_options options = {}) {
    auto made = co_await tcp::connect(on, to, options, within(patience));
    co_return made;
}

// A port of the loopback address that nobody has now. Somebody else's test may take it before we
// do: what uses it tries again.
endpoint free_port() {
    const closed_port held;
    return held.where();
}

constexpr int enough_tries = 20;

}  // namespace

THOLE_TEST("CN02 refused over ::1", "[connect]") {
    need_ipv6();
    scene in;
    endpoint where;
    {
        tcp::listener door = open_door(in.on, address_family::ipv6);
        where = *door.local();
    }
    settle(in.on);
    const guard late(in.on, 2500ms);
    const auto made = in.on.block_on(dial(in.on, where));
    CHECK(made.error() == std::errc::connection_refused);
    CHECK_FALSE(late.fired());
}

THOLE_TEST("CN03 a failed connect leaves no socket to close", "[connect]") {
    scene in;
    const closed_port nobody;
    const std::size_t before = raw::open_handles();
    for (int i = 0; i < 50; ++i) {
        const auto made = in.on.block_on(dial(in.on, nobody.where()));
        REQUIRE(made.error() == std::errc::connection_refused);
    }
    settle(in.on);
    CHECK(raw::open_handles() <= before + (on_iocp() ? 8 : 0));  // Wine's own threads have a few
}

THOLE_TEST("CN04 the endpoints after a failed connect: none, and no throw", "[connect]") {
    scene in;
    const closed_port nobody;
    journal log;
    tcp::socket made;
    noting<tcp::connect_op> connecting{noted{&log, "connect", &made}};
    connecting.start(in.on, nobody.where());
    settle(in.on);
    CHECK(log.of("connect").error == std::errc::connection_refused);
    CHECK_FALSE(made.is_open());
    CHECK(made.peer().error() == errc::closed);
    CHECK(made.local().error() == errc::closed);
    CHECK(connecting.target() == nobody.where());  // what was asked for is still told
}

namespace {

// Connects from `options.local` and gives what both ends say of it.
task<endpoint> seen_from(loop& on, tcp::listener& door, tcp::connect_options options,
                         std::error_code& failed) {
    auto made = co_await tcp::connect(on, *door.local(), options);
    failed = made.error();
    if (failed) {
        co_return endpoint{};
    }
    auto there = co_await door.accept();
    REQUIRE(there.error() == no_error);
    CHECK(made->local().value() == there->peer().value());
    const endpoint own = *made->local();
    made->abort();  // leaves no port in TIME_WAIT (cases.md 6.1.7)
    co_return own;
}

}  // namespace

THOLE_TEST("CN16 bound to a port before the connect, and it is kept", "[connect]") {
    scene in;
    tcp::listener door = open_door(in.on);
    std::error_code failed = make_error_code(std::errc::address_in_use);
    for (int i = 0; i < enough_tries && failed == std::errc::address_in_use; ++i) {
        const endpoint ours =
            on_sim() ? endpoint::loopback(address_family::ipv4, 5000) : free_port();
        const endpoint own = run(in.on, seen_from(in.on, door, {.local = ours}, failed));
        CHECK((failed || own == ours));
    }
    CHECK(failed == no_error);
}

THOLE_TEST("CN16 bound to an address, and the system chooses the port", "[connect]") {
    scene in;
    tcp::listener door = open_door(in.on);
    std::error_code failed;
    const endpoint any_port = endpoint::loopback(address_family::ipv4, 0);
    const endpoint own = run(in.on, seen_from(in.on, door, {.local = any_port}, failed));
    CHECK(failed == no_error);
    CHECK(own.port() != 0);
    CHECK(own.with_port(0) == any_port);
    if (on_sim()) {
        return;  // its loopback has one address
    }
    const endpoint second(endpoint::ipv4_bytes{127, 0, 0, 2}, 0);
    const endpoint there = run(in.on, seen_from(in.on, door, {.local = second}, failed));
    CHECK(failed == no_error);
    CHECK(there.with_port(0) == second);
}

THOLE_TEST("CN16 bound over IPv6", "[connect]") {
    need_ipv6();
    scene in;
    tcp::listener door = open_door(in.on, address_family::ipv6);
    std::error_code failed;
    const endpoint any_port = endpoint::loopback(address_family::ipv6, 0);
    const endpoint own = run(in.on, seen_from(in.on, door, {.local = any_port}, failed));
    CHECK(failed == no_error);
    CHECK(own.with_port(0) == any_port);
    CHECK(own.port() != 0);
}

THOLE_TEST("CN17 a local port that is in use", "[connect]") {
    scene in;
    const tcp::listener door = open_door(in.on);
    const tcp::listener taken = open_door(in.on);
    const std::size_t before = raw::open_handles();
    const auto made = in.on.block_on(dial(in.on, *door.local(), {.local = *taken.local()}));
    CHECK(made.error() == std::errc::address_in_use);
    CHECK(made.error() != std::errc::address_not_available);
    const auto second = tcp::listener::open(in.on, *taken.local());
    CHECK(second.error() == std::errc::address_in_use);
    settle(in.on);
    CHECK(raw::open_handles() <= before + (on_iocp() ? 8 : 0));
}

THOLE_TEST("CN17 a local address that is not of this machine", "[connect]") {
    scene in;
    const tcp::listener door = open_door(in.on);
    const endpoint foreign(endpoint::ipv4_bytes{192, 0, 2, 1}, 0);  // RFC 5737: nobody's
    const auto made = in.on.block_on(dial(in.on, *door.local(), {.local = foreign}));
    CHECK(made.error() == std::errc::address_not_available);
    const auto listening = tcp::listener::open(in.on, foreign);
    CHECK(listening.error() == std::errc::address_not_available);
}

namespace {

// Connects again and again to a port that is free and that the system gives to connections: sooner
// or later it gives this very port to one of these. Linux gives them the even ports first.
endpoint even_port() {
    const endpoint odd = free_port();
    return odd.with_port(static_cast<std::uint16_t>(odd.port() & ~1U));
}

task<bool> is_never_its_own_peer(loop& on, endpoint closed, std::size_t times, bool& strangers) {
    for (std::size_t i = 0; i < times; ++i) {
        auto made = co_await tcp::connect(on, closed);
        if (made.error() == std::errc::connection_refused) {
            continue;
        }
        REQUIRE(made.error() == no_error);
        if (made->local() == made->peer()) {
            co_return false;
        }
        strangers = true;  // another program's listener has taken the port
        co_return true;
    }
    co_return true;
}

}  // namespace

THOLE_TEST("CN22 a closed port of the ephemeral range never answers itself", "[connect]") {
    scene in;
    bool strangers = true;
    for (int i = 0; i < enough_tries && strangers; ++i) {
        strangers = false;
        const endpoint closed =
            on_sim() ? endpoint::loopback(address_family::ipv4, 40'000) : even_port();
        CHECK(run(in.on, is_never_its_own_peer(in.on, closed, rounds() * 8, strangers)));
    }
    CHECK_FALSE(strangers);
}

namespace {

struct uses_at_once {
    journal* log;
    endpoint target;
    tcp::socket* made;

    void operator()(result<tcp::socket> end) const {
        log->note("connect", end.error());
        if (!end) {
            return;
        }
        *made = std::move(*end);
        log->note("peer", made->peer().error());
        log->note("local", made->local().error());
        CHECK(made->peer() == target);
        CHECK(made->local()->is_loopback());
        CHECK(made->local()->port() != 0);
        log->note("shutdown", made->shutdown_write().error());
    }
};

}  // namespace

THOLE_TEST("CN25 the names, and shutdown, right after success", "[connect]") {
    scene in;
    tcp::listener door = open_door(in.on);
    journal log;
    tcp::socket made;
    tcp::socket there;
    noting<tcp::accept_op> accepting{noted{&log, "accept", &there}};
    callback<tcp::connect_op, uses_at_once> connecting{uses_at_once{&log, *door.local(), &made}};
    accepting.start(door);
    connecting.start(in.on, *door.local());
    settle(in.on);
    for (const char* who : {"connect", "peer", "local", "shutdown", "accept"}) {
        CHECK(log.of(who).error == no_error);
    }
    CHECK(there.peer().value() == made.local().value());
    const transfer end = run(in.on, drain(there));
    CHECK(end == transfer{0, make_error_code(errc::end_of_stream)});
    run(in.on, send(there, "answer"));
    run(in.on, expect(made, "answer"));
}
