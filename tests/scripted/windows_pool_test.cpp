// SPDX-License-Identifier: BSL-1.0
// The AcceptEx that stand ready: how many, and when.
#include "rig.hpp"

#include <algorithm>
#include <deque>

#include "win/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

// A listener, its users and its clients, with an eye on what stands.
struct crowd {
    crowd(int floor, int ceiling)
        : r(backend_kind::iocp),
          door(open_door(r.on, address_family::ipv4, options(floor, ceiling))),
          listener(static_cast<SOCKET>(script::calls("listen").back().handle)) {}

    static tcp::listen_options options(int floor, int ceiling) {
        return {.standing_accepts = floor, .most_standing_accepts = ceiling};
    }
    void come(std::size_t clients) {
        for (std::size_t i = 0; i < clients; ++i) {
            outside.push_back(raw::socket::connect(door.local().value()));
        }
        came += clients;
    }
    void wait_for(std::size_t clients) {
        for (std::size_t i = 0; i < clients; ++i) {
            users.emplace_back(made::add{&got}).start(door, within(20s));
        }
    }
    // Turns until so many have been claimed.
    void serve(std::size_t claimed) {
        for (int i = 0; i < 2000 && got.seen.size() < claimed; ++i) {
            REQUIRE(r.on.run_for(5ms));
            highest = std::max(highest, standing());
        }
        REQUIRE(got.seen.size() == claimed);
    }
    // Turns until the port has told of so many.
    void arrive(std::size_t clients) {
        const auto told = [] {
            const auto options = script::calls("setsockopt");
            return static_cast<std::size_t>(
                std::ranges::count(options, SO_UPDATE_ACCEPT_CONTEXT, &call::option));
        };
        for (int i = 0; i < 2000 && told() < clients; ++i) {
            r.run([]() -> task<> { co_await sleep_for(1ms); }());
        }
        REQUIRE(told() == clients);
    }
    // One after the other, each waited for.
    void trickle(std::size_t clients) {
        for (std::size_t i = 0; i < clients; ++i) {
            wait_for(1);
            come(1);
            serve(came);
            lowest = std::min(lowest, standing());
        }
    }
    // What stands or is parked.
    [[nodiscard]] std::size_t standing() const {
        std::size_t ended = got.seen.size();
        return count("AcceptEx") - ended;
    }

    rig r;
    tcp::listener door;
    SOCKET listener;
    made got;
    std::deque<accepting> users;
    std::vector<raw::socket> outside;
    std::size_t came = 0;
    std::size_t highest = 0;
    std::size_t lowest = SIZE_MAX;
};

THOLE_TEST("R38, AC15 the pool grows under a burst, and shrinks by not posting again",
           "[scripted]") {
    crowd c(2, 16);
    CHECK(c.standing() == 2);
    c.wait_for(100);
    for (std::size_t wave = 1; wave <= 5; ++wave) {
        c.come(20);
        c.serve(20 * wave);
    }
    // From 8 it doubles to 16; a look may come late enough to see it smaller by some already.
    CHECK(c.highest > 8);
    CHECK(c.highest <= 16);
    const std::size_t after_burst = c.standing();
    CHECK(after_burst > 2);
    const std::size_t closed = count("closesocket");
    c.trickle(40);
    CHECK(c.standing() == 2);
    CHECK(c.lowest == 2);  // AC14
    // Never by taking one back: its kernel structures would stay (R38).
    CHECK(count("CancelIoEx") == 0);
    CHECK(count("closesocket") == closed);
    for (const auto& socket : c.got.seen) {
        CHECK(socket.error() == std::error_code{});
    }
}

THOLE_TEST("AC28 slow users make no pool grow: what stands and what is parked is bounded",
           "[scripted]") {
    crowd c(4, 32);
    c.come(40);
    for (std::size_t claimed = 0; claimed < 40;) {
        c.arrive(std::min<std::size_t>(claimed + 4, 40));
        CHECK(c.standing() <= 4);
        c.wait_for(1);  // it finds one parked
        ++claimed;
        c.serve(claimed);
        CHECK(c.standing() <= 4);
    }
    CHECK(c.highest <= 4);
}

THOLE_TEST("R38: FD_ACCEPT and a pool that ran dry tell of the same moments", "[scripted]") {
    crowd c(4, 4);  // of one size, so that both are asked about the same
    const WSAEVENT event = ::WSACreateEvent();
    REQUIRE(event != WSA_INVALID_EVENT);
    REQUIRE(::WSAEventSelect(c.listener, event, FD_ACCEPT) == 0);
    const auto told = [&] {
        WSANETWORKEVENTS seen{};
        REQUIRE(::WSAEnumNetworkEvents(c.listener, event, &seen) == 0);
        return (seen.lNetworkEvents & FD_ACCEPT) != 0;
    };
    CHECK_FALSE(told());
    int dry = 0;
    int event_too = 0;
    int rounds = 0;
    for (const std::size_t clients : {1U, 3U, 4U, 5U, 2U, 8U, 4U, 1U, 6U, 3U, 20U, 2U}) {
        CAPTURE(clients, rounds);
        c.wait_for(clients);
        c.come(clients);
        // Before a turn the pool has what it had: the kernel alone answers.
        const bool missed = told();
        dry += clients >= 4 ? 1 : 0;
        event_too += missed ? 1 : 0;
        CHECK(missed == (clients > 4));  // with as many as stand nobody found none
        c.serve(c.came);
        static_cast<void>(told());  // what the rest of a burst told
        ++rounds;
    }
    CHECK(dry == 6);
    CHECK(event_too == 4);
    REQUIRE(::WSAEventSelect(c.listener, nullptr, 0) == 0);
    ::WSACloseEvent(event);
}

THOLE_TEST("R39: a pool that is short is refilled without another client", "[scripted]") {
    for (const int raw : {WSAEMFILE, WSAENOBUFS}) {
        CAPTURE(raw);
        crowd c(4, 4);
        script::rule& failing = script::on("WSASocketW")
                                    .forever()
                                    .gives(static_cast<std::intptr_t>(INVALID_SOCKET), raw);
        c.wait_for(8);
        c.come(3);
        c.serve(3);
        CHECK(c.standing() == 1);  // it listens on with what is left
        const int tried = failing.used();
        REQUIRE(c.r.on.run_for(100ms));
        CHECK(failing.used() > tried);
        CHECK(failing.used() < tried + 10);  // 5, 10, 20, 40, … ms apart
        failing.times(0);
        REQUIRE(c.r.on.run_for(600ms));
        CHECK(c.standing() == 4);
        c.come(5);
        c.serve(8);
    }
}

// Windows has no limit of handles to run into, and its clock of the processor counts the time that
// passes: what is counted is how often the system is asked. Part of the suite `endure`, too.
THOLE_TEST("AC13 R28 R39: no handle for a second: clients wait, nothing spins, all are served",
           "[scripted][exhaustion]") {
    constexpr std::size_t clients = 60;
    crowd c(4, 64);
    script::rule& failing = script::on("WSASocketW")
                                .forever()
                                .gives(static_cast<std::intptr_t>(INVALID_SOCKET), WSAEMFILE);
    c.wait_for(clients);
    c.come(clients);
    REQUIRE(c.r.on.run_for(1s));
    CHECK(c.got.seen.size() == 4);  // for whom a socket stood ready
    CHECK(c.door.is_open());
    CHECK(failing.used() >= 4);
    CHECK(failing.used() < 40);
    failing.times(0);
    const time_point begun = c.r.on.now();
    c.serve(clients);
    CHECK(c.r.on.now() - begun < 1s);
    for (const auto& one : c.got.seen) {
        CHECK(one.error() == std::error_code{});
    }
}

THOLE_TEST("R30: clients that fail in the call, however many, are nobody's error", "[scripted]") {
    crowd c(1, 1);
    script::on("AcceptEx").times(200).gives(FALSE, WSAECONNRESET);
    c.wait_for(1);
    c.come(1);
    c.serve(1);
    CHECK(c.got.seen[0].error() == std::error_code{});
}

}  // namespace
