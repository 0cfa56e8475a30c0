// SPDX-License-Identifier: BSL-1.0
// One cancel for many operations, cancels that meet a deadline or another thread, and a million
// deadlines.
#include "support/scenario.hpp"

#include <deque>
#include <thread>

#include "support/allocations.hpp"

using namespace thole;
using namespace thole::test;

using piece = std::array<std::byte, 8>;

namespace {

std::size_t count_of(const journal& log, errc error) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < log.size(); ++i) {
        count += log[i].error == error ? 1U : 0U;
    }
    return count;
}

}  // namespace

THOLE_TEST("CX04 one cancel of a socket ends all that is pending on it, once", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    pair other = make_pair(in.on);
    journal log;
    piece buffer{};
    piece elsewhere{};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    noting<tcp::write_op> writing{noted{&log, "write"}};
    noting<tcp::read_op> untouched{noted{&log, "other"}};
    reading.start(both.here, buffer, within(patience));
    writing.start(both.here, bulk());
    untouched.start(other.here, elsewhere);
    turn(in.on);
    REQUIRE(writing.pending());
    both.here.cancel();
    both.here.cancel();
    CHECK(log.size() == 0);
    log.stop_at(in.on, 2);
    settle(in.on);
    turn(in.on);
    CHECK(log.size() == 2);
    CHECK(log.of("read").error == errc::cancelled);
    CHECK(log.of("write").error == errc::cancelled);
    CHECK(untouched.pending());
    untouched.cancel();
    settle(in.on);
    CHECK(log.of("other").error == errc::cancelled);
}

THOLE_TEST("CX04 one cancel of a listener ends all its accepts, once", "[cancel]") {
    scene in;
    tcp::listener door = open_door(in.on);
    journal log;
    std::deque<noting<tcp::accept_op>> accepting;
    for (int i = 0; i < 10; ++i) {
        accepting.emplace_back(noted{&log, "accept"}).start(door, within(patience));
    }
    turn(in.on);
    door.cancel();
    CHECK(log.size() == 0);
    settle(in.on);
    CHECK(log.size() == 10);
    CHECK(count_of(log, errc::cancelled) == 10);
    CHECK(door.is_open());
    const pair both = run(in.on, connected(in.on, door));
    CHECK(both.there.is_open());
    CHECK(log.size() == 10);
}

namespace {

task<std::error_code> waits_for_bytes(tcp::socket& from) {
    piece buffer{};
    const auto got = co_await from.read(buffer, within(patience));
    co_return got.error();
}

task<std::error_code> waits_for_a_child(tcp::socket& from, int levels) {
    if (levels == 0) {
        co_return co_await waits_for_bytes(from);
    }
    co_return co_await waits_for_a_child(from, levels - 1);
}

// The tree: it awaits one branch after the other, and a cancel ends them all.
task<> branches(std::vector<pair>& pairs, journal& log) {
    for (pair& each : pairs) {
        const std::error_code end = co_await waits_for_a_child(each.here, 5);
        log.note("branch", end);
    }
    const auto slept = co_await sleep_for(patience);
    log.note("sleep", slept.error());
}

task<> cancel_tree(loop& on, std::vector<pair>& pairs, journal& log) {
    auto tree = on.spawn(branches(pairs, log));
    co_await yield();
    CHECK_FALSE(tree.ended());
    tree.cancel();
    co_await tree;
}

}  // namespace

THOLE_TEST("CX04 one cancel of a task ends all that it awaits, once", "[cancel]") {
    scene in;
    std::vector<pair> pairs;
    for (int i = 0; i < 4; ++i) {
        pairs.push_back(make_pair(in.on));
    }
    journal log;
    run(in.on, cancel_tree(in.on, pairs, log));
    CHECK(log.times("branch") == 4);
    CHECK(log.times("sleep") == 1);
    CHECK(count_of(log, errc::cancelled) == 5);
    for (pair& each : pairs) {  // and none of the sockets was harmed
        run(in.on, send(each.there, "on"));
        run(in.on, expect(each.here, "on"));
    }
}

namespace {

task<std::error_code> child_with_deadline(tcp::socket& from, deadline until) {
    piece buffer{};
    const auto got = co_await from.read(buffer, until);
    co_return got.error();
}

task<std::error_code> parent_of(tcp::socket& from, deadline until) {
    const std::error_code end = co_await child_with_deadline(from, until);
    co_return end;
}

// Lets the time pass without a turn of the loop. The simulated clock moves by turns alone.
void let_pass(loop& on, time_point when) {
    while (!on_sim() && on.now() < when) {
    }
}

task<> cancel_first(loop& on, tcp::socket& from) {
    // Nobody has looked at the clock when the cancel comes, though the deadline has passed.
    const time_point when = on.now() + 2ms;
    auto late = on.spawn(parent_of(from, at(when)));
    co_await yield();
    let_pass(on, when + 1ms);
    late.cancel();
    const std::error_code end = co_await late;
    CHECK(end == errc::cancelled);
    CHECK(end != errc::deadline_reached);

    // Cancelled before it starts: the deadline, also one that has passed, is not asked.
    for (const deadline past : {within(0s), within(patience), at(on.now())}) {
        auto unstarted = on.spawn(parent_of(from, past));
        unstarted.cancel();
        const std::error_code other = co_await unstarted;
        CHECK(other == errc::cancelled);
    }
}

task<std::error_code> deadline_then_more(tcp::socket& from, std::error_code& first) {
    piece buffer{};
    const auto got = co_await from.read(buffer, within(1ms));
    first = got.error();
    const auto more = co_await from.read(buffer, within(patience));
    co_return more.error();
}

task<> deadline_first(loop& on, tcp::socket& from) {
    std::error_code first;
    auto reading = on.spawn(deadline_then_more(from, first));
    while (first == no_error) {
        (void)co_await sleep_for(1ms);
    }
    CHECK(first == errc::deadline_reached);  // each keeps the reason that was first
    reading.cancel();
    const std::error_code end = co_await reading;
    CHECK(end == errc::cancelled);
    CHECK(end != errc::deadline_reached);
}

}  // namespace

THOLE_TEST("CX08 the parent's cancel and the deadline: who was first", "[cancel]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, cancel_first(in.on, both.here));
    run(in.on, deadline_first(in.on, both.here));
    run(in.on, send(both.there, "on"));
    run(in.on, expect(both.here, "on"));
}

THOLE_TEST("CX11 cancels of another thread that race with bytes: one completion each",
           "[cancel][threads]") {
    if (on_sim()) {
        skip("the simulated network has no real sleeping: nothing there waits for a thread");
    }
    scene in;
    loop& on = in.on;
    pair both = make_pair(on);
    journal log;
    journal sends;
    piece buffer{};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    noting<tcp::write_op> writing{noted{&sends, "write"}};
    baton started;
    std::size_t asked = 0;  // the loop's thread alone
    const std::size_t times = rounds();
    std::thread other([&] {
        for (std::size_t i = 0; i < times; ++i) {
            started.wait();
            on.post([&] {
                ++asked;
                reading.cancel();
                on.stop();
            });
        }
    });
    std::size_t sent = 0;
    std::size_t got = 0;
    for (std::size_t i = 0; i < times; ++i) {
        reading.start(both.here, buffer);
        started.pass();
        if (i % 4 != 0) {
            writing.start(both.there, bytes_of("b"));
            ++sent;
        }
        while (log.size() == i || asked == i || sends.size() < sent) {
            CHECK(on.run_for(patience).error() == no_error);
            on.restart();
        }
        if (log.size() != i + 1) {
            break;
        }
        got += log[i].count;
    }
    other.join();
    REQUIRE(log.size() == times);
    std::size_t ends = 0;
    for (std::size_t i = 0; i < log.size(); ++i) {
        const bool read = log[i].error == no_error && log[i].count > 0;
        const bool cancelled = log[i].error == errc::cancelled && log[i].count == 0;
        ends += read || cancelled ? 1U : 0U;
    }
    CHECK(ends == times);
    REQUIRE(got <= sent);
    run(on, expect(both.here, std::string(sent - got, 'b')));  // no byte was lost
}

namespace {

struct many_timers {
    explicit many_timers(loop& on, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            all.emplace_back(
                on, [](void* self) { ++static_cast<many_timers*>(self)->fired; }, this);
        }
    }
    std::deque<timer> all;
    std::size_t fired = 0;
};

}  // namespace

// That each costs the same is for the benchmarks to show.
THOLE_TEST("CX13 a million deadlines armed and cancelled: no memory is asked for", "[cancel]") {
    scene in;
    loop& on = in.on;
    const std::size_t count = rounds() < 1000 ? 100'000 : 1'000'000;
    many_timers timers(on, count);
    turn(on);
    std::size_t failed = 0;
    const std::size_t before = allocations();
    for (std::size_t i = 0; i < count; ++i) {  // from an hour to more than a day: many levels
        const auto time = std::chrono::hours(1) + std::chrono::microseconds(i * 97'003);
        failed += timers.all[i].arm(within(time)) ? 1U : 0U;
    }
    failed += on.poll() ? 0U : 1U;  // they are put where they belong
    for (timer& each : timers.all) {
        each.disarm();
    }
    failed += on.poll() ? 0U : 1U;
    const std::size_t asked_for = allocations() - before;
    CHECK(asked_for == 0);
    CHECK(failed == 0);
    CHECK(timers.fired == 0);
    CHECK(on.run().value() == 0);  // nothing is left of them
}

THOLE_TEST("CX13 reads with a deadline that are cancelled: no memory is asked for", "[cancel]") {
    scene in;
    loop& on = in.on;
    pair both = make_pair(on);
    piece buffer{};
    std::size_t ends = 0;
    struct counts {
        std::size_t* to;
        void operator()(const result<std::size_t>& end) const {
            *to += end.error() == errc::cancelled ? 1U : 0U;
        }
    };
    callback<tcp::read_op, counts> reading{counts{&ends}};
    std::size_t asked_for = 0;
    const std::size_t times = rounds() * 10;
    for (std::size_t i = 0; i < times; ++i) {
        const std::size_t before = allocations();
        reading.start(both.here, buffer, within(patience));
        reading.cancel();
        while (reading.pending() || ends == i) {
            if (!on.poll()) {
                break;
            }
        }
        asked_for += i > 10 ? allocations() - before : 0;
    }
    CHECK(ends == times);
    CHECK(asked_for == 0);
}
