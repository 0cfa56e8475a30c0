// SPDX-License-Identifier: BSL-1.0
// Several things at the same time: all of them, or until the first has ended.
#include "support/scenario.hpp"

#include <memory>
#include <stdexcept>

using namespace thole;
using namespace thole::test;

namespace {

task<std::error_code> sleeps(deadline until) {
    const auto slept = co_await sleep_until(until);
    co_return slept.error();
}

task<int> gives(int value, std::chrono::nanoseconds after) {
    (void)co_await sleep_for(after);
    co_return value;
}

task<> notes(std::string& order, char name, std::chrono::nanoseconds after) {
    (void)co_await sleep_for(after);
    order += name;
}

task<int> throws(std::chrono::nanoseconds after) {
    (void)co_await sleep_for(after);
    throw std::runtime_error("a child");
}

task<> all_of_different_types(loop& on) {
    std::string order;
    const time_point start = on.now();
    auto [number, none, error] =
        co_await when_all(gives(7, 3ms), notes(order, 'x', 1ms), sleeps(within(2ms)));
    CHECK(on.now() - start >= 3ms);
    CHECK(number == 7);
    CHECK(none == nothing{});
    CHECK(error == no_error);
    CHECK(order == "x");
}

task<> all_of_one_type() {
    std::vector<task<int>> work;
    for (int i = 0; i < 100; ++i) {
        work.push_back(gives(i, std::chrono::microseconds(100 * (100 - i))));
    }
    const std::vector<int> values = co_await when_all(std::move(work));
    CHECK(values.size() == 100);
    bool in_order = true;
    for (std::size_t i = 0; i < values.size(); ++i) {
        in_order = in_order && values[i] == static_cast<int>(i);
    }
    CHECK(in_order);
    const std::vector<int> none = co_await when_all(std::vector<task<int>>());
    CHECK(none.empty());
}

task<> all_in_order() {
    std::string order;
    co_await when_all(notes(order, 'c', 3ms), notes(order, 'a', 1ms), notes(order, 'b', 2ms));
    CHECK(order == "abc");
}

}  // namespace

THOLE_TEST("when_all: tasks of different types, and a tuple of their values", "[when]") {
    scene in;
    run(in.on, all_of_different_types(in.on));
}

THOLE_TEST("when_all: any number of one type, values in their order", "[when]") {
    scene in;
    run(in.on, all_of_one_type());
}

THOLE_TEST("when_all: they run at the same time", "[when]") {
    scene in;
    run(in.on, all_in_order());
}

namespace {

// Both directions of a socket at once, as operations in variables.
task<> operations_at_once(pair& both) {
    std::byte buffer[5];
    auto reading = both.here.read_exactly(buffer);
    auto writing = both.there.write(bytes_of("thole"));
    auto [got, sent] = co_await when_all(reading, writing);
    CHECK(got.count == 5);
    CHECK(sent.count == 5);
    CHECK(text_of(buffer) == "thole");
}

task<> first_operation(pair& both) {
    std::byte buffer[5];
    auto reading = both.here.read(buffer);
    auto first = co_await when_any(reading, sleeps(within(2ms)));
    CHECK(first.index == 1);
    CHECK(std::get<0>(first.results).error() == errc::cancelled);
    CHECK(std::get<1>(first.results) == no_error);

    co_await send(both.there, "abc");
    auto again = both.here.read(buffer);
    auto won = co_await when_any(again, sleeps(never));
    CHECK(won.index == 0);
    const auto& got = std::get<0>(won.results);
    CHECK(got.error() == no_error);
    CHECK(*got == 3);
    CHECK(std::get<1>(won.results) == errc::cancelled);
}

}  // namespace

THOLE_TEST("when_all takes operations that stand in variables", "[when]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, operations_at_once(both));
}

THOLE_TEST("when_any: the first, and what became of the others", "[when]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, first_operation(both));
}

namespace {

task<result<std::size_t>> reads(tcp::socket& from, std::span<std::byte> buffer) {
    co_return co_await from.read(buffer);
}

// R101: a loser that had its effect before its cancel says so, and no byte is lost.
task<> losers_keep_effects(pair& both, std::size_t times) {
    std::size_t sent = 0;
    std::size_t received = 0;
    for (std::size_t i = 0; i < times; ++i) {
        std::byte buffer[64];
        auto writing = both.there.write(bulk().subspan(sent % 1000, 1));
        auto ended =
            co_await when_any(sleeps(within(1us * (i % 80))), reads(both.here, buffer), writing);
        const auto& got = std::get<1>(ended.results);
        sent += std::get<2>(ended.results).count;
        received += got ? *got : 0;
        CHECK((got || got.error() == errc::cancelled));
    }
    while (received < sent) {
        std::byte rest[64];
        const auto got = co_await both.here.read(rest, within(5s));
        REQUIRE(got.error() == no_error);
        received += *got;
    }
    CHECK(received == sent);
    CHECK(sent > 0);
}

}  // namespace

THOLE_TEST("when_any: the effect of a loser is not lost", "[when]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, losers_keep_effects(both, rounds() / 4));
}

namespace {

task<> any_of_one_type() {
    std::vector<task<int>> work;
    work.push_back(gives(1, 1h));
    work.push_back(gives(2, 1ms));
    work.push_back(gives(3, 1h));
    const auto first = co_await when_any(std::move(work));
    CHECK(first.index == 1);
    CHECK(first.results == std::vector<int>{1, 2, 3});  // the sleeps of 1 h were cut short
    const auto none = co_await when_any(std::vector<task<int>>());
    CHECK(none.results.empty());
}

task<> first_exception(bool& ended) {
    std::string order;
    bool caught = false;
    try {
        co_await when_all(throws(1ms), notes(order, 'a', 1h), throws(1h));
    } catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught);
    CHECK(order == "a");  // cancelled, and waited for
    caught = false;
    try {
        co_await when_any(gives(1, 1h), throws(1ms));
    } catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught);
    ended = true;
}

}  // namespace

THOLE_TEST("when_any: any number of one type", "[when]") {
    scene in;
    run(in.on, any_of_one_type());
}

THOLE_TEST("an exception of one cancels the others, and leaves when all have ended", "[when]") {
    scene in;
    bool ended = false;
    run(in.on, first_exception(ended));
    CHECK(ended);
}

namespace {

task<int> cancelled_within(int depth) {
    if (depth == 0) {
        const std::error_code ended = co_await sleeps(never);
        co_return ended == errc::cancelled ? 1 : 0;
    }
    auto [one, other] = co_await when_all(cancelled_within(depth - 1), cancelled_within(depth - 1));
    co_return one + other;
}

task<> cancel_of_a_tree(loop& on) {
    auto running = on.spawn(cancelled_within(8));
    (void)co_await sleep_for(1ms);
    CHECK_FALSE(running.ended());
    running.cancel();
    const int leaves = co_await running;
    CHECK(leaves == 256);
}

task<int> deep_groups(int levels) {
    if (levels == 0) {
        const std::error_code ended = co_await sleeps(never);
        co_return ended == errc::cancelled ? 0 : -1;
    }
    auto [inner] = co_await when_all(deep_groups(levels - 1));
    co_return 1 + inner;
}

task<> cancel_of_a_chain(loop& on, int levels) {
    auto running = on.spawn(deep_groups(levels));
    (void)co_await sleep_for(1ms);
    running.cancel();
    const int depth = co_await running;
    CHECK(depth == levels);
}

}  // namespace

THOLE_TEST("a cancel reaches every leaf of a tree of groups", "[when]") {
    scene in;
    run(in.on, cancel_of_a_tree(in.on));
}

THOLE_TEST("a cancel through 10,000 nested groups, on a bounded stack", "[when]") {
    scene in;
    run(in.on, cancel_of_a_chain(in.on, 10'000));
}

namespace {

// R125: frames go from the innermost out, and nothing is resumed.
struct witness {
    std::string& order;
    char name;
    ~witness() { order += name; }
};

task<> waits_with(std::string& order, char name) {
    const witness here{order, name};
    (void)co_await sleep_until(never);
    order += '!';
}

task<> holds_groups(std::string& order) {
    const witness here{order, 'o'};
    std::vector<task<>> work;
    work.push_back(waits_with(order, 'a'));
    work.push_back(waits_with(order, 'b'));
    (void)co_await when_all(waits_with(order, 'c'),
                            [](std::string& in, std::vector<task<>> all) -> task<> {
                                const witness middle{in, 'm'};
                                co_await when_any(std::move(all));
                            }(order, std::move(work)));
    order += '!';
}

}  // namespace

THOLE_TEST("the loop's end destroys groups from the innermost frame out", "[when]") {
    std::string order;
    {
        scene in;
        in.on.spawn(holds_groups(order));
        for (int i = 0; i < 10; ++i) {
            turn(in.on);
        }
        CHECK(order.empty());
    }
    CHECK(order == "cabmo");
}

THOLE_TEST("a group that was never awaited is dropped", "[when]") {
    scene in;
    std::string order;
    { const auto group = when_all(waits_with(order, 'a'), gives(1, 1ms)); }
    settle(in.on);
    CHECK(order.empty());  // neither ran
}
