// SPDX-License-Identifier: BSL-1.0
// What a handler has of its connection: bytes that wait to be sent, marks, names.
#include "service.hpp"

#include <vector>

using namespace thole;
using namespace thole::test;

namespace {

// Everybody who is there, as a chat has them.
struct room {
    std::vector<connection*> all;

    // The handler of each: what one says, all are sent.
    task<> operator()(connection& with) {
        all.push_back(&with);
        std::byte buffer[64];
        while (auto n = co_await with.socket().read(buffer)) {
            for (connection* each : all) {
                CHECK(each->send(std::span(buffer).first(*n)).error() == no_error);
            }
        }
        std::erase(all, &with);
    }
};

task<> three_talk(loop& on, service& at, const room& in) {
    tcp::socket peers[3];
    for (tcp::socket& each : peers) {
        each = co_await client_of(on, at.where);
    }
    co_await until([&in] { return in.all.size() == 3; });
    for (const std::string_view said : {"one", "two", "three"}) {
        co_await send(peers[0], said);
        for (tcp::socket& each : peers) {
            co_await expect(each, said);
        }
    }
    co_await until([&in] { return in.all[2]->unsent() == 0; });
    for (tcp::socket& each : peers) {
        each.close();
    }
    co_await until_empty(at.runs);
    CHECK(at.closed().ended == 3);
    at.runs.close();
}

}  // namespace

THOLE_TEST("connection: what is sent to others arrives in order", "[serve]") {
    scene in;
    room talk;
    service at(in.on, [&talk](connection& with) { return talk(with); });
    run(in.on, three_talk(in.on, at, talk));
}

// ---- A peer that does not read.

namespace {

constexpr std::size_t most_waiting = 64 << 10;

struct flood {
    std::size_t accepted = 0;
    std::error_code refused;
    std::size_t most = 0;
    bool drops = false;
    std::error_code slept;

    task<> operator()(connection& with) {
        const std::vector<std::byte> piece(10'000, std::byte{7});
        for (;;) {
            const result<void> sent = with.send(piece);
            most = std::max(most, with.unsent());
            if (!sent) {
                refused = sent.error();
                break;
            }
            accepted += piece.size();
            // The kernel takes what it can hold, in turns of its own.
            (void)co_await with.sent(within(50ms));
        }
        if (drops) {
            with.drop();
            const auto ended = co_await sleep_until(never);
            slept = ended.error();
        } else {
            co_await until([&with] { return with.unsent() == 0; });
        }
    }
};

task<> reads_nothing(loop& on, service& at, const flood& seen) {
    tcp::socket peer = co_await client_of(on, at.where);
    co_await until_empty(at.runs);
    CHECK(seen.refused == errc::limit_reached);
    CHECK(seen.most <= most_waiting);
    CHECK(seen.most > most_waiting - 10'000);
    CHECK(seen.slept == errc::cancelled);
    CHECK(at.closed().dropped == 1);
    const transfer rest = co_await drain(peer);
    CHECK(is_cut(rest.error));
    at.runs.close();
}

task<> reads_late(loop& on, service& at, const flood& seen) {
    tcp::socket peer = co_await client_of(on, at.where);
    co_await until([&seen] { return seen.refused != no_error; });
    const transfer all = co_await drain(peer);
    CHECK(all == transfer{seen.accepted, make_error_code(errc::end_of_stream)});
    peer.close();
    co_await until_empty(at.runs);
    CHECK(at.closed().ended == 1);
    at.runs.close();
}

}  // namespace

THOLE_TEST("G12 connection: what waits for a slow reader is bounded, and it can be dropped",
           "[serve]") {
    scene in;
    flood seen;
    seen.drops = true;
    service at(in.on, [&seen](connection& with) { return seen(with); },
               {.most_unsent = most_waiting});
    run(in.on, reads_nothing(in.on, at, seen));
}

THOLE_TEST("G12 connection: a refused send leaves the stream whole", "[serve]") {
    scene in;
    flood seen;
    service at(in.on, [&seen](connection& with) { return seen(with); },
               {.most_unsent = most_waiting});
    run(in.on, reads_late(in.on, at, seen));
}

namespace {

task<> stuck_and_silent(loop& on, service& at) {
    tcp::socket peer = co_await client_of(on, at.where);
    co_await until_empty(at.runs);
    CHECK(at.closed().dropped == 1);
    at.runs.close();
    const transfer rest = co_await drain(peer);
    CHECK(is_cut(rest.error));
}

}  // namespace

THOLE_TEST("connection: a peer that takes nothing for the idle time is dropped", "[serve]") {
    scene in;
    service at(in.on,
               [](connection& with) -> task<> {
                   CHECK(with.send(bulk()).error() == no_error);
                   const auto woken = co_await sleep_until(never);
                   CHECK(woken.error() == errc::cancelled);
               },
               {.idle = 30ms, .most_unsent = bulk().size()});
    run(in.on, stuck_and_silent(in.on, at));
}

// ---- Marks and names.

namespace {

task<> looks_at_itself(connection& with, const endpoint& client, int& step) {
    CHECK(with.peer() == client);
    CHECK(with.peer() == client);  // and keeps it
    CHECK_FALSE(with.draining());
    CHECK_FALSE(with.is_idle());  // it computes
    {
        auto mark = with.busy();
        auto another = with.busy();
        mark.release();
        mark = std::move(another);
        step = 1;
        std::byte buffer[4];
        (void)co_await with.socket().read(buffer);
    }
    step = 2;
    std::byte buffer[4];
    const transfer got = co_await with.socket().read_exactly(buffer);
    CHECK(got.count == 4);
    CHECK(with.send(std::span<const std::byte>()).error() == no_error);
    step = 3;
}

task<> is_looked_at(loop& on, service& at, connection*& shown, endpoint& client, int& step) {
    tcp::socket peer = co_await client_of(on, at.where);
    client = *peer.local();
    co_await until([&step] { return step == 1; });
    (void)co_await sleep_for(2ms);
    CHECK_FALSE(shown->is_idle());  // it reads, with a mark
    co_await send(peer, "x");
    co_await until([&] { return step == 2 && shown->is_idle(); });
    co_await send(peer, "abcd");
    co_await until([&step] { return step == 3; });
    peer.close();
    co_await until_empty(at.runs);
    at.runs.close();
}

}  // namespace

THOLE_TEST("connection: idle is who waits for a request, and holds no mark", "[serve]") {
    scene in;
    connection* shown = nullptr;
    endpoint client;
    int step = 0;
    service at(in.on, [&](connection& with) -> task<> {
        shown = &with;
        co_await until([&client] { return static_cast<bool>(client); });
        co_await looks_at_itself(with, client, step);
    });
    run(in.on, is_looked_at(in.on, at, shown, client, step));
}
