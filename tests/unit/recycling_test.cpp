// SPDX-License-Identifier: BSL-1.0
// In its steady state the library asks for no memory; a long chain keeps a bounded stack.
#include "support/test.hpp"

#include <atomic>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include <thole/thole.hpp>

#include "support/allocations.hpp"

namespace {

using namespace std::chrono_literals;
using thole::callback;
using thole::loop;
using thole::sleep_for;
using thole::task;
using thole::timer;
using thole::within;

struct sim_loop : loop {
    sim_loop() : loop(thole::loop_options{.backend = thole::backend_kind::sim}) {
        REQUIRE(static_cast<bool>(*this));
    }
};

// The library recycles nothing under AddressSanitizer, so that it sees every use after the end.
void needs_recycling() {
#if defined(__SANITIZE_ADDRESS__)
    thole::test::skip("AddressSanitizer: nothing is recycled");
#endif
}

// Awaits `act()` until it is warm; then how often it asks for memory in a hundred runs. All of it
// within run(): the loop that runs is the one that recycles.
template <class F>
task<std::size_t> steady_state(F act) {
    for (int i = 0; i < 50; ++i) {
        co_await act();
    }
    const std::size_t before = thole::test::allocations();
    for (int i = 0; i < 100; ++i) {
        co_await act();
    }
    co_return thole::test::allocations() - before;
}

task<int> leaf(int n) {
    co_await sleep_for(1ms);
    co_return n;
}
task<int> tree(int depth) {
    if (depth == 0) {
        co_return co_await leaf(1);
    }
    const int left = co_await tree(depth - 1);
    co_return left + co_await tree(depth - 1);
}

THOLE_TEST("the counter counts", "[recycling]") {
    const std::size_t before = thole::test::allocations();
    const auto p = std::make_unique<int>(1);
    CHECK(thole::test::allocations() - before >= 1);
    CHECK(*p == 1);
}

THOLE_TEST("tasks, awaits and sleeps allocate nothing in the steady state", "[recycling]") {
    needs_recycling();
    sim_loop on;
    int total = 0;
    const auto grow = [](int& sum) -> task<> { sum += co_await tree(4); };
    CHECK(on.block_on(steady_state([&] { return grow(total); })).value() == 0);
    CHECK(total == 150 * 16);
    const auto spawn_many = [](loop& l) -> task<> {
        for (int i = 0; i < 20; ++i) {
            l.spawn(leaf(i));
        }
        co_await sleep_for(5ms);
    };
    CHECK(on.block_on(steady_state([&] { return spawn_many(on); })).value() == 0);
}

THOLE_TEST("bursts of frames come back to the pool", "[recycling]") {
    needs_recycling();
    sim_loop on;
    const auto burst = [](loop& l) -> task<> {
        for (int i = 0; i < 300; ++i) {
            l.spawn(leaf(i));
        }
        co_await sleep_for(5ms);
    };
    CHECK(on.block_on(steady_state([&] { return burst(on); })).value() == 0);
}

struct add {
    int* sum;
    void operator()(thole::result<void> r) const { *sum += r ? 1 : 0; }
};

THOLE_TEST("callbacks, timers and posts allocate nothing in the steady state", "[recycling]") {
    needs_recycling();
    sim_loop on;
    int sum = 0;
    callback<thole::sleep_op, add> op{add{&sum}};
    timer t(
        on, [](void* context) { ++*static_cast<int*>(context); }, &sum);
    auto bump = [&] { ++sum; };
    thole::posted<decltype(bump)> node(bump);
    const auto all = [&]() -> task<> {
        op.start(on, within(3ms));
        static_cast<void>(t.arm(within(2ms)));
        on.post(node);
        for (int i = 0; i < 40; ++i) {
            on.post([&sum] { ++sum; });
            on.post([&sum, big = std::array<long, 9>{}] { sum += big[3] == 0 ? 0 : 1; });
        }
        co_await sleep_for(5ms);
    };
    CHECK(on.block_on(steady_state([&] { return all(); })).value() == 0);
    CHECK(sum == 150 * 43);
}

// Two hundred posts at a time from another thread, the next ones when those have run: a slab or two
// go round.
THOLE_TEST("what another thread posts comes back to it", "[recycling][threads]") {
    needs_recycling();
    constexpr int rounds = 150;
    constexpr int each = 200;
    loop on;
    REQUIRE(static_cast<bool>(on));
    timer keep(
        on, [](void*) {}, nullptr);
    REQUIRE_FALSE(keep.arm(within(1h)));
    std::atomic<int> seen{0};
    std::size_t before = 0;
    std::size_t after = 0;
    std::thread other([&] {
        before = thole::test::allocations();
        for (int round = 0; round < rounds; ++round) {
            for (int i = 0; i < each; ++i) {
                on.post([&seen] { seen.fetch_add(1); });
            }
            while (seen.load() < (round + 1) * each) {
                std::this_thread::yield();
            }
        }
        after = thole::test::allocations();
        on.stop();
    });
    CHECK(on.run().value() == static_cast<std::size_t>(rounds * each));
    other.join();
    CHECK(after - before <= 64 + 4);  // of 30,000; the first 64 posts have no slab
}

struct cannot_be_copied {
    cannot_be_copied() = default;
    cannot_be_copied(const cannot_be_copied& /*from*/) { throw 1; }
    void operator()() const {}
    std::byte content[64] = {};
};
struct great_and_cannot_be_copied : cannot_be_copied {
    std::byte more[1024] = {};
};

template <class F>
int posts_that_throw(loop& on) {
    const F function;
    int thrown = 0;
    for (int i = 0; i < 1000; ++i) {
        try {
            on.post(function);
        } catch (int) {
            ++thrown;
        }
    }
    return thrown;
}

THOLE_TEST("a function that cannot be kept leaves its memory", "[recycling][throws]") {
    needs_recycling();
    sim_loop on;
    int thrown = 0;
    const auto all = [&]() -> task<> {
        thrown += posts_that_throw<cannot_be_copied>(on);
        thrown += posts_that_throw<great_and_cannot_be_copied>(on);
        co_await sleep_for(1ms);
    };
    CHECK(on.block_on(steady_state([&] { return all(); })).value() == 0);
    CHECK(thrown == 150 * 2000);
    const std::size_t before = thole::test::allocations();
    CHECK(posts_that_throw<cannot_be_copied>(on) == 1000);  // from outside of run()
    CHECK(thole::test::allocations() - before <= 64 + 4);
}

using sockets = std::pair<thole::tcp::socket, thole::tcp::socket>;

task<sockets> connected(loop& on) {
    const auto where = thole::endpoint::loopback(thole::address_family::ipv4, 0);
    auto door = thole::tcp::listener::open(on, where);
    auto dialling = on.spawn([](loop& l, thole::endpoint to) -> task<thole::tcp::socket> {
        auto made = co_await thole::tcp::connect(l, to);
        co_return std::move(made).value();
    }(on, door->local().value()));
    auto accepted = co_await door->accept();
    co_return sockets{co_await dialling, std::move(accepted).value()};
}

THOLE_TEST("reads and writes allocate nothing in the steady state", "[recycling]") {
    needs_recycling();
    sim_loop on;
    sockets ends = on.block_on(connected(on)).value();
    std::size_t moved = 0;
    const auto echo = [&]() -> task<> {
        std::byte bytes[64] = {};
        const auto sent = co_await ends.first.write(bytes, within(1s));
        const auto got = co_await ends.second.read_exactly(bytes, within(1s));
        moved += sent.count + got.count;
    };
    CHECK(on.block_on(steady_state([&] { return echo(); })).value() == 0);
    CHECK(moved == 150 * 128);
}

task<int> ready() { co_return 1; }
task<long> many(int count) {
    long sum = 0;
    for (int i = 0; i < count; ++i) {
        sum += co_await ready();
    }
    co_return sum;
}
task<int> deep(int depth) {
    if (depth == 0) {
        co_return 0;
    }
    co_return 1 + co_await deep(depth - 1);
}

THOLE_TEST("a million ready tasks are awaited on a bounded stack", "[recycling]") {
    sim_loop on;
    CHECK(on.block_on(many(1'000'000)).value() == 1'000'000);
}

THOLE_TEST("a deep chain of tasks unwinds on a bounded stack", "[recycling]") {
    sim_loop on;
    CHECK(on.block_on(deep(100'000)).value() == 100'000);
}

THOLE_TEST("inline completions share one budget, so others get their turn", "[recycling]") {
    sim_loop on;
    bool other = false;
    int awaited = 0;
    const auto hog = [](bool& flag, int& count) -> task<> {
        while (!flag && count < 1'000'000) {
            static_cast<void>(co_await sleep_for(-1ms));  // has passed: finishes inline
            ++count;
        }
    };
    const auto sets = [](bool& flag) -> task<> {
        flag = true;
        co_return;
    };
    on.spawn(hog(other, awaited));
    on.spawn(sets(other));
    REQUIRE(on.run());
    CHECK(other);
    CHECK(awaited <= 130);  // about one budget of 64
}

}  // namespace
