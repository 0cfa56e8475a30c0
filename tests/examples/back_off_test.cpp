// SPDX-License-Identifier: BSL-1.0
// The delays of the reconnect example.
#include "reconnect/back_off.hpp"
#include "support/test.hpp"

#include <set>

using examples::back_off;
using namespace std::chrono_literals;

TEST_CASE("doubles up to its bound, starts again after a success") {
    for (int i = 0; i < 100; ++i) {
        back_off delay(100ms, 1s);
        for (const auto bound : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms, 1000ms}) {
            const auto drawn = delay.next();
            CHECK(drawn <= bound);
            CHECK(drawn >= bound / 2);
        }
        delay.reset();
        CHECK(delay.next() <= 100ms);
    }
}

TEST_CASE("clients do not come back in step") {
    std::set<back_off::milliseconds> drawn;
    for (int i = 0; i < 200; ++i) drawn.insert(back_off(10s, 10s).next());
    CHECK(drawn.size() > 100);
}

TEST_CASE("bounds that make no sense") {
    CHECK(back_off(0ms, 0ms).next() == 1ms);
    CHECK(back_off(100ms, 1ms).next() <= 100ms);
}
