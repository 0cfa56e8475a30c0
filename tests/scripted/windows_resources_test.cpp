// SPDX-License-Identifier: BSL-1.0
// What operations cost the system, and what happens when it has no more of it.
#include "rig.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "win/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

constexpr DWORD no_resources_status = 0xC000009A;  // STATUS_INSUFFICIENT_RESOURCES

// A connection from this side to one outside of the script.
struct line {
    explicit line(rig& r) : door(raw::socket::bind(address_family::ipv4, 5)) {
        auto made = r.on.block_on([](loop& on, endpoint to) -> task<result<tcp::socket>> {
            co_return co_await tcp::connect(on, to, within(5s));
        }(r.on, door.local()));
        REQUIRE(made);
        here = std::move(*made);
        peer = door.accept();
    }
    raw::socket door;
    tcp::socket here;
    raw::socket peer;
};

bool is_overlapped(const call& one) { return one.out != nullptr; }

THOLE_TEST("R26: whatever waits to read, the system holds none of its memory", "[scripted]") {
    rig r(backend_kind::iocp);
    line l(r);
    std::vector<std::byte> buffer(64 * 1024);
    l.peer.send("a");
    const auto some = r.run([](tcp::socket& from, std::span<std::byte> to) -> task<std::size_t> {
        const auto got = co_await from.read(to, within(5s));
        co_return got.value();
    }(l.here, buffer));
    CHECK(some == 1);
    ends<transfer> all;
    callback<tcp::read_exactly_op, ends<transfer>::add> reading{{&all}};
    reading.start(l.here, std::span(buffer).first(5), within(20s));
    REQUIRE(r.on.run_for(5ms));
    l.peer.send("ab");
    REQUIRE(r.on.run_for(20ms));
    CHECK(reading.pending());
    l.peer.send("cde");
    REQUIRE(r.on.run());
    REQUIRE(all.seen.size() == 1);
    CHECK(all.seen[0].count == 5);
    CHECK(std::memcmp(buffer.data(), "abcde", 5) == 0);
    std::size_t waited = 0;
    for (const call& one : script::calls("WSARecv")) {
        waited += is_overlapped(one) ? 1U : 0U;
        CHECK((!is_overlapped(one) || one.most == 0));
    }
    CHECK(waited >= 3);
}

// Five times no resources, of either kind: backpressure, and no end of the connection.
THOLE_TEST("R28: a receive for which the system has nothing left waits, and goes on",
           "[scripted]") {
    for (const int raw : {WSAENOBUFS, int{ERROR_NO_SYSTEM_RESOURCES}}) {
        for (const bool overlapped : {true, false}) {
            CAPTURE(raw, overlapped);
            rig r(backend_kind::iocp);
            line l(r);
            script::rule& failing =
                script::on("WSARecv")
                    .when([=](const call& c) { return is_overlapped(c) == overlapped; })
                    .times(5)
                    .gives(SOCKET_ERROR, raw);
            l.peer.send("thole");
            const auto got = r.run([](tcp::socket& from) -> task<transfer> {
                std::byte word[5];
                co_return co_await from.read_exactly(word, within(20s));
            }(l.here));
            CHECK(got.error == std::error_code{});
            CHECK(got.count == 5);
            CHECK(failing.used() == 5);
            CHECK(r.run(echoes(l.here, l.peer)));
            l.peer = raw::socket();
            const auto end = r.run([](tcp::socket& from) -> task<std::error_code> {
                std::byte byte[1];
                const auto read = co_await from.read(byte, within(5s));
                co_return read.error();
            }(l.here));
            CHECK(end == errc::end_of_stream);  // nothing of the shortage is left
        }
    }
}

THOLE_TEST("R28: the same in the packet", "[scripted]") {
    rig r(backend_kind::iocp);
    line l(r);
    int broken = 0;
    script::on("GetQueuedCompletionStatusEx").forever().then([&](call& c) {
        if (c.result == FALSE || broken == 5) {
            return;
        }
        auto* packets = static_cast<OVERLAPPED_ENTRY*>(c.out);
        const ULONG n = *reinterpret_cast<ULONG*>(c.code);
        for (ULONG i = 0; i < n; ++i) {
            if (packets[i].lpOverlapped != nullptr && broken < 5) {
                packets[i].lpOverlapped->Internal = no_resources_status;
                packets[i].lpOverlapped->InternalHigh = 0;
                ++broken;
            }
        }
    });
    ends<result<std::size_t>> all;
    callback<tcp::read_op, ends<result<std::size_t>>::add> reading{{&all}};
    std::byte buffer[8];
    reading.start(l.here, buffer, within(20s));
    REQUIRE(r.on.run_for(5ms));
    l.peer.send("thole");
    REQUIRE(r.on.run());
    REQUIRE(all.seen.size() == 1);
    REQUIRE(all.seen[0].error() == std::error_code{});
    CHECK(*all.seen[0] == 5);
    CHECK(broken >= 1);
}

THOLE_TEST("R28: a send for which the system has nothing left waits, and all arrives",
           "[scripted]") {
    for (const int raw : {WSAENOBUFS, int{ERROR_NO_SYSTEM_RESOURCES}}) {
        CAPTURE(raw);
        rig r(backend_kind::iocp);
        line l(r);
        script::rule& failing = script::on("WSASend").times(5).gives(SOCKET_ERROR, raw);
        const std::string text(3000, 't');
        const auto sent = r.run([](tcp::socket& to, std::string_view what) -> task<transfer> {
            co_return co_await to.write(bytes_of(what), within(20s));
        }(l.here, text));
        CHECK(sent.error == std::error_code{});
        CHECK(sent.count == text.size());
        CHECK(failing.used() == 5);
        CHECK((l.peer.receive_all(text.size()).bytes == text));
        CHECK(r.run(echoes(l.here, l.peer)));
    }
}

THOLE_TEST("R28, R39: an accept for which the system has nothing left waits, and is served",
           "[scripted]") {
    for (const char* name : {"AcceptEx", "WSASocketW"}) {
        for (const int raw : {WSAENOBUFS, int{ERROR_NO_SYSTEM_RESOURCES}, WSAEMFILE}) {
            CAPTURE(name, raw);
            rig r(backend_kind::iocp);
            const bool fails_open = name == std::string_view("WSASocketW");
            // The listener's own socket is made; what stands for it is not.
            script::rule& failing =
                script::on(name)
                    .from(fails_open ? 1 : 0)
                    .times(5)
                    .gives(fails_open ? static_cast<std::intptr_t>(INVALID_SOCKET) : FALSE, raw);
            tcp::listener door = open_door(r.on);
            raw::socket client = raw::socket::connect(door.local().value());
            auto got = r.on.block_on([](tcp::listener& from) -> task<result<tcp::socket>> {
                co_return co_await from.accept(within(20s));
            }(door));
            REQUIRE(got.error() == std::error_code{});
            CHECK(r.run(echoes(*got, client)));
            CHECK(failing.used() == 5);
        }
    }
}

// There it means that no local port is left.
THOLE_TEST("R28: a connect for which there is no port says so", "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    script::on("ConnectEx").gives(FALSE, WSAENOBUFS);
    const auto made = r.on.block_on([](loop& on, endpoint to) -> task<result<tcp::socket>> {
        co_return co_await tcp::connect(on, to, within(5s));
    }(r.on, door.local()));
    CHECK(made.error() == std::errc::address_not_available);
}

// In the packet of a socket's pending read, once it was asked to end.
void end_reads_with(DWORD status) {
    script::on("GetQueuedCompletionStatusEx").forever().then([=](call& c) {
        if (c.result == FALSE) {
            return;
        }
        auto* packets = static_cast<OVERLAPPED_ENTRY*>(c.out);
        const ULONG n = *reinterpret_cast<ULONG*>(c.code);
        for (ULONG i = 0; i < n; ++i) {
            if (packets[i].lpOverlapped != nullptr) {
                packets[i].lpOverlapped->Internal = status;
            }
        }
    });
}

THOLE_TEST("R47: what a close ended says closed, whatever the system calls it", "[scripted]") {
    // Cancelled, network name deleted, connection aborted, local disconnect.
    for (const DWORD status : {0xC0000120UL, 0xC00000C9UL, 0xC0000241UL, 0xC000013BUL}) {
        CAPTURE(status);
        rig r(backend_kind::iocp);
        line l(r);
        std::byte buffer[8];
        ends<result<std::size_t>> all;
        callback<tcp::read_op, ends<result<std::size_t>>::add> reading{{&all}};
        reading.start(l.here, buffer);
        REQUIRE(r.on.run_for(5ms));
        CHECK(reading.pending());
        end_reads_with(status);
        l.here.close();
        REQUIRE(r.on.run());
        REQUIRE(all.seen.size() == 1);
        CHECK(all.seen[0].error() == errc::closed);
    }
}

THOLE_TEST("R47: the same words without a close are the peer's reset, never a cancel",
           "[scripted]") {
    for (const DWORD status : {0xC00000C9UL, 0xC000020DUL}) {
        CAPTURE(status);
        rig r(backend_kind::iocp);
        line l(r);
        std::byte buffer[8];
        ends<result<std::size_t>> all;
        callback<tcp::read_op, ends<result<std::size_t>>::add> reading{{&all}};
        reading.start(l.here, buffer);
        REQUIRE(r.on.run_for(5ms));
        end_reads_with(status);
        l.peer.send("x");
        REQUIRE(r.on.run());
        REQUIRE(all.seen.size() == 1);
        CHECK(all.seen[0].error() == std::errc::connection_reset);
    }
}

THOLE_TEST("R47: a graceful disconnect is the end of the stream", "[scripted]") {
    rig r(backend_kind::iocp);
    line l(r);
    std::byte buffer[8];
    ends<result<std::size_t>> all;
    callback<tcp::read_op, ends<result<std::size_t>>::add> reading{{&all}};
    reading.start(l.here, buffer);
    REQUIRE(r.on.run_for(5ms));
    end_reads_with(0xC0000237UL);
    l.peer.send("x");
    REQUIRE(r.on.run());
    REQUIRE(all.seen.size() == 1);
    CHECK(all.seen[0].error() == errc::end_of_stream);
}

THOLE_TEST("R47: who only looks is told that there is something, and the read of the end",
           "[scripted]") {
    for (const DWORD status : {0xC000020CUL, 0xC0000237UL}) {
        for (const verb looks : {verb::closed, verb::wait_readable}) {
            CAPTURE(status, static_cast<int>(looks));
            rig r(backend_kind::iocp);
            line l(r);
            ends<result<void>> seen;
            callback<tcp::closed_op, ends<result<void>>::add> noticing{{&seen}};
            callback<tcp::wait_readable_op, ends<result<void>>::add> waiting{{&seen}};
            if (looks == verb::closed) {
                noticing.start(l.here, within(5s));
            } else {
                waiting.start(l.here, within(5s));
            }
            REQUIRE(r.on.run_for(5ms));
            end_reads_with(status);
            l.peer.finish();
            REQUIRE(r.on.run());
            REQUIRE(seen.seen.size() == 1);
            CHECK(seen.seen[0].error() == std::error_code{});
            ends<result<std::size_t>> all;
            callback<tcp::read_op, ends<result<std::size_t>>::add> reading{{&all}};
            std::byte buffer[8];
            reading.start(l.here, buffer, within(5s));
            REQUIRE(r.on.run());
            REQUIRE(all.seen.size() == 1);
            CHECK(all.seen[0].error() == errc::end_of_stream);
        }
    }
}

THOLE_TEST("R17: a read that the system ends by itself is asked for once more, then told",
           "[scripted]") {
    for (const int aborts : {1, 2}) {
        CAPTURE(aborts);
        rig r(backend_kind::iocp);
        // Without skip mode, so that the second one has a packet as well.
        script::on("SetFileCompletionNotificationModes").forever().gives(FALSE, 87);
        line l(r);
        std::byte buffer[8];
        ends<result<std::size_t>> all;
        callback<tcp::read_op, ends<result<std::size_t>>::add> reading{{&all}};
        reading.start(l.here, buffer, within(20s));
        REQUIRE(r.on.run_for(5ms));
        int left = aborts;
        script::on("GetQueuedCompletionStatusEx").forever().then([&](call& c) {
            auto* packets = static_cast<OVERLAPPED_ENTRY*>(c.out);
            const ULONG n = c.result != FALSE ? *reinterpret_cast<ULONG*>(c.code) : 0;
            for (ULONG i = 0; i < n && left > 0; ++i) {
                if (packets[i].lpOverlapped != nullptr) {
                    packets[i].lpOverlapped->Internal = 0xC0000120UL;
                    --left;
                }
            }
        });
        l.peer.send("x");
        REQUIRE(r.on.run_for(2s));
        REQUIRE(all.seen.size() == 1);
        if (aborts == 1) {
            CHECK(all.seen[0].error() == std::error_code{});
        } else {
            CHECK(all.seen[0].error() != std::error_code{});
            CHECK(all.seen[0].error() != errc::cancelled);
        }
    }
}

}  // namespace
