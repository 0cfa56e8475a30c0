// SPDX-License-Identifier: BSL-1.0
// The bridge from std::stop_token.
#include "support/scenario.hpp"

#include <thole/stop_token.hpp>

#include <atomic>
#include <thread>

using namespace thole;
using namespace thole::test;

namespace {

task<std::error_code> reads(tcp::socket& from, std::string& into) {
    std::byte buffer[16];
    const auto got = co_await from.read(buffer);
    if (got) {
        into += text_of(std::span(buffer).first(*got));
    }
    co_return got.error();
}

task<> stops(loop& on, pair& both) {
    std::string got;
    std::stop_source source;
    auto running =
        on.spawn([](std::stop_token token, pair& in, std::string& into) -> task<std::error_code> {
            const std::error_code first = co_await with_stop_token(token, reads(in.here, into));
            // What is awaited outside goes on.
            const auto slept = co_await sleep_for(1ms);
            CHECK(slept.error() == no_error);
            co_return first;
        }(source.get_token(), both, got));
    (void)co_await sleep_for(1ms);
    CHECK_FALSE(running.ended());
    source.request_stop();
    CHECK_FALSE(running.ended());  // it posts
    const std::error_code ended = co_await running;
    CHECK(ended == errc::cancelled);
    CHECK(got.empty());
}

// CN09, R102: a token that was stopped before: no connect, no byte taken.
task<> stopped_before(loop& on, pair& both, endpoint where, bool& connected) {
    std::stop_source source;
    source.request_stop();
    co_await send(both.there, "x");
    (void)co_await sleep_for(1ms);
    std::string got;
    const std::error_code ended =
        co_await with_stop_token(source.get_token(), reads(both.here, got));
    CHECK(ended == errc::cancelled);
    CHECK(got.empty());
    co_await expect(both.here, "x");
    const std::error_code refused = co_await with_stop_token(
        source.get_token(), [](loop& in, endpoint to, bool& made) -> task<std::error_code> {
            const auto peer = co_await tcp::connect(in, to);
            made = static_cast<bool>(peer);
            co_return peer.error();
        }(on, where, connected));
    CHECK(refused == errc::cancelled);
}

}  // namespace

THOLE_TEST("a stop_token cancels the task that it was given with", "[stop_token]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, stops(in.on, both));
}

THOLE_TEST("CN09 a token that was stopped before lets nothing start", "[stop_token]") {
    scene in;
    pair both = make_pair(in.on);
    tcp::listener door = open_door(in.on);
    bool connected = false;
    run(in.on, stopped_before(in.on, both, *door.local(), connected));
    CHECK_FALSE(connected);
    run(in.on, [](tcp::listener& at) -> task<> {
        const auto nobody = co_await at.accept(within(1ms));
        CHECK(nobody.error() == errc::deadline_reached);
    }(door));
}

namespace {

task<> one_of_many(std::stop_token token, tcp::socket& from, int& cancelled) {
    std::string got;
    const std::error_code ended = co_await with_stop_token(token, reads(from, got));
    cancelled += ended == errc::cancelled ? 1 : 0;
}

task<> one_token(loop& on, std::vector<pair>& pairs) {
    std::stop_source source;
    int cancelled = 0;
    scope children(on);
    for (pair& each : pairs) {
        children.spawn(one_of_many(source.get_token(), each.here, cancelled));
        children.spawn(one_of_many(source.get_token(), each.there, cancelled));
    }
    (void)co_await sleep_for(1ms);
    CHECK(cancelled == 0);
    source.request_stop();
    co_await children.wait();
    CHECK(cancelled == static_cast<int>(2 * pairs.size()));
}

task<> ends_in_time(pair& both) {
    std::stop_source source;
    std::string got;
    co_await send(both.there, "x");
    const std::error_code ended =
        co_await with_stop_token(source.get_token(), reads(both.here, got));
    CHECK(ended == no_error);
    source.request_stop();  // nobody listens any more
    co_await send(both.there, "y");
    const std::error_code never_stops =
        co_await with_stop_token(std::stop_token(), reads(both.here, got));
    CHECK(never_stops == no_error);
    CHECK(got == "xy");
}

}  // namespace

THOLE_TEST("CX04 one token, many operations: each is cancelled once", "[stop_token]") {
    scene in;
    std::vector<pair> pairs;
    for (int i = 0; i < 20; ++i) {
        pairs.push_back(make_pair(in.on));
    }
    run(in.on, one_token(in.on, pairs));
}

THOLE_TEST("a stop after the end does nothing", "[stop_token]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, ends_in_time(both));
}

namespace {

task<int> races(loop& on, pair& both, std::stop_token token, std::atomic<bool>& armed) {
    armed.store(true);
    std::string got;
    const std::error_code ended = co_await with_stop_token(token, reads(both.here, got));
    co_return ended == errc::cancelled ? 1 : ended ? 100 : 0;
    static_cast<void>(on);
}

}  // namespace

// R126: at any moment of the task's life, from another thread.
THOLE_TEST("CX11 a stop from another thread races with the end: one outcome",
           "[stop_token][threads]") {
    if (on_sim()) {
        skip("the simulated network has no real sleeping: nothing there waits for a thread");
    }
    scene in;
    pair both = make_pair(in.on);
    const std::size_t times = rounds() / 2;
    std::size_t cancelled = 0;
    std::size_t read = 0;
    for (std::size_t i = 0; i < times; ++i) {
        std::stop_source source;
        std::atomic<bool> armed{false};
        std::thread stopper([&] {
            while (!armed.load()) {
                std::this_thread::yield();
            }
            for (std::size_t spin = 0; spin < i % 50; ++spin) {
                std::this_thread::yield();
            }
            source.request_stop();
        });
        const bool with_byte = i % 2 == 0;
        if (with_byte) {
            run(in.on, send(both.there, "x"));
        }
        const int ended = run(in.on, races(in.on, both, source.get_token(), armed));
        stopper.join();
        CHECK(ended <= 1);
        if (ended == 1) {
            ++cancelled;
            if (with_byte) {
                run(in.on, expect(both.here, "x"));  // it was not lost
            }
        } else {
            CHECK(with_byte);
            ++read;
        }
    }
    settle(in.on);
    CHECK(cancelled + read == times);
    CHECK(cancelled >= times / 2);
}

THOLE_TEST("the loop's end with a token that still lives", "[stop_token]") {
    std::stop_source source;
    {
        scene in;
        event never_set;
        in.on.spawn([](std::stop_token token, event& on) -> task<> {
            co_await with_stop_token(token, [](event& at) -> task<> {
                const auto told = co_await at.wait();
                CHECK(told.error() == errc::cancelled);
            }(on));
        }(source.get_token(), never_set));
        turn(in.on);
        turn(in.on);
        source.request_stop();  // on its way when the loop ends
    }
    CHECK(source.stop_requested());
}
