// SPDX-License-Identifier: BSL-1.0
// backend.hpp held to its word: connecting and accepting.
#include "contract/rig.hpp"
#include "support/raw_peer.hpp"

#include <memory>

using namespace thole;
using namespace thole::test;
using namespace std::chrono_literals;
using detail::reason;

// ---- connect

THOLE_TEST("connect stands in the writing queue and is reported once", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    socket_state* client = r.open(socket_role::stream);
    connect_ask connecting(r);
    const bool done = connecting.start(client, r.name(door, request::local_name));
    if (!done) {
        CHECK(client->writing.front() == &connecting);
        CHECK(client->reading.empty());
    }
    r.finish(connecting);
    CHECK(connecting.reported() == (done ? 0 : 1));
    CHECK_FALSE(connecting.error());
    CHECK(client->writing.empty());
    CHECK(r.name(client, request::peer_name) == r.name(door, request::local_name));
    CHECK(r.name(client, request::local_name).is_loopback());
    CHECK(r.name(client, request::local_name).port() != 0);
    CHECK(r.pass(5ms) == 0);
}

THOLE_TEST("connect to nobody is refused", "[contract]") {
    rig r;
    socket_state* client = r.open(socket_role::stream);
    connect_ask connecting(r);
    const bool done = connecting.start(client, r.free_port());
    r.finish(connecting);
    CHECK(connecting.reported() == (done ? 0 : 1));
    CHECK(connecting.error() == std::errc::connection_refused);
    CHECK(client->writing.empty());
}

THOLE_TEST("connect to oneself is refused", "[contract]") {
    rig r;
    socket_state* client = r.open(socket_role::stream);
    control_request asks{request::bind, r.free_port()};
    REQUIRE_FALSE(r.net.control(*client, asks));
    connect_ask connecting(r);
    connecting.start(client, asks.address);
    r.finish(connecting);
    CHECK(connecting.error() == std::errc::connection_refused);
}

THOLE_TEST("a cancelled connect is reported once", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    for (int round = 0; round < 20; ++round) {
        socket_state* client = r.open(socket_role::stream);
        connect_ask connecting(r);
        const bool done = connecting.start(client, r.name(door, request::local_name));
        if (!done) {
            r.cancel(connecting);
            r.finish(connecting);
            CHECK(connecting.reported() == 1);
            // R101: a connection that was made is the result
            CHECK((connecting.error() == errc::cancelled || !connecting.error()));
        }
        r.close(client);
    }
    r.until([&] { return r.net.held() == 0; });
}

THOLE_TEST("close of a connecting socket ends the connect once", "[contract]") {  // CN07
    rig r;
    socket_state* door = r.listen();
    socket_state* client = r.open(socket_role::stream);
    connect_ask connecting(r);
    const bool done = connecting.start(client, r.name(door, request::local_name));
    r.close(client);
    r.finish(connecting);
    CHECK(connecting.reported() == (done ? 0 : 1));
    CHECK((connecting.error() == errc::closed || !connecting.error()));
    r.until([&] { return r.net.held() == 0; });
    CHECK(r.poll() == 0);
}

THOLE_TEST("a full backlog keeps a connect pending", "[contract]") {
    if (backend() == "iocp") {
        skip("a full backlog refuses on Windows (cases.md 6.2)");
    }
    rig r;
    tcp::listen_options options;
    options.backlog = 1;
    socket_state* door = r.listen(options);
    static_cast<void>(r.client(door));
    static_cast<void>(r.client(door));  // backlog + 1
    socket_state* late = r.open(socket_role::stream);
    connect_ask connecting(r);
    REQUIRE_FALSE(connecting.start(late, r.name(door, request::local_name)));
    CHECK(r.pass(50ms) == 0);
    CHECK(connecting.pending());
    if (r.is("sim")) {  // Linux asks again after a second; too long for a test
        accept_ask accepting(r);
        CHECK(accepting.start(door));
        r.finish(connecting);
        CHECK_FALSE(connecting.error());
        CHECK(connecting.reported() == 1);
    } else {
        r.cancel(connecting, reason::deadline);
        r.finish(connecting);
        CHECK(connecting.reported() == 1);
        CHECK(connecting.error() == errc::deadline_reached);
    }
}

// ---- accept

THOLE_TEST("accepts are served in order, each once", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    accept_ask first(r);
    accept_ask second(r);
    accept_ask third(r);
    REQUIRE_FALSE(first.start(door));
    REQUIRE_FALSE(second.start(door));
    REQUIRE_FALSE(third.start(door));
    CHECK(door->reading.front() == &first);
    CHECK(door->reading.after(first) == &second);
    CHECK(r.poll() == 0);

    socket_state* one = r.client(door);
    r.finish(first);
    CHECK(first.reported() == 1);
    CHECK(second.pending());
    CHECK(third.pending());
    socket_state* two = r.client(door);
    r.finish(second);
    CHECK(second.reported() == 1);
    CHECK(third.pending());

    std::error_code error;
    socket_state* to_one = r.adopt(first.take(), error);
    socket_state* to_two = r.adopt(second.take(), error);
    REQUIRE(to_one != nullptr);
    REQUIRE(to_two != nullptr);
    CHECK(r.name(to_one, request::peer_name) == r.name(one, request::local_name));
    CHECK(r.name(to_two, request::peer_name) == r.name(two, request::local_name));
}

THOLE_TEST("an accept gives a socket of the loop, or resets what nobody took", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    for (const bool waits : {true, false}) {
        CAPTURE(waits);
        std::string text(4, '-');
        transfer_ask reading(r);
        {
            loop_accept accepting(r);
            socket_state* client = nullptr;
            if (waits) {
                REQUIRE_FALSE(accepting.start(door));
                client = r.client(door);
            } else {
                client = r.client(door);
                accepting.start(door);
            }
            r.finish(accepting);
            REQUIRE_FALSE(accepting.error());
            REQUIRE_FALSE(reading.start(verb::read_exactly, client, bytes_of(text)));
            if (waits) {
                result<tcp::socket> made = accepting.take();
                REQUIRE(made);
                CHECK(made->state()->core == &r.core);
                CHECK(made->state()->kind.role == socket_role::stream);
                CHECK(r.name(made->state(), request::peer_name) ==
                      r.name(client, request::local_name));
                r.write(made->state(), "here");
                r.finish(reading);
                CHECK(text == "here");
            }
        }
        r.finish(reading);
        CHECK((waits ? !reading.error() : reading.error() == std::errc::connection_reset));
    }
}

THOLE_TEST("clients that came before the accept are not lost", "[contract]") {
    rig r;
    tcp::listen_options options;
    options.standing_accepts = 2;
    socket_state* door = r.listen(options);
    std::vector<endpoint> clients;
    for (int i = 0; i < 7; ++i) {
        clients.push_back(r.name(r.client(door), request::local_name));
    }
    r.pass(5ms);
    for (const endpoint& expected : clients) {
        accept_ask accepting(r);
        const bool done = accepting.start(door);
        r.finish(accepting);
        CHECK(accepting.reported() == (done ? 0 : 1));
        REQUIRE_FALSE(accepting.error());
        std::error_code error;
        socket_state* server = r.adopt(accepting.take(), error);
        REQUIRE(server != nullptr);
        CHECK(r.name(server, request::peer_name) == expected);
        r.close(server);
    }
    accept_ask nobody(r);
    CHECK_FALSE(nobody.start(door));
    CHECK(r.pass(5ms) == 0);
}

THOLE_TEST("a dual-stack listener takes IPv4 clients, another does not", "[contract]") {
    if (backend() != "sim" && !raw::has_ipv6()) {
        skip("this machine has no IPv6");
    }
    rig r;
    for (const bool dual : {true, false}) {
        socket_state* door = r.open(socket_role::listener, address_family::ipv6);
        control_request asks{request::listen, endpoint::any(address_family::ipv6, 0)};
        asks.listening.dual_stack = dual;
        REQUIRE_FALSE(r.net.control(*door, asks));
        const std::uint16_t port = r.name(door, request::local_name).port();
        accept_ask accepting(r);
        REQUIRE_FALSE(accepting.start(door));
        socket_state* client = r.open(socket_role::stream);
        connect_ask connecting(r);
        connecting.start(client, endpoint::loopback(address_family::ipv4, port));
        r.finish(connecting);
        if (!dual) {
            CHECK(connecting.error() == std::errc::connection_refused);
            CHECK(accepting.pending());
            continue;
        }
        REQUIRE_FALSE(connecting.error());
        r.finish(accepting);
        std::error_code error;
        socket_state* server = r.adopt(accepting.take(), error);
        REQUIRE(server != nullptr);
        const endpoint peer = r.name(server, request::peer_name);
        CHECK(peer.family() == address_family::ipv6);
        CHECK(peer.is_loopback());  // mapped
        CHECK(peer.port() == r.name(client, request::local_name).port());
        r.write(client, "four to six");
        CHECK(r.read(server, 11) == "four to six");
    }
}

THOLE_TEST("R33 a loose socket knows its names", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    socket_state* client = r.client(door);
    accept_ask accepting(r);
    accepting.start(door);
    r.finish(accepting);
    const detail::loose_socket loose = accepting.take();
    REQUIRE(loose.methods != nullptr);
    endpoint local;
    endpoint peer;
    CHECK_FALSE(loose.methods->local(loose.native, local));
    CHECK_FALSE(loose.methods->peer(loose.native, peer));
    CHECK(local == r.name(door, request::local_name));
    CHECK(peer == r.name(client, request::local_name));
    CHECK((!loose.local || loose.local == local));
    CHECK((!loose.peer || loose.peer == peer));
    std::string text(4, '-');
    transfer_ask parked(r);  // docs/windows.md: Wine 8 shows a reset only to who waits for it
    REQUIRE_FALSE(parked.start(verb::read, client, bytes_of(text)));
    loose.methods->close(loose.native);  // with a reset: nobody ever used it
    r.finish(parked);
    CHECK(parked.error() == std::errc::connection_reset);
}

THOLE_TEST("R36 a cancelled accept loses no client", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    accept_ask first(r);
    accept_ask second(r);
    REQUIRE_FALSE(first.start(door));
    REQUIRE_FALSE(second.start(door));
    CHECK(r.cancel(first));  // it stands in a queue of ours: given back at once on every backend
    CHECK(first.reported() == 1);
    CHECK(first.error() == errc::cancelled);
    CHECK(door->reading.front() == &second);
    socket_state* client = r.client(door);
    r.finish(second);
    CHECK_FALSE(second.error());
    CHECK(first.reported() == 1);

    int accepted = 0;  // connections race with cancels
    for (int round = 0; round < 20; ++round) {
        accept_ask racing(r);
        const bool done = racing.start(door);
        if (!done) {
            static_cast<void>(r.client(door));
            if (racing.pending()) {
                r.cancel(racing);
                r.finish(racing);
            }
        }
        if (!racing.error()) {
            ++accepted;
        }
    }
    CHECK(accepted > 0);
    for (bool more = true; more;) {
        accept_ask rest(r);
        rest.start(door);
        r.pass(2ms);
        more = !rest.pending() && !rest.error();
        accepted += more ? 1 : 0;
    }
    // each round connects one client, unless its accept found one waiting
    CHECK(accepted >= 10);
    CHECK(r.name(client, request::peer_name) == r.name(door, request::local_name));
}

THOLE_TEST("close of a listener ends its accepts and its clients", "[contract]") {  // CL: I8
    rig r;
    socket_state* door = r.listen();
    socket_state* taken = r.client(door);
    accept_ask done(r);
    done.start(door);
    r.finish(done);
    std::error_code error;
    socket_state* server = r.adopt(done.take(), error);
    REQUIRE(server != nullptr);

    accept_ask first(r);
    accept_ask second(r);
    REQUIRE_FALSE(first.start(door));
    REQUIRE_FALSE(second.start(door));
    r.close(door);
    r.finish(first);
    r.finish(second);
    for (const accept_ask* op : {&first, &second}) {
        CHECK(op->reported() == 1);
        CHECK(op->error() == errc::closed);
    }
    r.until([&] { return r.net.held() == 0; });
    r.write(taken, "goes on");  // what was accepted lives
    CHECK(r.read(server, 7) == "goes on");
}

THOLE_TEST("close of a listener resets the clients that nobody accepted", "[contract]") {
    rig r;
    socket_state* door = r.listen();
    std::string text(4, '-');
    std::vector<std::unique_ptr<transfer_ask>> reads;
    for (int i = 0; i < 6; ++i) {
        reads.push_back(std::make_unique<transfer_ask>(r));
        REQUIRE_FALSE(reads.back()->start(verb::read, r.client(door), bytes_of(text)));
    }
    {
        accept_ask one(r);  // the backend may have taken more than this one, and parked them
        one.start(door);
        r.finish(one);
        REQUIRE_FALSE(one.error());
    }
    r.close(door);
    for (const auto& parked : reads) {
        r.finish(*parked);
        CHECK(parked->reported() == 1);
        CHECK(parked->error() == std::errc::connection_reset);
    }
    r.until([&] { return r.net.held() == 0; });
}
