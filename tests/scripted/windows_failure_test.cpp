// SPDX-License-Identifier: BSL-1.0
// FI02: the nth call to the system fails, for every n; and short counts everywhere.
#include "flow.hpp"

#include <algorithm>

#include "win/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

// All that was made is closed, and once.
void closed_once() {
    constexpr std::string_view makers[] = {"WSASocketW"};
    constexpr std::string_view closers[] = {"closesocket"};
    check_closed(makers, closers);
    for (const call& made : script::calls("CreateIoCompletionPort")) {
        if (made.handle == -1 && made.result != 0) {  // the port itself
            const auto closes = script::calls("CloseHandle");
            CHECK(std::ranges::count(closes, made.result, &call::handle) == 1);
        }
    }
}

// What has had its effect, whatever it says then.
void close_socket(const call& c) { ::closesocket(static_cast<SOCKET>(c.handle)); }
void close_handle(const call& c) { ::CloseHandle(reinterpret_cast<HANDLE>(c.handle)); }
void cancel_it(const call& c) {
    ::CancelIoEx(reinterpret_cast<HANDLE>(c.handle), static_cast<OVERLAPPED*>(c.out));
}
void no_packets(const call& c) { *reinterpret_cast<ULONG*>(c.code) = 0; }

const failing_call failures[] = {
    {"AcceptEx", FALSE, {WSAECONNRESET, WSAENOBUFS, ERROR_NETNAME_DELETED}},
    {"CancelIoEx", FALSE, {ERROR_NOT_FOUND}, &cancel_it},
    {"CloseHandle", FALSE, {ERROR_INVALID_HANDLE}, &close_handle},
    {"ConnectEx", FALSE, {WSAECONNREFUSED, WSAENOBUFS, WSAEADDRNOTAVAIL}},
    {"CreateIoCompletionPort", 0, {ERROR_NOT_ENOUGH_MEMORY, ERROR_NO_SYSTEM_RESOURCES}},
    {"GetQueuedCompletionStatusEx",
     FALSE,
     {WAIT_IO_COMPLETION, WAIT_TIMEOUT, ERROR_NO_SYSTEM_RESOURCES},
     &no_packets},
    {"PostQueuedCompletionStatus", FALSE, {ERROR_NO_SYSTEM_RESOURCES}},
    {"SetFileCompletionNotificationModes", FALSE, {ERROR_INVALID_PARAMETER}},
    {"WSAIoctl", SOCKET_ERROR, {WSAEOPNOTSUPP, WSAENOBUFS}},
    {"WSARecv", SOCKET_ERROR, {WSAECONNRESET, WSAENOBUFS, WSAECONNABORTED}},
    {"WSASend", SOCKET_ERROR, {WSAECONNRESET, WSAENOBUFS, WSAESHUTDOWN}},
    {"WSASocketW", static_cast<std::intptr_t>(INVALID_SOCKET), {WSAEMFILE, WSAENOBUFS}},
    {"bind", SOCKET_ERROR, {WSAEADDRINUSE, WSAEACCES, WSAENOBUFS}},
    {"closesocket", SOCKET_ERROR, {WSAENETDOWN}, &close_socket},
    {"getpeername", SOCKET_ERROR, {WSAENOTCONN, WSAENETDOWN}},
    {"getsockname", SOCKET_ERROR, {WSAENETDOWN}},
    {"getsockopt", SOCKET_ERROR, {WSAENOPROTOOPT, WSAENETDOWN}},
    {"listen", SOCKET_ERROR, {WSAEADDRINUSE, WSAENOBUFS}},
    {"setsockopt", SOCKET_ERROR, {WSAENOTCONN, WSAENETDOWN}},
    {"shutdown", SOCKET_ERROR, {WSAENOTCONN}},
};

void each_call_of(const flow& run) {
    std::size_t before = 0;
    std::size_t runs = 0;
    fail_each_call(run, backend_kind::iocp, failures, [&] {
        closed_once();
        before = ++runs == 5 ? raw::open_handles() : before;
    });
    CHECK(runs > 40);
    CHECK(raw::open_handles() <= before + 8);  // Wine's own threads have a few
}

THOLE_TEST("FI02 each call of an echo fails once: all ends, nothing stays open", "[scripted]") {
    each_call_of([](backend_kind kind) { return echo_flow(kind); });
}

THOLE_TEST("FI02 each call of a connect fails once: all ends, nothing stays open", "[scripted]") {
    each_call_of(&connect_flow);
}

THOLE_TEST("FI02 each call of a loop's end fails once: nothing is told or stays open",
           "[scripted]") {
    each_call_of(&end_flow);
}

THOLE_TEST("every transfer moves one byte, and nothing comes of it", "[scripted]") {
    const std::string text(60, 's');
    for (const bool skips : {true, false}) {
        for (const int which : {1, 2, 3}) {  // sent so, received so, both
            CAPTURE(skips, which);
            script::reset();
            if (!skips) {
                script::on("SetFileCompletionNotificationModes").forever().gives(FALSE, 87);
            }
            for (const char* name : {"WSASend", "WSARecv"}) {
                if ((which & (name == std::string_view("WSASend") ? 1 : 2)) != 0) {
                    script::on(name).forever().cut(1);
                }
            }
            const account got = echo_flow(backend_kind::iocp, text);
            CHECK(got.complete);
            CHECK(got.started == got.ended);
            CHECK(count("WSASend") >= ((which & 1) != 0 ? 120U : 2U));
            CHECK(count("WSARecv") >= ((which & 2) != 0 ? 120U : 2U));
            closed_once();
        }
    }
    script::reset();
}

// Wine's port has no alertable calls of its own: the nearest to an interrupted wait.
THOLE_TEST("waits that end early, and nothing comes of it", "[scripted]") {
    for (const DWORD early : {DWORD{WAIT_IO_COMPLETION}, DWORD{WAIT_TIMEOUT}}) {
        for (const flow& run :
             {flow([](backend_kind kind) { return echo_flow(kind); }), flow(&connect_flow)}) {
            CAPTURE(early);
            script::reset();
            script::on("GetQueuedCompletionStatusEx")
                .forever()
                .when([asked = 0](const call&) mutable { return ++asked % 2 == 1; })
                .instead([early](call& c) -> std::intptr_t {
                    no_packets(c);
                    c.error = static_cast<int>(early);
                    return FALSE;
                });
            const account got = run(backend_kind::iocp);
            CHECK(got.complete);
            CHECK(got.started == got.ended);
            closed_once();
        }
    }
    script::reset();
}

// ---- An accept whose request is posted again, and a cancel.

THOLE_TEST("AC09 R31 a cancel between two tries of an accept: one completion", "[scripted]") {
    rig r(backend_kind::iocp);
    tcp::listener door = open_door(r.on, address_family::ipv4, {.standing_accepts = 1});
    int broken = 0;
    script::on("GetQueuedCompletionStatusEx").forever().then([&](call& c) {
        const auto* packets = static_cast<const OVERLAPPED_ENTRY*>(c.out);
        const ULONG n = c.result != FALSE ? *reinterpret_cast<ULONG*>(c.code) : 0;
        for (ULONG i = 0; i < n && broken == 0; ++i) {
            packets[i].lpOverlapped->Internal = 0xC000020D;  // STATUS_CONNECTION_RESET
            ++broken;
        }
    });
    made got;
    accepting op{{&got}};
    op.start(door, within(5s));
    raw::socket lost = raw::socket::connect(door.local().value());
    while (broken == 0) {
        REQUIRE(r.on.poll());
    }
    REQUIRE(op.pending());  // the listener has asked again
    CHECK(count("AcceptEx") == 2);
    op.cancel();
    CHECK(got.seen.empty());
    REQUIRE(r.on.run());
    REQUIRE(r.on.poll());
    REQUIRE(got.seen.size() == 1);
    CHECK(got.seen[0].error() == errc::cancelled);
    raw::socket client = raw::socket::connect(door.local().value());
    op.start(door, within(5s));
    REQUIRE(r.on.run());
    REQUIRE(got.seen.size() == 2);
    REQUIRE(got.seen[1]);
    CHECK(r.run(echoes(*got.seen[1], client)));
}

}  // namespace
