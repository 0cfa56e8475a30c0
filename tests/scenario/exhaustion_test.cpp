// SPDX-License-Identifier: BSL-1.0
// No descriptor is left: what a listener does with its clients, and what it costs.
#include "support/scarcity.hpp"

#include <ctime>
#include <deque>

using namespace thole;
using namespace thole::test;
using tcp::exhaustion_policy;

namespace {

void need_scarcity() {
    if (on_iocp()) {
        skip("Wine and Windows have no such limit: see R39 in the scripted suite");
    }
}

std::vector<tcp::socket> clients_of(loop& on, const tcp::listener& door, std::size_t count) {
    std::vector<tcp::socket> made;
    for (std::size_t i = 0; i < count; ++i) {
        auto one = run(on, [](loop& in, endpoint to) -> task<result<tcp::socket>> {
            co_return co_await tcp::connect(in, to);
        }(on, *door.local()));
        REQUIRE(one.error() == no_error);
        made.push_back(std::move(*one));
    }
    return made;
}

// An accept that waits, and what it got.
struct waiting {
    explicit waiting(tcp::listener& at) { op.start(at); }
    journal log;
    tcp::socket made;
    noting<tcp::accept_op> op{noted{&log, "accept", &made}};
};

}  // namespace

THOLE_TEST("AC13 R69 no descriptor: clients wait, the loop sleeps, and goes on within a second",
           "[accept]") {
    need_scarcity();
    constexpr std::size_t clients = 5;
    scene in(options_with_sockets(32));
    tcp::listener door = open_door(in.on);
    std::vector<tcp::socket> there = clients_of(in.on, door, clients);
    scarcity none(in.on);
    {
        std::deque<waiting> accepts;
        for (std::size_t i = 0; i < clients; ++i) {
            accepts.emplace_back(door);
        }
        const std::clock_t before = std::clock();
        REQUIRE(in.on.run_for(500ms).error() == no_error);
        const double used = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
        CHECK(used < 0.025);  // 5 % of a core; the simulated time takes none
        for (const waiting& one : accepts) {
            CHECK(one.op.pending());
        }
        CHECK(door.counters().accepted == 0);
        CHECK(door.counters().pauses >= 5);
        CHECK(door.counters().pauses <= 12);
        none.give(clients);
        const time_point start = in.on.now();
        run_until(in.on, [&] { return !accepts.back().op.pending(); });
        CHECK(in.on.now() - start < 1s);
        for (std::size_t i = 0; i < clients; ++i) {  // in order: nobody was overtaken
            REQUIRE(accepts[i].log.of("accept").error == no_error);
            CHECK(accepts[i].made.peer().value() == there[i].local().value());
        }
        CHECK(door.counters().accepted == clients);
    }
}

THOLE_TEST("AC12 R69 no descriptor: a listener that sheds resets who waits, and nobody is told",
           "[accept]") {
    need_scarcity();
    scene in(options_with_sockets(32));
    tcp::listener door =
        open_door(in.on, address_family::ipv4, {.when_exhausted = exhaustion_policy::shed});
    std::vector<tcp::socket> there = clients_of(in.on, door, 5);
    scarcity none(in.on);
    waiting accept(door);
    for (tcp::socket& client : there) {
        const transfer end = run(in.on, drain(client));
        CHECK(end.count == 0);
        CHECK(end.error == std::errc::connection_reset);
    }
    CHECK(accept.op.pending());
    CHECK(door.counters().shed == 5);
    none.give(2);
    std::vector<tcp::socket> later = clients_of(in.on, door, 1);
    const time_point start = in.on.now();
    run_until(in.on, [&] { return !accept.op.pending(); });
    CHECK(in.on.now() - start < 1s);
    REQUIRE(accept.log.of("accept").error == no_error);
    CHECK(accept.made.peer().value() == later[0].local().value());
    CHECK(door.counters().accepted == 1);
}

THOLE_TEST("R69 no descriptor: a listener that reports tells it, and the client waits",
           "[accept]") {
    need_scarcity();
    scene in(options_with_sockets(32));
    tcp::listener door =
        open_door(in.on, address_family::ipv4, {.when_exhausted = exhaustion_policy::report});
    std::vector<tcp::socket> there = clients_of(in.on, door, 1);
    scarcity none(in.on);
    waiting refused(door);
    settle(in.on);
    CHECK(refused.log.of("accept").error == std::errc::too_many_files_open);
    CHECK(door.counters().pauses == 0);
    none.give(1);
    waiting accept(door);
    settle(in.on);
    CHECK(accept.log.of("accept").error == no_error);
}

THOLE_TEST("R69 an accept that waits for a descriptor is cancelled, and loses no client",
           "[accept]") {
    need_scarcity();
    scene in(options_with_sockets(32));
    tcp::listener door = open_door(in.on);
    std::vector<tcp::socket> there = clients_of(in.on, door, 1);
    scarcity none(in.on);
    journal log;
    tcp::socket made;
    noting<tcp::accept_op> first{noted{&log, "first"}};
    noting<tcp::accept_op> second{noted{&log, "second"}};
    noting<tcp::accept_op> third{noted{&log, "third", &made}};
    first.start(door);
    second.start(door, within(60ms));
    third.start(door);
    run_until(in.on, [&] { return door.counters().pauses > 0; });
    first.cancel();
    run_until(in.on, [&] { return log.size() == 2; });
    CHECK(log.of("first").error == errc::cancelled);
    CHECK(log.of("second").error == errc::deadline_reached);
    CHECK(third.pending());
    none.give(1);
    settle(in.on);
    CHECK(log.of("third").error == no_error);
    CHECK(made.peer().value() == there[0].local().value());
    waiting last(door);
    run_until(in.on, [&] { return last.op.pending(); });
    door.close();
    settle(in.on);
    CHECK(last.log.of("accept").error == errc::closed);
}

// ---- select's own table.

namespace {

// A loop that has come near the end of its table by itself, and then finds it full.
struct full_table {
    full_table() : first(980), few(make_pair(in.on)) {}
    void fill() { rest.emplace(1024); }

    raw::held_descriptors first;
    scene in;
    pair few;
    std::optional<raw::held_descriptors> rest;
};

void need_select() {
    if (kind_of_run() != backend_kind::select) {
        skip("FD_SETSIZE is a limit of POSIX's select alone");
    }
    if (raw::lift_handle_limit(1200) < 1200) {
        skip("RLIMIT_NOFILE allows no descriptor from FD_SETSIZE on");
    }
}

}  // namespace

THOLE_TEST("R69 R73 no number is left in select's table: clients wait, none is lost", "[accept]") {
    need_select();
    full_table at;
    loop& on = at.in.on;
    tcp::listener door = open_door(on);
    at.fill();
    std::vector<raw::socket> there;
    std::deque<waiting> accepts;
    for (std::size_t i = 0; i < 5; ++i) {
        there.push_back(raw::socket::connect(*door.local()));
        accepts.emplace_back(door);
    }
    const std::clock_t before = std::clock();
    REQUIRE(on.run_for(500ms).error() == no_error);
    CHECK(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC < 0.025);
    CHECK(door.counters().accepted == 0);
    CHECK(door.counters().shed == 0);
    CHECK(door.counters().pauses >= 5);
    CHECK(door.counters().pauses <= 12);
    at.rest.reset();
    const time_point start = on.now();
    run_until(on, [&] { return !accepts.back().op.pending(); });
    CHECK(on.now() - start < 1s);
    for (std::size_t i = 0; i < there.size(); ++i) {  // in order: nobody was overtaken, or lost
        REQUIRE(accepts[i].log.of("accept").error == no_error);
        CHECK(accepts[i].made.peer().value() == there[i].local());
    }
    CHECK(door.counters().accepted == there.size());
    for (std::size_t i = 0; i < 3; ++i) {  // and so it goes on
        raw::socket later = raw::socket::connect(*door.local());
        waiting accept(door);
        settle(on);
        REQUIRE(accept.log.of("accept").error == no_error);
    }
}

THOLE_TEST("R69 R73 accepts that find clients at once stop where select's table ends", "[accept]") {
    need_select();
    full_table at;
    loop& on = at.in.on;
    tcp::listener door = open_door(on);
    std::vector<raw::socket> there;
    for (std::size_t i = 0; i < 30; ++i) {  // these take numbers, and as many are left
        there.push_back(raw::socket::connect(*door.local()));
    }
    std::vector<tcp::socket> made;
    auto accepting = on.spawn([](tcp::listener& from, std::vector<tcp::socket>& to) -> task<> {
        while (auto one = co_await from.accept()) {
            to.push_back(std::move(*one));
        }
    }(door, made));
    run_until(on, [&] { return door.counters().pauses != 0; });
    CHECK(door.counters().shed == 0);
    CHECK(made.size() >= 1);
    CHECK(made.size() < there.size());
    for (std::size_t i = 0; made.size() < there.size(); ++i) {  // one leaves, and the next comes in
        const std::size_t before = made.size();
        there[i].close();
        run_until(on, [&] { return made.size() > before; });
    }
    CHECK(door.counters().shed == 0);
    CHECK(door.counters().accepted == 30);
    door.close();
    settle(on);
    CHECK(accepting.ended());
}

THOLE_TEST("R69 R73 a listener that sheds does so at the end of select's table too", "[accept]") {
    need_select();
    full_table at;
    loop& on = at.in.on;
    tcp::listener door =
        open_door(on, address_family::ipv4, {.when_exhausted = exhaustion_policy::shed});
    at.fill();
    raw::socket client = raw::socket::connect(*door.local());
    waiting accept(door);
    run_until(on, [&] { return door.counters().shed != 0; });
    CHECK(client.receive(1).how == raw::ending::reset);
    CHECK(accept.op.pending());
    at.rest.reset();
    raw::socket lucky = raw::socket::connect(*door.local());
    settle(on);
    REQUIRE(accept.log.of("accept").error == no_error);
    CHECK(accept.made.peer().value() == lucky.local());
}
