// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "unit/timer_wheel_rig.hpp"

namespace {

using namespace thole::test;

// The wheel against a sorted list, under random arming, re-arming, disarming and advancing.
struct model {
    struct times {
        std::int64_t due;
        std::int64_t latest;
    };
    std::int64_t now;
    timer_wheel wheel;
    std::vector<timer_node> nodes;
    std::map<timer_node*, times> due;           // armed, and when
    std::map<timer_node*, std::int64_t> fresh;  // the words of those that wait for the clock
    std::mt19937_64 random;
    std::int64_t usual = second;  // what operations are given
    long joined = 0;

    model(std::int64_t start, std::size_t size, std::uint64_t seed)
        : now(start), wheel(start), nodes(size), random(seed) {}

    std::int64_t some_duration() {
        const auto spread = static_cast<int>(random() % 57);
        const auto n = static_cast<std::int64_t>(random() & ((std::uint64_t{1} << spread) - 1));
        return even(random() % 20 == 0 ? -n : n);
    }
    // Every other node: it is never armed again.
    [[nodiscard]] bool is_operation(const timer_node& node) const {
        return (&node - nodes.data()) % 2 == 0;
    }
    void see_clock() {
        for (const auto& [node, word] : fresh) {
            const std::int64_t when = word == thole::within(std::chrono::seconds(0)).word() ? now
                                      : word > 0 ? now + word
                                                 : -word;
            due[node] = {when, std::max(when, now) + slack(when - now)};
        }
        fresh.clear();
    }
    void arm(timer_node& node) {
        if (wheel.full()) {
            see_clock();
            wheel.place(now);
        }
        const std::int64_t after = some_duration();
        const std::int64_t word = random() % 2 == 0 ? point(now + after) : lasting(after);
        if (node.armed()) {
            wheel.arm_again(node, word);
        } else {
            wheel.arm(node, word, 1);
        }
        due.erase(&node);
        fresh[&node] = word;
    }
    // As the loop does with an operation; most ask for the same.
    void start(timer_node& node) {
        if (random() % 50 == 0) {
            usual = std::max<std::int64_t>(some_duration(), 2);
        }
        const std::int64_t word = random() % 8 == 0 ? even(usual / 2) + 2 : usual;
        if (wheel.join(node, word)) {
            ++joined;
        } else {
            if (wheel.full()) {
                see_clock();
                wheel.place(now);
            }
            wheel.arm(node, word);
        }
        fresh[&node] = word;
    }
    void disarm(timer_node& node) {
        wheel.disarm(node);
        due.erase(&node);
        fresh.erase(&node);
    }
    void advance(std::int64_t to) {
        now = to;
        see_clock();
        for (timer_node* node : fire(wheel, now)) {
            REQUIRE(due.contains(node));
            REQUIRE((node->due & 1) == (is_operation(*node) ? 0 : 1));
            REQUIRE(due[node].due <= now);  // never early
            due.erase(node);
        }
        // One assertion for all: a million of them would take most of the time.
        const bool none_late = std::ranges::all_of(due, [this](const auto& each) {
            return each.first->armed() && each.second.latest > now;
        });
        REQUIRE(none_late);
        REQUIRE(wheel.empty() == due.empty());
        if (!due.empty()) {
            std::int64_t first = std::numeric_limits<std::int64_t>::max();
            for (const auto& [node, when] : due) {
                first = std::min(first, when.latest);
            }
            REQUIRE(wheel.next() <= first);  // sleeping until then is not too late
        }
    }
};

long compare(std::int64_t start, std::uint64_t seed, int steps) {
    model m(start, 200, seed);
    std::size_t left = 0;
    for (int i = 0; i < steps; ++i) {
        timer_node& node = m.nodes[m.random() % m.nodes.size()];
        if (node.armed() && (m.is_operation(node) || m.random() % 3 == 0)) {
            m.disarm(node);
        } else if (m.is_operation(node)) {
            m.start(node);
        } else {
            m.arm(node);
        }
        const auto kind = m.random() % 16;
        if (kind == 0) {
            m.advance(m.now);
        } else if (kind == 1) {
            m.advance(m.now + std::max<std::int64_t>(m.some_duration() >> 12, 0));
        } else if (kind == 2 && m.fresh.empty() && !m.due.empty()) {
            m.advance(std::max(m.now, even(m.wheel.next())));
        } else if (kind < 5) {
            m.advance(m.now + even(static_cast<std::int64_t>(m.random() % (3 * tick))));
        }
    }
    while (m.wheel.take_any() != nullptr) {
        ++left;
    }
    REQUIRE(left == m.due.size() + m.fresh.size());
    return m.joined;
}

THOLE_TEST("the wheel against a sorted list", "[timer_wheel]") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        long joined = compare(0, seed, 1500);
        joined += compare(even(1'763'000'000 * second), seed, 1500);
        joined += compare(64 * 64 * 64 * tick - 4 * tick, seed, 1500);  // many levels turn over
        CHECK(joined > 100);
    }
}

}  // namespace
