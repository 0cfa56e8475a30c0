// SPDX-License-Identifier: BSL-1.0
#include "support/scenario.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>

using namespace thole;
using namespace thole::test;

THOLE_TEST("NL01 run without work returns at once, with 0", "[loop]") {
    scene in;
    for (int i = 0; i < 3; ++i) {
        const auto ran = in.on.run();
        CHECK(ran.error() == no_error);
        CHECK(ran.value() == 0);
    }
    CHECK(in.on.poll().value() == 0);
    CHECK(in.on.run_for(10s).value() == 0);
    CHECK(in.on.run_until(in.on.now() + 10s).value() == 0);
    CHECK_FALSE(in.on.stopped());
}

THOLE_TEST("NL01 run counts what it ran, in the order of posting", "[loop]") {
    scene in;
    std::vector<int> order;
    for (int i = 0; i < 1000; ++i) {
        in.on.post([&order, i] { order.push_back(i); });
    }
    CHECK(order.empty());
    CHECK(in.on.run().value() == 1000);
    REQUIRE(order.size() == 1000);
    for (int i = 0; i < 1000; ++i) {
        CHECK(order[static_cast<std::size_t>(i)] == i);
    }
    CHECK(in.on.run().value() == 0);
}

namespace {

struct counting {
    int* runs;
    void operator()() const { ++*runs; }
};

}  // namespace

THOLE_TEST("an operation of one's own is posted without an allocation, again and again", "[loop]") {
    scene in;
    int runs = 0;
    posted node{counting{&runs}};
    for (int i = 1; i <= 3; ++i) {
        in.on.post(node);
        CHECK(runs == i - 1);
        CHECK(in.on.run().value() == 1);
        CHECK(runs == i);
    }
}

THOLE_TEST("NL03 run_for ends in time and loses no work", "[loop]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    noting<sleep_op> sleeping{noted{&log, "sleep"}};
    reading.start(both.here, std::span(buffer));
    sleeping.start(in.on, within(60ms));
    const time_point start = in.on.now();
    CHECK(in.on.run_for(20ms).error() == no_error);
    CHECK(in.on.now() - start >= 20ms);
    CHECK(log.times("read") == 0);
    CHECK(reading.pending());
    CHECK_FALSE(in.on.stopped());
    CHECK(in.on.run_for(0s).error() == no_error);
    CHECK(in.on.run_until(start).error() == no_error);
    CHECK(reading.pending());
    run(in.on, send(both.there, "x"));
    settle(in.on);
    CHECK(in.on.now() - start >= 60ms);
    CHECK(log.of("read").count == 1);
    CHECK(log.of("sleep").error == no_error);
}

// Counts how many of them were destroyed.
namespace {

struct witness {
    explicit witness(int& count) : gone(&count) {}
    witness(witness&& other) noexcept : gone(std::exchange(other.gone, nullptr)) {}
    witness& operator=(witness&&) = delete;
    ~witness() {
        if (gone != nullptr) {
            ++*gone;
        }
    }
    int* gone;
};

struct posted_witness {
    witness seen;
    int* runs;
    void operator()() const { ++*runs; }
};

task<> never_run(int& gone, int& runs) {
    const witness seen(gone);
    ++runs;
    co_return;
}

task<> with_parameter(witness seen, int& runs) {
    ++runs;
    (void)co_await sleep_until(never);
    runs += seen.gone != nullptr ? 1 : 0;
}

}  // namespace

THOLE_TEST("NL04 what was posted and did not run is destroyed unrun", "[loop]") {
    int gone = 0;
    int runs = 0;
    {
        scene in;
        for (int i = 0; i < 10; ++i) {
            in.on.post(posted_witness{witness(gone), &runs});
        }
        in.on.spawn(with_parameter(witness(gone), runs));
        in.on.spawn(never_run(gone, runs));  // its frame has no witness yet
        const task<> not_even_spawned = with_parameter(witness(gone), runs);
    }
    CHECK(runs == 0);
    CHECK(gone == 12);
}

THOLE_TEST("NL04 what was posted by what ran is destroyed as well", "[loop]") {
    int gone = 0;
    int runs = 0;
    {
        scene in;
        loop& on = in.on;
        on.post([&] {
            on.post(posted_witness{witness(gone), &runs});
            on.stop();
        });
        CHECK(on.run().error() == no_error);
        CHECK(runs == 0);
        CHECK(gone == 0);
    }
    CHECK(runs == 0);
    CHECK(gone == 1);
}

THOLE_TEST("stop lets the handler end and keeps the rest", "[loop]") {
    scene in;
    loop& on = in.on;
    std::string order;
    on.post([&] {
        order += 'a';
        on.stop();
        order += 'b';
    });
    on.post([&] { order += 'c'; });
    CHECK(on.run().value() == 1);
    CHECK(order == "ab");
    CHECK(on.stopped());
    CHECK(on.run().value() == 0);
    CHECK(on.poll().value() == 0);
    CHECK(on.run_for(10s).value() == 0);
    CHECK(order == "ab");
    on.restart();
    CHECK_FALSE(on.stopped());
    CHECK(on.run().value() == 1);
    CHECK(order == "abc");
}

THOLE_TEST("stop before run, and stop twice", "[loop]") {
    scene in;
    int runs = 0;
    in.on.post([&] { ++runs; });
    in.on.stop();
    in.on.stop();
    CHECK(in.on.run().value() == 0);
    in.on.restart();
    in.on.restart();
    CHECK(in.on.run().value() == 1);
    CHECK(runs == 1);
}

THOLE_TEST("poll runs what is ready and does not wait", "[loop]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(both.here, std::span(buffer));
    CHECK(in.on.poll().value() == 0);
    int runs = 0;
    in.on.post([&] { ++runs; });
    in.on.post([&] { ++runs; });
    CHECK(in.on.poll().value() == 2);
    CHECK(runs == 2);
    both.there.close();
    settle(in.on);
    CHECK(log.of("read").error == errc::end_of_stream);
}

THOLE_TEST("run inside run is refused", "[loop]") {
    scene in;
    loop& on = in.on;
    int refused = 0;
    on.post([&] {
        refused += on.run().error() == errc::operation_in_progress ? 1 : 0;
        refused += on.poll().error() == errc::operation_in_progress ? 1 : 0;
        refused += on.run_for(1s).error() == errc::operation_in_progress ? 1 : 0;
    });
    CHECK(on.run().value() == 1);
    CHECK(refused == 3);
}

namespace {

struct thrower {
    std::vector<int>* order;
    int number;

    void operator()() const {
        order->push_back(number);
        if (number == 3) {
            throw std::runtime_error("the third");
        }
    }
    void operator()(const result<std::size_t>&) const { (*this)(); }
};

}  // namespace

THOLE_TEST("a handler that throws leaves the other 63", "[loop][throws]") {
    scene in;
    std::vector<int> order;
    for (int i = 1; i <= 64; ++i) {
        in.on.post(thrower{&order, i});
    }
    CHECK_THROWS_AS(in.on.run(), std::runtime_error);
    CHECK(order.size() == 3);
    CHECK(in.on.run().value() == 61);
    CHECK(order.size() == 64);
    CHECK(order.back() == 64);
}

THOLE_TEST("a completion that throws leaves the other 63", "[loop][throws]") {
    scene in;
    std::vector<pair> pairs;
    std::vector<std::byte> buffer(64);
    std::vector<std::unique_ptr<callback<tcp::read_op, thrower>>> reads;
    std::vector<int> order;
    for (int i = 1; i <= 64; ++i) {
        pairs.push_back(make_pair(in.on));
        reads.push_back(std::make_unique<callback<tcp::read_op, thrower>>(thrower{&order, i}));
        reads.back()->start(pairs.back().here,
                            std::span(buffer).subspan(static_cast<std::size_t>(i) - 1, 1));
    }
    turn(in.on);
    for (pair& one : pairs) {
        one.there.close();
    }
    CHECK_THROWS_AS(in.on.run(), std::runtime_error);
    CHECK(order.size() < 64);
    settle(in.on);
    CHECK(order.size() == 64);
    std::sort(order.begin(), order.end());
    CHECK(std::unique(order.begin(), order.end()) == order.end());
}

namespace {

task<> fails_after(std::chrono::milliseconds time) {
    (void)co_await sleep_for(time);
    throw std::runtime_error("of a task");
}

}  // namespace

THOLE_TEST("an exception of a spawned task leaves run, and the loop goes on", "[loop][throws]") {
    scene in;
    journal log;
    noting<sleep_op> sleeping{noted{&log, "sleep"}};
    sleeping.start(in.on, within(1h));
    in.on.spawn(fails_after(1ms));
    CHECK_THROWS_AS(in.on.run(), std::runtime_error);
    CHECK(log.size() == 0);
    sleeping.cancel();
    CHECK(in.on.run().error() == no_error);
    CHECK(log.of("sleep").error == errc::cancelled);

    CHECK_THROWS_AS(in.on.block_on(fails_after(1ms)), std::runtime_error);
    CHECK(in.on.run().value() == 0);
}

THOLE_TEST("a lone timer fires once, never early, and may be set again", "[loop]") {
    scene in;
    struct ticks {
        loop* on;
        timer* self = nullptr;
        std::vector<time_point> at;
        static void fire(void* context) {
            auto& me = *static_cast<ticks*>(context);
            me.at.push_back(me.on->now());
            if (me.at.size() < 3) {
                me.self->arm(within(5ms));
            }
        }
    } seen{&in.on, nullptr, {}};
    timer ticking(in.on, &ticks::fire, &seen);
    seen.self = &ticking;
    const time_point start = in.on.now();
    CHECK_FALSE(ticking.armed());
    ticking.arm(within(1h));
    ticking.arm(within(5ms));  // in its place
    CHECK(ticking.armed());
    settle(in.on);
    REQUIRE(seen.at.size() == 3);
    CHECK(seen.at[0] - start >= 5ms);
    CHECK(seen.at[1] - seen.at[0] >= 5ms);
    CHECK(seen.at[2] - seen.at[1] >= 5ms);
    ticking.arm(within(1h));
    ticking.disarm();
    CHECK(in.on.run().value() == 0);
    ticking.arm(within(-1s));
    settle(in.on);
    CHECK(seen.at.size() == 4);
}

namespace {

task<> sleeps(loop& on, std::vector<int>& order, int milliseconds) {
    const time_point start = on.now();
    const auto slept = co_await sleep_for(std::chrono::milliseconds(milliseconds));
    CHECK(slept.error() == no_error);
    CHECK(on.now() - start >= std::chrono::milliseconds(milliseconds));
    order.push_back(milliseconds);
}

}  // namespace

THOLE_TEST("sleeps end in the order of their times, none early", "[loop]") {
    scene in;
    std::vector<int> order;
    for (const int milliseconds : {40, 5, 70, 20, 0}) {
        in.on.spawn(sleeps(in.on, order, milliseconds));
    }
    settle(in.on);
    CHECK(order == std::vector<int>{0, 5, 20, 40, 70});
}
