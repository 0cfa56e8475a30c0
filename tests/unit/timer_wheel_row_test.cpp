// SPDX-License-Identifier: BSL-1.0
// Operations of the wheel's row: those that ask for the same duration as others before them.
#include "support/test.hpp"

#include <cstdint>
#include <vector>

#include "unit/timer_wheel_rig.hpp"

namespace {

using namespace thole::test;

// A wheel whose row is for `word`, with nothing armed.
struct wheel_with_row : timer_wheel {
    timer_node first[2];

    wheel_with_row(std::int64_t now, std::int64_t word) : timer_wheel(now) {
        for (timer_node& node : first) {
            CHECK_FALSE(join(node, word));
            arm(node, word);
        }
        CHECK(fire(*this, now).empty());
        for (timer_node& node : first) {
            disarm(node);
        }
        CHECK(empty());
    }
};

THOLE_TEST("those of a row fire no earlier than their time, however long their turn",
           "[timer_wheel]") {
    for (const std::int64_t word : {2 * tick, 30 * second, 100 * year}) {
        for (const std::int64_t turn : {std::int64_t{0}, std::int64_t{2}, tick, second}) {
            CAPTURE(word, turn);
            const std::int64_t start = 200 * year + 7 * tick - 2;
            wheel_with_row wheel(start, lasting(word));
            std::vector<timer_node> nodes(8);  // as many as next() looks at
            for (timer_node& node : nodes) {
                REQUIRE(wheel.join(node, lasting(word)));
            }
            const std::int64_t placed = start + turn;
            CHECK_FALSE(wheel.empty());
            CHECK(fire(wheel, placed).empty());
            if (word > 90 * year) {
                continue;  // beyond what the clock can count
            }
            CHECK(wheel.next() >= placed + word);
            CHECK(fire(wheel, placed + word - 2).empty());
            CHECK(fire(wheel, placed + word + slack(word)).size() == nodes.size());
            CHECK(wheel.empty());
        }
    }
}

THOLE_TEST("one of a row that is disarmed in its turn never touches the wheel", "[timer_wheel]") {
    wheel_with_row wheel(0, lasting(second));
    timer_node nodes[3];
    for (const int first : {0, 1, 2}) {
        for (timer_node& node : nodes) {
            REQUIRE(wheel.join(node, lasting(second)));
        }
        CHECK(nodes[0].later == &nodes[1]);
        CHECK(nodes[2].earlier == &nodes[1]);
        for (int i = first; i < first + 3; ++i) {
            CHECK_FALSE(wheel.empty());
            wheel.disarm(nodes[i % 3]);
            CHECK_FALSE(nodes[i % 3].armed());
        }
        CHECK(wheel.empty());
    }
    CHECK(fire(wheel, 10 * second).empty());
}

THOLE_TEST("a row is in use by one duration, and goes to another when nobody stands in it",
           "[timer_wheel]") {
    const std::int64_t other = lasting(10 * second);
    wheel_with_row wheel(0, lasting(second));
    timer_node nodes[6];
    REQUIRE(wheel.join(nodes[0], lasting(second)));
    wheel.arm(nodes[1], other);
    wheel.arm(nodes[2], other);
    CHECK(fire(wheel, 2).empty());
    CHECK_FALSE(wheel.join(nodes[3], other));
    wheel.arm(nodes[3], lasting(5 * second), 1);  // lone timers do not count
    wheel.arm(nodes[4], lasting(5 * second), 1);
    CHECK(fire(wheel, 4).empty());
    CHECK_FALSE(wheel.join(nodes[5], lasting(5 * second)));
    wheel.disarm(nodes[1]);
    wheel.disarm(nodes[2]);
    wheel.arm(nodes[1], other);
    wheel.arm(nodes[2], other);
    CHECK(fire(wheel, 6).empty());
    CHECK(wheel.join(nodes[5], other));
    CHECK(fire(wheel, 8).empty());
    CHECK(fire(wheel, 2 * second).size() == 1);
    CHECK(fire(wheel, 6 * second).size() == 2);
    CHECK(fire(wheel, 10 * second).empty());
    CHECK(fire(wheel, 11 * second).size() == 3);
    CHECK(wheel.empty());
}

}  // namespace
