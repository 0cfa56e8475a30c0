// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include "unit/timer_wheel_rig.hpp"

namespace {

using namespace thole::test;

THOLE_TEST("a timer fires once, not early, late by a tick or a thousandth", "[timer_wheel]") {
    for (const std::int64_t start : {std::int64_t{0}, even(12'345'678'901), 200 * year}) {
        for (const std::int64_t due :
             {std::int64_t{2}, tick - 2, tick, tick + 2, 63 * tick, 64 * tick, 65 * tick + 2,
              4096 * tick, second, 3600 * second, 90 * 24 * 3600 * second, 80 * year}) {
            for (const bool relative : {false, true}) {
                CAPTURE(start, due, relative);
                timer_wheel wheel(start);
                timer_node node;
                CHECK(fire(wheel, start).empty());
                wheel.arm(node, relative ? lasting(due) : point(start + due));
                CHECK(node.armed());
                CHECK_FALSE(wheel.empty());
                CHECK(fire(wheel, start).empty());
                CHECK(fire(wheel, start + due - 2).empty());
                const auto fired = fire(wheel, start + due + slack(due));
                REQUIRE(fired.size() == 1);
                CHECK(fired[0] == &node);
                CHECK_FALSE(node.armed());
                CHECK(wheel.empty());
                CHECK(fire(wheel, start + due + slack(due) + 1000 * tick).empty());
            }
        }
    }
}

THOLE_TEST("a duration counts from the settling clock, no earlier than the call", "[timer_wheel]") {
    timer_wheel wheel(0);
    timer_node node;
    wheel.arm(node, lasting(10 * tick));
    CHECK(fire(wheel, 1000 * tick).empty());  // the first clock it ever saw
    CHECK(fire(wheel, 1010 * tick - 2).empty());
    CHECK(fire(wheel, 1011 * tick).size() == 1);
}

THOLE_TEST("what has passed fires in the next turn, whatever its size", "[timer_wheel]") {
    const std::int64_t start = even(77 * second);
    timer_wheel wheel(start);
    timer_node nodes[5];
    wheel.arm(nodes[0], point(start - 2));
    wheel.arm(nodes[1], point(0));
    wheel.arm(nodes[2], point(std::numeric_limits<std::int64_t>::min()));
    wheel.arm(nodes[3], lasting(0));
    wheel.arm(nodes[4], lasting(-2));
    const std::size_t at_once = fire(wheel, start + 2).size();
    CHECK(at_once + fire(wheel, start + 2 + tick).size() == 5);
    CHECK(wheel.empty());
}

THOLE_TEST("the furthest times are held, and never fire by overflow", "[timer_wheel]") {
    timer_wheel wheel(even(50 * year));
    timer_node nodes[4];
    wheel.arm(nodes[0], point(std::numeric_limits<std::int64_t>::max() - 1));
    wheel.arm(nodes[1], std::numeric_limits<std::int64_t>::max() - 1);  // its sum is too much
    wheel.arm(nodes[2], even(9'200'000'000'000'000'000));
    wheel.arm(nodes[3], lasting(second));
    CHECK(fire(wheel, 50 * year).empty());
    wheel.arm_again(nodes[3], point(std::numeric_limits<std::int64_t>::max() - 1));
    CHECK(fire(wheel, 51 * year).empty());
    CHECK(fire(wheel, 280 * year).empty());
    CHECK(wheel.next() > 280 * year - tick);
    for (timer_node& node : nodes) {
        CHECK(node.armed());
        wheel.disarm(node);
    }
    CHECK(wheel.empty());
}

THOLE_TEST("a node that is disarmed in its turn never touches the wheel", "[timer_wheel]") {
    timer_wheel wheel(0);
    timer_node soon;
    timer_node late;
    for (const bool soon_first : {true, false}) {
        wheel.arm(soon, lasting(tick));
        wheel.arm(late, lasting(80 * year));
        // Neither stands in a list yet: they are linked to themselves.
        CHECK(soon.later == &soon);
        CHECK(late.earlier == &late);
        wheel.disarm(soon_first ? soon : late);
        CHECK_FALSE(wheel.empty());
        wheel.disarm(soon_first ? late : soon);
        CHECK_FALSE(soon.armed());
        CHECK_FALSE(late.armed());
        CHECK(wheel.empty());
    }
    CHECK(fire(wheel, 90 * year).empty());
}

THOLE_TEST("a turn that arms many looks at the clock now and then", "[timer_wheel]") {
    timer_wheel wheel(0);
    std::vector<timer_node> nodes(1000);
    int looks = 0;
    std::int64_t now = 0;
    for (timer_node& node : nodes) {
        if (wheel.full()) {
            now += tick;
            wheel.place(now);
            CHECK_FALSE(wheel.full());
            ++looks;
        }
        wheel.arm(node, lasting(10 * tick));
    }
    CHECK(looks == 15);
    wheel.disarm(nodes[0]);    // of those that were placed
    wheel.disarm(nodes[999]);  // of those that wait
    const std::int64_t last = now + tick;
    std::size_t fired = fire(wheel, last).size();
    CHECK(fired == 6 * 64 - 1);  // 10 ticks after the first six looks
    for (std::int64_t at = last + tick; at <= last + 10 * tick; at += tick) {
        fired += fire(wheel, at).size();
    }
    CHECK(fired == 998);
    CHECK(wheel.empty());
}

THOLE_TEST("armed again for later, a node keeps its slot and moves on in time", "[timer_wheel]") {
    for (const bool relative : {false, true}) {
        CAPTURE(relative);
        timer_wheel wheel(0);
        timer_node node;
        timer_node beside;
        wheel.arm(node, lasting(50 * tick));
        wheel.arm(beside, lasting(50 * tick));
        CHECK(fire(wheel, 0).empty());
        REQUIRE(node.later == &beside);
        for (std::int64_t now = 5 * tick; now < 50 * tick; now += 5 * tick) {
            wheel.arm_again(node, relative ? lasting(50 * tick) : point(now + 50 * tick));
            CHECK(fire(wheel, now).empty());
            CHECK(node.later == &beside);  // where it stood
        }
        CHECK(wheel.next() == 50 * tick);
        const auto first = fire(wheel, 50 * tick);
        REQUIRE(first.size() == 1);
        CHECK(first[0] == &beside);
        CHECK(node.armed());
        CHECK(wheel.next() == 95 * tick);
        CHECK(fire(wheel, 95 * tick - 2).empty());
        CHECK(fire(wheel, 95 * tick).size() == 1);
        CHECK(wheel.empty());
    }
}

THOLE_TEST("armed again for sooner, a node fires sooner", "[timer_wheel]") {
    for (const bool relative : {false, true}) {
        for (const bool at_once : {false, true}) {
            CAPTURE(relative, at_once);
            timer_wheel wheel(0);
            timer_node node;
            wheel.arm(node, lasting(3600 * second));
            if (!at_once) {
                CHECK(fire(wheel, 2 * tick).empty());
                CHECK(wheel.next() > 3599 * second);
            }
            wheel.arm_again(node, lasting(5000 * second));  // the last word counts
            wheel.arm_again(node, relative ? lasting(20 * tick) : point(22 * tick));
            CHECK(fire(wheel, 2 * tick).empty());
            CHECK(wheel.next() == 22 * tick);
            CHECK(fire(wheel, 22 * tick - 2).empty());
            CHECK(fire(wheel, 22 * tick).size() == 1);
            CHECK(wheel.empty());
        }
    }
}

THOLE_TEST("a node that was armed again is disarmed in each of its states", "[timer_wheel]") {
    timer_wheel wheel(0);
    timer_node node;
    timer_node other;
    wheel.arm(other, lasting(50 * second));
    wheel.arm(node, lasting(second));
    CHECK(fire(wheel, 0).empty());
    CHECK(wheel.next() == even(wheel.next()));
    wheel.arm_again(node, lasting(2 * second));  // waits for the clock, in its slot
    wheel.disarm(node);
    CHECK(fire(wheel, tick).empty());
    CHECK(wheel.next() >= 50 * second);  // not the time of the one that went
    wheel.arm(node, lasting(second));
    CHECK(fire(wheel, tick).empty());
    wheel.arm_again(node, point(10 * second));  // later, in its slot
    wheel.disarm(node);
    CHECK(fire(wheel, 2 * tick).empty());
    CHECK(wheel.next() >= 50 * second);
    wheel.disarm(other);
    CHECK(wheel.empty());
    CHECK(fire(wheel, 100 * second).empty());
}

THOLE_TEST("nobody is woken for the old time of one that was armed again", "[timer_wheel]") {
    timer_wheel wheel(0);
    std::vector<timer_node> nodes(5);
    for (timer_node& node : nodes) {
        wheel.arm(node, lasting(30 * second));
    }
    std::int64_t now = 0;
    CHECK(fire(wheel, now).empty());
    for (int i = 0; i < 20; ++i) {
        now += second;
        for (timer_node& node : nodes) {
            wheel.arm_again(node, lasting(30 * second));
        }
        CHECK(fire(wheel, now).empty());
        CHECK(wheel.next() > 29 * second);
    }
    CHECK(wheel.next() >= 50 * second);
    CHECK(fire(wheel, 50 * second - 2).empty());
    CHECK(fire(wheel, 50 * second + slack(30 * second)).size() == 5);
}

THOLE_TEST("far deadlines share wakes", "[timer_wheel]") {
    timer_wheel wheel(0);
    std::vector<timer_node> nodes(10'000);
    std::mt19937_64 random(5);
    for (timer_node& node : nodes) {
        if (wheel.full()) {
            wheel.place(0);
        }
        wheel.arm(node, lasting(second + static_cast<std::int64_t>(random() % second)));
    }
    std::size_t fired = fire(wheel, 0).size();
    int wakes = 0;
    for (; !wheel.empty(); ++wakes) {
        fired += fire(wheel, wheel.next()).size();
    }
    CHECK(fired == nodes.size());
    CHECK(wakes > 900);
    CHECK(wakes < 1150);  // a second by steps of one to two thousandths, not by 15,259 ticks
}

THOLE_TEST("take_any gives every node, fresh, placed or due", "[timer_wheel]") {
    timer_wheel wheel(0);
    CHECK(wheel.take_any() == nullptr);
    std::vector<timer_node> nodes(300);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (wheel.full()) {
            wheel.place(0);
        }
        wheel.arm(nodes[i], point(even(static_cast<std::int64_t>(i * i * i * i) * tick)));
    }
    const std::size_t due = fire(wheel, tick).size();
    for (std::size_t i = 0; i < 10; ++i) {
        if (!nodes[i].armed()) {
            wheel.arm(nodes[i], lasting(5));
        }
        wheel.arm_again(nodes[i + 20], lasting(second));  // waits, and stands in a slot
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

THOLE_TEST("a lone far timer costs one wake, whatever its distance", "[timer_wheel]") {
    for (const std::int64_t due :
         {10 * tick, second, 3600 * second, 24 * 3600 * second, year, 80 * year}) {
        CAPTURE(due);
        timer_wheel wheel(0);
        timer_node node;
        wheel.arm(node, lasting(due));
        CHECK(fire(wheel, 0).empty());
        const std::int64_t next = wheel.next();
        CHECK(next >= due);
        CHECK(next <= due + slack(due));
        CHECK(fire(wheel, next - 2).empty());
        CHECK(fire(wheel, next).size() == 1);
    }
}

THOLE_TEST("a hundred thousand timers fire in their time", "[timer_wheel]") {
    constexpr std::size_t many = 100'000;
    std::vector<timer_node> nodes(many);
    timer_wheel wheel(0);
    std::mt19937_64 random(3);
    std::vector<std::int64_t> due(many);
    for (std::size_t i = 0; i < many; ++i) {
        due[i] = even(static_cast<std::int64_t>(random() % (100 * second)) + 2);
        if (wheel.full()) {
            wheel.place(0);
        }
        wheel.arm(nodes[i], lasting(due[i]));
    }
    std::size_t fired = fire(wheel, 0).size();
    std::size_t turns = 0;
    std::int64_t now = 0;
    bool late = false;
    bool early = false;
    while (!wheel.empty()) {
        now = wheel.next();
        ++turns;
        for (timer_node* node : fire(wheel, now)) {
            const std::int64_t at = due[static_cast<std::size_t>(node - nodes.data())];
            early = early || at > now;
            late = late || now - at > slack(at);
            ++fired;
        }
    }
    CHECK(fired == many);
    CHECK_FALSE(early);
    CHECK_FALSE(late);
    CHECK(turns <= many / 10);
}

}  // namespace
