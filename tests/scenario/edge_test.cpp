// SPDX-License-Identifier: BSL-1.0
// News that comes once: what a backend must remember of it, and whom it may not keep waiting.
#include "support/scenario.hpp"

#include <array>
#include <deque>
#include <stdexcept>
#include <thread>

using namespace thole;
using namespace thole::test;

namespace {

constexpr std::string_view ten = "ten bytes!";

// A connection of ours, and whoever is at its far end: outside of the loop where that can be.
class far_end {
public:
    explicit far_end(scene& in) : on_(in.on) {
        tcp::listener door = open_door(in.on);
        if (on_sim()) {
            pair both = run(in.on, connected(in.on, door));
            here = std::move(both.here);
            there_ = std::move(both.there);
            return;
        }
        raw_ = raw::socket::connect(*door.local());
        here = run(in.on, [](tcp::listener& from) -> task<tcp::socket> {
            auto one = co_await from.accept();
            REQUIRE(one.error() == no_error);
            co_return std::move(*one);
        }(door));
    }
    // Without a turn of the loop between them.
    void send_and_finish(std::string_view bytes) {
        if (on_sim()) {
            run(on_, [](tcp::socket& to, std::string_view text) -> task<> {
                co_await send(to, text);
                CHECK(to.shutdown_write().error() == no_error);
            }(there_, bytes));
        } else {
            raw_.send(bytes);
            raw_.finish();
        }
    }
    tcp::socket here;

private:
    loop& on_;
    tcp::socket there_;
    raw::socket raw_;
};

}  // namespace

// R63: a short read says that the socket is drained, but not that no end is waiting behind.
THOLE_TEST("R63 bytes and the end in one burst: a read after the short one finds the end",
           "[transfer]") {
    for (const bool parked : {true, false}) {
        for (const bool late : {true, false}) {
            CAPTURE(parked, late);
            scene in;
            far_end peer(in);
            journal log;
            std::byte buffer[64];
            noting<tcp::read_op> first{noted{&log, "first"}};
            noting<tcp::read_op> second{noted{&log, "second"}};
            if (parked) {
                first.start(peer.here, std::span(buffer));
                turn(in.on);
                CHECK(first.pending());
            }
            peer.send_and_finish(ten);
            if (late) {
                turn(in.on);
            }
            if (!parked) {
                first.start(peer.here, std::span(buffer));
            }
            settle(in.on);
            CHECK(log.of("first").error == no_error);
            CHECK(log.of("first").count == ten.size());
            if (late) {  // all news has been told by now
                turn(in.on);
                turn(in.on);
            }
            second.start(peer.here, std::span(buffer));
            settle(in.on);
            CHECK(log.of("second").error == errc::end_of_stream);
        }
    }
}

namespace {

// Sends as long as anybody takes it, from outside of the loop.
class hose {
public:
    explicit hose(raw::socket to) : to_(std::move(to)), pouring_([this] { pour(); }) {}
    hose(const hose&) = delete;
    hose& operator=(const hose&) = delete;
    ~hose() { pouring_.join(); }

private:
    void pour() {
        const std::string much(std::size_t{1} << 18, 'x');
        try {
            for (;;) {
                to_.send(much);
            }
        } catch (const std::runtime_error&) {  // nobody takes it any more
        }
    }
    raw::socket to_;
    std::thread pouring_;
};

// So many reads one after the other, most of which find something at once.
struct taker {
    static constexpr std::size_t most = 3'000'000;  // then the others have waited for too long

    task<> take(loop& on, tcp::socket& from) {
        std::byte buffer[512];
        for (;;) {
            const auto got = co_await from.read(buffer);
            if (!got || ++reads == most) {
                break;
            }
            if (on.now() >= due) {
                ++late;
            }
        }
    }
    std::size_t reads = 0;
    std::size_t late = 0;  // reads after the timer was due, until it fired
    time_point due = time_point::max();
};

task<> answer(tcp::socket& from) {
    std::byte buffer[8];
    for (;;) {
        const auto got = co_await from.read(buffer);
        if (!got) {
            co_return;
        }
        co_await send(from, text_of(std::span(buffer).first(*got)));
    }
}

// A turn full of reads takes half a second under Wine.
std::size_t exchanges() { return rounds() / 100; }  // 20 natively

// Each exchange, and how many reads of the taker's it waited for.
task<> ping(tcp::socket& to, const taker& busy, std::size_t& worst, std::size_t& left) {
    for (std::size_t i = 0; i < exchanges(); ++i) {
        const std::size_t before = busy.reads;
        co_await send(to, "ping");
        co_await expect(to, "ping");
        worst = std::max(worst, busy.reads - before);
    }
    --left;
}

task<> tick(loop& on, taker& busy, std::size_t& worst, std::size_t& left) {
    for (std::size_t i = 0; i < exchanges(); ++i) {
        busy.late = 0;
        busy.due = on.now() + 1ms;
        (void)co_await sleep_until(busy.due);
        busy.due = time_point::max();
        worst = std::max(worst, busy.late);
    }
    --left;
}

task<> all_beside(loop& on, tcp::socket& busy_one, taker& busy, std::size_t& worst_ping,
                  std::size_t& worst_tick) {
    const std::size_t clients = rounds() / 20;  // a hundred natively
    tcp::listener door = open_door(on);
    std::deque<pair> pairs;
    for (std::size_t i = 0; i < clients; ++i) {
        pairs.push_back(co_await connected(on, door));
    }
    std::size_t left = clients + 1;
    auto taking = on.spawn(busy.take(on, busy_one));
    std::deque<spawned<>> others;
    others.push_back(on.spawn(tick(on, busy, worst_tick, left)));
    for (pair& one : pairs) {
        others.push_back(on.spawn(answer(one.there)));
        others.push_back(on.spawn(ping(one.here, busy, worst_ping, left)));
    }
    while (left > 0 && busy.reads < taker::most) {
        (void)co_await sleep_for(1ms);
    }
    CHECK(left == 0);
    pairs.clear();  // ends those who answer
    busy_one.abort();
    co_await taking;
    for (spawned<>& one : others) {
        co_await one;
    }
}

}  // namespace

// R65: a socket that is always ready takes its share of a turn, and what is left is asked for
// again. Counted in reads, not in time: a loop has 256 handlers a turn, each with 64 reads at the
// most, and an exchange takes a few turns.
THOLE_TEST("R65 a peer at full speed: a hundred others are answered, timers are on time",
           "[transfer]") {
    if (on_sim()) {
        skip("a peer of the simulated network is as fast as the loop that it is in");
    }
    scene in;
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    tcp::socket fast = run(in.on, [](loop& on, endpoint to) -> task<tcp::socket> {
        auto made = co_await tcp::connect(on, to);
        REQUIRE(made.error() == no_error);
        co_return std::move(*made);
    }(in.on, door.local()));
    taker busy;
    std::size_t worst_ping = 0;
    std::size_t worst_tick = 0;
    {
        const hose flood(door.accept());
        run(in.on, all_beside(in.on, fast, busy, worst_ping, worst_tick));
    }
    constexpr std::size_t turn_at_most = 256 * 64;
    CAPTURE(busy.reads);
    CHECK(busy.reads < taker::most);
    CHECK(worst_ping < 16 * turn_at_most);
    CHECK(worst_tick < 8 * turn_at_most);
}
