// SPDX-License-Identifier: BSL-1.0
#include "crowd.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace thole;
using namespace thole::test;

namespace {

// Under Wine a connection costs milliseconds of its one server process.
std::size_t how_many_resets() { return on_iocp() ? 1'000 : 10'000; }
constexpr std::size_t wave = 500;
constexpr std::size_t honest_ones = 100;
constexpr std::size_t rounds_each = 10;  // on one connection

// Connects in waves, half of them sends something, and all of them reset.
int connect_and_reset(const endpoint& where, std::size_t count) {
    while (count != 0) {
        std::vector<raw::socket> all;
        for (std::size_t i = 0; i < std::min(count, wave); ++i) {
            all.push_back(raw::socket::connect(where));
            if (i % 2 == 0) all.back().send("never answered");
        }
        for (raw::socket& each : all) each.reset();
        count -= all.size();
    }
    return 0;
}

struct tally {
    std::size_t connections = 0;
    std::size_t answers = 0;
    std::size_t failures = 0;
    std::chrono::nanoseconds slowest{0};
    std::size_t running = honest_ones;
    bool over = false;
};

task<bool> ask(loop& on, tcp::socket& server, std::size_t number, tally& of) {
    std::byte sent[64];
    std::byte got[64];
    for (std::size_t i = 0; i < rounds_each; ++i) {
        std::memset(sent, static_cast<int>(number + i), sizeof sent);
        const time_point begun = on.now();
        const transfer wrote = co_await server.write(sent, within(10s));
        if (!wrote) co_return false;
        const transfer came = co_await server.read_exactly(got, within(10s));
        if (!came || std::memcmp(sent, got, sizeof got) != 0) co_return false;
        of.slowest = std::max(of.slowest, on.now() - begun);
        ++of.answers;
    }
    co_return true;
}

task<> honest(loop& on, tcp::listener& door, std::size_t number, tally& of) {
    const endpoint where = door.local().value_or(endpoint());
    while (!of.over) {
        auto server = co_await tcp::connect(on, where, within(10s));
        ++of.connections;
        bool fine = server.has_value();
        if (fine) fine = co_await ask(on, *server, number, of);
        if (!fine) ++of.failures;
    }
    if (--of.running == 0) door.close();
}

task<> echo(tcp::socket client) {
    std::byte buffer[1024];
    while (auto n = co_await client.read(buffer, within(30s))) {
        const transfer sent = co_await client.write(std::span(buffer).first(*n), within(30s));
        if (!sent) co_return;
    }
}

task<> accept_all(loop& on, tcp::listener& door, std::size_t& accepted) {
    while (auto client = co_await door.accept()) {
        ++accepted;
        on.spawn(echo(std::move(*client)));
    }
}

}  // namespace

THOLE_TEST("AC10 R30 clients that connect and reset do not disturb the others", "[endure]") {
    const std::size_t resets = how_many_resets();
    scene in;
    tcp::listener door = open_door(in.on);
    const endpoint where = *door.local();
    std::size_t accepted = 0;
    tally of;
    {
        crowd bad(
            in.on, [where, resets] { return connect_and_reset(where, resets); },
            [&of] { of.over = true; });
        in.on.spawn(accept_all(in.on, door, accepted));
        // Not before the crowd is a process of its own, which then has none of these descriptors.
        while (accepted == 0) turn(in.on);
        for (std::size_t i = 0; i < honest_ones; ++i) in.on.spawn(honest(in.on, door, i, of));
        settle(in.on);
        CHECK(bad.code() == 0);
    }
    CHECK(of.failures == 0);
    CHECK(of.connections >= honest_ones);
    CHECK(of.answers >= honest_ones * rounds_each);
    CHECK(of.slowest < 5s);
    // Linux gives each of them to accept(); on Windows those whose reset came first are absorbed.
    CHECK(accepted >= of.connections + (on_iocp() ? 0 : resets));
    CHECK(in_state(close_wait, where.port()) == 0);
    std::printf("%zu resets, %zu honest connections, the slowest answer after %.1f ms\n",
                accepted - of.connections, of.connections,
                std::chrono::duration<double, std::milli>(of.slowest).count());
}
