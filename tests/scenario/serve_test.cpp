// SPDX-License-Identifier: BSL-1.0
// A server with everything by default: limits, counters, exceptions contained.
#include "service.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

using namespace thole;
using namespace thole::test;

namespace {

task<> asks_and_leaves(loop& on, endpoint where, std::string_view text) {
    tcp::socket peer = co_await client_of(on, where);
    co_await send(peer, text);
    co_await expect(peer, text);
    CHECK(peer.shutdown_write().error() == no_error);
    const transfer rest = co_await drain(peer);
    CHECK(rest == transfer{0, make_error_code(errc::end_of_stream)});
}

task<> twenty_come_and_go(loop& on, service& at) {
    scope clients(on);
    for (int i = 0; i < 20; ++i) {
        clients.spawn(asks_and_leaves(on, at.where, "a request and its answer"));
    }
    co_await clients.wait();
    co_await until_empty(at.runs);
    const server_counters seen = at.runs.counters();
    CHECK(seen.accepted == 20);
    CHECK(seen.closed.ended == 20);
    CHECK(seen.active == 0);
    CHECK(seen.closing == 0);
    CHECK(at.runs.accepting());
    at.runs.close();
    at.runs.close();
    CHECK_FALSE(at.runs.accepting());
}

}  // namespace

THOLE_TEST("serve: connections come, are answered and go, and all are counted", "[serve]") {
    scene in;
    service at(in.on, &echo);
    run(in.on, twenty_come_and_go(in.on, at));
    settle(in.on);  // nothing of it keeps the loop running
    CHECK(at.runs.counters().standing == 0);
}

// ---- As many as there may be.

namespace {

struct crowd {
    std::size_t now = 0;
    std::size_t most = 0;
};

task<> ten_at_three(loop& on, service& at, const crowd& seen) {
    scope clients(on);
    for (int i = 0; i < 10; ++i) {
        clients.spawn(asks_and_leaves(on, at.where, "each is served, none sees an error"));
    }
    co_await clients.wait();
    co_await until_empty(at.runs);
    CHECK(seen.most == 3);
    CHECK(at.runs.counters().accepted == 10);
    CHECK(at.closed().ended == 10);
    at.runs.close();
}

}  // namespace

THOLE_TEST("G12 serve: at the limit on connections clients wait, and accepting resumes",
           "[serve]") {
    scene in;
    crowd seen;
    service at(in.on,
               [&seen](connection& with) -> task<> {
                   seen.most = std::max(seen.most, ++seen.now);
                   (void)co_await sleep_for(2ms);
                   co_await echo(with);
                   --seen.now;
               },
               {.most_connections = 3});
    run(in.on, ten_at_three(in.on, at, seen));
}

// ---- Time.

namespace {

task<> stays_silent(loop& on, service& at) {
    tcp::socket peer = co_await client_of(on, at.where);
    const time_point before = on.now();
    const std::error_code end = co_await end_of(peer);
    CHECK(end == errc::end_of_stream);
    CHECK(on.now() - before >= 20ms);
    peer.close();
    co_await until_empty(at.runs);
    CHECK(at.closed().idle == 1);
    CHECK(at.closed().ended == 0);
    at.runs.close();
}

task<> is_talkative(loop& on, service& at) {
    tcp::socket peer = co_await known_client(on, at.where);
    std::byte buffer[16];
    for (;;) {
        const transfer sent = co_await peer.write(bytes_of("more"));
        const auto got = co_await peer.read(buffer);
        if (!sent || !got) {
            break;
        }
        (void)co_await sleep_for(1ms);
    }
    peer.close();
    co_await until_empty(at.runs);
    CHECK(at.closed().lifetime == 1);
    CHECK(at.closed().ended == 0);
    at.runs.close();
}

}  // namespace

THOLE_TEST("serve: who is silent for the idle time is let go", "[serve]") {
    scene in;
    service at(in.on, &echo, {.idle = 20ms});
    run(in.on, stays_silent(in.on, at));
}

THOLE_TEST("serve: no connection outlives its lifetime, however busy", "[serve]") {
    scene in;
    service at(in.on, &echo, {.lifetime = 30ms, .close_time = 50ms});
    run(in.on, is_talkative(in.on, at));
}

// ---- Exceptions.

namespace {

struct reported {
    int count = 0;
    std::string words;
    static void note(void* self, connection& of, const std::exception_ptr& why) {
        auto& into = *static_cast<reported*>(self);
        ++into.count;
        CHECK(of.socket().is_open());
        try {
            std::rethrow_exception(why);
        } catch (const std::runtime_error& failed) {
            into.words = failed.what();
        }
    }
};

task<> one_of_two_fails(loop& on, service& at, reported& told) {
    tcp::socket good = co_await known_client(on, at.where);
    tcp::socket bad = co_await client_of(on, at.where);
    co_await send(bad, "!");
    const std::error_code end = co_await end_of(bad);
    CHECK(end == errc::end_of_stream);
    bad.close();
    co_await send(good, "still there");
    co_await expect(good, "still there");
    co_await until([&at] { return at.closed().exceptions == 1; });
    CHECK(told.count == 1);
    CHECK(told.words == "a request that is none");
    CHECK(at.runs.counters().active == 1);
    good.close();
    co_await until_empty(at.runs);
    CHECK(at.closed().ended == 1);
    at.runs.close();
}

task<> fails_at_an_exclamation(connection& with) {
    std::byte buffer[64];
    while (auto n = co_await with.socket().read(buffer)) {
        if (buffer[0] == std::byte{'!'}) {
            throw std::runtime_error("a request that is none");
        }
        const transfer sent = co_await with.socket().write(std::span(buffer).first(*n));
        CHECK(sent.error == no_error);
    }
}

task<> fails_before_it_is_a_task(connection&) { throw std::runtime_error("no task"); }

task<> is_cut_off(loop& on, service& at, reported& told) {
    tcp::socket peer = co_await client_of(on, at.where);
    const std::error_code end = co_await end_of(peer);
    CHECK(end == errc::end_of_stream);
    peer.close();
    co_await until_empty(at.runs);
    CHECK(at.closed().exceptions == 1);
    CHECK(told.words == "no task");
    at.runs.close();
}

}  // namespace

THOLE_TEST("R118 serve: a handler's exception ends its connection alone, and is reported",
           "[serve][throws]") {
    scene in;
    reported told;
    service at(in.on, &fails_at_an_exclamation, {.failed = &reported::note, .context = &told});
    run(in.on, one_of_two_fails(in.on, at, told));
}

THOLE_TEST("R118 serve: so does one that is thrown where the task is made", "[serve][throws]") {
    scene in;
    reported told;
    const auto none = [](connection& with) -> task<> { return fails_before_it_is_a_task(with); };
    service at(in.on, none, {.failed = &reported::note, .context = &told});
    run(in.on, is_cut_off(in.on, at, told));
}

// ---- The end of the loop, of the server, of a socket.

namespace {

task<> open_two(loop& on, service& at, std::vector<tcp::socket>& kept) {
    kept.push_back(co_await known_client(on, at.where));
    kept.push_back(co_await known_client(on, at.where));
}

task<> sees_the_end(tcp::socket& peer) {
    const std::error_code end = co_await end_of(peer);
    CHECK(is_cut(end));
}

}  // namespace

THOLE_TEST("serve: the loop ends under its connections", "[serve]") {
    scene in;
    std::vector<tcp::socket> kept;
    service at(in.on, &echo, {.lifetime = 1h});
    run(in.on, open_two(in.on, at, kept));
    CHECK(at.runs.counters().active == 2);
    in.end_loop();
    CHECK(at.runs.counters().active == 0);
}

THOLE_TEST("serve: a server that goes resets its connections and ends its handlers", "[serve]") {
    scene in;
    std::vector<tcp::socket> kept;
    {
        service at(in.on, &echo, {.lifetime = 1h});
        run(in.on, open_two(in.on, at, kept));
    }
    run(in.on, sees_the_end(kept[0]));
    run(in.on, sees_the_end(kept[1]));
    settle(in.on);
}

namespace {

task<> takes_it_away(loop& on, service& at, const tcp::socket& taken) {
    tcp::socket peer = co_await client_of(on, at.where);
    co_await until([&taken] { return taken.is_open(); });
    co_await until_empty(at.runs);
    CHECK(at.closed().ended == 1);
    CHECK(taken.peer() == peer.local());
    at.runs.close();
}

}  // namespace

THOLE_TEST("serve: a handler may take the socket away", "[serve]") {
    scene in;
    tcp::socket taken;
    service at(in.on, [&taken](connection& with) -> task<> {
        taken = std::move(with.socket());
        co_return;
    });
    run(in.on, takes_it_away(in.on, at, taken));
}

// ---- Listeners.

namespace {

task<> by_both_doors(loop& on, server& of, endpoint first, endpoint second) {
    co_await asks_and_leaves(on, first, "by the first");
    co_await asks_and_leaves(on, second, "by the second");
    tcp::socket there = co_await known_client(on, first);
    // With no room left, one is accepted by each at the most, and waits for its handler.
    scope clients(on);
    clients.spawn(asks_and_leaves(on, first, "later"));
    clients.spawn(asks_and_leaves(on, second, "later"));
    (void)co_await sleep_for(5ms);
    CHECK(of.counters().active == 1);
    there.close();
    co_await clients.wait();
    co_await until_empty(of);
    CHECK(of.counters().closed.ended == 5);
    of.close();
}

}  // namespace

THOLE_TEST("serve: several listeners, one limit", "[serve]") {
    scene in;
    tcp::listener doors[2] = {open_door(in.on), open_door(in.on)};
    const endpoint first = *doors[0].local();
    const endpoint second = *doors[1].local();
    server both = serve(in.on, std::span(doors), &echo, {.most_connections = 1});
    CHECK_FALSE(doors[0].is_open());
    run(in.on, by_both_doors(in.on, both, first, second));
}

THOLE_TEST("serve: what has no listener says so", "[serve]") {
    scene in;
    server none;
    CHECK(none.error() == errc::closed);
    CHECK(none.start(open_door(in.on)).error() == errc::closed);
    CHECK_FALSE(none.accepting());
    CHECK(none.counters().accepted == 0);
    none.close();
    server deaf = serve(in.on, tcp::listener(), &echo);
    CHECK(deaf.error() == errc::closed);
    CHECK(deaf.start(open_door(in.on)).error() == no_error);
    CHECK(deaf.error() == no_error);
    CHECK(deaf.accepting());
    server moved = std::move(deaf);
    CHECK(moved.accepting());
    moved.close();
    settle(in.on);
}
