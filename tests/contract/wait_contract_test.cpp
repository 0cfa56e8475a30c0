// SPDX-License-Identifier: BSL-1.0
// backend.hpp held to its word: waiting, waking, time.
#include "contract/rig.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

using namespace thole;
using namespace thole::test;
using namespace std::chrono_literals;

THOLE_TEST("wait does not block when the time has passed", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(8, '-');
    transfer_ask reading(r);
    REQUIRE_FALSE(reading.start(verb::read, client, bytes_of(text)));
    CHECK(r.wait(time_point::min()) == 0);  // or it hangs here, and the watchdog says so
    CHECK(r.wait(r.net.now()) == 0);
}

THOLE_TEST("wait is over at its time, not before, and does not spin", "[contract]") {
    rig r;
    for (const std::chrono::nanoseconds time : {20ms, 1ms, 0ms}) {
        const time_point end = r.net.now() + time + 300us;
        int waits = 0;
        while (r.net.now() < end) {
            CHECK(r.wait(end) == 0);
            ++waits;
        }
        CHECK(waits < 50);  // it may return early, but not as a habit
    }
}

THOLE_TEST("a wake before the wait is not lost", "[contract]") {
    rig r;
    r.net.wake();
    CHECK(r.wait(time_point::max()) == 0);  // or it hangs
    r.net.wake();
    const time_point far = r.net.now() + 1h;
    CHECK(r.wait(far) == 0);
    CHECK(r.net.now() < far);
}

THOLE_TEST("wakes are coalesced", "[contract]") {
    rig r;
    for (int i = 0; i < 1000; ++i) {
        r.net.wake();
    }
    const time_point end = r.net.now() + 20ms;
    int waits = 0;
    while (r.net.now() < end) {
        CHECK(r.wait(end) == 0);
        ++waits;
    }
    CHECK(waits < 50);
}

THOLE_TEST("wake from another thread ends the wait", "[contract][threads]") {
    if (backend() == "sim") {
        skip("a virtual clock cannot sleep until another thread calls: such a wait is a deadlock");
    }
    rig r;
    const int rounds = 200;
    std::mutex mutex;
    std::condition_variable changed;
    int asked_for = 0;
    std::thread waker([&] {
        for (int round = 1; round <= rounds; ++round) {
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return asked_for == round; });
            lock.unlock();
            r.net.wake();
        }
    });
    for (int round = 1; round <= rounds; ++round) {
        {
            const std::lock_guard lock(mutex);
            asked_for = round;
        }
        changed.notify_one();
        r.wait(time_point::max());  // a lost wake hangs here
    }
    waker.join();
}

THOLE_TEST("wakes of several threads at once do no harm", "[contract][threads]") {
    rig r;
    const auto [client, server] = r.pair();
    std::vector<std::thread> wakers;
    for (int i = 0; i < 4; ++i) {
        wakers.emplace_back([&] {
            for (int round = 0; round < 500; ++round) {
                r.net.wake();
            }
        });
    }
    for (int round = 0; round < 50; ++round) {
        r.write(client, "ping");
        CHECK(r.read(server, 4) == "ping");
    }
    for (std::thread& waker : wakers) {
        waker.join();
    }
}

THOLE_TEST("a network in memory notices that nothing can ever happen", "[contract]") {
    if (backend() != "sim") {
        skip("only the simulated network can know that nothing will ever happen");
    }
    rig r;
    const auto [client, server] = r.pair();
    std::string text(8, '-');
    transfer_ask reading(r);
    REQUIRE_FALSE(reading.start(verb::read, client, bytes_of(text)));
    detail::completions none(r.core);
    CHECK(r.net.wait(time_point::max(), none) == std::errc::resource_deadlock_would_occur);
    CHECK(reading.reported() == 0);
    r.write(server, "no");
    r.finish(reading);
    CHECK(reading.reported() == 1);
}

THOLE_TEST("one batch reports each operation once", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    constexpr std::size_t many = 32;
    std::vector<socket_pair> pairs;
    std::vector<std::string> texts(many, "-");
    std::vector<std::unique_ptr<transfer_ask>> reads;
    for (std::size_t i = 0; i < many; ++i) {
        pairs.push_back(r.pair(door));
        reads.push_back(std::make_unique<transfer_ask>(r));
        REQUIRE_FALSE(reads[i]->start(verb::read, pairs[i].server, bytes_of(texts[i])));
    }
    std::string byte = "!";
    std::vector<std::unique_ptr<transfer_ask>> writes;
    std::size_t expected = many;
    for (std::size_t i = 0; i < many; ++i) {
        writes.push_back(std::make_unique<transfer_ask>(r));
        expected += writes[i]->start(verb::write, pairs[i].client, bytes_of(byte)) ? 0U : 1U;
    }
    std::size_t reported = 0;
    const time_point guard = r.net.now() + 10s;
    while (reported < expected && r.net.now() < guard) {
        reported += r.wait(guard);
    }
    reported += r.pass(5ms);
    CHECK(reported == expected);
    for (std::size_t i = 0; i < many; ++i) {
        CHECK(reads[i]->reported() == 1);
        CHECK(texts[i] == "!");
    }
}

THOLE_TEST("now never goes back", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    time_point last = r.net.now();
    const auto forward = [&] {
        const time_point now = r.net.now();
        CHECK(now >= last);
        last = now;
    };
    for (int i = 0; i < 200; ++i) {
        r.write(client, "tick");
        forward();
        CHECK(r.read(server, 4) == "tick");
        forward();
        r.wait(last + 10us);
        forward();
    }
    if (r.is("sim")) {  // time is what wait() says
        CHECK(r.net.now() == last);
        r.wait(last + 1h);
        CHECK(r.net.now() == last + 1h);
    }
}
