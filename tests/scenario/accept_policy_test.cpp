// SPDX-License-Identifier: BSL-1.0
// Clients that die, come late, come all at once; listeners that share a port, or close.
#include "support/scenario.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>

using namespace thole;
using namespace thole::test;

namespace {

task<tcp::socket> client_of(loop& on, const tcp::listener& door) {
    auto made = co_await tcp::connect(on, *door.local());
    REQUIRE(made.error() == no_error);
    co_return std::move(*made);
}

task<tcp::socket> next(tcp::listener& door) {
    auto got = co_await door.accept();
    REQUIRE(got.error() == no_error);
    co_return std::move(*got);
}

// Counts who comes, and lets them go, until the listener closes.
task<> count_clients(tcp::listener& door, std::size_t& count) {
    for (;;) {
        const auto got = co_await door.accept();
        if (!got) {
            co_return;
        }
        ++count;
    }
}

task<> echo_once(tcp::socket& here, tcp::socket& there) {
    co_await send(here, "?");
    co_await expect(there, "?");
    co_await send(there, "!");
    co_await expect(here, "!");
}

}  // namespace

THOLE_TEST("AC10 R30 a client that resets while it waits costs nobody else anything", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    for (int i = 0; i < 20; ++i) {
        tcp::socket dead = run(in.on, client_of(in.on, door));
        const endpoint name = dead.local().value();
        dead.abort();
        turn(in.on);
        tcp::socket alive = run(in.on, client_of(in.on, door));
        tcp::socket got = run(in.on, next(door));
        const auto peer = got.peer();
        if (!peer || *peer == name) {  // it was taken as well: the reset is its own
            if (!on_iocp()) {          // Wine tells it as an end
                CHECK(run(in.on, drain(got)).error == std::errc::connection_reset);
            }
            got = run(in.on, next(door));
        }
        CHECK(got.peer().value() == alive.local().value());
        run(in.on, echo_once(alive, got));
    }
    const tcp::listener_counters seen = door.counters();
    CHECK(seen.accepted >= 20);
    CHECK(seen.accepted + seen.absorbed <= 40);
    CHECK(seen.shed == 0);
    CHECK(seen.pauses == 0);
}

THOLE_TEST("AC11 a client that wrote and finished before it was accepted: its bytes, then its end",
           "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    {
        tcp::socket brief = run(in.on, client_of(in.on, door));
        run(in.on, send(brief, "and gone"));
    }
    tcp::socket got = run(in.on, next(door));
    run(in.on, expect(got, "and gone"));
    CHECK(run(in.on, drain(got)).error == errc::end_of_stream);
}

THOLE_TEST("AC20 a listener that accepts a second later has lost nothing", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    tcp::socket early = run(in.on, client_of(in.on, door));
    run(in.on, send(early, "early"));
    run(in.on, [](loop& on) -> task<> {
        const auto slept = co_await sleep_until(on, within(1s));
        REQUIRE(slept.error() == no_error);
    }(in.on));
    tcp::socket got = run(in.on, next(door));
    run(in.on, expect(got, "early"));
    run(in.on, echo_once(early, got));
}

THOLE_TEST("AC21 a second listener on the same address is told that it is in use", "[accept]") {
    scene in;
    const tcp::listener door = open_door(in.on);
    for (const bool reuse : {true, false}) {
        CHECK(tcp::listener::open(in.on, *door.local(), {.reuse_address = reuse}).error() ==
              std::errc::address_in_use);
    }
    tcp::listener wild = tcp::listener::open(in.on, endpoint::any(address_family::ipv4, 0)).value();
    const std::error_code refused =
        tcp::listener::open(in.on, endpoint::any(address_family::ipv4, wild.local()->port()))
            .error();
    // Windows calls it forbidden where both have the exclusive use of every address.
    CHECK((refused == std::errc::address_in_use ||
           (on_iocp() && refused == std::errc::permission_denied)));
}

THOLE_TEST("AC22 listeners that share a port share its clients", "[accept]") {
    scene in;
    if (on_sim() || on_iocp()) {
        CHECK(tcp::listener::open(in.on, endpoint::loopback(address_family::ipv4, 0),
                                  {.reuse_port = true})
                  .error() == std::errc::operation_not_supported);
        return;
    }
    constexpr std::size_t clients = 64;
    tcp::listener first = open_door(in.on, address_family::ipv4, {.reuse_port = true});
    const endpoint where = *first.local();
    std::size_t here = 0;
    std::atomic<std::size_t> elsewhere{0};
    baton opened;
    std::atomic<loop*> other{nullptr};
    std::thread second([&] {
        loop on(options_of_run());
        auto door = tcp::listener::open(on, where, {.reuse_port = true});
        other = door ? &on : nullptr;
        opened.pass();
        if (!door) {
            return;
        }
        on.spawn([](tcp::listener& at, std::atomic<std::size_t>& count) -> task<> {
            for (;;) {
                const auto got = co_await at.accept();
                if (!got) {
                    co_return;
                }
                ++count;
            }
        }(*door, elsewhere));
        static_cast<void>(on.run());
    });
    opened.wait();
    REQUIRE(other.load() != nullptr);
    in.on.spawn(count_clients(first, here));
    std::vector<raw::socket> there;
    for (std::size_t i = 0; i < clients; ++i) {
        there.push_back(raw::socket::connect(where));
    }
    run_until(in.on, [&] { return here + elsewhere.load() == clients; });
    CHECK(here > 0);
    CHECK(elsewhere.load() > 0);
    CHECK(first.counters().accepted == here);
    other.load()->stop();
    second.join();
    first.close();
    settle(in.on);
}

THOLE_TEST("AC23 one of two listeners closes: those in its queue are lost, the others are not",
           "[accept]") {
    if (on_sim() || on_iocp()) {
        skip("no listeners share a port here");
    }
    scene in;
    constexpr std::size_t clients = 64;
    tcp::listener stays = open_door(in.on, address_family::ipv4, {.reuse_port = true});
    tcp::listener goes = tcp::listener::open(in.on, *stays.local(), {.reuse_port = true}).value();
    std::vector<raw::socket> there;
    for (std::size_t i = 0; i < clients; ++i) {
        there.push_back(raw::socket::connect(*stays.local()));
    }
    goes.close();
    turn(in.on);
    std::size_t served = 0;
    run(in.on, [](tcp::listener& at, std::size_t& count) -> task<> {
        for (;;) {
            auto got = co_await at.accept(within(200ms));
            if (!got) {
                co_return;
            }
            ++count;
            co_await send(*got, "x");
        }
    }(stays, served));
    std::size_t lost = 0;
    for (raw::socket& client : there) {
        const raw::reception came = client.receive(1);
        CHECK((came.how == raw::ending::bytes || came.how == raw::ending::reset));
        lost += came.how == raw::ending::reset ? 1 : 0;
    }
    CHECK(served + lost == clients);
    CHECK(served > 0);
    CHECK(lost > 0);
}

THOLE_TEST("AC25 a listener that closes resets who waits for it", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    std::vector<tcp::socket> there;
    for (int i = 0; i < 6; ++i) {
        there.push_back(run(in.on, client_of(in.on, door)));
    }
    door.close();
    for (tcp::socket& client : there) {
        const transfer end = run(in.on, drain(client));
        CHECK(end.count == 0);
        // Wine tells a reset that came before the read as an end.
        CHECK((end.error == std::errc::connection_reset ||
               (on_iocp() && end.error == errc::end_of_stream)));
    }
    CHECK(door.counters().accepted == 0);
}

THOLE_TEST("AC27 R71 a listener that is closed in its own handler calls none after it",
           "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    constexpr std::size_t accepts = 8;
    struct handler {
        tcp::listener* door;
        std::vector<std::error_code>* ends;
        void operator()(const result<tcp::socket>& got) const {
            ends->push_back(got.error());
            door->close();
        }
    };
    std::vector<std::error_code> ends;
    std::deque<callback<tcp::accept_op, handler>> ops;
    for (std::size_t i = 0; i < accepts; ++i) {
        ops.emplace_back(handler{&door, &ends}).start(door);
    }
    std::vector<tcp::socket> there;
    there.push_back(run(in.on, client_of(in.on, door)));
    settle(in.on);
    REQUIRE(ends.size() == accepts);  // each once
    CHECK(ends[0] == no_error);
    for (std::size_t i = 1; i < accepts; ++i) {
        CHECK(ends[i] == errc::closed);
    }
    CHECK_FALSE(door.is_open());
}

THOLE_TEST("AC27 a listener is closed for another thread, by a post", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    journal log;
    noting<tcp::accept_op> op{noted{&log, "accept"}};
    op.start(door);
    std::thread elsewhere([&] { in.on.post([&] { door.close(); }); });
    elsewhere.join();
    settle(in.on);
    CHECK(log.times("accept") == 1);
    CHECK(log.of("accept").error == errc::closed);
}

THOLE_TEST("AC28 R86 who is slow to accept has a bounded number of clients in hand", "[accept]") {
    constexpr std::size_t clients = 200;
    scene in;
    tcp::listener door = open_door(in.on);
    std::vector<tcp::socket> there;
    std::size_t most = 0;
    for (std::size_t i = 0; i < clients; ++i) {
        there.push_back(run(in.on, client_of(in.on, door)));
        if (i % 50 == 0) {
            run(in.on, next(door));
        }
        turn(in.on);
        most = std::max(most, door.counters().parked + door.counters().standing);
    }
    CHECK(most <= 65);
    std::size_t got = door.counters().accepted;
    CHECK(got == 4);
    run(in.on, [](tcp::listener& at, std::size_t& count) -> task<> {
        while (count < clients) {
            const auto one = co_await at.accept();
            REQUIRE(one.error() == no_error);
            ++count;
        }
    }(door, got));
    CHECK(door.counters().accepted == clients);
    CHECK(door.counters().parked == 0);
}

THOLE_TEST("R71 a flood of clients does not hold up those who are there", "[accept]") {
    scene in;
    pair both = make_pair(in.on);
    tcp::listener door = open_door(in.on);
    std::size_t came = 0;
    auto accepting = in.on.spawn(count_clients(door, came));
    bool over = false;
    std::vector<spawned<void>> flood;
    for (int i = 0; i < 20; ++i) {
        flood.push_back(in.on.spawn([](loop& on, endpoint to, const bool& end) -> task<> {
            while (!end) {
                const auto made = co_await tcp::connect(on, to);
                REQUIRE(made.error() == no_error);
            }
        }(in.on, *door.local(), over)));
    }
    while (came < rounds() / 4) {
        const std::size_t before = came;
        run(in.on, echo_once(both.here, both.there));
        turn(in.on);                  // it may have needed none
        CHECK(came - before <= 512);  // a few turns of 64
    }
    over = true;
    run_until(in.on, [&] {
        return std::all_of(flood.begin(), flood.end(),
                           [](const spawned<void>& one) { return one.ended(); });
    });
    door.close();
    settle(in.on);
    CHECK(accepting.ended());
}
