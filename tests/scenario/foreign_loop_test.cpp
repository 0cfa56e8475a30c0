// SPDX-License-Identifier: BSL-1.0
// A loop that another one drives: poll(), until when, and what to wait for.
#include "support/scenario.hpp"

#include <algorithm>
#include <thread>

using namespace thole;
using namespace thole::test;

namespace {

// The foreign loop: it sleeps on the handle where there is one, else it only polls.
class driver {
public:
    explicit driver(loop& on) : on_(on) {}

    // Until `ended` is set.
    void drive(const bool& ended) {
        const time_point begin = on_.now();
        while (!ended) {
            turn(on_);
            REQUIRE(on_.now() - begin < patience);
            if (!ended) {
                sleep(on_.next_deadline());
            }
        }
    }
    [[nodiscard]] int slept() const noexcept { return slept_; }

private:
    void sleep(time_point until) {
        const auto handle = on_.native_waitable();
        if (!handle) {
            REQUIRE(handle.error() == std::errc::operation_not_supported);
            std::this_thread::yield();
            return;
        }
        int time = -1;  // no safety net: a lost wake would hang
        if (until != time_point::max()) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                until == time_point::min() ? 0ns : until - on_.now());
            time = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
        }
        slept_ += time != 0 ? 1 : 0;
        (void)raw::wait_readable(*handle, time);
    }

    loop& on_;
    int slept_ = 0;
};

task<> echoes(tcp::socket peer) {
    std::byte buffer[64];
    while (auto got = co_await peer.read(buffer, within(5s))) {
        const transfer sent = co_await peer.write(std::span(buffer).first(*got), within(5s));
        REQUIRE(sent.error == no_error);
    }
}

task<> asks(loop& on, tcp::listener& door, bool& ended) {
    auto both = co_await connected(on, door);
    auto answering = on.spawn(echoes(std::move(both.there)));
    for (int i = 0; i < 50; ++i) {
        co_await send(both.here, "thole");
        co_await expect(both.here, "thole");
        if (i % 10 == 0) {
            const time_point begin = on.now();
            const auto slept = co_await sleep_for(2ms);
            CHECK(slept.error() == no_error);
            CHECK(on.now() - begin >= 2ms);
        }
    }
    both.here.close();
    co_await answering;
    ended = true;
}

}  // namespace

THOLE_TEST("NL06 an echo and its timers, driven by a foreign loop", "[loop]") {
    scene in;
    tcp::listener door = open_door(in.on);
    bool ended = false;
    in.on.spawn(asks(in.on, door, ended));
    driver outer(in.on);
    outer.drive(ended);
    CHECK(ended);
    if (in.on.native_waitable()) {
        CHECK(outer.slept() > 0);
    }
    CHECK(in.on.next_deadline() == time_point::max());
    CHECK(in.on.run().value() == 0);  // it may run by itself again
}

THOLE_TEST("NL06 what next_deadline says", "[loop]") {
    scene in;
    CHECK(in.on.next_deadline() == time_point::max());
    journal log;
    noting<sleep_op> sleeping{noted{&log, "sleep"}};
    const time_point before = in.on.now();
    sleeping.start(in.on, within(1h));
    const time_point next = in.on.next_deadline();
    CHECK(next > before);
    CHECK(next < time_point::max());
    in.on.post([&log] { log.note("post", no_error); });
    CHECK(in.on.next_deadline() == time_point::min());
    turn(in.on);
    CHECK(log.times("post") == 1);
    sleeping.cancel();
    CHECK(in.on.next_deadline() == time_point::min());  // its end is to be told
    in.on.stop();
    CHECK(in.on.next_deadline() == time_point::max());
    in.on.restart();
    settle(in.on);
    CHECK(log.of("sleep").error == errc::cancelled);
}

THOLE_TEST("NL06 a post from another thread ends the foreign loop's wait", "[loop][threads]") {
    scene in;
    if (!in.on.native_waitable()) {
        skip("this backend has nothing that a foreign loop could wait for");
    }
    for (std::size_t i = 0; i < rounds() / 4; ++i) {
        bool ended = false;
        REQUIRE(in.on.next_deadline() == time_point::max());
        std::thread poster([&] { in.on.post([&ended] { ended = true; }); });
        driver(in.on).drive(ended);
        poster.join();
    }
}
