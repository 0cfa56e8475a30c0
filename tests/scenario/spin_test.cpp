// SPDX-License-Identifier: BSL-1.0
// A loop that polls before it sleeps behaves like any other.
#include "support/scenario.hpp"

#include <thread>

using namespace thole;
using namespace thole::test;

namespace {

loop_options spinning() {
    loop_options options = options_of_run();
    options.spin = 200us;
    return options;
}

task<> answer(tcp::socket& peer, std::size_t times) {
    std::byte byte[1];
    for (std::size_t i = 0; i < times; ++i) {
        auto got = co_await peer.read(byte, within(30s));
        REQUIRE(got.error() == no_error);
        const transfer sent = co_await peer.write(byte, within(30s));
        REQUIRE(sent.error == no_error);
    }
}

task<> ask(tcp::socket& peer, std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
        co_await send(peer, "?");
        co_await expect(peer, "?");
    }
}

}  // namespace

THOLE_TEST("a loop that polls before it sleeps: an exchange, a deadline, a cancel", "[spin]") {
    scene in(spinning());
    pair both = make_pair(in.on);
    auto answering = in.on.spawn(answer(both.there, rounds()));
    run(in.on, ask(both.here, rounds()));
    settle(in.on);
    CHECK(answering.ended());

    journal log;
    std::byte byte[1];
    noting<tcp::read_op> late{noted{&log, "late"}};
    noting<tcp::read_op> cancelled{noted{&log, "cancelled"}};
    const time_point start = in.on.now();
    late.start(both.here, std::span(byte), within(1ms));
    cancelled.start(both.there, std::span(byte));
    in.on.post([&] { cancelled.cancel(); });
    settle(in.on);
    CHECK(in.on.now() - start >= 1ms);
    CHECK(log.of("late").error == errc::deadline_reached);
    CHECK(log.of("cancelled").error == errc::cancelled);
}

THOLE_TEST("a loop that polls before it sleeps: no timer is early, and run_for ends", "[spin]") {
    scene in(spinning());
    struct state {
        loop& on;
        timer* again;
        std::size_t fired;
        time_point due;
        bool early;
    } seen{in.on, nullptr, 0, in.on.now() + 50us, false};
    timer tick(
        in.on,
        [](void* context) {
            auto& s = *static_cast<state*>(context);
            s.early = s.early || s.on.now() < s.due;
            if (++s.fired < 200) {
                s.due = s.on.now() + 50us;
                static_cast<void>(s.again->arm(within(50us)));
            }
        },
        &seen);
    seen.again = &tick;
    REQUIRE_FALSE(tick.arm(within(50us)));
    settle(in.on);
    CHECK(seen.fired == 200);
    CHECK_FALSE(seen.early);

    timer far(
        in.on, [](void*) {}, nullptr);
    REQUIRE_FALSE(far.arm(within(24h)));
    const time_point start = in.on.now();
    CHECK(in.on.run_for(5ms).value() == 0);
    CHECK(in.on.now() - start >= 5ms);
}

// Each post finds it polling or asleep; none waits for another's wake.
THOLE_TEST("a loop that polls before it sleeps sees what other threads post, and stop()",
           "[spin][threads]") {
    if (on_sim()) {
        skip("nothing but the simulated network wakes a loop there: it has no threads");
    }
    scene in(spinning());
    timer keep(
        in.on, [](void*) {}, nullptr);
    REQUIRE_FALSE(keep.arm(within(1h)));
    const guard limit(in.on, patience);
    std::size_t seen = 0;
    baton done;
    std::thread other([&] {
        for (std::size_t i = 0; i < rounds(); ++i) {
            in.on.post([&] {
                ++seen;
                done.pass();
            });
            done.wait();
        }
        in.on.stop();
    });
    const auto ran = in.on.run();
    other.join();
    CHECK(ran.value() == rounds());
    CHECK(seen == rounds());
    CHECK_FALSE(limit.fired());
}

// The kernel's last word on what was closed comes while the loop polls, and wakes nobody.
THOLE_TEST("a loop that polls before it sleeps ends when nothing is left", "[spin]") {
    scene in(spinning());
    for (std::size_t i = 0; i < 20; ++i) {
        pair both = make_pair(in.on);
        journal log;
        std::byte byte[1];
        noting<tcp::read_op> reading{noted{&log, "read"}};
        reading.start(both.here, std::span(byte));
        both.here.close();
        CHECK(in.on.run().error() == no_error);
        CHECK(log.of("read").error == errc::closed);
        both.there.close();
        CHECK(in.on.run().error() == no_error);
    }
}
