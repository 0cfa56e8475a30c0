// SPDX-License-Identifier: BSL-1.0
#include "win/iocp_pool.hpp"

#include "support/test.hpp"

using thole::detail::accept_pool;

THOLE_TEST("R38: a pool doubles where it ran dry under users who waited", "[unit]") {
    accept_pool pool(4, 20);
    CHECK(pool.size() == 4);
    for (const std::size_t size : {8U, 16U, 20U, 20U}) {
        pool.after_batch(0, true);
        CHECK(pool.size() == size);
    }
}

THOLE_TEST("R38: a pool that nobody claims from stays as it is", "[unit]") {
    accept_pool pool(4, 64);
    pool.after_batch(0, false);
    CHECK(pool.size() == 4);
    pool.after_batch(0, true);
    pool.after_batch(0, false);
    CHECK(pool.size() == 8);
}

THOLE_TEST("R38: a pool gets smaller by one where most stood idle, down to its floor", "[unit]") {
    accept_pool pool(2, 8);
    pool.after_batch(0, true);
    pool.after_batch(0, true);
    CHECK(pool.size() == 8);
    pool.after_batch(3, true);  // more than half was needed
    CHECK(pool.size() == 8);
    pool.after_batch(4, true);
    CHECK(pool.size() == 7);
    for (int i = 0; i < 20; ++i) {
        pool.after_batch(pool.size() - 1, true);
    }
    CHECK(pool.size() == 2);
}

THOLE_TEST("AC14 a pool of one number keeps it", "[unit]") {
    accept_pool pool(7, 7);
    for (std::size_t left = 0; left < 8; ++left) {
        for (const bool claimed : {false, true}) {
            pool.after_batch(left, claimed);
            CHECK(pool.size() == 7);
        }
    }
}
