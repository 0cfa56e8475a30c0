// SPDX-License-Identifier: BSL-1.0
// Data that goes with a connect.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

task<result<tcp::connection>> dial(loop& on, endpoint where, std::span<const std::byte> data,
                                   deadline until = never) {
    co_return co_await tcp::connect_with_data(on, where, data, until);
}

task<tcp::socket> take(tcp::listener& door) {
    auto got = co_await door.accept(within(patience));
    REQUIRE(got.error() == no_error);
    co_return std::move(*got);
}

task<> sends_once(loop& on, tcp::listener& door, std::span<const std::byte> data) {
    auto accepting = on.spawn(take(door));
    auto connecting = on.spawn(dial(on, *door.local(), data));
    tcp::socket there = co_await accepting;
    std::vector<std::byte> got(data.size());
    const transfer came = co_await there.read_exactly(got);
    CHECK(came.error == no_error);
    CHECK(std::equal(got.begin(), got.end(), data.begin()));
    auto made = co_await connecting;
    REQUIRE(made.error() == no_error);
    CHECK(made->sent.error == no_error);
    CHECK(made->sent.count == data.size());
    CHECK(made->socket.peer().value_or(endpoint{}) == *door.local());
    co_await send(made->socket, "after it");
    co_await expect(there, "after it");
    made->socket.close();
    const transfer rest = co_await drain(there);
    CHECK(rest.count == 0);
    CHECK(rest.error == errc::end_of_stream);
}

}  // namespace

THOLE_TEST("CN26 the peer reads what went with the connect exactly once", "[connect][data]") {
    scene in;
    tcp::listener door = open_door(in.on);
    for (int i = 0; i < 5; ++i) {  // the first may fetch a cookie, the others use it
        run(in.on, sends_once(in.on, door, bytes_of("hello")));
    }
}

THOLE_TEST("CN26 a raw peer reads it exactly once", "[connect][data]") {
    if (on_sim()) {
        skip("the simulated network has no raw peers");
    }
    scene in;
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    auto made = in.on.block_on(dial(in.on, door.local(), bytes_of("hello")));
    REQUIRE(made.error() == no_error);
    CHECK(made->sent.count == 5);
    raw::socket peer = door.accept();
    made->socket.close();
    settle(in.on);
    const raw::reception got = peer.receive_all(64);
    CHECK(got.bytes == "hello");
    CHECK(got.how == raw::ending::end_of_stream);
}

THOLE_TEST("CN26 more than fits into a handshake arrives whole", "[connect][data]") {
    scene in;
    tcp::listener door = open_door(in.on);
    run(in.on, sends_once(in.on, door, bulk().first(16 * 1024)));
    run(in.on, sends_once(in.on, door, bulk().first(16 * 1024 + 1)));
    run(in.on, sends_once(in.on, door, bulk()));
}

THOLE_TEST("connecting with no data is connecting", "[connect][data]") {
    scene in;
    tcp::listener door = open_door(in.on);
    run(in.on, sends_once(in.on, door, {}));
}

THOLE_TEST("CN27 refused: nothing was sent, and the data is untouched", "[connect][data]") {
    scene in;
    const closed_port nobody;
    std::string data = "hello";
    const auto failed = in.on.block_on(dial(in.on, nobody.where(), bytes_of(data)));
    CHECK(failed.error() == std::errc::connection_refused);
    CHECK(data == "hello");
}

THOLE_TEST("the deadline of a connect with data, before there is a connection", "[connect][data]") {
    scene in;
    const silent_port nobody(in.on);
    const time_point start = in.on.now();
    const auto late = in.on.block_on(dial(in.on, nobody.where(), bytes_of("hello"), within(40ms)));
    CHECK(late.error() == errc::deadline_reached);
    CHECK(in.on.now() - start >= 40ms);
}

THOLE_TEST("the deadline of a connect with data, while it is sent", "[connect][data]") {
    scene in;
    tcp::listener door = open_door(in.on);
    const time_point start = in.on.now();
    auto made = run(in.on, dial(in.on, *door.local(), bulk(), within(200ms)));
    CHECK(in.on.now() - start >= 200ms);
    REQUIRE(made.error() == no_error);
    CHECK(made->sent.error == errc::deadline_reached);
    CHECK(made->sent.count < bulk().size());
    tcp::socket there = run(in.on, take(door));
    made->socket.close();
    const transfer got = run(in.on, drain(there));
    CHECK(got.count == made->sent.count);
    CHECK(got.error == errc::end_of_stream);
}

namespace {

struct given_up {
    journal* log;
    tcp::connection* kept;
    void operator()(result<tcp::connection> end) const {
        log->note("connect", end ? end->sent.error : end.error(), end ? end->sent.count : 0);
        if (end) {
            *kept = std::move(*end);
        }
    }
};

}  // namespace

THOLE_TEST("a connect with data is cancelled before and after the connection", "[connect][data]") {
    scene in;
    const silent_port nobody(in.on);
    tcp::listener door = open_door(in.on);
    journal log;
    tcp::connection kept;
    callback<tcp::connect_with_data_op, given_up> connecting{given_up{&log, &kept}};
    connecting.start(in.on, nobody.where(), bytes_of("hello"));
    turn(in.on);
    connecting.cancel();
    settle(in.on);
    REQUIRE(log.size() == 1);
    CHECK(log[0].error == errc::cancelled);
    CHECK_FALSE(kept.socket.is_open());

    connecting.start(in.on, *door.local(), bulk());
    tcp::socket there = run(in.on, take(door));
    CHECK(log.size() == 1);
    connecting.cancel();
    settle(in.on);
    REQUIRE(log.size() == 2);
    CHECK(log[1].error == errc::cancelled);
    CHECK(log[1].count < bulk().size());
    // Cancelled after the handshake that the peer saw, it may still be before the one seen here.
    if (kept.socket.is_open()) {
        CHECK(kept.socket.peer().error() == no_error);
    }
}
