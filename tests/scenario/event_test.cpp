// SPDX-License-Identifier: BSL-1.0
// A flag that tasks of one loop wait for.
#include "support/scenario.hpp"

#include <memory>

using namespace thole;
using namespace thole::test;

namespace {

task<> waits(event& on, std::string& order, char name) {
    const auto told = co_await on.wait();
    CHECK(told.error() == no_error);
    order += name;
}

task<> sets(loop& on) {
    event ready;
    std::string order;
    scope children(on);
    for (const char name : std::string_view("abc")) {
        children.spawn(waits(ready, order, name));
    }
    (void)co_await sleep_for(1ms);
    CHECK(order.empty());
    CHECK_FALSE(ready.is_set());
    ready.set();
    CHECK(order.empty());  // in a later turn
    co_await children.wait();
    CHECK(order == "abc");

    const auto at_once = co_await ready.wait(within(1h));
    CHECK(at_once.error() == no_error);
    ready.reset();
    const auto again = co_await ready.wait(within(1ms));
    CHECK(again.error() == errc::deadline_reached);
}

task<> told_before_reset(loop& on) {
    event ready;
    std::string order;
    scope children(on);
    children.spawn(waits(ready, order, 'a'));
    co_await yield();
    ready.set();
    ready.reset();
    co_await children.wait();
    CHECK(order == "a");
}

task<> late_event() {
    const event set(true);
    event ready;
    CHECK(set.is_set());
    const auto late = co_await ready.wait(within(0ms));
    CHECK(late.error() == errc::deadline_reached);
    ready.set();
    const auto known = co_await ready.wait(within(0ms));  // R102: it starts nothing
    CHECK(known.error() == errc::deadline_reached);
}

task<std::error_code> ending(event& on) {
    const auto told = co_await on.wait();
    co_return told.error();
}

task<> cancel_of_one(loop& on) {
    event ready;
    auto one = on.spawn(ending(ready));
    auto two = on.spawn(ending(ready));
    auto three = on.spawn(ending(ready));
    co_await yield();
    two.cancel();
    const std::error_code second = co_await two;
    CHECK(second == errc::cancelled);
    ready.set();
    const std::error_code first = co_await one;
    const std::error_code third = co_await three;
    CHECK(first == no_error);
    CHECK(third == no_error);
}

task<> destroyed(loop& on) {
    auto ready = std::make_unique<event>();
    auto one = on.spawn(ending(*ready));
    co_await yield();
    ready.reset();
    const std::error_code first = co_await one;
    CHECK(first == errc::closed);
}

}  // namespace

THOLE_TEST("event: all who wait go on, in order, and it stays set", "[event]") {
    scene in;
    run(in.on, sets(in.on));
}

THOLE_TEST("event: who was told keeps its success after a reset", "[event]") {
    scene in;
    run(in.on, told_before_reset(in.on));
}

THOLE_TEST("event: a deadline that has passed", "[event]") {
    scene in;
    run(in.on, late_event());
}

THOLE_TEST("event: a cancel takes one out and leaves the others", "[event]") {
    scene in;
    run(in.on, cancel_of_one(in.on));
}

THOLE_TEST("event: who waits when it is destroyed is told", "[event]") {
    scene in;
    run(in.on, destroyed(in.on));
}

THOLE_TEST("event: told to callbacks, never inside set", "[event]") {
    scene in;
    event ready;
    journal log;
    noting<wait_op> first{noted{&log, "first"}};
    noting<wait_op> second{noted{&log, "second"}};
    first.start(in.on, ready);
    second.start(in.on, ready, within(1ms));
    (void)in.on.run_for(10ms);
    CHECK(log.of("second").error == errc::deadline_reached);
    ready.set();
    CHECK(log.size() == 1);
    settle(in.on);
    CHECK(log.of("first").error == no_error);
}

THOLE_TEST("event: the loop's end gives up who waits, and the event lives on", "[event]") {
    event ready;
    std::error_code seen;
    {
        scene in;
        in.on.spawn([](event& on, std::error_code& into) -> task<> {
            const auto told = co_await on.wait();
            into = told.error() ? told.error() : make_error_code(std::errc::io_error);
        }(ready, seen));
        turn(in.on);
        turn(in.on);
    }
    CHECK(seen == no_error);
    ready.set();
    scene again;
    run(again.on, [](event& on) -> task<> {
        const auto told = co_await on.wait();
        CHECK(told.error() == no_error);
    }(ready));
}

THOLE_TEST("event: tasks of two loops may not wait for one", "[event]") {
    scene in;
    scene other;
    event ready;
    journal log;
    noting<wait_op> here{noted{&log, "here"}};
    noting<wait_op> there{noted{&log, "there"}};
    here.start(in.on, ready);
    there.start(other.on, ready);
    settle(other.on);
    CHECK(log.of("there").error == std::errc::operation_not_permitted);
    ready.set();
    settle(in.on);
    CHECK(log.of("here").error == no_error);
}
