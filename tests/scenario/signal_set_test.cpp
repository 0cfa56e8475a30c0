// SPDX-License-Identifier: BSL-1.0
// Signals of the process. On Windows nothing here can send one: tests/scripted calls the handler.
#include "service.hpp"

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

using namespace thole;
using namespace thole::test;

namespace {

// In this thread: when it comes back, the handler has run. Of any thread, so it asserts nothing.
bool raised(signal_kind which) {
    int number = SIGTERM;
    if (which == signal_kind::interrupt) {
        number = SIGINT;
    }
#if defined(SIGUSR1)
    number = which == signal_kind::hangup  ? SIGHUP
             : which == signal_kind::user1 ? SIGUSR1
             : which == signal_kind::user2 ? SIGUSR2
                                           : number;
#endif
    return std::raise(number) == 0;
}

void raise_here(signal_kind which) { REQUIRE(raised(which)); }

void needs_signals() {
    if (raw::is_windows()) {
        skip("a program cannot send itself a console event under Wine: see tests/scripted");
    }
}

signal_set open_signals(loop& on, std::initializer_list<signal_kind> which) {
    result<signal_set> made = signal_set::open(on, which);
    REQUIRE(made.error() == no_error);
    return std::move(*made);
}

task<> told_one_by_one(signal_set& signals) {
    const auto none = co_await signals.next(within(2ms));
    CHECK(none.error() == errc::deadline_reached);
    // One kind is told once, the first kind first.
    raise_here(signal_kind::user1);
    raise_here(signal_kind::terminate);
    raise_here(signal_kind::user1);
    const auto first = co_await signals.next();
    const auto second = co_await signals.next();
    const auto third = co_await signals.next(within(2ms));
    CHECK(first == signal_kind::terminate);
    CHECK(second == signal_kind::user1);
    CHECK(third.error() == errc::deadline_reached);
}

task<> raises(std::chrono::nanoseconds after, signal_kind which) {
    (void)co_await sleep_for(after);
    raise_here(which);
}

task<> told_while_it_waits(loop& on, signal_set& signals) {
    for (const signal_kind each : {signal_kind::interrupt, signal_kind::hangup}) {
        auto raising = on.spawn(raises(3ms, each));
        const auto which = co_await signals.next(within(patience));
        CHECK(which == each);
        co_await raising;
    }
}

}  // namespace

THOLE_TEST("R130 signals: each that came is told once", "[signals]") {
    needs_signals();
    scene in;
    signal_set signals = open_signals(in.on, {signal_kind::terminate, signal_kind::user1});
    run(in.on, told_one_by_one(signals));
}

THOLE_TEST("R130 signals: a wait that sleeps is woken", "[signals]") {
    needs_signals();
    scene in;
    signal_set signals = open_signals(in.on, {signal_kind::interrupt, signal_kind::hangup});
    run(in.on, told_while_it_waits(in.on, signals));
}

// ---- Endings.

namespace {

task<> ends_of_waiting(loop& on, signal_set& signals) {
    signal_op second;
    auto first = on.spawn([](signal_set& of) -> task<std::error_code> {
        const auto got = co_await of.next();
        co_return got.error();
    }(signals));
    co_await yield();
    co_await yield();
    const auto beside = co_await signals.next();
    CHECK(beside.error() == errc::operation_in_progress);
    first.cancel();
    const std::error_code cancelled = co_await first;
    CHECK(cancelled == errc::cancelled);
    auto again = on.spawn([](signal_set& of) -> task<std::error_code> {
        const auto got = co_await of.next();
        co_return got.error();
    }(signals));
    co_await yield();
    co_await yield();
    signals.close();
    const std::error_code closed = co_await again;
    CHECK(closed == errc::closed);
    CHECK_FALSE(signals.is_open());
    signals.close();
    const auto never_open = co_await signals.next();
    CHECK(never_open.error() == errc::closed);
}

}  // namespace

THOLE_TEST("signals: how a wait ends", "[signals]") {
    scene in;
    signal_set signals = open_signals(in.on, {signal_kind::interrupt});
    run(in.on, ends_of_waiting(in.on, signals));
}

THOLE_TEST("signals: what is not here is refused, and so is one set too many", "[signals]") {
    scene in;
    using enum signal_kind;
    CHECK(signal_set::open(in.on, {}).error() == std::errc::invalid_argument);
    const auto elsewhere = raw::is_windows() ? user1 : control_break;
    CHECK(signal_set::open(in.on, {interrupt, elsewhere}).error() ==
          std::errc::operation_not_supported);
    CHECK(to_string(elsewhere) == (raw::is_windows() ? "user1" : "control break"));
    std::vector<signal_set> sets;
    for (int i = 0; i < 32; ++i) {
        sets.push_back(open_signals(in.on, {interrupt}));
    }
    CHECK(signal_set::open(in.on, {interrupt}).error() == errc::limit_reached);
    sets.erase(sets.begin() + 7);
    sets.push_back(open_signals(in.on, {interrupt, terminate}));
}

THOLE_TEST("signals: the loop ends under a wait", "[signals]") {
    scene in;
    signal_set signals = open_signals(in.on, {signal_kind::interrupt});
    auto waiting = in.on.spawn([](signal_set& of) -> task<> {
        const auto got = co_await of.next();
        FAIL("resumed with " << got.error());
    }(signals));
    turn(in.on);
    in.end_loop();
    if (!raw::is_windows()) {
        raise_here(signal_kind::interrupt);  // kept, and wakes nobody
    }
}

// ---- What was there before.

namespace {

std::atomic<int> own_calls{0};
void own_handler(int) { ++own_calls; }

task<> both_are_told(signal_set& one, signal_set& other) {
    raise_here(signal_kind::terminate);
    const auto first = co_await one.next();
    const auto second = co_await other.next();
    CHECK(first == signal_kind::terminate);
    CHECK(second == signal_kind::terminate);
}

}  // namespace

THOLE_TEST("R130 signals: several sets are told, and the last one restores what was there",
           "[signals]") {
    needs_signals();
    own_calls = 0;
    auto* const before = std::signal(SIGTERM, &own_handler);
    {
        scene in;
        signal_set one = open_signals(in.on, {signal_kind::terminate});
        {
            signal_set other = open_signals(in.on, {signal_kind::terminate});
            run(in.on, both_are_told(one, other));
        }
        raise_here(signal_kind::terminate);
        CHECK(own_calls == 0);
        one.close();
        raise_here(signal_kind::terminate);
        CHECK(own_calls == 1);
        one = open_signals(in.on, {signal_kind::terminate});
        raise_here(signal_kind::terminate);
        CHECK(own_calls == 1);
    }
    CHECK(std::signal(SIGTERM, before) == &own_handler);
    CHECK(own_calls == 1);
}

// ---- Under load, from other threads.

namespace {

constexpr int storm_size = 100'000;

task<> counts_signals(signal_set& signals, std::size_t& told, const std::atomic<bool>& over) {
    for (;;) {
        const auto which = co_await signals.next(within(1ms));
        told += which ? 1U : 0U;
        if (!which && over) {
            break;
        }
    }
}

task<> echoes(loop& on, service& at, const std::atomic<bool>& over) {
    tcp::socket peer = co_await client_of(on, at.where);
    do {
        co_await send(peer, "under a storm of signals");
        co_await expect(peer, "under a storm of signals");
    } while (!over);
}

task<> through_a_storm(loop& on, service& at, signal_set& signals, std::size_t& told) {
    std::atomic<bool> over{false};
    std::atomic<int> spoiled{0};
    std::thread storm([&] {
        for (int i = 0; i < storm_size; ++i) {
            errno = 4711;  // R130: the interrupted code's own
            const bool came = raised(i % 2 == 0 ? signal_kind::user1 : signal_kind::user2);
            spoiled += came && errno == 4711 ? 0 : 1;
        }
        over = true;
    });
    scope work(on);
    work.spawn(counts_signals(signals, told, over));
    work.spawn(echoes(on, at, over));
    co_await work.wait();
    storm.join();
    CHECK(spoiled == 0);
    at.runs.close();
}

}  // namespace

THOLE_TEST("R130 signals: 100,000 under load, and errno stays what it was", "[signals]") {
    needs_signals();
    scene in;
    service at(in.on, &echo);
    std::size_t told = 0;
    signal_set signals = open_signals(in.on, {signal_kind::user1, signal_kind::user2});
    run(in.on, through_a_storm(in.on, at, signals, told));
    CHECK(told >= 2);
    CHECK(told <= storm_size);
}

// ---- Children.

namespace {

int ends_by_a_signal(void*) {
    raise_here(signal_kind::user1);
    return 7;  // not reached
}

int as_another_program(void*) {
    char shell[] = "/bin/sh";
    char option[] = "-c";
    char kills[] = "kill -USR1 $$; exit 7";
    char* command[] = {shell, option, kills, nullptr};
    raw::become(command);
    return 8;
}

// With a set of its own it is told.
int with_its_own(void*) {
    loop on;
    auto signals = signal_set::open(on, {signal_kind::terminate});
    if (!signals) {
        return 1;
    }
    raise_here(signal_kind::terminate);
    const auto told = on.block_on([](signal_set& of) -> task<result<signal_kind>> {
        const auto which = co_await of.next();
        co_return which;
    }(*signals));
    return told == signal_kind::terminate ? 5 : 2;
}

}  // namespace

THOLE_TEST("R130 signals: a child has the defaults, or a set of its own", "[signals]") {
    needs_signals();
    scene in;
    signal_set signals = open_signals(in.on, {signal_kind::terminate, signal_kind::user1});
    CHECK(raw::in_forked_child(&ends_by_a_signal, nullptr) == -1);
    CHECK(raw::in_forked_child(&as_another_program, nullptr) == -1);
    CHECK(raw::in_forked_child(&with_its_own, nullptr) == 5);
    run(in.on, [](signal_set& of) -> task<> {
        const auto none = co_await of.next(within(1ms));
        CHECK(none.error() == errc::deadline_reached);  // what came to a child came to it alone
    }(signals));
}

// ---- What it is for.

namespace {

task<> until_interrupted(loop& on, service& at, signal_set& signals) {
    tcp::socket peer = co_await known_client(on, at.where);
    auto raising = on.spawn(raises(2ms, signal_kind::interrupt));
    const auto which = co_await signals.next(within(patience));
    CHECK(which == signal_kind::interrupt);
    auto ending = on.spawn(at.runs.drain(within(patience)));
    const std::error_code seen = co_await end_of(peer);
    CHECK(seen == errc::end_of_stream);
    peer.close();
    const drain_report end = co_await ending;
    CHECK(end.idle == 1);
    co_await raising;
}

}  // namespace

THOLE_TEST("R130 signals: Ctrl-C drains a server", "[signals][serve]") {
    needs_signals();
    scene in;
    service at(in.on, &echo);
    signal_set signals = open_signals(in.on, {signal_kind::interrupt, signal_kind::terminate});
    run(in.on, until_interrupted(in.on, at, signals));
}
