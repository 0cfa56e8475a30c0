// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <thole/thole.hpp>

#include "core/loop_core.hpp"

namespace {

using namespace std::chrono_literals;
using thole::callback;
using thole::errc;
using thole::loop;
using thole::never;
using thole::sleep_op;
using thole::timer;
using thole::within;

constexpr std::chrono::nanoseconds tick{1 << 16};

struct sim_loop : loop {
    sim_loop() : loop(thole::loop_options{.backend = thole::backend_kind::sim}) {
        REQUIRE(static_cast<bool>(*this));
    }
};

struct nothing {
    void operator()(thole::result<void>) const {}
};
using waiting = callback<sleep_op, nothing>;

THOLE_TEST("an idle loop returns at once, with nothing done", "[loop]") {
    sim_loop on;
    CHECK(on.run().value() == 0);
    CHECK(on.poll().value() == 0);
    CHECK(on.run_for(1h).value() == 0);
    CHECK(on.run_until(on.now() + 1h).value() == 0);
    CHECK(on.backend().kind == thole::backend_kind::sim);
    CHECK(on.backend().name == "sim");
    CHECK_FALSE(on.backend().reason.empty());
}

THOLE_TEST("posted work runs in order, later, and is counted", "[loop]") {
    sim_loop on;
    std::vector<int> order;
    on.post([&] {
        order.push_back(1);
        on.post([&] { order.push_back(4); });
    });
    on.post([&] { order.push_back(2); });
    auto third = [&] { order.push_back(3); };
    thole::posted<decltype(third)> node(third);
    on.post(node);
    CHECK(order.empty());
    CHECK(on.run().value() == 4);
    CHECK(order == std::vector<int>{1, 2, 3, 4});
    on.post(node);  // it is free again
    CHECK(on.poll().value() == 1);
    CHECK(order.back() == 3);
}

THOLE_TEST("a posted function may own something that cannot be copied", "[loop]") {
    sim_loop on;
    int got = 0;
    on.post([&, p = std::make_unique<int>(5)] { got = *p; });
    CHECK(on.run().value() == 1);
    CHECK(got == 5);
    auto token = std::make_shared<int>(1);
    {
        sim_loop dropped;
        dropped.post([token] { FAIL("a destroyed loop calls nothing"); });
        CHECK(token.use_count() == 2);
    }
    CHECK(token.use_count() == 1);
}

THOLE_TEST("stop returns before any other handler, restart goes on", "[loop]") {
    sim_loop on;
    std::vector<int> order;
    on.post([&] {
        order.push_back(1);
        on.stop();
    });
    on.post([&] { order.push_back(2); });
    CHECK(on.run().value() == 1);
    CHECK(on.stopped());
    CHECK(on.run().value() == 0);
    CHECK(on.poll().value() == 0);
    CHECK(on.run_for(1s).value() == 0);
    CHECK(order == std::vector<int>{1});
    on.restart();
    CHECK_FALSE(on.stopped());
    CHECK(on.run().value() == 1);
    CHECK(order == std::vector<int>{1, 2});
    on.stop();  // before the run
    on.post([&] { order.push_back(3); });
    CHECK(on.poll().value() == 0);
    on.restart();
    CHECK(on.poll().value() == 1);
}

THOLE_TEST("run_for keeps its time to the tick, and leaves the rest pending", "[loop]") {
    sim_loop on;
    waiting op{nothing{}};
    op.start(on, within(10ms));
    const auto begin = on.now();
    CHECK(on.run_for(3ms).value() == 0);
    CHECK(on.now() - begin >= 3ms);
    CHECK(on.now() - begin <= 3ms + tick);
    CHECK(op.pending());
    CHECK(on.run_until(begin + 6ms).value() == 0);
    CHECK(on.now() - begin >= 6ms);
    CHECK(on.now() - begin <= 6ms + tick);
    CHECK(on.run_for(0ms).value() == 0);
    CHECK(on.run_for(-5ms).value() == 0);
    CHECK(on.now() - begin <= 6ms + tick);
    CHECK(on.poll().value() == 0);
    CHECK(op.pending());
    CHECK(on.run_for(1h).value() == 1);  // returns when the work is done
    CHECK(on.now() - begin >= 10ms);
    CHECK(on.now() - begin <= 10ms + tick);
}

THOLE_TEST("poll runs what is ready and does not wait", "[loop]") {
    sim_loop on;
    waiting op{nothing{}};
    op.start(on, within(1ms));
    const auto begin = on.now();
    int ran = 0;
    on.post([&] { ++ran; });
    CHECK(on.poll().value() == 1);
    CHECK(ran == 1);
    CHECK(on.poll().value() == 0);
    CHECK(on.now() - begin < 100us);  // a simulated clock creeps, so that busy loops see deadlines
    CHECK(on.run().value() == 1);
}

THOLE_TEST("a throwing handler leaves run(), and the rest stays", "[loop][throws]") {
    sim_loop on;
    std::vector<int> order;
    for (int i = 0; i < 30; ++i) {
        on.post([&order, i] {
            order.push_back(i);
            if (i % 10 == 3) {
                throw std::runtime_error("handler");
            }
        });
    }
    waiting op{nothing{}};
    op.start(on, within(1ms));
    int thrown = 0;
    std::size_t handled = 0;
    for (bool more = true; more;) {
        try {
            handled += on.run().value();
            more = false;
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    CHECK(thrown == 3);
    REQUIRE(order.size() == 30);
    for (int i = 0; i < 30; ++i) {
        CHECK(order[static_cast<std::size_t>(i)] == i);
    }
    CHECK_FALSE(op.pending());
    CHECK(on.core()->pending == 0);
    CHECK_FALSE(on.core()->running);
}

THOLE_TEST("pending work keeps run() going, and each end is counted once", "[loop]") {
    sim_loop on;
    std::vector<std::unique_ptr<waiting>> ops;
    for (int i = 0; i < 50; ++i) {
        ops.push_back(std::make_unique<waiting>(nothing{}));
        ops.back()->start(on, within(i * 1ms));
    }
    CHECK(on.core()->pending == 49);  // the first had passed already
    ops[7]->cancel();
    CHECK(on.core()->pending == 48);
    CHECK(on.run().value() == 50);
    CHECK(on.core()->pending == 0);
    CHECK(on.core()->wheel.empty());
}

THOLE_TEST("a simulated loop notices that nothing can happen any more", "[loop]") {
    sim_loop on;
    waiting op{nothing{}};
    op.start(on, never);
    const auto ended = on.run();
    CHECK_FALSE(ended);
    CHECK(ended.error() == std::errc::resource_deadlock_would_occur);
    CHECK(op.pending());
    op.cancel();
    CHECK(on.run().value() == 1);
}

THOLE_TEST("a run inside a run is refused", "[loop]") {
    sim_loop on;
    std::error_code inner;
    on.post([&] { inner = on.run().error(); });
    CHECK(on.run().value() == 1);
    CHECK(inner == errc::operation_in_progress);
}

struct clockwork {
    loop* on;
    timer* self = nullptr;
    std::vector<thole::time_point> calls;
    int left = 3;
    static void tick_once(void* context) {
        auto& c = *static_cast<clockwork*>(context);
        c.calls.push_back(c.on->now());
        if (--c.left > 0) {
            CHECK_FALSE(c.self->arm(within(2ms)));
        }
    }
};

THOLE_TEST("a timer calls its function, and may be armed again there", "[loop]") {
    sim_loop on;
    clockwork c{&on, nullptr, {}, 3};
    timer t(on, &clockwork::tick_once, &c);
    c.self = &t;
    CHECK_FALSE(t.armed());
    const auto begin = on.now();
    CHECK_FALSE(t.arm(within(1s)));
    CHECK(t.armed());
    CHECK_FALSE(t.arm(within(2ms)));  // in place of the first
    CHECK(on.run().value() == 3);
    CHECK_FALSE(t.armed());
    REQUIRE(c.calls.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(c.calls[i] - begin >= (i + 1) * 2ms);
        CHECK(c.calls[i] - begin <= (i + 1) * (2ms + 2 * tick));
    }
    c.left = 1;
    CHECK_FALSE(t.arm(within(1ms)));
    t.disarm();
    CHECK_FALSE(t.armed());
    CHECK(on.run().value() == 0);
    CHECK_FALSE(t.arm(within(-1ms)));
    CHECK(c.calls.size() == 3);  // never inside arm()
    CHECK(on.run().value() == 1);
    CHECK_FALSE(t.arm(within(1ms)));
    CHECK_FALSE(t.arm(never));
    CHECK_FALSE(t.armed());
    CHECK(on.core()->pending == 0);
}

THOLE_TEST("a timer disarmed by a handler of the same turn does not fire", "[loop]") {
    sim_loop on;
    struct pair {
        timer* other;
        int calls = 0;
    } state{nullptr, 0};
    const auto disarm_other = [](void* context) {
        auto& p = *static_cast<pair*>(context);
        ++p.calls;
        p.other->disarm();
    };
    const auto count = [](void* context) { static_cast<pair*>(context)->calls += 100; };
    timer first(on, disarm_other, &state);
    timer second(on, count, &state);
    state.other = &second;
    CHECK_FALSE(first.arm(within(1ms)));
    CHECK_FALSE(second.arm(within(1ms)));
    CHECK(on.run().value() == 1);
    CHECK(state.calls == 1);
    CHECK(on.core()->pending == 0);
}

THOLE_TEST("a timer may be destroyed armed, also by its own function", "[loop]") {
    sim_loop on;
    {
        timer t(
            on, [](void*) { FAIL("destroyed"); }, nullptr);
        CHECK_FALSE(t.arm(within(1ms)));
    }
    CHECK(on.run().value() == 0);
    std::unique_ptr<timer> own;
    own = std::make_unique<timer>(
        on, [](void* context) { static_cast<std::unique_ptr<timer>*>(context)->reset(); }, &own);
    CHECK_FALSE(own->arm(within(1ms)));
    CHECK(on.run().value() == 1);
    CHECK(own == nullptr);
}

THOLE_TEST("an endless queue of posts starves no timer", "[loop]") {
    sim_loop on;
    bool fired = false;
    timer t(
        on, [](void* context) { *static_cast<bool*>(context) = true; }, &fired);
    CHECK_FALSE(t.arm(within(-1s)));
    int posts = 0;
    struct again {
        loop* on;
        bool* fired;
        int* posts;
        void operator()() const {
            if (!*fired && ++*posts < 100'000) {
                on->post(*this);
            }
        }
    };
    on.post(again{&on, &fired, &posts});
    REQUIRE(on.run());
    CHECK(fired);
    CHECK(posts < 100'000);
}

}  // namespace
