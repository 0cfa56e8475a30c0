// SPDX-License-Identifier: BSL-1.0
// What every test file includes: Catch2, the backend of this run, and skipping with a reason.
#pragma once

#include <catch2/catch.hpp>

#include <string>
#include <string_view>

namespace thole::test {

// What this run is for ("epoll", "io_uring", "select", "iocp", "sim"); "" in a suite without
// backends.
std::string_view backend();

// Ends the test case as skipped. Works on the test's own thread, within THOLE_TEST only.
[[noreturn]] void skip(std::string reason);

// What a suite with backends sets: why this machine lets nothing be shown on the run's backend,
// for which each test is skipped then; "" where it can.
inline std::string (*what_forbids)(std::string_view backend) = nullptr;

// Runs the body of a THOLE_TEST and catches what skip() throws.
void run_body(void (*body)());

}  // namespace thole::test

#define THOLE_TEST_JOIN_(a, b) a##b
#define THOLE_TEST_JOIN(a, b) THOLE_TEST_JOIN_(a, b)
#define THOLE_TEST_(body, name, tags)                                                              \
    static void body();                                                                            \
    TEST_CASE(name, tags) { ::thole::test::run_body(&body); }                                      \
    static void body()

// Like TEST_CASE(name, tags), but skip() works within its body. A scenario's name starts
// with its case id: "CN01 refused on a closed loopback port".
#define THOLE_TEST(name, tags) THOLE_TEST_(THOLE_TEST_JOIN(thole_test_body_, __LINE__), name, tags)
