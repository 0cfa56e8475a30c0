// SPDX-License-Identifier: BSL-1.0
#include "support/scenario.hpp"

#include <algorithm>

using namespace thole;
using namespace thole::test;

namespace {

void need_ipv6() {
    if (!on_sim() && !raw::has_ipv6()) {
        skip("this machine has no ::1");
    }
}

task<tcp::socket> client_of(loop& on, endpoint where) {
    auto made = co_await tcp::connect(on, where);
    REQUIRE(made.error() == no_error);
    co_return std::move(*made);
}

task<std::error_code> error_of_accept(tcp::listener& door) {
    const auto got = co_await door.accept();
    co_return got.error();
}

task<> talk(pair& both) {
    co_await send(both.here, "there");
    co_await expect(both.there, "there");
    co_await send(both.there, "here");
    co_await expect(both.here, "here");
}

void endpoints_agree(const pair& both, const tcp::listener& door) {
    CHECK(both.here.peer().value() == door.local().value());
    CHECK(both.there.local().value() == door.local().value());
    CHECK(both.here.local().value() == both.there.peer().value());
    CHECK(both.there.peer()->port() != 0);
}

}  // namespace

THOLE_TEST("AC01 accept, and the endpoints agree", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    CHECK(door.local()->is_loopback());
    CHECK(door.local()->port() != 0);
    pair both = run(in.on, connected(in.on, door));
    endpoints_agree(both, door);
    run(in.on, talk(both));
}

THOLE_TEST("AC01 accept over IPv6", "[accept]") {
    need_ipv6();
    scene in;
    tcp::listener door = open_door(in.on, address_family::ipv6);
    pair both = run(in.on, connected(in.on, door));
    endpoints_agree(both, door);
    CHECK(both.there.peer()->family() == address_family::ipv6);
    run(in.on, talk(both));
}

THOLE_TEST("AC01 accept, told to a callback", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    journal log;
    tcp::socket here;
    tcp::socket there;
    noting<tcp::accept_op> accepting{noted{&log, "accept", &there}};
    noting<tcp::connect_op> connecting{noted{&log, "connect", &here}};
    accepting.start(door);
    connecting.start(in.on, *door.local());
    CHECK(log.size() == 0);
    settle(in.on);
    CHECK(log.size() == 2);
    CHECK(log.of("accept").error == no_error);
    CHECK(log.of("connect").error == no_error);
    pair both(std::move(here), std::move(there));
    endpoints_agree(both, door);
}

namespace {

task<> accept_queued(loop& on, tcp::listener& door) {
    std::vector<tcp::socket> clients;
    for (char name : std::string_view("abcde")) {
        clients.push_back(co_await client_of(on, *door.local()));
        co_await send(clients.back(), std::string_view(&name, 1));
    }
    std::string names;
    for (std::size_t i = 0; i < clients.size(); ++i) {
        auto peer = co_await door.accept();
        REQUIRE(peer.error() == no_error);
        std::byte name[1];
        const auto got = co_await peer->read(name);
        REQUIRE(got.error() == no_error);
        names += text_of(name);
    }
    std::sort(names.begin(), names.end());  // the order is nobody's promise (docs/windows.md)
    CHECK(names == "abcde");
}

}  // namespace

THOLE_TEST("AC02 connections that are queued already", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    run(in.on, accept_queued(in.on, door));
}

THOLE_TEST("AC05 cancel of one accept leaves the other, and the listener", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    journal log;
    tcp::socket there;
    noting<tcp::accept_op> first{noted{&log, "first", &there}};
    noting<tcp::accept_op> second{noted{&log, "second", &there}};
    first.start(door);
    second.start(door);
    first.cancel();
    CHECK(log.size() == 0);
    const tcp::socket client = run(in.on, client_of(in.on, *door.local()));
    settle(in.on);
    CHECK(log.times("first") == 1);
    CHECK(log.of("first").error == errc::cancelled);
    CHECK(log.times("second") == 1);
    CHECK(log.of("second").error == no_error);
    CHECK(there.peer().value() == client.local().value());
}

namespace {

task<> cancel_all_accepts(loop& on, tcp::listener& door) {
    auto one = on.spawn(error_of_accept(door));
    auto two = on.spawn(error_of_accept(door));
    co_await yield();
    door.cancel();
    const std::error_code first = co_await one;
    const std::error_code second = co_await two;
    CHECK(first == errc::cancelled);
    CHECK(second == errc::cancelled);

    auto three = on.spawn(error_of_accept(door));
    co_await yield();
    three.cancel();
    const std::error_code third = co_await three;
    CHECK(third == errc::cancelled);
    CHECK(door.is_open());
    const pair both = co_await connected(on, door);
    CHECK(both.there.is_open());
}

}  // namespace

THOLE_TEST("AC05 cancel of every accept, and of a task that accepts", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    run(in.on, cancel_all_accepts(in.on, door));
}

THOLE_TEST("AC06 close of a listener with pending accepts", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    const endpoint where = *door.local();
    journal log;
    noting<tcp::accept_op> first{noted{&log, "first"}};
    noting<tcp::accept_op> second{noted{&log, "second"}};
    first.start(door);
    second.start(door);
    turn(in.on);
    door.close();
    CHECK(log.size() == 0);
    CHECK_FALSE(door.is_open());
    settle(in.on);
    REQUIRE(log.size() == 2);
    CHECK(log.of("first").error == errc::closed);
    CHECK(log.of("second").error == errc::closed);

    first.start(door);
    settle(in.on);
    CHECK(log[2].error == errc::closed);
    const auto refused = in.on.block_on([](loop& on, endpoint to) -> task<result<tcp::socket>> {
        co_return co_await tcp::connect(on, to);
    }(in.on, where));
    CHECK(refused.error() == std::errc::connection_refused);
}

namespace {

task<> close_under_accept(loop& on, tcp::listener& door) {
    auto accepting = on.spawn(error_of_accept(door));
    co_await yield();
    door = tcp::listener();  // a move over it closes too
    const std::error_code error = co_await accepting;
    CHECK(error == errc::closed);
}

}  // namespace

THOLE_TEST("AC06 a listener that is replaced under an awaited accept", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    run(in.on, close_under_accept(in.on, door));
}

THOLE_TEST("AC07 the loop's end with parked accepts", "[accept]") {
    journal log;
    noting<tcp::accept_op> accepting{noted{&log, "accept"}};
    scene in;
    tcp::listener door = open_door(in.on);
    accepting.start(door);
    in.on.spawn(error_of_accept(door));
    turn(in.on);
    CHECK(accepting.pending());
    in.end_loop();
    CHECK_FALSE(accepting.pending());
    CHECK(log.size() == 0);
}

THOLE_TEST("AC07 the loop's end with connections that nobody accepted", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    const tcp::socket one = run(in.on, client_of(in.on, *door.local()));
    const tcp::socket two = run(in.on, client_of(in.on, *door.local()));
    turn(in.on);
    in.end_loop();
}

namespace {

task<> cancelled_before(loop& on, tcp::listener& door) {
    const tcp::socket client = co_await client_of(on, *door.local());
    auto accepting = on.spawn(error_of_accept(door));
    accepting.cancel();  // before it ran: what it awaits first ends so
    const std::error_code error = co_await accepting;
    CHECK(error == errc::cancelled);

    const auto late = co_await door.accept(within(0s));
    CHECK(late.error() == errc::deadline_reached);

    const auto next = co_await door.accept();
    REQUIRE(next.error() == no_error);
    CHECK(next->peer().value() == client.local().value());
}

}  // namespace

THOLE_TEST("AC08 R36 an accept that was cancelled before loses no client", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    run(in.on, cancelled_before(in.on, door));
}

THOLE_TEST("AC29 R32 R49 a dual-stack listener takes IPv4 clients as mapped addresses",
           "[accept]") {
    need_ipv6();
    scene in;
    auto opened =
        tcp::listener::open(in.on, endpoint::any(address_family::ipv6, 0), {.dual_stack = true});
    REQUIRE(opened.error() == no_error);
    const std::uint16_t port = opened->local()->port();
    journal log;
    tcp::socket there;
    noting<tcp::accept_op> accepting{noted{&log, "accept", &there}};
    for (const address_family family : {address_family::ipv4, address_family::ipv6}) {
        accepting.start(*opened);
        const tcp::socket client = run(in.on, client_of(in.on, endpoint::loopback(family, port)));
        settle(in.on);
        REQUIRE(there.is_open());
        CHECK(there.peer()->family() == address_family::ipv6);
        CHECK(there.peer()->is_loopback());
        CHECK(there.peer()->port() == client.local()->port());
    }
}

THOLE_TEST("AC29 R49 an IPv6 listener refuses IPv4 clients by default", "[accept]") {
    need_ipv6();
    scene in;
    auto opened = tcp::listener::open(in.on, endpoint::any(address_family::ipv6, 0));
    REQUIRE(opened.error() == no_error);
    journal log;
    noting<tcp::connect_op> connecting{noted{&log, "connect"}};
    connecting.start(in.on, endpoint::loopback(address_family::ipv4, opened->local()->port()));
    settle(in.on);
    CHECK(log.of("connect").error == std::errc::connection_refused);
}

THOLE_TEST("R48 two listeners on one port: the second is told", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    auto second = tcp::listener::open(in.on, *door.local());
    CHECK(second.error() == std::errc::address_in_use);
    door.close();
    settle(in.on);
    second = tcp::listener::open(in.on, endpoint{});
    CHECK(second.error() == std::errc::invalid_argument);
    second = tcp::listener::open(in.on, endpoint::loopback(address_family::ipv4, 0),
                                 {.standing_accepts = 65});
    CHECK(second.error() == std::errc::invalid_argument);
}
