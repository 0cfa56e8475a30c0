// SPDX-License-Identifier: BSL-1.0
// What crosses threads: post, stop and detached sockets. Assertions stand on the test's thread
// alone: Catch2's are not made for others.
#include "support/scenario.hpp"

#include <atomic>
#include <thread>

using namespace thole;
using namespace thole::test;

namespace {

void need_real_waiting() {
    if (on_sim()) {
        skip("the simulated network has no real sleeping: nothing there waits for a thread");
    }
}

// Keeps a loop waiting until it is released.
class parked_loop {
public:
    explicit parked_loop(loop& on)
        : timer_(
              on, [](void*) {}, nullptr) {
        timer_.arm(within(patience));
    }
    void release() { timer_.disarm(); }

private:
    timer timer_;
};

}  // namespace

THOLE_TEST("NL02 a post from another thread wakes a sleeping loop", "[loop][threads]") {
    need_real_waiting();
    scene in;
    loop& on = in.on;
    const guard late(on, patience / 2);
    std::thread::id ran_on;
    std::thread poster([&] {
        on.post([&] {
            ran_on = std::this_thread::get_id();
            on.stop();
        });
    });
    CHECK(on.run().error() == no_error);
    poster.join();
    CHECK_FALSE(late.fired());
    CHECK(ran_on == std::this_thread::get_id());
    on.restart();
}

THOLE_TEST("NL02 no wake-up is lost, however often", "[loop][threads]") {
    need_real_waiting();
    scene in;
    loop& on = in.on;
    parked_loop waits(on);
    baton answered;
    const std::size_t times = rounds() * 5;
    std::size_t ran = 0;
    std::thread poster([&] {
        for (std::size_t i = 0; i < times; ++i) {
            on.post([&] {
                ++ran;
                answered.pass();
            });
            answered.wait();  // the loop goes back to sleep each time
        }
        on.post([&] { waits.release(); });
    });
    CHECK(on.run().error() == no_error);
    poster.join();
    CHECK(ran == times);
}

THOLE_TEST("NL02 posts of several threads all run, in each thread's order", "[loop][threads]") {
    need_real_waiting();
    scene in;
    loop& on = in.on;
    parked_loop waits(on);
    const std::size_t times = rounds() * 2;
    std::size_t next[4] = {};
    bool in_order = true;
    std::size_t ran = 0;
    std::vector<std::thread> posters;
    for (std::size_t who = 0; who < 4; ++who) {
        posters.emplace_back([&, who] {
            for (std::size_t i = 0; i < times; ++i) {
                on.post([&, who, i] {
                    in_order = in_order && next[who]++ == i;
                    if (++ran == 4 * times) {
                        waits.release();
                    }
                });
            }
        });
    }
    CHECK(on.run().error() == no_error);
    for (std::thread& one : posters) {
        one.join();
    }
    CHECK(ran == 4 * times);
    CHECK(in_order);
}

THOLE_TEST("NL02 posted before run, from a thread that has ended", "[loop][threads]") {
    scene in;
    int ran = 0;
    std::thread([&] { in.on.post([&] { ++ran; }); }).join();
    CHECK(in.on.run().value() == 1);
    CHECK(ran == 1);
}

THOLE_TEST("stop from another thread ends a sleeping run", "[loop][threads]") {
    need_real_waiting();
    scene in;
    loop& on = in.on;
    pair both = make_pair(on);
    journal log;
    std::byte buffer[4];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(both.here, std::span(buffer));
    for (int i = 0; i < 20; ++i) {
        std::thread stopper([&] { on.stop(); });
        CHECK(on.run_for(patience).error() == no_error);
        stopper.join();
        CHECK(on.stopped());
        on.restart();
    }
    CHECK(reading.pending());
    both.there.close();
    settle(on);
    CHECK(log.of("read").error == errc::end_of_stream);
}

THOLE_TEST("another thread than the first may not run a loop", "[loop][threads]") {
    scene in;
    loop& on = in.on;
    CHECK(on.run().error() == no_error);  // now it is ours
    int ran = 0;
    on.post([&] { ++ran; });
    std::error_code errors[4];
    std::thread([&] {
        errors[0] = on.run().error();
        errors[1] = on.poll().error();
        errors[2] = on.run_for(1s).error();
        errors[3] = on.run_until(time_point::max()).error();
    }).join();
    for (const std::error_code& error : errors) {
        CHECK(error == std::errc::operation_not_permitted);
    }
    CHECK(ran == 0);
    CHECK(on.run().value() == 1);
}

THOLE_TEST("a loop built here may run on another thread", "[loop][threads]") {
    loop on(options_of_run());
    int ran = 0;
    on.post([&] { ++ran; });
    std::error_code error;
    std::thread([&] { error = on.run().error(); }).join();
    CHECK(error == no_error);
    CHECK(ran == 1);
    CHECK(on.run().error() == std::errc::operation_not_permitted);
}

namespace {

task<> cancel_by_post(loop& on, pair& both, baton& reads) {
    std::byte buffer[4];
    auto reading = both.here.read(buffer);
    on.post([&reads] { reads.pass(); });
    const auto got = co_await reading;
    CHECK(got.error() == errc::cancelled);
}

}  // namespace

THOLE_TEST("cancel and close from another thread go through post", "[cancel][threads]") {
    need_real_waiting();
    scene in;
    loop& on = in.on;
    pair both = make_pair(on);
    baton reads;
    std::thread other([&] {
        reads.wait();
        on.post([&] { both.here.cancel(); });
    });
    run(on, cancel_by_post(on, both, reads));
    other.join();
}

namespace {

struct hand_over {
    tcp::detached_socket socket;
    baton ready;
    std::error_code attached;
    endpoint local;
    bool served = false;
};

task<bool> serve_one(tcp::socket& peer) {
    std::byte buffer[5];
    const transfer got = co_await peer.read_exactly(buffer);
    const transfer sent = co_await peer.write(buffer);
    co_return !got.error && !sent.error;
}

void second_loop(hand_over& given) {
    loop on(options_of_run());
    given.ready.wait();
    auto peer = std::move(given.socket).attach(on);
    given.attached = peer.error();
    if (peer) {
        given.local = peer->local().value_or(endpoint{});
        given.served = on.block_on(serve_one(*peer)).value_or(false);
    }
}

task<tcp::socket> accept_for_another(loop& on, tcp::listener& door, hand_over& given) {
    auto client = on.spawn([](loop& in, endpoint to) -> task<result<tcp::socket>> {
        co_return co_await tcp::connect(in, to);
    }(on, *door.local()));
    auto accepted = co_await door.accept_detached(within(patience));
    REQUIRE(accepted.error() == no_error);
    auto made = co_await client;
    REQUIRE(made.error() == no_error);
    CHECK(accepted->peer().value() == made->local().value());
    CHECK(accepted->local().value() == door.local().value());
    given.socket = std::move(*accepted);
    CHECK_FALSE(accepted->is_open());
    given.ready.pass();
    co_return std::move(*made);
}

}  // namespace

THOLE_TEST("an accepted socket is served by a loop of another thread", "[accept][threads]") {
    scene in;
    tcp::listener door = open_door(in.on);
    hand_over given;
    std::thread other([&] { second_loop(given); });
    tcp::socket client = run(in.on, accept_for_another(in.on, door, given));
    if (on_sim()) {
        other.join();
        CHECK(given.attached == std::errc::invalid_argument);  // each is a network of its own
        return;
    }
    run(in.on, send(client, "hello"));
    run(in.on, expect(client, "hello"));
    other.join();
    CHECK(given.attached == no_error);
    CHECK(given.served);
    CHECK(given.local == door.local().value());
    CHECK_FALSE(given.socket.is_open());
}

THOLE_TEST("a detached socket that nobody attaches is closed", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    hand_over given;
    tcp::socket client = run(in.on, accept_for_another(in.on, door, given));
    journal log;
    std::byte buffer[4];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(client, std::span(buffer));
    turn(in.on);
    given.socket.close();
    CHECK_FALSE(given.socket.is_open());
    settle(in.on);
    CHECK(log.of("read").error != no_error);
}
