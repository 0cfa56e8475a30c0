// SPDX-License-Identifier: BSL-1.0
// What a kernel that does the waiting gets wrong most easily, shown on every backend.
#include "support/scenario.hpp"

#include <array>
#include <deque>
#include <memory>
#include <thread>

using namespace thole;
using namespace thole::test;

namespace {

// The byte at that place of a stream.
std::byte at(std::size_t place) {
    return static_cast<std::byte>((place * 7 + (place >> 8)) & 0xff);
}

task<> pour(tcp::socket& to, std::size_t total) {
    std::array<std::byte, 150> piece;
    for (std::size_t sent = 0; sent < total;) {
        const std::size_t size = std::min(piece.size(), total - sent);
        for (std::size_t i = 0; i < size; ++i) {
            piece[i] = at(sent + i);
        }
        const transfer end = co_await to.write(std::span(piece).first(size), within(patience));
        REQUIRE(end.error == no_error);
        sent += size;
    }
}

// Receives all of it; two of three receives may end before anything comes. Keeps a buffer for a
// while, so that the others find few.
task<std::size_t> take(tcp::socket& from, std::size_t total) {
    std::size_t got = 0, ended = 0;
    tcp::lent_buffer kept;
    for (std::size_t i = 0; got < total; ++i) {
        const deadline until = i % 3 == 0 ? deadline(within(patience))
                                          : deadline(within(std::chrono::microseconds(i % 40)));
        auto one = co_await from.receive(until);
        if (!one) {
            REQUIRE(one.error() == errc::deadline_reached);
            ++ended;
            continue;
        }
        std::size_t wrong = 0;
        for (const std::byte byte : one->bytes()) {
            wrong += byte != at(got++) ? 1U : 0U;
        }
        REQUIRE(wrong == 0);
        if (i % 4 == 0) {
            kept = std::move(*one);
            co_await yield();
            kept.give_back();
        }
    }
    co_return ended;
}

struct tally {
    std::size_t* count;
    std::size_t* wrong;
    void operator()(result<std::size_t> got) const {
        *wrong += got && *got == 1 ? 0U : 1U;
        ++*count;
    }
};

struct waiting {
    waiting(pair ends, tally told) : both(std::move(ends)), reading(told) {}
    pair both;
    callback<tcp::read_op, tally> reading;
    std::byte byte{};
};

std::deque<std::unique_ptr<waiting>> readers(loop& on, std::size_t count, const tally& told) {
    std::deque<std::unique_ptr<waiting>> all;
    tcp::listener door = open_door(on);
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(std::make_unique<waiting>(run(on, connected(on, door)), told));
        all.back()->reading.start(all.back()->both.here, std::span(&all.back()->byte, 1));
    }
    return all;
}

}  // namespace

THOLE_TEST("R87 R88 few buffers and many that give up: no byte is lost, and no buffer",
           "[receive]") {
    scene in(two_buffers());
    loop& on = in.on;
    const std::size_t total = rounds() * 100;
    std::deque<pair> pairs;
    for (int i = 0; i < 3; ++i) {  // one more than there are buffers
        pairs.push_back(make_pair(on));
    }
    std::deque<spawned<>> pouring;
    std::deque<spawned<std::size_t>> taking;
    for (pair& one : pairs) {
        pouring.push_back(on.spawn(pour(one.there, total)));
        taking.push_back(on.spawn(take(one.here, total)));
    }
    settle(on);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        CHECK(pouring[i].ended());
        CHECK(taking[i].ended());
    }
    CHECK(on.lent_buffers() == 0);
    // Each of the two can still be lent, at the same time.
    std::deque<tcp::lent_buffer> held;
    for (std::size_t i = 0; i < 2; ++i) {
        run(on, send(pairs[i].there, "x"));
        held.push_back(run(on, [](tcp::socket& from) -> task<tcp::lent_buffer> {
            auto one = co_await from.receive(within(patience));
            REQUIRE(one.error() == no_error);
            co_return std::move(*one);
        }(pairs[i].here)));
    }
    CHECK(on.lent_buffers() == 2);
}

THOLE_TEST("R91 a close under a pending read: the peer sees the end, the read ends once",
           "[close]") {
    scene in;
    for (int round = 0; round < 20; ++round) {
        pair both = make_pair(in.on);
        journal log;
        noting<tcp::read_op> reading{noted{&log, "read"}};
        std::byte room[4];
        reading.start(both.here, room);
        if (round % 2 == 0) {  // else the kernel has not even heard of it
            turn(in.on);
        }
        both.here.close();
        const pair next = make_pair(in.on);  // perhaps of the same number
        const transfer end = run(in.on, drain(both.there));
        CHECK(end.error == errc::end_of_stream);
        CHECK(end.count == 0);
        settle(in.on);
        REQUIRE(log.size() == 1);
        CHECK(log[0].error == errc::closed);
    }
}

THOLE_TEST("R92 a listener goes while others' operations finish: each is told", "[close]") {
    scene in;
    std::size_t count = 0, wrong = 0;
    constexpr std::size_t crowd = 200;
    const auto all = readers(in.on, crowd, {&count, &wrong});
    for (int round = 0; round < 5; ++round) {
        journal log;
        count = 0;
        {
            tcp::listener door = open_door(in.on);
            noting<tcp::accept_op> accepting{noted{&log, "accept"}};
            accepting.start(door);
            turn(in.on);
            std::deque<noting<tcp::write_op>> writing;
            for (const auto& one : all) {
                writing.emplace_back(noted{&log, "write"});
                writing.back().start(one->both.there, bytes_of("x"));
            }
            turn(in.on);
            door.close();
            settle(in.on);
            CHECK(log.times("accept") == 1);
            CHECK(log.of("accept").error == errc::closed);
            CHECK(log.times("write") == crowd);
        }
        CHECK(count == crowd);
        CHECK(wrong == 0);
        for (const auto& one : all) {
            one->reading.start(one->both.here, std::span(&one->byte, 1));
        }
    }
    for (const auto& one : all) {
        one->reading.cancel();
    }
    count = 0;
    settle(in.on);
    CHECK(count == crowd);
}

THOLE_TEST("R95 built on one thread, posted to from another, run on a third", "[loop][threads]") {
    loop on(options_of_run());
    REQUIRE(on.error() == no_error);
    std::string seen;
    std::thread::id posted, ran, asked;
    std::thread poster([&] {
        posted = std::this_thread::get_id();
        on.post([&] {
            asked = std::this_thread::get_id();
            on.spawn([](loop& here, std::string& text) -> task<> {
                auto door = tcp::listener::open(here, endpoint::loopback(address_family::ipv4, 0));
                if (!door) co_return;
                auto near = co_await tcp::connect(here, *door->local(), {}, within(patience));
                auto far = co_await door->accept(within(patience));
                if (!near || !far) co_return;
                std::byte room[5];
                const transfer sent = co_await near->write(bytes_of("thole"), within(patience));
                const transfer got = co_await far->read_exactly(room, within(patience));
                if (sent && got) text = text_of(room);
            }(on, seen));
        });
    });
    poster.join();
    bool ended_well = false;
    std::thread runner([&] {
        ran = std::this_thread::get_id();
        ended_well = static_cast<bool>(on.run());
    });
    runner.join();
    CHECK(ended_well);
    CHECK(asked == ran);
    CHECK(seen == "thole");
}

THOLE_TEST("R96 a loop that is only polled moves bytes", "[loop]") {
    scene in;
    pair both = make_pair(in.on);
    spawned<> sending = in.on.spawn(send(both.here, "thole"));
    spawned<> reading = in.on.spawn(expect(both.there, "thole"));
    const time_point guard = in.on.now() + patience;
    while (!(sending.ended() && reading.ended()) && in.on.now() < guard) {
        REQUIRE(in.on.poll().error() == no_error);
    }
    CHECK(sending.ended());
    CHECK(reading.ended());
    // What comes from outside as well, while nobody sleeps.
    journal log;
    noting<tcp::read_op> waits{noted{&log, "read"}};
    std::byte room[8];
    waits.start(both.there, room);
    turn(in.on);
    CHECK(log.size() == 0);
    both.here.close();
    while (log.size() == 0 && in.on.now() < guard) {
        REQUIRE(in.on.poll().error() == no_error);
    }
    REQUIRE(log.size() == 1);
    CHECK(log[0].error == errc::end_of_stream);
}

THOLE_TEST("R98 a socket that was non-blocking elsewhere waits as others do", "[native]") {
    if (on_sim()) {
        skip("the simulated network has no sockets of the system's");
    }
    scene in;
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    raw::socket ours = raw::socket::connect(door.local());
    raw::socket peer = door.accept();
    auto loose = tcp::detached_socket::adopt(ours.native());  // non-blocking from here on
    REQUIRE(loose.error() == no_error);
    ours.give();
    auto made = std::move(*loose).attach(in.on);
    REQUIRE(made.error() == no_error);
    journal log;
    noting<tcp::read_op> reading{noted{&log, "read"}};
    noting<tcp::write_op> writing{noted{&log, "write"}};
    std::byte room[8];
    reading.start(*made, room, within(patience));
    writing.start(*made, bulk(), within(patience));  // more than the system takes at once
    for (int i = 0; i < 5; ++i) {
        turn(in.on);
    }
    CHECK(log.size() == 0);
    peer.send("here");
    std::thread eater([&] { peer.receive_all(bulk().size()); });
    log.stop_at(in.on, 2);
    settle(in.on);
    eater.join();
    REQUIRE(log.size() == 2);
    CHECK(log.of("read").error == no_error);
    CHECK(log.of("read").count == 4);
    CHECK(log.of("write").error == no_error);
    CHECK(log.of("write").count == bulk().size());
}

THOLE_TEST("R99 a loop goes under a crowd of pending reads, and its port is free at once",
           "[end]") {
    scene in;
    std::size_t count = 0, wrong = 0;
    auto all = readers(in.on, 200, {&count, &wrong});
    tcp::listener door = open_door(in.on);
    const endpoint where = *door.local();
    noting<tcp::accept_op> accepting{noted{nullptr, "accept"}};
    accepting.start(door);
    turn(in.on);
    in.end_loop();
    CHECK(count == 0);  // nobody is told
    loop again(options_of_run());
    REQUIRE(again.error() == no_error);
    auto taken = tcp::listener::open(again, where, {.reuse_address = false});
    CHECK(taken.error() == no_error);
}
