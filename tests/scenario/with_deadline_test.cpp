// SPDX-License-Identifier: BSL-1.0
// One deadline over a whole task.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

task<std::error_code> sleeps(deadline until) {
    const auto slept = co_await sleep_until(until);
    co_return slept.error();
}

task<std::error_code> reads(pair& both, deadline until) {
    std::byte buffer[4];
    const auto got = co_await both.here.read(buffer, until);
    co_return got.error();
}

task<std::error_code> steps(pair& both, int& taken) {
    for (;;) {
        const std::error_code ended = co_await sleeps(within(1ms));
        if (ended) {
            // What comes after ends at once, with the same reason.
            const std::error_code after = co_await reads(both, never);
            co_return after == ended ? ended : after;
        }
        ++taken;
    }
}

task<> one_budget(loop& on, pair& both) {
    int taken = 0;
    const time_point start = on.now();
    const std::error_code ended = co_await with_deadline(within(20ms), steps(both, taken));
    CHECK(ended == errc::deadline_reached);
    CHECK(ended == std::errc::timed_out);
    CHECK(on.now() - start >= 20ms);
    CHECK(taken <= 20);
    // The task that waited was not cancelled.
    const std::error_code mine = co_await sleeps(within(1ms));
    CHECK(mine == no_error);
}

task<std::error_code> within_another(deadline inner, pair& both, deadline innermost) {
    co_return co_await with_deadline(inner, reads(both, innermost));
}

// Three nested ones: of the task, of a part of it, of the operation.
task<> shorter_wins(loop& on, pair& both) {
    constexpr std::chrono::milliseconds times[][3] = {
        {20ms, 60s, 60s}, {60s, 20ms, 60s}, {60s, 60s, 20ms}};
    for (const auto& [outer, inner, own] : times) {
        const time_point start = on.now();
        const std::error_code ended =
            co_await with_deadline(within(outer), within_another(within(inner), both, within(own)));
        CHECK(ended == errc::deadline_reached);
        CHECK(on.now() - start >= 20ms);
    }
}

}  // namespace

THOLE_TEST("with_deadline: one budget over everything that a task does", "[deadline]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, one_budget(in.on, both));
}

THOLE_TEST("CX07 nested deadlines: the shorter wins, whichever way they are nested", "[deadline]") {
    scene in;
    pair both = make_pair(in.on);
    const guard late(in.on, patience / 2);
    run(in.on, shorter_wins(in.on, both));
    CHECK_FALSE(late.fired());
}

namespace {

task<> passed_already(loop& on, pair& both) {
    co_await send(both.there, "x");
    (void)co_await sleep_for(1ms);
    const std::error_code none = co_await with_deadline(within(0ms), reads(both, never));
    CHECK(none == errc::deadline_reached);
    const std::error_code past = co_await with_deadline(at(on.now()), reads(both, never));
    CHECK(past == errc::deadline_reached);
    co_await expect(both.here, "x");  // R102: neither took it
}

task<std::error_code> outlives(deadline until) {
    (void)co_await sleep_until(never);
    co_return co_await shield(until, sleeps(within(1ms)));
}

task<> shields_within() {
    const std::error_code ended = co_await with_deadline(within(5ms), outlives(within(5s)));
    CHECK(ended == no_error);
    const std::error_code late = co_await with_deadline(within(5ms), outlives(within(0ms)));
    CHECK(late == errc::deadline_reached);
}

task<int> answers(int value) {
    (void)co_await sleep_for(1ms);
    co_return value;
}

task<> in_time(loop& on) {
    const int value = co_await with_deadline(within(1h), answers(7));
    CHECK(value == 7);
    // Its timer is gone: nothing keeps the loop from its end.
    const int again = co_await with_deadline(never, answers(8));
    CHECK(again == 8);
    static_cast<void>(on);
}

}  // namespace

THOLE_TEST("with_deadline: one that has passed starts nothing", "[deadline]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, passed_already(in.on, both));
}

THOLE_TEST("with_deadline: a shield within it has its own time", "[deadline]") {
    scene in;
    run(in.on, shields_within());
}

THOLE_TEST("with_deadline: a task that ends in time leaves no timer", "[deadline]") {
    scene in;
    const guard late(in.on, patience / 2);
    run(in.on, in_time(in.on));
    CHECK_FALSE(late.fired());
}

namespace {

task<std::error_code> limited(std::chrono::nanoseconds time) {
    co_return co_await with_deadline(within(time), sleeps(never));
}

task<> cancel_or_deadline(loop& on) {
    auto cancelled = on.spawn(limited(1h));
    (void)co_await sleep_for(1ms);
    cancelled.cancel();
    const std::error_code first = co_await cancelled;
    CHECK(first == errc::cancelled);
    CHECK(first != errc::deadline_reached);

    auto late = on.spawn(limited(1ms));
    (void)co_await sleep_for(20ms);
    late.cancel();
    const std::error_code second = co_await late;
    CHECK(second == errc::deadline_reached);
}

}  // namespace

THOLE_TEST("with_deadline: a cancel from above is a cancel", "[deadline]") {
    scene in;
    run(in.on, cancel_or_deadline(in.on));
}
