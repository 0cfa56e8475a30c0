// SPDX-License-Identifier: BSL-1.0
// Values from task to task, never more than so many.
#include "support/scenario.hpp"

#include <memory>
#include <numeric>

using namespace thole;
using namespace thole::test;

namespace {

using item = std::unique_ptr<int>;

task<> produces(queue<item>& to, int first, int count) {
    for (int i = 0; i < count; ++i) {
        auto made = std::make_unique<int>(first + i);
        const auto pushed = co_await to.push(std::move(made));
        REQUIRE(pushed.error() == no_error);
    }
}

task<> consumes(queue<item>& from, std::vector<int>& into) {
    while (auto got = co_await from.pop()) {
        into.push_back(**got);
    }
}

task<> back_pressure(loop& on, std::size_t capacity) {
    queue<item> items(capacity);
    std::vector<int> got;
    scope children(on);
    auto producing = on.spawn(produces(items, 0, 100));
    (void)co_await sleep_for(1ms);
    CHECK_FALSE(producing.ended());
    CHECK(items.size() == capacity);
    CHECK(items.capacity() == capacity);
    children.spawn(consumes(items, got));
    co_await producing;
    items.close();
    co_await children.wait();
    std::vector<int> expected(100);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(got == expected);
}

task<> many(loop& on) {
    queue<item> items(3);
    std::vector<int> got;
    scope consumers(on);
    scope producers(on);
    for (int i = 0; i < 4; ++i) {
        consumers.spawn(consumes(items, got));
    }
    for (int i = 0; i < 5; ++i) {
        producers.spawn(produces(items, i * 100, 100));
    }
    co_await producers.wait();
    items.close();
    co_await consumers.wait();
    std::sort(got.begin(), got.end());
    std::vector<int> expected(500);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(got == expected);
}

}  // namespace

THOLE_TEST("queue: a full one makes who pushes wait", "[queue]") {
    scene in;
    for (const std::size_t capacity : {0U, 1U, 7U}) {
        run(in.on, back_pressure(in.on, capacity));
    }
}

THOLE_TEST("queue: several on both sides, nothing lost, nothing twice", "[queue]") {
    scene in;
    run(in.on, many(in.on));
}

namespace {

task<> late_push_keeps() {
    queue<item> items(1);
    auto first = std::make_unique<int>(1);
    auto second = std::make_unique<int>(2);
    const auto pushed = co_await items.push(std::move(first));
    CHECK(pushed.error() == no_error);
    CHECK(first == nullptr);
    const auto late = co_await items.push(std::move(second), within(1ms));
    CHECK(late.error() == errc::deadline_reached);
    CHECK((second != nullptr && *second == 2));  // untouched
    CHECK_FALSE(items.try_push(std::move(second)));
    CHECK((second != nullptr && *second == 2));
    const auto got = items.try_pop();
    CHECK((got && **got == 1));
    CHECK(items.try_push(std::move(second)));
    CHECK(second == nullptr);
    items.close();
    auto third = std::make_unique<int>(3);
    const auto refused = co_await items.push(std::move(third));
    CHECK(refused.error() == errc::closed);
    CHECK(third != nullptr);
    CHECK_FALSE(items.try_push(std::move(third)));
    const auto left = co_await items.pop();  // a closed one is emptied first
    CHECK(left.error() == no_error);
    const auto none = co_await items.pop();
    CHECK(none.error() == errc::closed);
    CHECK_FALSE(items.try_pop());
}

task<std::error_code> pops(queue<int>& from, int& into) {
    const auto got = co_await from.pop();
    if (got) {
        into = *got;
    }
    co_return got.error();
}

// R101, R102: a cancelled pop takes nothing; what was handed over is the result.
task<> cancels(loop& on) {
    queue<int> items(4);
    int one = 0;
    int two = 0;
    auto first = on.spawn(pops(items, one));
    auto second = on.spawn(pops(items, two));
    co_await yield();
    first.cancel();
    int value = 7;
    const auto pushed = co_await items.push(std::move(value));
    CHECK(pushed.error() == no_error);
    second.cancel();  // too late: it was handed over
    const std::error_code cancelled = co_await first;
    const std::error_code kept = co_await second;
    CHECK(cancelled == errc::cancelled);
    CHECK(kept == no_error);
    CHECK(one == 0);
    CHECK(two == 7);
}

task<> closes(loop& on) {
    auto items = std::make_unique<queue<int>>(1);
    int one = 0;
    auto popping = on.spawn(pops(*items, one));
    co_await yield();
    items.reset();
    const std::error_code ended = co_await popping;
    CHECK(ended == errc::closed);
}

}  // namespace

THOLE_TEST("queue: an item that was not taken stays with its owner", "[queue]") {
    scene in;
    run(in.on, late_push_keeps());
}

THOLE_TEST("queue: a cancelled pop takes nothing, a handed item is never lost", "[queue]") {
    scene in;
    run(in.on, cancels(in.on));
}

THOLE_TEST("queue: who waits when it is destroyed is told", "[queue]") {
    scene in;
    run(in.on, closes(in.on));
}

THOLE_TEST("queue: callbacks push and pop", "[queue]") {
    scene in;
    queue<std::string> words(0);
    journal log;
    std::string taken;
    std::string given = "thole";
    struct keep {
        std::string* into;
        journal* log;
        void operator()(result<std::string> got) const {
            log->note("pop", got.error());
            *into = got.value_or("");
        }
    };
    callback<pop_op<std::string>, keep> popping{keep{&taken, &log}};
    noting<push_op<std::string>> pushing{noted{&log, "push"}};
    pushing.start(in.on, words, std::move(given));
    CHECK(log.size() == 0);
    popping.start(in.on, words);
    settle(in.on);
    CHECK(taken == "thole");
    CHECK(log.of("push").error == no_error);
    CHECK(log.of("pop").error == no_error);
}
