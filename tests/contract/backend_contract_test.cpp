// SPDX-License-Identifier: BSL-1.0
// backend.hpp held to its word: opening, adopting, control.
#include "contract/rig.hpp"
#include "support/raw_peer.hpp"

using namespace thole;
using namespace thole::test;
using namespace std::chrono_literals;

// ---- open, adopt

THOLE_TEST("open gives a usable socket of the kind that was asked for", "[contract]") {
    rig r;
    for (const socket_role role : {socket_role::stream, socket_role::listener}) {
        socket_state* state = r.open(role);
        CHECK(state->kind.role == role);
        CHECK(state->kind.family == address_family::ipv4);
        CHECK(state->reading.empty());
        CHECK(state->writing.empty());
        const endpoint where = endpoint::loopback(address_family::ipv4, 0);
        control_request asks{role == socket_role::stream ? request::bind : request::listen, where};
        CHECK_FALSE(r.net.control(*state, asks));
        CHECK(r.name(state, request::local_name).with_port(0) == where);
    }
}

THOLE_TEST("open gives IPv6 sockets", "[contract]") {
    if (backend() != "sim" && !raw::has_ipv6()) {
        skip("this machine has no IPv6");
    }
    rig r;
    socket_state* door = r.open(socket_role::listener, address_family::ipv6);
    CHECK(door->kind.family == address_family::ipv6);
    control_request asks{request::listen, endpoint::loopback(address_family::ipv6, 0)};
    REQUIRE_FALSE(r.net.control(*door, asks));
    const endpoint where = r.name(door, request::local_name);
    CHECK(where.port() != 0);
    CHECK(where.is_loopback());
    socket_state* client = r.open(socket_role::stream, address_family::ipv6);
    connect_ask connecting(r);
    connecting.start(client, where);
    r.finish(connecting);
    CHECK_FALSE(connecting.error());
    CHECK(r.name(client, request::peer_name) == where);
}

THOLE_TEST("adopt makes an accepted connection the loop's", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    CHECK(server->kind.role == socket_role::stream);
    CHECK(server->kind.family == address_family::ipv4);
    CHECK(r.name(server, request::local_name) == r.name(client, request::peer_name));
    CHECK(r.name(server, request::peer_name) == r.name(client, request::local_name));
    r.write(client, "there");
    CHECK(r.read(server, 5) == "there");
    r.write(server, "back");
    CHECK(r.read(client, 4) == "back");
}

THOLE_TEST("adopt closes what it refuses", "[contract]") {
    static int closed = 0;
    closed = 0;
    static constexpr detail::native_methods foreign = {
        [](std::uintptr_t native) noexcept { closed += native == 42 ? 1 : 100; },
        [](std::uintptr_t, endpoint&) noexcept { return std::error_code{}; },
        [](std::uintptr_t, endpoint&) noexcept { return std::error_code{}; },
    };
    rig r;
    detail::loose_socket loose;
    loose.native = 42;
    loose.methods = &foreign;
    std::error_code error;
    CHECK(r.adopt(loose, error) == nullptr);
    CHECK(error == std::errc::invalid_argument);
    CHECK(closed == 1);
}

THOLE_TEST("adopt takes a connection that another loop accepted", "[contract]") {
    rig r;
    rig other;
    socket_state* door = r.listen();
    socket_state* client = r.client(door);
    accept_ask accepting(r);
    accepting.start(door);
    r.finish(accepting);
    REQUIRE_FALSE(accepting.error());
    std::error_code error;
    socket_state* server = other.adopt(accepting.take(), error);
    if (r.is("sim")) {  // each loop has a network of its own: refused, and closed with a reset
        CHECK(server == nullptr);
        CHECK(error == std::errc::invalid_argument);
        std::string text;
        CHECK(r.read_to_end(client, text) == std::errc::connection_reset);
        return;
    }
    REQUIRE(server != nullptr);
    r.write(client, "over here");
    CHECK(other.read(server, 9) == "over here");
}

// ---- control

THOLE_TEST("control binds, and says what is in the way", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    const endpoint where = r.name(door, request::local_name);
    CHECK(where.port() != 0);
    CHECK(where.is_loopback());

    control_request same{request::listen, where};
    CHECK(r.net.control(*r.open(socket_role::listener), same) == std::errc::address_in_use);
    control_request remote{request::listen, *endpoint::parse("192.0.2.1:0")};
    CHECK(r.net.control(*r.open(socket_role::listener), remote) ==
          std::errc::address_not_available);

    socket_state* stream = r.open(socket_role::stream);
    control_request local{request::bind, r.free_port()};
    const endpoint bound = local.address;
    REQUIRE_FALSE(r.net.control(*stream, local));
    CHECK(r.name(stream, request::local_name) == bound);
    connect_ask connecting(r);
    connecting.start(stream, where);
    r.finish(connecting);
    REQUIRE_FALSE(connecting.error());
    CHECK(r.name(stream, request::local_name) == bound);

    socket_state* any_port = r.open(socket_role::stream);
    control_request zero{request::bind, bound.with_port(0)};
    REQUIRE_FALSE(r.net.control(*any_port, zero));
    connect_ask second(r);
    second.start(any_port, where);
    r.finish(second);
    REQUIRE_FALSE(second.error());
    const endpoint chosen = r.name(any_port, request::local_name);
    CHECK(chosen.port() != 0);
    CHECK(chosen.with_port(0) == bound.with_port(0));
}

THOLE_TEST("a closed listener's port is free again", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    const endpoint where = r.name(door, request::local_name);
    r.close(door);
    r.until([&] { return r.net.held() == 0; });
    control_request again{request::listen, where};
    CHECK_FALSE(r.net.control(*r.open(socket_role::listener), again));
}

THOLE_TEST("control tells what needs a connection", "[contract]") {
    rig r;
    socket_state* lone = r.open(socket_role::stream);
    control_request asks{request::peer_name};
    CHECK(r.net.control(*lone, asks) == std::errc::not_connected);
    CHECK(r.control(lone, request::shutdown_write) == std::errc::not_connected);
}

THOLE_TEST("shutdown_write sends the FIN once and lets reading go on", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    r.write(client, "last");
    CHECK_FALSE(r.control(client, request::shutdown_write));
    CHECK_FALSE(r.control(client, request::shutdown_write));
    std::string text;
    CHECK(r.read_to_end(server, text) == errc::end_of_stream);
    CHECK(text == "last");
    r.write(server, "answer");
    CHECK(r.read(client, 6) == "answer");

    std::string late = "late";
    transfer_ask writing(r);
    writing.start(verb::write, client, bytes_of(late));
    r.finish(writing);
    CHECK(writing.error() == std::errc::broken_pipe);
    CHECK(writing.count == 0);
}

THOLE_TEST("control touches nothing that is pending", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(8, '-');
    transfer_ask reading(r);
    REQUIRE_FALSE(reading.start(verb::read, client, bytes_of(text)));

    static_cast<void>(r.name(client, request::local_name));
    static_cast<void>(r.name(client, request::peer_name));
    control_request at_once{request::set_option, {}, 1};
    at_once.option = detail::socket_option::no_delay;
    CHECK_FALSE(r.net.control(*client, at_once));
    CHECK_FALSE(r.control(client, request::shutdown_write));
    CHECK(r.poll() == 0);
    CHECK(reading.pending());
    CHECK(client->reading.front() == &reading);

    r.write(server, "still");
    r.finish(reading);
    CHECK(reading.reported() == 1);
    CHECK_FALSE(reading.error());
    CHECK(text.substr(0, reading.count) == "still");
}

THOLE_TEST("opened and closed, nothing is left", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    const auto cycle = [&](int times) {
        for (int i = 0; i < times; ++i) {
            const auto [client, server] = r.pair(door);
            r.close(client, farewell::reset);
            r.close(server);
            r.close(r.open(socket_role::stream));
            r.close(r.open(socket_role::listener));
        }
        r.until([&] { return r.net.held() == 0; });
        r.poll();
    };
    cycle(3);  // whatever is made once is made now
    const std::size_t before = raw::open_handles();
    cycle(50);
    CHECK(r.net.held() == 0);
    if (r.is("iocp")) {
        CHECK(raw::open_handles() <= before + 8);  // the provider's own threads have a few
    } else {
        CHECK(raw::open_handles() == before);
    }
}
