// SPDX-License-Identifier: BSL-1.0
// Every buffer is lent: who receives waits until one comes back.
#include "support/scenario.hpp"

#include <algorithm>
#include <ctime>
#include <deque>

using namespace thole;
using namespace thole::test;

namespace {

struct kept {
    journal* in;
    std::string_view who;
    std::deque<tcp::lent_buffer>* to;

    void operator()(result<tcp::lent_buffer> got) const {
        in->note(who, got.error(), got ? got->size() : 0);
        if (got) {
            to->push_back(std::move(*got));
        }
    }
};

constexpr std::string_view names[] = {"a", "b", "c", "d", "e", "f"};

// Six connections with a byte for each, two buffers, both of them lent.
class crowd {
public:
    crowd() : in(two_buffers()) {
        tcp::listener door = open_door(in.on);
        for (const std::string_view name : names) {
            pairs.push_back(run(in.on, connected(in.on, door)));
            waiting.emplace_back(kept{&log, name, &lent});
        }
        for (std::size_t i = 0; i < 2; ++i) {
            run(in.on, send(pairs[i].there, names[i]));
            waiting[i].start(pairs[i].here);
            wait_for(i + 1);
        }
        CHECK(in.on.lent_buffers() == 2);
    }
    // Starts that one, with bytes for it, and lets it find no buffer.
    void starve(std::size_t i, deadline until = never) {
        run(in.on, send(pairs[i].there, names[i]));
        waiting[i].start(pairs[i].here, until);
        for (int turns = 0; turns < 3; ++turns) {
            turn(in.on);
        }
        CHECK(waiting[i].pending());
    }
    // Runs until that many have finished.
    void wait_for(std::size_t count) {
        const guard late(in.on, patience);
        while (log.size() < count) {
            REQUIRE_FALSE(late.fired());
            REQUIRE(in.on.run_for(1ms).error() == no_error);
        }
        CHECK(log.size() == count);
    }

    scene in;
    journal log;
    std::deque<tcp::lent_buffer> lent;  // the oldest first
    std::vector<pair> pairs;
    std::deque<callback<tcp::receive_op, kept>> waiting;
};

}  // namespace

THOLE_TEST("LR04 with every buffer lent a receive waits for one, in order", "[receive]") {
    crowd all;
    for (std::size_t i = 2; i < 6; ++i) {
        all.starve(i);
    }
    CHECK(all.in.on.run_for(10ms).error() == no_error);
    CHECK(all.log.size() == 2);
    for (std::size_t i = 2; i < 6; ++i) {
        all.lent.pop_front();
        all.wait_for(i + 1);
        CHECK(all.log[i].who == names[i]);
        CHECK(all.log[i].error == no_error);
        CHECK(text_of(all.lent.back().bytes()) == names[i]);
        CHECK(all.in.on.lent_buffers() == 2);
    }
    all.lent.clear();
    CHECK(all.in.on.lent_buffers() == 0);
}

THOLE_TEST("who comes later does not overtake who waits for a buffer", "[receive]") {
    crowd all;
    all.starve(2);
    all.lent.pop_front();  // goes to the one that waits, in this very call
    all.starve(3);         // and not to this one
    all.wait_for(3);
    CHECK(all.log[2].who == "c");
    all.lent.clear();
    all.wait_for(4);
    CHECK(all.log[3].who == "d");
}

THOLE_TEST("a deadline ends a wait for a buffer, and the bytes stay", "[receive]") {
    crowd all;
    const time_point start = all.in.on.now();
    all.starve(2, within(200ms));
    all.starve(3);
    all.wait_for(3);
    CHECK(all.in.on.now() - start >= 200ms);
    CHECK(all.log[2].who == "c");
    CHECK(all.log[2].error == errc::deadline_reached);
    run(all.in.on, expect(all.pairs[2].here, "c"));
    all.lent.pop_front();
    all.wait_for(4);
    CHECK(all.log[3].who == "d");
    CHECK(all.log[3].error == no_error);
}

THOLE_TEST("a cancel and a close end a wait for a buffer, and nobody else's", "[receive]") {
    crowd all;
    for (std::size_t i = 2; i < 6; ++i) {
        all.starve(i);
    }
    all.waiting[3].cancel();
    all.pairs[2].here.cancel_read();
    all.pairs[5].here.close();
    CHECK(all.log.size() == 2);
    all.wait_for(5);
    CHECK(all.log.of("d").error == errc::cancelled);
    CHECK(all.log.of("c").error == errc::cancelled);
    CHECK(all.log.of("f").error == errc::closed);
    all.lent.pop_front();
    all.wait_for(6);
    CHECK(all.log.of("e").error == no_error);
    run(all.in.on, expect(all.pairs[3].here, "d"));
    all.waiting[2].start(all.pairs[2].here);
    all.lent.clear();
    all.wait_for(7);
    CHECK(all.log[6].who == "c");
    CHECK(all.log[6].error == no_error);
}

THOLE_TEST("a wait for a buffer costs no time of the processor", "[receive]") {
    if (raw::is_windows()) {
        skip("std::clock() counts the time on the wall there; nothing of it is in the kernel");
    }
    crowd all;
    all.starve(2);
    const std::clock_t before = std::clock();
    CHECK(all.in.on.run_for(300ms).error() == no_error);
    const double used = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
    CHECK(used < 0.1);
    CHECK(all.waiting[2].pending());
    // More of it, and its end, change nothing; all of that is told afterwards.
    run(all.in.on, send(all.pairs[2].there, "more"));
    CHECK(all.pairs[2].there.shutdown_write().error() == no_error);
    CHECK(all.in.on.run_for(5ms).error() == no_error);
    CHECK(all.log.size() == 2);
    all.lent.clear();
    all.wait_for(3);
    CHECK(text_of(all.lent.back().bytes()) == "cmore");
    all.waiting[2].start(all.pairs[2].here);
    all.wait_for(4);
    CHECK(all.log[3].error == errc::end_of_stream);
}

THOLE_TEST("the loop's end takes those that wait for a buffer along", "[receive]") {
    crowd all;
    all.starve(2);
    all.starve(3);
    all.in.end_loop();
    CHECK(all.log.size() == 2);
    CHECK_FALSE(all.waiting[2].pending());
    CHECK(text_of(all.lent.front().bytes()) == "a");
    all.lent.clear();
}

namespace {

task<> echo(tcp::socket peer) {
    for (;;) {
        auto lent = co_await peer.receive(within(patience));
        if (!lent) {
            CHECK(lent.error() == errc::end_of_stream);
            co_return;
        }
        const transfer sent = co_await peer.write(lent->bytes());
        CHECK(sent.error == no_error);
    }
}

task<> asks_often(tcp::socket peer, std::size_t& left) {
    for (int i = 0; i < 20; ++i) {
        co_await send(peer, "hello");
        co_await expect(peer, "hello");
    }
    --left;
}

task<> starts_all(loop& on, std::size_t count, std::size_t& left) {
    tcp::listener door = open_door(on);
    for (std::size_t i = 0; i < count; ++i) {
        pair both = co_await connected(on, door);
        on.spawn(echo(std::move(both.there)));
        on.spawn(asks_often(std::move(both.here), left));
    }
}

}  // namespace

THOLE_TEST("forty connections are served from two buffers", "[receive]") {
    scene in(two_buffers());
    std::size_t left = 40;
    run(in.on, starts_all(in.on, left, left));
    settle(in.on);
    CHECK(left == 0);
    CHECK(in.on.lent_buffers() == 0);
}

// ---- Cancels.

namespace {

// A byte of a stream whose gaps show.
std::byte pattern(std::size_t i) { return static_cast<std::byte>((i * 7 + (i >> 8) * 13) & 0xff); }

task<> sends_until(tcp::socket& to, const bool& enough, std::size_t& sent) {
    std::byte chunk[100];
    while (!enough) {
        const std::size_t size = 1 + sent * 31 % 97;
        for (std::size_t i = 0; i < size; ++i) {
            chunk[i] = pattern(sent + i);
        }
        const transfer went = co_await to.write(std::span(chunk).first(size));
        REQUIRE(went.error == no_error);
        sent += went.count;
        for (std::size_t pauses = 1 + size % 7; pauses > 0; --pauses) {
            co_await yield();
        }
    }
    CHECK(to.shutdown_write().error() == no_error);
}

// Checks what it receives against the pattern.
struct checking {
    std::size_t* count;
    std::error_code* end;
    bool* gap;

    void operator()(result<tcp::lent_buffer> got) const {
        *end = got.error();
        if (got) {
            for (const std::byte one : got->bytes()) {
                *gap = *gap || one != pattern(*count);
                ++*count;
            }
        }
    }
};

}  // namespace

THOLE_TEST("LR03 cancels under traffic: no byte is lost, every buffer comes back", "[receive]") {
    loop_options few = options_of_run();
    few.lent_buffers = 4;
    scene in(few);
    pair both = make_pair(in.on);
    bool enough = false;
    std::size_t sent = 0;
    std::size_t came = 0;
    std::error_code end;
    bool gap = false;
    auto sending = in.on.spawn(sends_until(both.there, enough, sent));
    callback<tcp::receive_op, checking> waiting{checking{&came, &end, &gap}};
    std::size_t cancels = 0;
    std::size_t heard = 0;
    const auto receives = [&](bool cancelled) {
        end = errc::operation_in_progress;  // until it is told
        waiting.start(both.here);
        for (std::size_t turns = came % 3; turns > 0 && waiting.pending(); --turns) {
            turn(in.on);
        }
        if (cancelled && waiting.pending()) {
            waiting.cancel();
            ++cancels;
        }
        while (end == errc::operation_in_progress) {
            turn(in.on);
        }
        heard += end == errc::cancelled ? 1U : 0U;
    };
    while (cancels < rounds() * 5) {
        receives(true);
        REQUIRE((end == no_error || end == errc::cancelled));
        REQUIRE_FALSE(gap);
    }
    enough = true;
    while (end != errc::end_of_stream) {
        receives(false);
        REQUIRE((end == no_error || end == errc::end_of_stream));
    }
    CHECK_FALSE(gap);
    CHECK(came == sent);
    CHECK(heard > 0);
    CHECK(in.on.lent_buffers() == 0);
    settle(in.on);
}
