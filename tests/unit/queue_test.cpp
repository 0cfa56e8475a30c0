// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <random>

#include "core/inbound_queue.hpp"
#include "core/queue.hpp"

namespace {

using thole::detail::inbound_queue;
using thole::detail::loose_socket;
using thole::detail::operation_queue;
using thole::detail::run_queue;
using thole::detail::runnable;

struct plain : thole::operation {};

THOLE_TEST("a run queue is first in, first out", "[queue]") {
    run_queue queue;
    std::array<runnable, 3> items;
    CHECK(queue.empty());
    CHECK(queue.pop() == nullptr);
    for (runnable& item : items) {
        queue.push(item);
    }
    for (runnable& item : items) {
        CHECK_FALSE(queue.empty());
        CHECK(queue.pop() == &item);
    }
    CHECK(queue.empty());
    queue.push(items[1]);
    CHECK(queue.pop() == &items[1]);
    CHECK(queue.pop() == nullptr);
}

THOLE_TEST("append moves everything, in order", "[queue]") {
    run_queue first;
    run_queue second;
    std::array<runnable, 4> items;
    first.append(second);
    CHECK(first.empty());
    second.push(items[0]);
    first.append(second);  // into an empty one
    CHECK(second.empty());
    second.push(items[1]);
    second.push(items[2]);
    first.append(second);
    first.push(items[3]);  // the end is the other queue's
    for (runnable& item : items) {
        CHECK(first.pop() == &item);
    }
    second.push(items[0]);  // the emptied one is usable
    CHECK(second.pop() == &items[0]);
    CHECK(first.empty());
}

THOLE_TEST("an operation queue against a deque", "[queue]") {
    constexpr std::size_t most = 6;
    std::array<plain, most> operations;
    std::deque<plain*> expected;
    operation_queue queue;
    std::mt19937 random(7);
    for (int step = 0; step < 20'000; ++step) {
        plain& op = operations[random() % most];
        const auto found = std::find(expected.begin(), expected.end(), &op);
        if (found == expected.end()) {
            queue.push(op);
            expected.push_back(&op);
        } else {
            queue.remove(op);
            expected.erase(found);
        }
        REQUIRE(queue.empty() == expected.empty());
        const thole::operation* at = queue.front();
        for (const plain* wanted : expected) {
            REQUIRE(at == wanted);
            at = queue.after(*at);
        }
        REQUIRE(at == nullptr);
    }
    while (!queue.empty()) {
        queue.remove(*queue.front());
    }
}

THOLE_TEST("an inbound queue is bounded, in order, and goes round", "[queue]") {
    inbound_queue queue;
    CHECK(queue.bound() == 0);
    CHECK(queue.full());
    REQUIRE(queue.reserve(3));
    CHECK(queue.bound() == 3);
    std::uintptr_t in = 0;
    std::uintptr_t out = 0;
    for (int round = 0; round < 10; ++round) {
        while (!queue.full()) {
            loose_socket parked;
            parked.native = ++in;
            queue.park(parked);
        }
        CHECK(queue.size() == 3);
        CHECK(queue.take().native == ++out);
        CHECK(queue.take().native == ++out);
        CHECK(queue.size() == 1);
    }
}

}  // namespace
