// SPDX-License-Identifier: BSL-1.0
// The loop seen from other threads, on each backend's own waiting.
#include "support/test.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <thole/thole.hpp>

namespace {

using namespace std::chrono_literals;
using thole::backend_kind;
using thole::errc;
using thole::loop;
using thole::timer;
using thole::within;

// Every backend that this platform has.
std::vector<backend_kind> kinds() {
    std::vector<backend_kind> found;
    for (const backend_kind kind :
         {backend_kind::sim, backend_kind::epoll, backend_kind::select, backend_kind::iocp}) {
        if (loop(thole::loop_options{.backend = kind})) {
            found.push_back(kind);
        }
    }
    return found;
}

THOLE_TEST("another thread than the first is refused", "[loop][threads]") {
    loop on(thole::loop_options{.backend = backend_kind::sim});
    std::mutex mutex;
    std::condition_variable changed;
    bool ran = false;
    bool over = false;
    std::size_t handled = 0;
    std::thread first([&] {  // built elsewhere: this one is the first, and lives on
        on.post([] {});
        handled = on.run().value();
        std::unique_lock lock(mutex);
        ran = true;
        changed.notify_one();
        changed.wait(lock, [&] { return over; });
    });
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return ran; });
    }
    CHECK(handled == 1);
    CHECK(on.run().error() == std::errc::operation_not_permitted);
    CHECK(on.poll().error() == std::errc::operation_not_permitted);
    std::error_code third;
    std::thread([&] { third = on.run_for(1ms).error(); }).join();
    CHECK(third == std::errc::operation_not_permitted);
    {
        const std::lock_guard lock(mutex);
        over = true;
    }
    changed.notify_one();
    first.join();
}

// Producers post with pauses, so that the loop sleeps between; no timeout would save it.
void post_from_threads(backend_kind kind) {
    constexpr int producers = 3;
    constexpr int each = 2000;
    loop on(thole::loop_options{.backend = kind});
    int handled = 0;
    bool ordered = true;
    std::vector<int> next(producers, 0);
    timer keep(
        on, [](void*) {}, nullptr);
    REQUIRE_FALSE(keep.arm(within(1h)));
    std::vector<std::thread> threads;
    for (int p = 0; p < producers; ++p) {
        threads.emplace_back([&, p] {
            for (int i = 0; i < each; ++i) {
                on.post([&, p, i] {
                    ordered = ordered && next[static_cast<std::size_t>(p)]++ == i;
                    if (++handled == producers * each) {
                        on.stop();
                    }
                });
                if (i % 16 == 0) {
                    std::this_thread::yield();
                }
            }
        });
    }
    CHECK(on.run().value() == static_cast<std::size_t>(producers * each));
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(handled == producers * each);
    CHECK(ordered);
}

THOLE_TEST("posts from threads wake a loop that sleeps", "[loop][threads]") {
    for (const backend_kind kind : kinds()) {
        if (kind != backend_kind::sim) {  // its hour passes in no time
            CAPTURE(to_string(kind));
            post_from_threads(kind);
        }
    }
}

THOLE_TEST("one letter at a time, each to a sleeping loop", "[loop][threads]") {
    for (const backend_kind kind : kinds()) {
        if (kind == backend_kind::sim) {
            continue;
        }
        CAPTURE(to_string(kind));
        loop on(thole::loop_options{.backend = kind});
        timer keep(
            on, [](void*) {}, nullptr);
        REQUIRE_FALSE(keep.arm(within(1h)));
        std::atomic<int> seen{0};
        std::thread other([&] {
            for (int i = 0; i < 500; ++i) {
                on.post([&] { seen.fetch_add(1); });
                while (seen.load() <= i) {
                    std::this_thread::yield();
                }
            }
            on.stop();
        });
        CHECK(on.run().value() == 500);
        other.join();
    }
}

THOLE_TEST("stop from another thread ends a run that sleeps", "[loop][threads]") {
    for (const backend_kind kind : kinds()) {
        if (kind == backend_kind::sim) {
            continue;
        }
        CAPTURE(to_string(kind));
        loop on(thole::loop_options{.backend = kind});
        timer keep(
            on, [](void*) {}, nullptr);
        REQUIRE_FALSE(keep.arm(within(1h)));
        for (int i = 0; i < 200; ++i) {
            std::thread other([&] { on.stop(); });
            CHECK(on.run().value() == 0);
            other.join();
            CHECK(on.stopped());
            on.restart();
        }
    }
}

}  // namespace
