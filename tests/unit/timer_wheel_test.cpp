// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "core/timer_wheel.hpp"

namespace {

using thole::detail::timer_list;
using thole::detail::timer_node;
using thole::detail::timer_wheel;

constexpr std::int64_t tick = 1 << 16;
constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t year = 365 * 24 * 3600 * second;

// Times stay even throughout: the lowest bit of a node's due time is not the wheel's.
std::int64_t even(std::int64_t n) { return n & ~std::int64_t{1}; }

std::vector<timer_node*> fire(timer_wheel& wheel, std::int64_t now) {
    timer_list expired;
    wheel.settle(now, expired);
    std::vector<timer_node*> out;
    while (!expired.empty()) {
        out.push_back(&expired.pop());
    }
    return out;
}

THOLE_TEST("a timer fires once, not early, at most a tick late", "[timer_wheel]") {
    for (const std::int64_t start : {std::int64_t{0}, even(12'345'678'901), 200 * year}) {
        for (const std::int64_t due :
             {std::int64_t{2}, tick - 2, tick, tick + 2, 63 * tick, 64 * tick, 65 * tick + 2,
              4096 * tick, second, 3600 * second, 90 * 24 * 3600 * second, 80 * year}) {
            CAPTURE(start, due);
            timer_wheel wheel(start);
            timer_node node;
            CHECK(fire(wheel, start).empty());
            wheel.arm_at(node, start + due);
            CHECK(node.armed());
            CHECK_FALSE(wheel.empty());
            CHECK(fire(wheel, start + due - 2).empty());
            const auto fired = fire(wheel, start + due + tick);
            REQUIRE(fired.size() == 1);
            CHECK(fired[0] == &node);
            CHECK_FALSE(node.armed());
            CHECK(wheel.empty());
            CHECK(fire(wheel, start + due + 1000 * tick).empty());
        }
    }
}

THOLE_TEST("a duration counts from the settling clock, no earlier than the call", "[timer_wheel]") {
    timer_wheel wheel(0);
    timer_node node;
    wheel.arm_after(node, 10 * tick);
    CHECK(fire(wheel, 1000 * tick).empty());  // the first clock it ever saw
    CHECK(fire(wheel, 1010 * tick - 2).empty());
    CHECK(fire(wheel, 1011 * tick).size() == 1);
}

THOLE_TEST("what has passed fires in the next turn, whatever its size", "[timer_wheel]") {
    const std::int64_t start = even(77 * second);
    timer_wheel wheel(start);
    timer_node nodes[6];
    wheel.arm_at(nodes[0], start - 2);
    wheel.arm_at(nodes[1], 0);
    wheel.arm_at(nodes[2], std::numeric_limits<std::int64_t>::min());
    wheel.arm_after(nodes[3], 0);
    wheel.arm_after(nodes[4], -2);
    wheel.arm_after(nodes[5], std::numeric_limits<std::int64_t>::min() / 2);
    const std::size_t at_once = fire(wheel, start + 2).size();
    CHECK(at_once + fire(wheel, start + 2 + tick).size() == 6);
    CHECK(wheel.empty());
}

THOLE_TEST("the furthest times are held, and never fire by overflow", "[timer_wheel]") {
    timer_wheel wheel(even(50 * year));
    timer_node nodes[3];
    wheel.arm_at(nodes[0], std::numeric_limits<std::int64_t>::max() - 1);
    wheel.arm_after(nodes[1], std::numeric_limits<std::int64_t>::max() - 1);  // its sum is too much
    wheel.arm_after(nodes[2], even(9'200'000'000'000'000'000));
    CHECK(fire(wheel, 51 * year).empty());
    CHECK(fire(wheel, 280 * year).empty());
    CHECK(wheel.next() > 280 * year - tick);
    for (timer_node& node : nodes) {
        CHECK(node.armed());
        wheel.disarm(node);
    }
    CHECK(wheel.empty());
}

THOLE_TEST("fresh nodes that are disarmed before the turn never touch the wheel", "[timer_wheel]") {
    timer_wheel wheel(0);
    timer_node soon;
    timer_node late;
    wheel.arm_after(soon, tick);
    wheel.arm_after(late, 80 * year);
    // Both stand in the one list of the fresh ones, far apart as their times are.
    CHECK(soon.later == &late);
    CHECK(late.earlier == &soon);
    wheel.disarm(soon);
    wheel.disarm(late);
    CHECK_FALSE(soon.armed());
    CHECK(wheel.empty());
    CHECK(fire(wheel, 90 * year).empty());
}

THOLE_TEST("take_any gives every node, fresh, placed or due", "[timer_wheel]") {
    timer_wheel wheel(0);
    CHECK(wheel.take_any() == nullptr);
    std::vector<timer_node> nodes(300);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        wheel.arm_at(nodes[i], even(static_cast<std::int64_t>(i * i * i * i) * tick));
    }
    const std::size_t due = fire(wheel, tick).size();
    for (std::size_t i = 0; i < 10; ++i) {
        if (!nodes[i].armed()) {
            wheel.arm_after(nodes[i], 5);
        }
    }
    std::set<timer_node*> taken;
    while (timer_node* node = wheel.take_any()) {
        CHECK_FALSE(node->armed());
        CHECK(taken.insert(node).second);
    }
    CHECK(due > 0);
    CHECK(taken.size() == nodes.size());
    CHECK(wheel.empty());
}

THOLE_TEST("a lone far timer costs a few wakes, whatever its distance", "[timer_wheel]") {
    for (const std::int64_t due :
         {10 * tick, second, 3600 * second, 24 * 3600 * second, year, 80 * year}) {
        CAPTURE(due);
        timer_wheel wheel(0);
        timer_node node;
        wheel.arm_after(node, even(due));
        CHECK(fire(wheel, 0).empty());
        int wakes = 0;
        std::int64_t now = 0;
        std::size_t fired = 0;
        while (fired == 0 && wakes < 100) {
            const std::int64_t next = wheel.next();
            REQUIRE(next > now);  // else the loop would spin
            now = next;
            fired = fire(wheel, now).size();
            ++wakes;
        }
        CHECK(now >= due);
        CHECK(now <= due + tick);
        CHECK(wakes <= 16);  // no more than two a level
    }
}

THOLE_TEST("a hundred thousand timers fire in the order of their ticks", "[timer_wheel]") {
    constexpr std::size_t many = 100'000;
    std::vector<timer_node> nodes(many);
    timer_wheel wheel(0);
    std::mt19937_64 random(3);
    std::vector<std::int64_t> due(many);
    for (std::size_t i = 0; i < many; ++i) {
        due[i] = even(static_cast<std::int64_t>(random() % (100 * second)));
        wheel.arm_after(nodes[i], due[i]);
    }
    std::size_t fired = fire(wheel, 0).size();
    std::size_t turns = 0;
    std::int64_t now = 0;
    std::int64_t worst = 0;
    bool early = false;
    while (!wheel.empty()) {
        now = wheel.next();
        ++turns;
        for (timer_node* node : fire(wheel, now)) {
            const std::int64_t at = due[static_cast<std::size_t>(node - nodes.data())];
            early = early || at > now;
            worst = std::max(worst, now - at);
            ++fired;
        }
    }
    CHECK(fired == many);
    CHECK_FALSE(early);
    CHECK(worst <= tick);
    CHECK(turns <= 2 * many);
}

// The wheel against a sorted list, under random arming, disarming and advancing.
struct model {
    std::int64_t now;
    timer_wheel wheel;
    std::vector<timer_node> nodes;
    std::map<timer_node*, std::int64_t> due;  // armed, and when; from the call on when fresh
    std::vector<std::pair<timer_node*, std::int64_t>> fresh;
    std::mt19937_64 random;

    model(std::int64_t start, std::size_t size, std::uint64_t seed)
        : now(start), wheel(start), nodes(size), random(seed) {}

    std::int64_t some_duration() {
        const auto spread = static_cast<int>(random() % 57);
        const auto n = static_cast<std::int64_t>(random() & ((std::uint64_t{1} << spread) - 1));
        return even(random() % 20 == 0 ? -n : n);
    }
    void arm(timer_node& node) {
        const std::int64_t after = some_duration();
        if (random() % 2 == 0) {
            wheel.arm_at(node, now + after);
            due[&node] = now + std::max<std::int64_t>(after, 0);  // what has passed is due now
        } else {
            wheel.arm_after(node, after);
            fresh.emplace_back(&node, after);
        }
    }
    void disarm(timer_node& node) {
        wheel.disarm(node);
        due.erase(&node);
        std::erase_if(fresh, [&](const auto& entry) { return entry.first == &node; });
    }
    void advance(std::int64_t to) {
        now = to;
        for (const auto& [node, after] : fresh) {
            due[node] = now + std::max<std::int64_t>(after, 0);
        }
        fresh.clear();
        for (timer_node* node : fire(wheel, now)) {
            REQUIRE(due.contains(node));
            REQUIRE(due[node] <= now);  // never early
            due.erase(node);
        }
        for (const auto& [node, when] : due) {
            REQUIRE(node->armed());
            REQUIRE(when + tick > now);  // at most a tick late
        }
        REQUIRE(wheel.empty() == due.empty());
        if (!due.empty()) {
            std::int64_t first = std::numeric_limits<std::int64_t>::max();
            for (const auto& [node, when] : due) {
                first = std::min(first, when);
            }
            REQUIRE(wheel.next() <= first + tick);  // sleeping until then is not too late
        }
    }
};

void compare(std::int64_t start, std::uint64_t seed, int steps) {
    model m(start, 40, seed);
    for (int i = 0; i < steps; ++i) {
        timer_node& node = m.nodes[m.random() % m.nodes.size()];
        if (node.armed()) {
            m.disarm(node);
        } else {
            m.arm(node);
        }
        const auto kind = m.random() % 8;
        if (kind == 0) {
            m.advance(m.now);
        } else if (kind == 1) {
            m.advance(m.now + std::max<std::int64_t>(m.some_duration() >> 12, 0));
        } else if (kind == 2 && m.fresh.empty() && !m.due.empty()) {
            m.advance(std::max(m.now, even(m.wheel.next())));
        } else if (kind == 3) {
            m.advance(m.now + even(static_cast<std::int64_t>(m.random() % (3 * tick))));
        }
    }
}

THOLE_TEST("the wheel against a sorted list", "[timer_wheel]") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        compare(0, seed, 1500);
        compare(even(1'763'000'000 * second), seed, 1500);
        compare(64 * 64 * 64 * tick - 4 * tick, seed, 1500);  // just before many levels turn over
    }
}

}  // namespace
