// SPDX-License-Identifier: BSL-1.0
// Many connects: in a row with a cancel behind each, and all at once.
#include "support/scenario.hpp"

#include <algorithm>
#include <memory>

using namespace thole;
using namespace thole::test;

namespace {

// Aborts whatever comes, so that no port is left in TIME_WAIT (cases.md 6.1.7).
task<> turn_away(tcp::listener& door) {
    for (;;) {
        auto client = co_await door.accept();
        if (!client) {
            CHECK(client.error() == errc::closed);
            co_return;
        }
        client->abort();
    }
}

// Another address of 127.0.0.0/8 each time: each has ports of its own.
endpoint spread(std::size_t i, std::uint16_t port) {
    if (on_sim()) {
        return endpoint::loopback(address_family::ipv4, port);
    }
    const auto third = static_cast<std::uint8_t>(i / 200 % 200);
    const auto fourth = static_cast<std::uint8_t>(i % 200 + 1);
    return {endpoint::ipv4_bytes{127, 1, third, fourth}, port};
}

struct cancels {
    operation* op;
    void operator()(result<void>) const { op->cancel(); }
};

}  // namespace

THOLE_TEST("CN10 a cancel that races with the connection: one or the other", "[connect]") {
    scene in;
    tcp::listener door = [&] {
        auto opened = tcp::listener::open(in.on, endpoint::any(address_family::ipv4, 0));
        REQUIRE(opened.error() == no_error);
        return std::move(*opened);
    }();
    const std::uint16_t port = door.local()->port();
    auto server = in.on.spawn(turn_away(door));
    journal log;
    tcp::socket made;
    noting<tcp::connect_op> connecting{noted{&log, "connect", &made}};
    callback<sleep_op, cancels> later{cancels{&connecting}};
    std::size_t connections = 0;
    std::size_t handles = 0;
    for (std::size_t i = 0; i < rounds(); ++i) {
        log.stop_at(in.on, i + 1);
        connecting.start(in.on, spread(i, port));
        if (i % 3 == 0) {
            turn(in.on);
            connecting.cancel();
        } else if (i % 3 == 1) {
            in.on.post([&] { connecting.cancel(); });
        } else {
            later.start(in.on, within(std::chrono::microseconds(i % 150)));
        }
        settle(in.on);
        later.cancel();
        turn(in.on);
        REQUIRE_FALSE(later.pending());
        REQUIRE(log.size() == i + 1);  // exactly one completion
        const std::error_code end = log[i].error;
        REQUIRE((end == no_error || end == errc::cancelled));
        REQUIRE(made.is_open() == (end == no_error));
        connections += made.is_open() ? 1U : 0U;
        made.abort();
        if (i == 50) {
            handles = raw::open_handles();
        }
    }
    // A port's connect is in the kernel from the start, and may always be faster than its cancel.
    if (!on_iocp()) {
        CHECK(connections < rounds());
    }
    door.close();
    settle(in.on);
    CHECK(server.ended());
    CHECK(raw::open_handles() <= handles + 8);  // the last clients; on Wine its own threads' few
}

namespace {

struct crowd {
    std::size_t size;
    std::size_t made = 0;
    std::size_t failed = 0;
    std::size_t most_handles = 0;
    std::vector<tcp::socket> here{};
    std::vector<tcp::socket> there{};

    void count() { most_handles = std::max(most_handles, raw::open_handles()); }
};

struct joins {
    crowd* all;
    void operator()(result<tcp::socket> end) const {
        all->made += end ? 1U : 0U;
        all->failed += end ? 0U : 1U;
        if (end) {
            all->here.push_back(std::move(*end));
        }
        if (all->made % 50 == 0) {
            all->count();
        }
    }
};

task<> take_all(tcp::listener& door, crowd& all) {
    while (all.there.size() < all.size) {
        auto client = co_await door.accept(within(patience));
        REQUIRE(client.error() == no_error);
        all.there.push_back(std::move(*client));
    }
    all.count();
}

std::size_t crowd_size() {
    if (rounds() < 1000) {
        return 200;  // Wine, sanitizers
    }
    if (kind_of_run() == backend_kind::select) {
        return 400;  // FD_SETSIZE is 1024
    }
    constexpr std::size_t others = 100;
    return (raw::lift_handle_limit(2000 + others) - others) / 2;
}

}  // namespace

THOLE_TEST("CN29 many parallel connects: all succeed, with a socket each", "[connect]") {
    scene in;
    crowd all{crowd_size()};
    tcp::listener door = open_door(in.on, address_family::ipv4, {.backlog = 2000});
    const std::size_t before = raw::open_handles();
    auto server = in.on.spawn(take_all(door, all));
    using connecting = callback<tcp::connect_op, joins>;
    std::vector<std::unique_ptr<connecting>> attempts;
    for (std::size_t i = 0; i < all.size; ++i) {
        attempts.push_back(std::make_unique<connecting>(joins{&all}));
        attempts.back()->start(in.on, *door.local(), tcp::connect_options{}, within(patience));
    }
    all.count();
    settle(in.on);
    CHECK(server.ended());
    CHECK(all.made == all.size);
    CHECK(all.failed == 0);
    CHECK(all.most_handles <= before + 2 * all.size + (on_iocp() ? 16 : 0));
    std::vector<endpoint> ours;
    std::vector<endpoint> theirs;
    for (std::size_t i = 0; i < all.size; ++i) {
        ours.push_back(all.here[i].local().value());
        theirs.push_back(all.there[i].peer().value());
        all.here[i].abort();
    }
    std::sort(ours.begin(), ours.end());
    std::sort(theirs.begin(), theirs.end());
    CHECK(ours == theirs);  // each client once
    settle(in.on);
}
