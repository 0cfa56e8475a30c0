// SPDX-License-Identifier: BSL-1.0
// A loop that another event loop drives.
#include "support/scenario.hpp"

#include <algorithm>
#include <thread>

using namespace thole;
using namespace thole::test;

namespace {

// poll() is to be called now.
bool is_due(loop& on) {
    const time_point next = on.next_deadline();
    return next <= on.now();
}

// The other event loop: it waits on the handle until the time that it was told, or, where there is
// no handle, calls poll() again and again.
class outer_loop {
public:
    explicit outer_loop(loop& on) : on_(on) {
        const auto handle = on.native_waitable();
        if (kind_of_run() == backend_kind::epoll || on_uring()) {
            REQUIRE(handle.error() == no_error);
            handle_ = *handle;
        } else {
            CHECK(handle.error() == std::errc::not_supported);
        }
    }

    template <class Done>
    void run(Done done) {
        const auto start = std::chrono::steady_clock::now();
        while (!done()) {
            turn(on_);
            ++turns_;
            if (!done()) {
                wait();
            }
            REQUIRE(std::chrono::steady_clock::now() - start < patience);
        }
    }
    // Waits for news alone, without a time.
    [[nodiscard]] bool news() const { return raw::readable_within(handle_, patience); }
    [[nodiscard]] bool has_handle() const noexcept { return handle_ != raw::socket::none; }
    [[nodiscard]] std::size_t turns() const noexcept { return turns_; }

private:
    void wait() {
        const time_point now = on_.now();
        const time_point next = on_.next_deadline();
        if (!has_handle()) {
            std::this_thread::yield();
        } else if (next > now) {
            const std::chrono::nanoseconds most = patience;
            static_cast<void>(raw::readable_within(
                handle_, next == time_point::max() ? most : std::min(most, next - now)));
        }
    }

    loop& on_;
    std::uintptr_t handle_ = raw::socket::none;
    std::size_t turns_ = 0;
};

task<> answers(tcp::listener& door) {
    auto peer = co_await door.accept();
    REQUIRE(peer.error() == no_error);
    std::byte buffer[64];
    for (;;) {
        const auto got = co_await peer->read(buffer);
        if (!got) {
            CHECK(got.error() == errc::end_of_stream);
            co_return;
        }
        const transfer sent = co_await peer->write(std::span(buffer).first(*got));
        CHECK(sent.error == no_error);
    }
}

task<> asks(loop& on, endpoint where, int times) {
    auto made = co_await tcp::connect(on, where, within(patience));
    REQUIRE(made.error() == no_error);
    for (int i = 0; i < times; ++i) {
        co_await send(*made, "hello");
        co_await expect(*made, "hello");
    }
    const auto slept = co_await sleep_for(30ms);
    CHECK(slept.error() == no_error);
}

}  // namespace

THOLE_TEST("NL06 another event loop drives an echo", "[foreign]") {
    scene in;
    tcp::listener door = open_door(in.on);
    outer_loop outer(in.on);
    CHECK(in.on.next_deadline() == time_point::max());
    auto server = in.on.spawn(answers(door));
    CHECK(is_due(in.on));  // it is ready to start
    auto client = in.on.spawn(asks(in.on, *door.local(), 20));
    const time_point start = in.on.now();
    outer.run([&] { return server.ended() && client.ended(); });
    CHECK(in.on.now() - start >= 30ms);
    if (outer.has_handle()) {
        CHECK(outer.turns() < 500);  // it slept in between
    }
}

THOLE_TEST("NL06 the time of the next call is that of the next deadline", "[foreign]") {
    scene in;
    if (on_sim()) {
        pair both = make_pair(in.on);
        journal log;
        std::byte buffer[8];
        noting<tcp::read_op> reading{noted{&log, "read"}};
        reading.start(both.here, buffer, within(1h));
        turn(in.on);
        CHECK(is_due(in.on));  // only poll() moves the clock
        reading.cancel();
        turn(in.on);
        CHECK(in.on.next_deadline() == time_point::max());
        return;
    }
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    turn(in.on);
    CHECK(in.on.next_deadline() == time_point::max());
    const time_point before = in.on.now();
    reading.start(both.here, buffer, within(50ms));
    const time_point first = in.on.next_deadline();
    CHECK(first > before);
    CHECK(first <= in.on.now() + 51ms);
    int early = 0;
    while (log.size() == 0) {
        const time_point next = in.on.next_deadline();
        const time_point now = in.on.now();
        early += now < next ? 1 : 0;
        // A port has its last word on a late read only some time later.
        const time_point until = on_iocp() ? std::min(next, now + 5ms) : next;
        while (in.on.now() < until) {
            std::this_thread::yield();
        }
        turn(in.on);
        REQUIRE(in.on.now() - before < patience);
    }
    if (!on_iocp()) {
        CHECK(early < 20);  // few calls, each at the time that was told
    }
    CHECK(in.on.now() - before >= 50ms);
    CHECK(log.of("read").error == errc::deadline_reached);
}

THOLE_TEST("NL06 a post wakes who waits on the handle", "[foreign][threads]") {
    scene in;
    outer_loop outer(in.on);
    if (!outer.has_handle()) {
        skip("this backend has no handle to wait on");
    }
    turn(in.on);
    for (int i = 0; i < 200; ++i) {
        bool ran = false;
        std::thread other([&] { in.on.post([&ran] { ran = true; }); });
        const bool woken = is_due(in.on) || outer.news();
        CHECK(woken);
        other.join();
        turn(in.on);
        CHECK(ran);
    }
    // And a run of its own still sleeps and wakes.
    std::thread other([&] { in.on.post([&] { in.on.stop(); }); });
    const auto forever = in.on.block_on([]() -> task<> { co_await sleep_until(never); }());
    CHECK(forever.error() == errc::cancelled);
    other.join();
    in.on.restart();
}

THOLE_TEST("a loop that was stopped, or cannot be used, asks for no call", "[foreign]") {
    scene in;
    in.on.stop();
    in.on.post([] {});
    CHECK(in.on.next_deadline() == time_point::max());
    in.on.restart();
    CHECK(is_due(in.on));
    turn(in.on);
    loop broken({.backend = raw::is_windows() ? backend_kind::epoll : backend_kind::iocp});
    CHECK(broken.next_deadline() == time_point::max());
    CHECK(broken.native_waitable().error() == broken.error());
}
