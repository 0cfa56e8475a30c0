// SPDX-License-Identifier: BSL-1.0
// Many clients at once, and what an accepted socket is fit for.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

task<> come_and_go(loop& on, endpoint where, std::size_t& served) {
    auto made = co_await tcp::connect(on, where);
    REQUIRE(made.error() == no_error);
    co_await send(*made, "here");
    co_await expect(*made, "here");
    ++served;
}

task<> echo_once(tcp::socket peer) {
    std::byte word[4];
    const auto got = co_await peer.read_exactly(word);
    REQUIRE(got.error == no_error);
    const auto sent = co_await peer.write(word);
    REQUIRE(sent.error == no_error);
    std::byte rest[1];
    const auto end = co_await peer.read(rest);
    CHECK_FALSE(end);
}

task<> serve(loop& on, tcp::listener& door, std::size_t clients) {
    for (std::size_t i = 0; i < clients; ++i) {
        auto peer = co_await door.accept();
        REQUIRE(peer.error() == no_error);
        on.spawn(echo_once(std::move(*peer)));
    }
}

task<> burst(loop& on, tcp::listener& door, std::size_t waves, std::size_t clients) {
    const endpoint where = *door.local();
    for (std::size_t wave = 0; wave < waves; ++wave) {
        std::size_t served = 0;
        co_await with_scope(on, [&](scope& in) -> task<> {
            in.spawn(serve(on, door, clients));
            for (std::size_t i = 0; i < clients; ++i) {
                in.spawn(come_and_go(on, where, served));
            }
            co_return;
        });
        CHECK(served == clients);
    }
}

}  // namespace

THOLE_TEST("AC15 R38 a thousand clients in bursts are all accepted, none fails", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    run(in.on, burst(in.on, door, 10, 100));
}

THOLE_TEST("AC14 a listener with one standing accept serves bursts as well", "[accept]") {
    scene in;
    tcp::listener door =
        open_door(in.on, address_family::ipv4, {.standing_accepts = 1, .most_standing_accepts = 1});
    run(in.on, burst(in.on, door, 2, 50));
    for (const tcp::listen_options& wrong : {tcp::listen_options{.standing_accepts = 0},
                                             {.standing_accepts = 65},
                                             {.standing_accepts = 4, .most_standing_accepts = 3},
                                             {.most_standing_accepts = 1025}}) {
        const auto refused =
            tcp::listener::open(in.on, endpoint::loopback(address_family::ipv4, 0), wrong);
        CHECK(refused.error() == std::errc::invalid_argument);
    }
}

namespace {

task<> use_at_once(loop& on, tcp::listener& door) {
    auto connecting = on.spawn([](loop& with, endpoint to) -> task<tcp::socket> {
        auto made = co_await tcp::connect(with, to);
        REQUIRE(made.error() == no_error);
        co_return std::move(*made);
    }(on, *door.local()));
    auto accepted = co_await door.accept();
    REQUIRE(accepted.error() == no_error);
    const endpoint where = *door.local();
    door.close();  // what is accepted depends on its listener no more
    const auto local = accepted->local();
    REQUIRE(local.error() == no_error);
    CHECK(*local == where);
    const auto peer = accepted->peer();
    REQUIRE(peer.error() == no_error);
    const auto half = accepted->shutdown_write();
    CHECK(half.error() == no_error);
    tcp::socket client = co_await connecting;
    CHECK(client.local().value() == *peer);
    std::byte byte[1];
    const auto end = co_await client.read(byte);
    CHECK(end.error() == errc::end_of_stream);
    co_await send(client, "still");
    co_await expect(*accepted, "still");
}

}  // namespace

THOLE_TEST("AC19 R34 an accepted socket has its names and can be shut down at once", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    run(in.on, use_at_once(in.on, door));
}
