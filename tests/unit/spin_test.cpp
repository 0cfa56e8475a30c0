// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include <thole/thole.hpp>

#include "core/backends.hpp"
#include "core/loop_core.hpp"
#include "core/spin.hpp"

namespace {

using namespace std::chrono_literals;
using thole::time_point;
using thole::detail::loop_core;
using thole::detail::spin_policy;

constexpr std::int64_t most = 100'000;

// ---- The policy by itself.

struct account {
    std::int64_t polled = 0;  // time
    std::int64_t vain = 0;    // of that, the time of polls that found nothing
    std::int64_t slept = 0;
    int polls = 0;
    int found = 0;
};

// Waits whose news come after these times, one after the other; waking up takes `wake` more.
account wait_for(spin_policy& policy, const std::vector<std::int64_t>& arrivals,
                 std::int64_t wake = 40'000) {
    account sum;
    for (const std::int64_t arrival : arrivals) {
        const std::int64_t allowed = policy.allowance();
        CHECK((allowed == 0 || allowed == most));
        const std::int64_t polled = std::min(arrival, allowed);
        const bool found = allowed > 0 && arrival <= allowed;
        sum.polls += allowed > 0 ? 1 : 0;
        sum.found += found ? 1 : 0;
        sum.polled += polled;
        if (allowed > 0) {
            policy.polled(polled, found);
        }
        if (!found) {
            sum.vain += polled;
            sum.slept += arrival - polled + wake;
            policy.slept(arrival - polled + wake);
        }
    }
    return sum;
}
std::vector<std::int64_t> steady(int waits, std::int64_t arrival) {
    return std::vector<std::int64_t>(static_cast<std::size_t>(waits), arrival);
}

THOLE_TEST("no polling unless it is asked for", "[spin]") {
    for (const std::int64_t none : {std::int64_t{0}, std::int64_t{-5}, INT64_MIN}) {
        spin_policy policy(none);
        CHECK_FALSE(policy.enabled());
        CHECK(policy.allowance() == 0);
    }
    CHECK(spin_policy(INT64_MAX).allowance() == spin_policy::second);
}

THOLE_TEST("what is polled for depends on what came: a table", "[spin]") {
    struct row {
        std::int64_t arrival;
        int least;  // polls of 10,000 waits
        int greatest;
    };
    for (const row& expected : {
             row{0, 10'000, 10'000},
             row{35'000, 10'000, 10'000},
             row{most, 10'000, 10'000},  // the bound itself
             row{most + 1, 1, 300},      // always too late, if not by much
             row{2 * most, 1, 400},
             row{10 * most, 1, 1700},
             row{100 * most, 1, 10'000},  // a poll in vain is a hundredth of the time then
             row{3'600'000'000'000, 1, 10'000},
         }) {
        CAPTURE(expected.arrival);
        spin_policy policy(most);
        REQUIRE(policy.enabled());
        const account got = wait_for(policy, steady(10'000, expected.arrival));
        CHECK(got.polls >= expected.least);
        CHECK(got.polls <= expected.greatest);
        CHECK(got.found == (expected.arrival <= most ? got.polls : 0));
    }
}

THOLE_TEST("where news are rare, polling takes two hundredths of the time at the most", "[spin]") {
    for (std::int64_t arrival = most + 1; arrival < 100 * spin_policy::second; arrival *= 2) {
        CAPTURE(arrival);
        spin_policy policy(most);
        const account got = wait_for(policy, steady(20'000, arrival));
        CHECK(got.polled <= (got.slept + got.polled) / 50 + 2 * most);
    }
}

THOLE_TEST("polling in vain is bounded, whatever comes", "[spin]") {
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        std::uint32_t state = seed * 2654435761U;
        std::vector<std::int64_t> arrivals;
        for (int i = 0; i < 2000; ++i) {
            state = state * 1664525U + 1013904223U;
            const bool late = (state >> 24) < seed;  // a share of them
            arrivals.push_back((state >> 8) % (late ? 50 * most : most));
        }
        spin_policy policy(most);
        const account got = wait_for(policy, arrivals);
        const std::int64_t paid = most + got.found * (most / 2) + got.slept / 64;
        CHECK(got.vain <= paid + most);
    }
}

THOLE_TEST("a busy time after a quiet one is noticed, and a quiet one after a busy one", "[spin]") {
    spin_policy policy(most);
    for (int round = 0; round < 3; ++round) {
        const account quiet = wait_for(policy, steady(1000, 50 * most));
        CHECK(quiet.vain <= (spin_policy::greatest + 1) * most + quiet.slept / 64);
        static_cast<void>(wait_for(policy, steady(200, 10'000)));  // learns
        CHECK(wait_for(policy, steady(1000, 10'000)).found == 1000);
    }
}

THOLE_TEST("who is kept from its core stops polling for a while, and tries again", "[spin]") {
    spin_policy policy(most);
    static_cast<void>(wait_for(policy, steady(100, 35'000)));
    policy.polled(most / 2, true);
    CHECK(policy.allowance() == most);
    policy.polled(3 * spin_policy::greatest * most, true);  // long away, whatever it found then
    CHECK(wait_for(policy, steady(80, 35'000)).polls == 0);
    CHECK(wait_for(policy, steady(100, 35'000)).found >= 90);

    policy.polled(3 * most, true);  // a short one is forgiven to who had success
    CHECK(policy.allowance() == most);
}

// ---- A loop that polls, on a network with a clock of its own: each look takes a microsecond.

class clockwork : public thole::detail::backend {
public:
    static constexpr auto look = 1us;
    static constexpr auto wake_time = 40us;

    clockwork(loop_core& core, std::chrono::nanoseconds gap, int arrivals)
        : core_(core), gap_(gap), left_(arrivals), next_(start + gap) {
        item_.self = this;
        item_.act = [](thole::detail::runnable& self, thole::detail::turn) {
            static_cast<arrival&>(self).self->taken();
        };
    }

    thole::detail::socket_state* open(thole::detail::socket_kind, std::error_code&) override {
        return nullptr;
    }
    thole::detail::socket_state* adopt(const thole::detail::loose_socket&,
                                       std::error_code&) override {
        return nullptr;
    }
    std::error_code control(thole::detail::socket_state&,
                            thole::detail::control_request&) override {
        return {};
    }
    bool submit(thole::operation&) override { return true; }
    bool cancel(thole::operation&) override { return true; }
    void close(thole::detail::socket_state*, thole::detail::farewell) override {}
    std::error_code wait(time_point until, thole::detail::completions&) override {
        if (until <= now_) {  // does not block
            now_ += look;
            polled += look;
            if (on_look) {
                on_look(++looks);
            }
        } else {
            ++sleeps;
            now_ = std::max(now_, std::min(until, next_)) + wake_time;
        }
        if (now_ >= next_) {
            next_ = time_point::max();
            core_.ready.push(item_);
        }
        return {};
    }
    void wake() noexcept override { ++wakes; }
    time_point now() const noexcept override { return now_; }
    std::size_t held() const noexcept override { return holds; }

    static constexpr time_point start{std::chrono::hours(1)};
    std::chrono::nanoseconds polled{0};
    int sleeps = 0;
    int looks = 0;
    int wakes = 0;
    std::function<void(int)> on_look;
    std::size_t holds = 1;  // there is always work

private:
    struct arrival : thole::detail::runnable {
        clockwork* self = nullptr;
    };
    void taken() {
        next_ = now_ + gap_;
        if (--left_ == 0) {
            core_.stop();
        }
    }

    loop_core& core_;
    std::chrono::nanoseconds gap_;
    int left_;
    time_point now_ = start;
    time_point next_;
    arrival item_;
};

struct stage {
    stage(std::chrono::nanoseconds gap, int arrivals, std::chrono::nanoseconds spin = 100us)
        : core({.backend = thole::backend_kind::sim}, &thole::detail::platform_backend) {
        auto made = std::make_unique<clockwork>(core, gap, arrivals);
        network = made.get();
        core.network = std::move(made);
        core.spin = spin_policy(spin.count());
    }
    stage(const stage&) = delete;
    stage& operator=(const stage&) = delete;
    ~stage() { network->holds = 0; }
    // How long it ran.
    std::chrono::nanoseconds run(thole::deadline until = {}) {
        const time_point begun = network->now();
        std::size_t handled = 0;
        CHECK_FALSE(core.run({.until = until}, handled));
        return network->now() - begun;
    }

    loop_core core;
    clockwork* network = nullptr;
};

THOLE_TEST("a loop polls in a steady exchange, and does not sleep", "[spin]") {
    stage at(35us, 1000);
    CHECK(at.run() == 35us * 1000);
    CHECK(at.network->sleeps == 0);
    stage off(35us, 1000, 0us);
    CHECK(off.run() == (35us + clockwork::wake_time) * 1000);
    CHECK(off.network->sleeps == 1000);
    CHECK(off.network->polled == 0us);
}

THOLE_TEST("a loop for which news are rare uses next to no processor time", "[spin]") {
    for (const std::chrono::nanoseconds gap :
         std::initializer_list<std::chrono::nanoseconds>{150us, 300us, 1ms, 20ms, 1s, 1h}) {
        CAPTURE(gap.count());
        stage at(gap, 2000);
        const auto wall = at.run();
        CHECK(at.network->polled <= wall / 50 + 201us);
        CHECK(at.network->sleeps == 2000);
    }
}

THOLE_TEST("while a loop polls nobody wakes it: it sees posts and stop()", "[spin][threads]") {
    stage at(1h, 1);
    int runs = 0;
    struct counting : thole::detail::runnable {
        int* runs;
    } item;
    item.runs = &runs;
    item.act = [](thole::detail::runnable& self, thole::detail::turn) {
        ++*static_cast<counting&>(self).runs;
    };
    at.network->on_look = [&](int look) {
        if (look == 3) {
            std::thread([&] { at.core.enqueue(item); }).join();
        } else if (look == 7) {
            CHECK(runs == 1);  // between two looks
            std::thread([&] { at.core.stop(); }).join();
        }
    };
    CHECK(at.run() == 7 * clockwork::look);
    CHECK(at.network->looks == 7);
    CHECK(at.network->sleeps == 0);
    CHECK(at.network->wakes == 0);
}

THOLE_TEST("a loop that loses its last work while it polls neither polls on nor sleeps", "[spin]") {
    stage at(1h, 1);
    at.network->on_look = [&](int look) {
        if (look == 3) {
            at.network->holds = 0;  // the kernel's last word on a closed state
        }
    };
    CHECK(at.run(thole::within(10ms)) == 3 * clockwork::look);
    CHECK(at.network->sleeps == 0);
}

THOLE_TEST("polling ends with the time that the loop was given", "[spin]") {
    stage at(1h, 1);
    CHECK(at.run(thole::within(30us)) == 30us);
    CHECK(at.network->sleeps == 0);
    CHECK(at.run(thole::within(0us)) <= clockwork::look);
    stage longer(1h, 1);
    CHECK(longer.run(thole::within(250us)) == 250us + clockwork::wake_time);
    CHECK(longer.network->polled == 100us);
    CHECK(longer.network->sleeps == 1);
}

}  // namespace
