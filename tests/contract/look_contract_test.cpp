// SPDX-License-Identifier: BSL-1.0
// backend.hpp held to its word: looking without taking, data that goes with a connect, and how long
// a connection stands.
#include "contract/rig.hpp"

#include <array>

using namespace thole;
using namespace thole::test;
using namespace std::chrono_literals;
using detail::reason;

namespace {

class wait_ask : public asked<tcp::wait_readable_op> {
public:
    using asked::asked;
    bool start(socket_state* on) {
        reset(verb::wait_readable, on, never);
        length = 1;
        return by_.submit(*this);
    }
};

}  // namespace

THOLE_TEST("a peek takes nothing, and the socket stays readable", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(16, '-');
    transfer_ask looking(r);
    REQUIRE_FALSE(looking.start(verb::peek, server, bytes_of(text)));
    CHECK(server->reading.front() == &looking);
    CHECK(r.poll() == 0);
    r.write(client, "hello");
    r.finish(looking);
    CHECK(looking.reported() == 1);
    CHECK(looking.count == 5);
    CHECK(text.substr(0, 5) == "hello");
    CHECK(server->reading.empty());

    std::string less(2, '-');
    std::string rest(2, '-');
    const std::array<std::span<std::byte>, 2> pieces = {bytes_of(less), bytes_of(rest)};
    transfer_ask again(r);
    again.start(verb::peek, server, std::span(pieces));
    r.finish(again);
    CHECK(again.count == 4);
    CHECK(less == "he");
    CHECK(rest == "ll");
    CHECK(r.read(server, 5) == "hello");
    transfer_ask idle(r);
    CHECK_FALSE(idle.start(verb::peek, server, bytes_of(text)));
    r.cancel(idle);
    r.finish(idle);
    CHECK(idle.aborted == false);
    CHECK(idle.error() == errc::cancelled);
    r.write(client, "more");
    CHECK(r.read(server, 4) == "more");
}

THOLE_TEST("a wait for something to read is over when there is, and takes nothing", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    wait_ask waiting(r);
    REQUIRE_FALSE(waiting.start(server));
    CHECK(server->reading.front() == &waiting);
    CHECK(r.poll() == 0);
    r.write(client, "hello");
    r.finish(waiting);
    CHECK(waiting.reported() == 1);
    CHECK_FALSE(waiting.error());
    CHECK(server->reading.empty());
    waiting.start(server);  // there still is
    r.finish(waiting);
    CHECK_FALSE(waiting.error());
    CHECK(r.read(server, 5) == "hello");
    REQUIRE_FALSE(waiting.start(server));  // no more
    CHECK_FALSE(r.control(client, request::shutdown_write));
    r.finish(waiting);
    CHECK_FALSE(waiting.error());
    std::string text;
    CHECK(r.read_to_end(server, text) == errc::end_of_stream);
    CHECK(text.empty());
}

THOLE_TEST("a cancelled wait is reported once and loses nothing", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    for (const reason why : {reason::cancelled, reason::deadline}) {
        wait_ask waiting(r);
        REQUIRE_FALSE(waiting.start(server));
        r.cancel(waiting, why);
        r.finish(waiting);
        CHECK(waiting.error() ==
              (why == reason::deadline ? errc::deadline_reached : errc::cancelled));
        r.poll();
        CHECK(waiting.reported() <= 1);
    }
    r.write(client, "kept");
    CHECK(r.read(server, 4) == "kept");
}

THOLE_TEST("the end of the stream is seen by a peek, again and again", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    r.write(client, "x");
    CHECK_FALSE(r.control(client, request::shutdown_write));
    r.pass(5ms);
    std::string text(4, '-');
    transfer_ask looking(r);
    looking.start(verb::peek, server, bytes_of(text));
    r.finish(looking);
    CHECK(looking.count == 1);
    CHECK(r.read(server, 1) == "x");
    for (int i = 0; i < 2; ++i) {
        looking.start(verb::peek, server, bytes_of(text));
        r.finish(looking);
        CHECK(looking.error() == errc::end_of_stream);
    }
    CHECK(r.read_to_end(server, text) == errc::end_of_stream);
}

THOLE_TEST("a reset ends a wait, and the read after it tells", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    wait_ask waiting(r);
    REQUIRE_FALSE(waiting.start(server));
    r.close(client, farewell::reset);
    r.finish(waiting);
    CHECK(waiting.reported() == 1);
    CHECK_FALSE(waiting.error());
    waiting.start(server);
    r.finish(waiting);
    CHECK_FALSE(waiting.error());
    std::string text;
    CHECK(r.read_to_end(server, text) == std::errc::connection_reset);
}

THOLE_TEST("a reset is told to a peek, and to the read after it", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(4, '-');
    transfer_ask looking(r);
    REQUIRE_FALSE(looking.start(verb::peek, server, bytes_of(text)));
    r.close(client, farewell::reset);
    r.finish(looking);
    CHECK(looking.error() == std::errc::connection_reset);
    CHECK(r.read_to_end(server, text) == std::errc::connection_reset);
}

THOLE_TEST("closing ends a wait and a peek", "[contract]") {
    rig r;
    const socket_pair one = r.pair();
    const socket_pair two = r.pair();
    std::string text(4, '-');
    wait_ask waiting(r);
    transfer_ask looking(r);
    REQUIRE_FALSE(waiting.start(one.server));
    REQUIRE_FALSE(looking.start(verb::peek, two.server, bytes_of(text)));
    r.close(one.server);
    r.close(two.server);
    r.finish(waiting);
    r.finish(looking);
    CHECK(waiting.error() == errc::closed);
    CHECK(looking.error() == errc::closed);
    CHECK(text == "----");
}

// ---- A connect that sends.

THOLE_TEST("data goes with a connect once, a little or much", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    for (const std::size_t size : {std::size_t{5}, std::size_t{1} << 16, std::size_t{4} << 20}) {
        CAPTURE(size);
        std::string data(size, '-');
        for (std::size_t i = 0; i < size; ++i) {
            data[i] = static_cast<char>(i * 2654435761U >> 13);
        }
        accept_ask accepting(r);
        accepting.start(door);
        connect_ask connecting(r);
        socket_state* client = r.open(socket_role::stream);
        connecting.start(client, r.name(door, request::local_name), bytes_of(data));
        r.finish(accepting);
        std::error_code error;
        socket_state* server = r.adopt(accepting.take(), error);
        REQUIRE(server != nullptr);
        CHECK((r.read(server, size) == data));
        r.finish(connecting);
        CHECK(connecting.reported() <= 1);
        CHECK_FALSE(connecting.error());
        CHECK(connecting.connected);
        CHECK(connecting.count == size);
        CHECK(client->writing.empty());
        r.write(client, "and on");
        CHECK(r.read(server, 6) == "and on");
        r.close(client);
        std::string text;
        CHECK(r.read_to_end(server, text) == errc::end_of_stream);
        CHECK(text.empty());
        r.close(server);
    }
}

THOLE_TEST("data of a refused connect goes nowhere", "[contract]") {
    rig r;
    std::string data = "hello";
    connect_ask connecting(r);
    connecting.start(r.open(socket_role::stream), r.free_port(), bytes_of(data));
    r.finish(connecting);
    CHECK(connecting.error() == std::errc::connection_refused);
    CHECK(connecting.count == 0);
    CHECK_FALSE(connecting.connected);
    CHECK(data == "hello");
}

THOLE_TEST("a connect that is cancelled while it sends is connected", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    std::string plenty(std::size_t{16} << 20, 'x');
    connect_ask connecting(r);
    socket_state* client = r.open(socket_role::stream);
    REQUIRE_FALSE(connecting.start(client, r.name(door, request::local_name), bytes_of(plenty)));
    r.until([&] { return connecting.connected; });
    r.pass(50ms);
    REQUIRE(connecting.pending());
    r.cancel(connecting);
    r.finish(connecting);
    CHECK(connecting.reported() <= 1);
    CHECK(connecting.error() == errc::cancelled);
    CHECK(connecting.connected);
    CHECK(connecting.count < plenty.size());
    CHECK(r.name(client, request::peer_name) == r.name(door, request::local_name));
}

// ---- How long.

THOLE_TEST("control tells how long a connection stands", "[contract]") {
    rig r;
    control_request asks{request::connected_for};
    CHECK(r.net.control(*r.open(socket_role::stream), asks) == std::errc::not_connected);
    const auto [client, server] = r.pair();
    CHECK_FALSE(r.net.control(*client, asks));
    CHECK(asks.time >= 0ms);
    CHECK(asks.time < 10s);
    r.pass(1100ms);
    for (socket_state* state : {client, server}) {
        CHECK_FALSE(r.net.control(*state, asks));
        CHECK(asks.time >= 1s);
        CHECK(asks.time < 20s);
    }
}
