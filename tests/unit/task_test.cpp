// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <thole/thole.hpp>

#include "core/loop_core.hpp"

namespace {

using namespace std::chrono_literals;
using thole::errc;
using thole::loop;
using thole::never;
using thole::result;
using thole::sleep_for;
using thole::sleep_until;
using thole::spawned;
using thole::task;
using thole::unexpected;
using thole::within;

struct sim_loop : loop {
    sim_loop() : loop(thole::loop_options{.backend = thole::backend_kind::sim}) {
        REQUIRE(static_cast<bool>(*this));
    }
};

task<int> number(int n) { co_return n; }
task<> nothing() { co_return; }
task<int> later(int n, std::chrono::milliseconds time) {
    co_await sleep_for(time);
    co_return n;
}
task<int> sum(int depth) {
    if (depth == 0) {
        co_return 0;
    }
    co_return 1 + co_await sum(depth - 1);
}
task<int> thrower(bool sleep) {
    if (sleep) {
        co_await sleep_for(1ms);
    }
    throw std::runtime_error("task");
    co_return 1;
}

THOLE_TEST("block_on gives the value of a task", "[task]") {
    sim_loop on;
    CHECK(on.block_on(number(5)).value() == 5);
    CHECK(on.block_on(later(6, 10ms)).value() == 6);
    CHECK(on.block_on(nothing()).has_value());
    CHECK(on.block_on(sum(100)).value() == 100);
}

THOLE_TEST("a task of a result gives that result", "[task]") {
    sim_loop on;
    const auto fails = []() -> task<result<int>> {
        co_return unexpected(std::errc::connection_refused);
    };
    const auto works = []() -> task<result<int>> { co_return 3; };
    static_assert(std::is_same_v<decltype(on.block_on(fails())), result<int>>);
    CHECK(on.block_on(fails()).error() == std::errc::connection_refused);
    CHECK(on.block_on(works()).value() == 3);
}

THOLE_TEST("values that only move go through tasks", "[task]") {
    sim_loop on;
    const auto make = [](int n) -> task<std::unique_ptr<int>> {
        co_return std::make_unique<int>(n);
    };
    const auto pass = [&make](int n) -> task<std::unique_ptr<int>> {
        std::unique_ptr<int> p = co_await make(n);
        ++*p;
        co_return p;
    };
    result<std::unique_ptr<int>> p = on.block_on(pass(4));
    REQUIRE(p);
    CHECK(**p == 5);
}

THOLE_TEST("exceptions go to who awaits", "[task]") {
    sim_loop on;
    CHECK_THROWS_AS(on.block_on(thrower(false)), std::runtime_error);
    CHECK_THROWS_AS(on.block_on(thrower(true)), std::runtime_error);
    const auto catches = [](bool sleep) -> task<int> {
        try {
            co_return co_await thrower(sleep);
        } catch (const std::runtime_error&) {
            co_return -1;
        }
    };
    CHECK(on.block_on(catches(false)).value() == -1);
    CHECK(on.block_on(catches(true)).value() == -1);
    CHECK(on.block_on(number(1)).value() == 1);  // the loop is whole
}

THOLE_TEST("an exception that leaves a detached task leaves run()", "[task][throws]") {
    sim_loop on;
    on.spawn(thrower(true));
    int got = 0;
    const auto other = [](int& out) -> task<> { out = co_await later(7, 2ms); };
    on.spawn(other(got));
    CHECK_THROWS_AS(on.run(), std::runtime_error);
    CHECK(on.run().has_value());
    CHECK(got == 7);
    CHECK(on.core()->roots == nullptr);
}

THOLE_TEST("a spawned task starts in a later turn, and may be awaited once", "[task]") {
    sim_loop on;
    bool ran = false;
    const auto work = [](bool& flag) -> task<int> {
        flag = true;
        co_return 9;
    };
    spawned<int> s = on.spawn(work(ran));
    CHECK_FALSE(ran);
    CHECK(s);
    CHECK_FALSE(s.ended());
    REQUIRE(on.run());
    CHECK(ran);
    CHECK(s.ended());
    const auto waits = [](spawned<int> of) -> task<int> { co_return co_await of; };
    CHECK(on.block_on(waits(std::move(s))).value() == 9);
    CHECK(on.block_on(waits(on.spawn(later(3, 5ms)))).value() == 3);  // while it runs
    const auto catches = [](spawned<int> of) -> task<int> {
        try {
            co_return co_await of;
        } catch (const std::runtime_error&) {
            co_return -2;
        }
    };
    CHECK(on.block_on(catches(on.spawn(thrower(true)))).value() == -2);
}

THOLE_TEST("dropping the handle detaches: the task goes on", "[task]") {
    sim_loop on;
    int got = 0;
    const auto work = [](int& out) -> task<> { out = co_await later(2, 3ms); };
    { auto handle = on.spawn(work(got)); }
    REQUIRE(on.run());
    CHECK(got == 2);
}

struct trace {
    int* alive;
    explicit trace(int& count) : alive(&count) { ++count; }
    trace(const trace&) = delete;
    trace& operator=(const trace&) = delete;
    ~trace() { --*alive; }
};

THOLE_TEST("a task that never started may be dropped", "[task]") {
    int alive = 0;
    const auto work = [](std::unique_ptr<trace>) -> task<> { co_return; };
    {
        task<> dropped = work(std::make_unique<trace>(alive));
        CHECK(dropped);
        CHECK(alive == 1);
        task<> moved = std::move(dropped);
        CHECK_FALSE(dropped);                          // NOLINT: moved from on purpose
        moved = work(std::make_unique<trace>(alive));  // the old one goes
    }
    CHECK(alive == 0);
    {
        sim_loop on;
        on.spawn(work(std::make_unique<trace>(alive)));
        CHECK(alive == 1);
    }
    CHECK(alive == 0);
}

task<> holds(int& alive, int depth) {
    const trace here(alive);
    if (depth > 0) {
        co_await holds(alive, depth - 1);
    } else {
        co_await sleep_until(never);
    }
    FAIL("resumed by a loop that is destroyed");
}

THOLE_TEST("~loop destroys suspended tasks from the innermost frame out", "[task]") {
    int alive = 0;
    spawned<> handle;
    {
        sim_loop on;
        on.spawn(holds(alive, 5));
        handle = on.spawn(holds(alive, 0));
        REQUIRE(on.poll());
        CHECK(alive == 7);
    }
    CHECK(alive == 0);
    CHECK(handle.ended());
    handle.cancel();
}

THOLE_TEST("cancel walks down, and the task stays cancelled", "[task]") {
    sim_loop on;
    std::vector<std::error_code> seen;
    const auto inner = [](std::vector<std::error_code>& out) -> task<> {
        out.push_back((co_await sleep_until(never)).error());
        out.push_back((co_await sleep_for(1h)).error());  // at once: it stays cancelled
    };
    const auto outer = [&inner](std::vector<std::error_code>& out) -> task<> {
        co_await inner(out);
        co_await inner(out);  // a child of a cancelled task is one too
        out.push_back((co_await sleep_for(1h)).error());
    };
    spawned<> work = on.spawn(outer(seen));
    const auto begin = on.now();
    REQUIRE(on.poll());
    CHECK(seen.empty());
    work.cancel();
    REQUIRE(on.run());
    CHECK(work.ended());
    CHECK(on.now() - begin < 1s);
    REQUIRE(seen.size() == 5);
    for (const std::error_code& error : seen) {
        CHECK(error == errc::cancelled);
    }
    work.cancel();  // ended: nothing
}

THOLE_TEST("cancelled before it started, a task awaits nothing", "[task]") {
    sim_loop on;
    std::error_code seen;
    const auto work = [](std::error_code& out) -> task<> {
        out = (co_await sleep_for(1h)).error();
    };
    spawned<> s = on.spawn(work(seen));
    s.cancel();
    const auto begin = on.now();
    REQUIRE(on.run());
    CHECK(seen == errc::cancelled);
    CHECK(on.now() == begin);
}

THOLE_TEST("shield keeps a cancel out, until its own deadline", "[task]") {
    sim_loop on;
    std::vector<std::error_code> seen;
    const auto sleeps = [](std::chrono::milliseconds time) -> task<std::error_code> {
        co_return (co_await sleep_for(time)).error();
    };
    const auto work = [&sleeps](std::vector<std::error_code>& out) -> task<> {
        out.push_back((co_await sleep_for(1h)).error());
        out.push_back(co_await shield(within(50ms), sleeps(10ms)));
        out.push_back(co_await shield(within(50ms), sleeps(100ms)));
        out.push_back((co_await sleep_for(1h)).error());
    };
    spawned<> s = on.spawn(work(seen));
    REQUIRE(on.poll());
    s.cancel();
    const auto begin = on.now();
    REQUIRE(on.run());
    REQUIRE(seen.size() == 4);
    CHECK(seen[0] == errc::cancelled);
    CHECK_FALSE(seen[1]);
    CHECK(seen[2] == errc::deadline_reached);
    CHECK(seen[3] == errc::cancelled);
    CHECK(on.now() - begin >= 60ms);
    CHECK(on.now() - begin < 62ms);
}

THOLE_TEST("a cancel during a shield waits for its end", "[task]") {
    sim_loop on;
    std::vector<std::error_code> seen;
    const auto sleeps = []() -> task<std::error_code> {
        co_return (co_await sleep_for(20ms)).error();
    };
    const auto work = [&sleeps](std::vector<std::error_code>& out) -> task<> {
        out.push_back(co_await shield(within(1h), sleeps()));
        out.push_back((co_await sleep_for(1h)).error());
    };
    spawned<> s = on.spawn(work(seen));
    REQUIRE(on.poll());
    s.cancel();
    REQUIRE(on.run());
    REQUIRE(seen.size() == 2);
    CHECK_FALSE(seen[0]);
    CHECK(seen[1] == errc::cancelled);
}

THOLE_TEST("yield lets everything else that is ready run first", "[task]") {
    sim_loop on;
    std::vector<int> order;
    const auto work = [](std::vector<int>& out, int n) -> task<> {
        for (int i = 0; i < 3; ++i) {
            out.push_back(n);
            co_await thole::yield();
        }
    };
    on.spawn(work(order, 1));
    on.spawn(work(order, 2));
    REQUIRE(on.run());
    CHECK(order == std::vector<int>{1, 2, 1, 2, 1, 2});
}

THOLE_TEST("block_on lets other events go on, and returns when its task has ended", "[task]") {
    sim_loop on;
    int others = 0;
    const auto other = [](int& count, std::chrono::milliseconds time) -> task<> {
        co_await sleep_for(time);
        ++count;
    };
    on.spawn(other(others, 1ms));
    on.spawn(other(others, 1h));
    const auto begin = on.now();
    CHECK(on.block_on(later(1, 10ms)).value() == 1);
    CHECK(on.now() - begin < 12ms);
    CHECK(others == 1);
    REQUIRE(on.run());
    CHECK(others == 2);
}

THOLE_TEST("block_on that cannot end says so, and the task goes on detached", "[task]") {
    sim_loop on;
    on.post([&] { on.stop(); });
    int got = 0;
    const auto work = [](int& out) -> task<int> { co_return out = co_await later(3, 5ms); };
    CHECK(on.block_on(work(got)).error() == errc::cancelled);
    CHECK(got == 0);
    on.restart();
    REQUIRE(on.run());
    CHECK(got == 3);
    const auto forever = []() -> task<int> {
        co_await sleep_until(never);
        co_return 1;
    };
    CHECK(on.block_on(forever()).error() == std::errc::resource_deadlock_would_occur);
}

}  // namespace
