// SPDX-License-Identifier: BSL-1.0
// What a child process gets of a loop's sockets: nothing, and so it keeps no connection and no port
// alive.
#include "support/raw_process.hpp"
#include "support/scenario.hpp"

#include <deque>

using namespace thole;
using namespace thole::test;

namespace {

task<tcp::socket> dialled(loop& on, endpoint where) {
    auto made = co_await tcp::connect(on, where);
    REQUIRE(made.error() == no_error);
    co_return std::move(*made);
}

task<pair> connected_detached(loop& on, tcp::listener& door) {
    auto connecting = on.spawn(dialled(on, *door.local()));
    auto loose = co_await door.accept_detached();
    REQUIRE(loose.error() == no_error);
    auto there = std::move(*loose).attach(on);
    REQUIRE(there.error() == no_error);
    tcp::socket here = co_await connecting;
    co_return pair(std::move(here), std::move(*there));
}

task<tcp::socket> accepted(tcp::listener& door) {
    auto made = co_await door.accept();
    REQUIRE(made.error() == no_error);
    co_return std::move(*made);
}

// One that was made elsewhere, and would be inherited; its peer.
pair connected_by_adoption(loop& on, tcp::listener& door) {
    raw::socket made = raw::socket::connect(*door.local());
    raw::let_inherit(made.native());
    auto loose = tcp::detached_socket::adopt(made.native());
    REQUIRE(loose.error() == no_error);
    made.give();
    auto here = std::move(*loose).attach(on);
    REQUIRE(here.error() == no_error);
    tcp::socket there = run(on, accepted(door));
    return {std::move(*here), std::move(there)};
}

task<std::error_code> end_of(tcp::socket& from) {
    std::byte buffer[1];
    const auto got = co_await from.read(buffer, within(10s));
    co_return got.error();
}

}  // namespace

// R23: a process that was made with inheritance keeps no connection alive, and no port.
THOLE_TEST("R23 a child has none of our sockets: the peers see the end, the port is free",
           "[close]") {
    if (on_sim()) {
        skip("the simulated network has no sockets that a process could inherit");
    }
    scene in;
    tcp::listener door = open_door(in.on);
    const endpoint where = *door.local();
    std::deque<pair> pairs;
    pairs.push_back(run(in.on, connected(in.on, door)));
    pairs.push_back(run(in.on, connected(in.on, door)));
    pairs.push_back(run(in.on, connected_detached(in.on, door)));
    pairs.push_back(connected_by_adoption(in.on, door));
    const raw::sleeping_child child;
    std::swap(pairs[1].here, pairs[1].there);  // who connected, who was accepted: each closes once
    std::swap(pairs[2].here, pairs[2].there);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        CAPTURE(i);
        pairs[i].here.close();
        CHECK(run(in.on, end_of(pairs[i].there)) == errc::end_of_stream);
        pairs[i].there.close();
    }
    door.close();
    settle(in.on);
    CHECK(tcp::listener::open(in.on, where).error() == no_error);
}
