// SPDX-License-Identifier: BSL-1.0
#include "support/scenario.hpp"

#include <stdexcept>

using namespace thole;
using namespace thole::test;

namespace {

task<int> ready(int value) { co_return value; }

task<> million(loop& on, int times, bool& others_ran) {
    on.post([&others_ran] { others_ran = true; });
    long long sum = 0;
    for (int i = 0; i < times; ++i) {
        sum += co_await ready(1);
    }
    CHECK(sum == times);
}

task<int> deep(int levels) {
    if (levels == 0) {
        co_return 0;
    }
    co_return 1 + co_await deep(levels - 1);
}

}  // namespace

THOLE_TEST("a million ready tasks awaited: a bounded stack, and others run", "[task]") {
    scene in;
    bool others_ran = false;
    run(in.on, million(in.on, 1'000'000, others_ran));
    CHECK(others_ran);
}

THOLE_TEST("tasks that await tasks, 100,000 deep", "[task]") {
    scene in;
    CHECK(run(in.on, deep(100'000)) == 100'000);
}

namespace {

task<std::error_code> sleeper(deadline until) {
    const auto slept = co_await sleep_until(until);
    co_return slept.error();
}

task<std::error_code> middle(int levels, deadline until) {
    if (levels == 0) {
        co_return co_await sleeper(until);
    }
    co_return co_await middle(levels - 1, until);
}

task<> cancel_nested(loop& on) {
    auto running = on.spawn(middle(10, never));
    co_await yield();
    CHECK_FALSE(running.ended());
    running.cancel();
    running.cancel();
    const std::error_code error = co_await running;
    CHECK(error == errc::cancelled);
}

}  // namespace

THOLE_TEST("cancel walks down through nested tasks", "[task]") {
    scene in;
    run(in.on, cancel_nested(in.on));
}

namespace {

task<int> stays_cancelled(pair& both) {
    int cancelled = 0;
    const auto first = co_await sleep_until(never);
    cancelled += first.error() == errc::cancelled ? 1 : 0;
    std::byte buffer[4];
    const auto second = co_await both.here.read(buffer);
    cancelled += second.error() == errc::cancelled ? 1 : 0;
    const std::error_code third = co_await middle(2, never);
    cancelled += third == errc::cancelled ? 1 : 0;
    const transfer fourth = co_await both.here.write(bytes_of("x"));
    cancelled += fourth.error == errc::cancelled ? 1 : 0;
    co_return cancelled;
}

task<> cancel_sticks(loop& on, pair& both) {
    auto running = on.spawn(stays_cancelled(both));
    co_await yield();
    running.cancel();
    const int cancelled = co_await running;
    CHECK(cancelled == 4);
    // The byte was not written.
    std::byte buffer[4];
    const auto nothing = co_await both.there.read(buffer, within(1ms));
    CHECK(nothing.error() == errc::deadline_reached);
}

}  // namespace

THOLE_TEST("a cancelled task stays cancelled", "[task]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, cancel_sticks(in.on, both));
}

namespace {

task<std::error_code> goodbye(tcp::socket& to) {
    const auto slept = co_await sleep_for(5ms);
    CHECK(slept.error() == no_error);
    const transfer sent = co_await to.write(bytes_of("bye"));
    co_return sent.error;
}

struct ends {
    std::error_code read;
    std::error_code clean_up;
    std::error_code too_long;
    std::error_code after;
};

task<> cleans_up(loop& on, pair& both, ends& seen) {
    std::byte buffer[4];
    const auto got = co_await both.here.read(buffer);
    seen.read = got.error();
    seen.clean_up = co_await shield(within(5s), goodbye(both.here));
    const time_point start = on.now();
    seen.too_long = co_await shield(within(20ms), sleeper(never));
    CHECK(on.now() - start >= 20ms);
    const auto after = co_await sleep_for(1h);
    seen.after = after.error();
}

task<> cancel_shielded(loop& on, pair& both) {
    ends seen;
    auto running = on.spawn(cleans_up(on, both, seen));
    co_await yield();
    running.cancel();
    co_await yield();
    running.cancel();  // reaches nothing within the shield
    co_await running;
    CHECK(seen.read == errc::cancelled);
    CHECK(seen.clean_up == no_error);
    CHECK(seen.too_long == errc::deadline_reached);
    CHECK(seen.after == errc::cancelled);
    co_await expect(both.there, "bye");
}

}  // namespace

THOLE_TEST("shield: only its own deadline ends the clean-up of a cancelled task", "[task]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, cancel_shielded(in.on, both));
}

namespace {

task<> takes_turns(std::string& order, char name) {
    for (int i = 0; i < 3; ++i) {
        order += name;
        co_await yield();
    }
}

}  // namespace

THOLE_TEST("yield lets everything else that is ready run first", "[task]") {
    scene in;
    std::string order;
    for (const char name : std::string_view("abc")) {
        in.on.spawn(takes_turns(order, name));
    }
    in.on.post([&order] { order += 'p'; });
    settle(in.on);
    REQUIRE(order.size() == 10);
    CHECK(order.substr(0, 4) == "abcp");
    CHECK(order.substr(4) == "abcabc");
}

namespace {

task<int> later(int value) {
    (void)co_await sleep_for(1ms);
    co_return value;
}

task<int> fails() {
    (void)co_await sleep_for(1ms);
    throw std::runtime_error("a child");
}

task<> awaits_spawned(loop& on) {
    auto one = on.spawn(later(1));
    auto two = on.spawn(later(2));
    const int second = co_await two;
    const int first = co_await one;
    CHECK(first == 1);
    CHECK(second == 2);

    auto early = on.spawn(ready(3));
    (void)co_await sleep_for(2ms);
    CHECK(early.ended());
    const int third = co_await early;  // it had ended long ago
    CHECK(third == 3);

    auto failing = on.spawn(fails());
    bool caught = false;
    try {
        (void)co_await failing;
    } catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught);

    caught = false;
    try {
        (void)co_await fails();
    } catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught);
}

}  // namespace

THOLE_TEST("a spawned task is awaited for its value or its exception", "[task]") {
    scene in;
    run(in.on, awaits_spawned(in.on));
}

namespace {

task<> notes_end(journal& log) {
    const auto slept = co_await sleep_for(2ms);
    log.note("detached", slept.error());
}

}  // namespace

THOLE_TEST("a dropped spawned task goes on", "[task]") {
    scene in;
    journal log;
    {
        const auto dropped = in.on.spawn(notes_end(log));
        auto moved = in.on.spawn(notes_end(log));
        auto there = std::move(moved);
        there = spawned<>();
        CHECK_FALSE(there);
    }
    settle(in.on);
    REQUIRE(log.size() == 2);
    CHECK(log[0].error == no_error);
    CHECK(log[1].error == no_error);
}

THOLE_TEST("the handle of a spawned task outlives its loop", "[task]") {
    spawned<std::error_code> running;
    {
        scene in;
        running = in.on.spawn(sleeper(never));
        turn(in.on);
        CHECK_FALSE(running.ended());
    }
    CHECK(running.ended());
    running.cancel();
}

THOLE_TEST("block_on gives the value while other events go on", "[task]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<sleep_op> sleeping{noted{&log, "sleep"}};
    std::byte buffer[8];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    sleeping.start(in.on, within(1ms));
    reading.start(both.here, std::span(buffer));
    in.on.spawn(send(both.there, "x"));
    const auto value = in.on.block_on([](deadline until) -> task<int> {
        (void)co_await sleep_until(until);
        co_return 7;
    }(within(100ms)));
    CHECK(value.value() == 7);
    CHECK(log.times("sleep") == 1);
    CHECK(log.times("read") == 1);
    CHECK(in.on.run().value() == 0);
}

THOLE_TEST("block_on that is stopped, or that nothing can end, gives cancelled", "[task]") {
    int ended = 0;
    scene in;
    loop& on = in.on;
    auto counted = [](int& count, std::chrono::milliseconds time) -> task<> {
        (void)co_await sleep_for(time);
        ++count;
    };
    on.post([&on] { on.stop(); });
    const auto stopped = on.block_on(counted(ended, 5ms));
    CHECK(stopped.error() == errc::cancelled);
    CHECK(ended == 0);
    on.restart();
    settle(on);  // it went on as a detached one
    CHECK(ended == 1);
}

namespace {

task<std::size_t> counts_down(loop& on, std::size_t workers) {
    std::vector<spawned<int>> all;
    for (std::size_t i = 0; i < workers; ++i) {
        all.push_back(on.spawn(later(1)));
    }
    std::size_t sum = 0;
    for (spawned<int>& one : all) {
        sum += static_cast<std::size_t>(co_await one);
    }
    co_return sum;
}

}  // namespace

THOLE_TEST("thousands of spawned tasks at once", "[task]") {
    scene in;
    CHECK(run(in.on, counts_down(in.on, rounds())) == rounds());
}
