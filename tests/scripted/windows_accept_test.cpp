// SPDX-License-Identifier: BSL-1.0
// Accepting through the port, as Windows could answer: Wine checks none of this.
#include "rig.hpp"

#include <cstring>
#include <ranges>

#include "win/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

constexpr DWORD reset_status = 0xC000020D;    // STATUS_CONNECTION_RESET
constexpr DWORD netname_status = 0xC00000C9;  // STATUS_NETWORK_NAME_DELETED

bool is_update(const call& one) {
    return one.level == SOL_SOCKET && one.option == SO_UPDATE_ACCEPT_CONTEXT;
}
std::vector<call> updates() {
    std::vector<call> found;
    for (const call& one : script::calls("setsockopt")) {
        if (is_update(one)) {
            found.push_back(one);
        }
    }
    return found;
}

// Every socket that was made is closed once, at the most.
bool closed_once() {
    std::vector<std::intptr_t> open;
    for (const call& one : script::calls()) {
        if (one.name == "WSASocketW") {
            open.push_back(one.result);
        } else if (one.name == "closesocket") {
            if (std::erase(open, one.handle) != 1) {
                return false;
            }
        }
    }
    return true;
}

// One client after the other, and each is served.
void serve(rig& r, tcp::listener& door, int clients) {
    for (int i = 0; i < clients; ++i) {
        CAPTURE(i);
        raw::socket client = raw::socket::connect(door.local().value());
        auto socket = r.on.block_on(next(door));
        REQUIRE(socket.error() == std::error_code{});
        CHECK(r.run(echoes(*socket, client)));
    }
}

THOLE_TEST("R34: an accepted socket is given the listener's context before it is handed out",
           "[scripted]") {
    rig r(backend_kind::iocp);
    tcp::listener door = open_door(r.on);
    const call listened = script::calls("listen").back();
    raw::socket client = raw::socket::connect(door.local().value());
    auto socket = r.on.block_on(next(door));
    REQUIRE(socket);
    REQUIRE(updates().size() == 1);
    const call update = updates()[0];
    const auto posted = script::calls("AcceptEx");
    CHECK(std::ranges::any_of(posted, [&](const call& one) {
        return one.handle == listened.handle &&
               one.code == static_cast<std::uint64_t>(update.handle);
    }));
    REQUIRE(update.value.size() == sizeof(SOCKET));
    SOCKET context = INVALID_SOCKET;
    std::memcpy(&context, update.value.data(), sizeof context);
    CHECK(static_cast<std::intptr_t>(context) == listened.handle);
    CHECK(r.run(echoes(*socket, client)));
    CHECK(socket->peer());
    CHECK(socket->local());
}

THOLE_TEST("R34: where the context cannot be given, it costs that one socket", "[scripted]") {
    rig r(backend_kind::iocp);
    tcp::listener door = open_door(r.on);
    script::on("setsockopt").when(is_update).gives(SOCKET_ERROR, WSAENOTCONN);
    raw::socket first = raw::socket::connect(door.local().value());
    raw::socket second = raw::socket::connect(door.local().value());
    auto socket = r.on.block_on(next(door));
    REQUIRE(socket);
    CHECK(r.run(echoes(*socket, second)));
    CHECK(first.receive(1).how != raw::ending::bytes);
    CHECK(updates().size() == 2);
    const std::intptr_t lost = updates()[0].handle;
    const auto closes = script::calls("closesocket");
    CHECK(std::ranges::count_if(closes, [&](const call& c) { return c.handle == lost; }) == 1);
    serve(r, door, 6);
}

THOLE_TEST("an AcceptEx that succeeds at once finishes exactly once", "[scripted]") {
    rig r(backend_kind::iocp);
    // A listener is never in skip mode, so a packet follows: the system's own.
    script::on("AcceptEx").forever().gives(TRUE).after_it();
    tcp::listener door = open_door(r.on, address_family::ipv4, {.standing_accepts = 2});
    made got;
    accepting first{{&got}};
    accepting second{{&got}};
    first.start(door, within(5s));
    second.start(door, within(500ms));
    raw::socket client = raw::socket::connect(door.local().value());
    REQUIRE(r.on.run());
    REQUIRE(got.seen.size() == 2);
    REQUIRE(got.seen[0]);
    CHECK(got.seen[1].error() == errc::deadline_reached);
    CHECK(r.run(echoes(*got.seen[0], client)));
    serve(r, door, 6);
    for (const call& one : script::calls("SetFileCompletionNotificationModes")) {
        CHECK(one.handle != script::calls("listen").back().handle);
    }
}

THOLE_TEST("R30: an AcceptEx that fails with its client is absorbed and posted again",
           "[scripted]") {
    for (const int raw : {WSAECONNRESET, WSAECONNABORTED, int{ERROR_NETNAME_DELETED}}) {
        CAPTURE(raw);
        rig r(backend_kind::iocp);
        // In the call: while the listener opens, and later.
        script::on("AcceptEx").times(3).gives(FALSE, raw);
        tcp::listener door = open_door(r.on);
        script::on("AcceptEx").from(1).times(5).gives(FALSE, raw);
        serve(r, door, 8);
        CHECK(closed_once());
    }
}

THOLE_TEST("R30: the same in the packet", "[scripted]") {
    for (const DWORD status : {reset_status, netname_status}) {
        CAPTURE(status);
        rig r(backend_kind::iocp);
        tcp::listener door = open_door(r.on);
        int broken = 0;
        script::on("GetQueuedCompletionStatusEx").forever().then([&](call& c) {
            if (c.result == FALSE) {
                return;
            }
            auto* packets = static_cast<OVERLAPPED_ENTRY*>(c.out);
            const ULONG n = *reinterpret_cast<ULONG*>(c.code);
            for (ULONG i = 0; i < n; ++i) {
                for (const call& posted : script::calls("AcceptEx")) {
                    if (posted.out == packets[i].lpOverlapped && broken < 3) {
                        packets[i].lpOverlapped->Internal = status;
                        ++broken;
                        break;
                    }
                }
            }
        });
        std::vector<raw::socket> lost;
        for (int i = 0; i < 3; ++i) {
            lost.push_back(raw::socket::connect(door.local().value()));
        }
        raw::socket client = raw::socket::connect(door.local().value());
        auto socket = r.on.block_on(next(door));
        REQUIRE(socket.error() == std::error_code{});
        CHECK(broken == 3);
        CHECK(updates().size() == 1);
        CHECK(r.run(echoes(*socket, client)));
        serve(r, door, 6);
        CHECK(closed_once());
    }
}

THOLE_TEST("R39: no resources for the next accept: it waits, and the listener recovers unaided",
           "[scripted]") {
    for (const int raw : {WSAEMFILE, WSAENOBUFS}) {
        CAPTURE(raw);
        rig r(backend_kind::iocp);
        script::rule& failing = script::on("WSASocketW")
                                    .from(1)
                                    .forever()
                                    .gives(static_cast<std::intptr_t>(INVALID_SOCKET), raw);
        tcp::listener door = open_door(r.on);
        made got;
        accepting op{{&got}};
        op.start(door, within(5s));
        REQUIRE(r.on.run_for(50ms));
        CHECK(op.pending());
        CHECK(door.counters().pauses > 1);
        CHECK(failing.used() <= 16);  // after 5, 10, 20, 40 ms, the accept and the pool
        failing.times(0);
        raw::socket client = raw::socket::connect(door.local().value());
        REQUIRE(r.on.run());
        REQUIRE(got.seen.size() == 1);
        REQUIRE(got.seen[0]);
        CHECK(r.run(echoes(*got.seen[0], client)));
        serve(r, door, 6);
    }
}

THOLE_TEST("R39: a listener that reports tells it, and recovers", "[scripted]") {
    for (const int raw : {WSAEMFILE, WSAENOBUFS}) {
        CAPTURE(raw);
        rig r(backend_kind::iocp);
        script::rule& failing = script::on("WSASocketW")
                                    .from(1)
                                    .forever()
                                    .gives(static_cast<std::intptr_t>(INVALID_SOCKET), raw);
        tcp::listener door = open_door(r.on, address_family::ipv4,
                                       {.when_exhausted = tcp::exhaustion_policy::report});
        auto none = r.on.block_on(next(door));
        CHECK_FALSE(none);
        CHECK((none.error() == std::errc::too_many_files_open ||
               none.error() == std::errc::no_buffer_space));
        failing.times(0);
        serve(r, door, 6);
    }
}

THOLE_TEST("the number of standing accepts is an option, and what stands is bounded",
           "[scripted]") {
    for (const int standing : {1, 4, 7}) {
        CAPTURE(standing);
        rig r(backend_kind::iocp);
        tcp::listener door = open_door(r.on, address_family::ipv4, {.standing_accepts = standing});
        CHECK(count("AcceptEx") == static_cast<std::size_t>(standing));
        std::vector<raw::socket> clients;  // parked + posted stays bounded
        for (int i = 0; i < 10; ++i) {
            clients.push_back(raw::socket::connect(door.local().value()));
            REQUIRE(r.on.run_for(5ms));
        }
        CHECK(count("AcceptEx") == static_cast<std::size_t>(standing));
        for (int i = 0; i < 10; ++i) {
            REQUIRE(r.on.block_on(next(door)));
        }
    }
}

THOLE_TEST("R23 R32 R48 R49: a listener takes its port for itself, and names its stack",
           "[scripted]") {
    rig r(backend_kind::iocp);
    const auto set = [](int level, int option) {
        int value = -1;
        for (const call& one : script::calls("setsockopt")) {
            if (one.level == level && one.option == option && one.value.size() == sizeof value) {
                std::memcpy(&value, one.value.data(), sizeof value);
            }
        }
        return value;
    };
    const tcp::listener door = open_door(r.on);
    CHECK(set(SOL_SOCKET, SO_EXCLUSIVEADDRUSE) == 1);
    CHECK(set(SOL_SOCKET, SO_REUSEADDR) == -1);
    for (const call& one : script::calls("WSASocketW")) {
        CHECK((one.code & WSA_FLAG_NO_HANDLE_INHERIT) != 0);
        CHECK((one.code & WSA_FLAG_OVERLAPPED) != 0);
    }
    if (!raw::has_ipv6()) {
        return;
    }
    for (const bool dual : {false, true}) {
        script::reset();
        const tcp::listener six = open_door(r.on, address_family::ipv6, {.dual_stack = dual});
        CHECK(set(IPPROTO_IPV6, IPV6_V6ONLY) == (dual ? 0 : 1));
        for (const call& one : script::calls("WSASocketW")) {
            CHECK(one.option == AF_INET6);  // R32: also what AcceptEx is given
        }
    }
}

}  // namespace
