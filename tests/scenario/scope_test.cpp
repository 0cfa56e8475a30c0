// SPDX-License-Identifier: BSL-1.0
// Children that do not outlive a block.
#include "support/scenario.hpp"

#include <stdexcept>

using namespace thole;
using namespace thole::test;

namespace {

task<> counts(int& ended, std::chrono::nanoseconds after) {
    (void)co_await sleep_for(after);
    ++ended;
}

task<> cancelled_child(int& cancelled) {
    const auto slept = co_await sleep_until(never);
    cancelled += slept.error() == errc::cancelled ? 1 : 0;
}

task<> throws(std::chrono::nanoseconds after) {
    (void)co_await sleep_for(after);
    throw std::runtime_error("a child");
}

task<> waits_for_all(loop& on, int& ended) {
    scope children(on);
    for (int i = 0; i < 10; ++i) {
        children.spawn(counts(ended, std::chrono::milliseconds(i)));
    }
    CHECK(children.size() == 10);
    CHECK(ended == 0);
    co_await children.wait();
    CHECK(ended == 10);
    CHECK(children.size() == 0);
    co_await children.wait();  // nothing left: at once
    children.spawn(counts(ended, 1ms));
    co_await children.wait();
    CHECK(ended == 11);
}

task<> cancels_all(loop& on, int& cancelled) {
    scope children(on);
    for (int i = 0; i < 5; ++i) {
        children.spawn(cancelled_child(cancelled));
    }
    (void)co_await sleep_for(1ms);
    CHECK(children.size() == 5);
    children.cancel();
    children.spawn(cancelled_child(cancelled));  // starts as cancelled
    co_await children.wait();
    CHECK(cancelled == 6);
}

task<> first_failure(loop& on, int& cancelled) {
    scope children(on);
    children.spawn(cancelled_child(cancelled));
    children.spawn(throws(2ms));
    children.spawn(throws(1ms));
    bool caught = false;
    try {
        co_await children.wait();
    } catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught);
    CHECK(children.size() == 0);
    CHECK(cancelled == 1);
    co_await children.wait();  // it was told once
}

}  // namespace

THOLE_TEST("scope: waits for all its children", "[scope]") {
    scene in;
    int ended = 0;
    run(in.on, waits_for_all(in.on, ended));
}

THOLE_TEST("scope: cancels all, and who comes later", "[scope]") {
    scene in;
    int cancelled = 0;
    run(in.on, cancels_all(in.on, cancelled));
}

THOLE_TEST("scope: the first exception cancels the others and reaches who waits", "[scope]") {
    scene in;
    int cancelled = 0;
    run(in.on, first_failure(in.on, cancelled));
}

namespace {

task<> parent_of(loop& on, int& cancelled) {
    scope children(on);
    children.spawn(cancelled_child(cancelled));
    children.spawn(cancelled_child(cancelled));
    co_await children.wait();
}

task<> cancel_from_above(loop& on, int& cancelled) {
    auto parent = on.spawn(parent_of(on, cancelled));
    (void)co_await sleep_for(1ms);
    parent.cancel();
    co_await parent;
    CHECK(cancelled == 2);
}

task<> spawns_more(scope& children, int& ended, int left) {
    (void)co_await sleep_for(1us);
    ++ended;
    if (left > 0) {
        children.spawn(spawns_more(children, ended, left - 1));
    }
}

task<> children_of_children(loop& on, int& ended) {
    scope children(on);
    children.spawn(spawns_more(children, ended, 100));
    co_await children.wait();
    CHECK(ended == 101);
}

}  // namespace

THOLE_TEST("scope: a cancel of who waits reaches the children, and is waited out", "[scope]") {
    scene in;
    int cancelled = 0;
    run(in.on, cancel_from_above(in.on, cancelled));
}

THOLE_TEST("scope: children spawn siblings, and wait() sees them out", "[scope]") {
    scene in;
    int ended = 0;
    run(in.on, children_of_children(in.on, ended));
}

namespace {

task<> bodies(loop& on) {
    int cancelled = 0;
    const int value = co_await with_scope(on, [&cancelled](scope& children) -> task<int> {
        children.spawn(cancelled_child(cancelled));
        (void)co_await sleep_for(1ms);
        children.cancel();
        co_return 7;
    });
    CHECK(value == 7);
    CHECK(cancelled == 1);

    bool caught = false;
    try {
        co_await with_scope(on, [&cancelled](scope& children) -> task<> {
            children.spawn(cancelled_child(cancelled));
            (void)co_await sleep_for(1ms);
            throw std::runtime_error("the body");
        });
    } catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught);
    CHECK(cancelled == 2);

    caught = false;
    std::error_code body_ended;
    try {
        co_await with_scope(on, [&body_ended](scope& children) -> task<> {
            children.spawn(throws(1ms));
            const auto slept = co_await sleep_until(never);
            body_ended = slept.error();
        });
    } catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught);
    CHECK(body_ended == errc::cancelled);
}

}  // namespace

THOLE_TEST("with_scope: the body and its children end together, however they end", "[scope]") {
    scene in;
    run(in.on, bodies(in.on));
}

namespace {

task<> leaves_unwaited(loop& on) {
    scope children(on);
    children.spawn(throws(1us));
    while (children.size() > 0) {
        (void)co_await sleep_for(1ms);
    }
}

}  // namespace

THOLE_TEST("scope: an exception that nobody waited for leaves run()", "[scope][throws]") {
    scene in;
    in.on.spawn(leaves_unwaited(in.on));
    CHECK_THROWS_AS(static_cast<void>(in.on.run()), std::runtime_error);
    settle(in.on);
}

namespace {

struct witness {
    std::string& order;
    char name;
    ~witness() { order += name; }
};

task<> child_of(std::string& order, const witness& outer) {
    const witness here{order, 'c'};
    (void)co_await sleep_until(never);
    order += outer.name;
}

// It awaits something else than its scope.
task<> elsewhere(loop& on, std::string& order) {
    const witness outer{order, 'o'};
    scope children(on);
    children.spawn(child_of(order, outer));
    children.spawn(child_of(order, outer));
    (void)co_await sleep_until(never);
}

}  // namespace

THOLE_TEST("the loop's end takes a scope's children before what they use", "[scope]") {
    std::string order;
    {
        scene in;
        in.on.spawn(elsewhere(in.on, order));
        for (int i = 0; i < 5; ++i) {
            turn(in.on);
        }
    }
    CHECK(order == "cco");
}

THOLE_TEST("a scope may outlive its loop", "[scope]") {
    int ended = 0;
    scene in;
    scope children(in.on);
    children.spawn(counts(ended, 1h));
    turn(in.on);
    in.end_loop();
    CHECK(children.size() == 0);
    CHECK(ended == 0);
    children.spawn(counts(ended, 1ms));  // dropped
    children.cancel();
    CHECK(children.size() == 0);
}
