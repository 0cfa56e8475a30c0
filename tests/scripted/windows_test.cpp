// SPDX-License-Identifier: BSL-1.0
// Connecting, transfers and the port itself, as Windows could answer: Wine checks none of this.
#include "rig.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <ranges>
#include <thread>

#include "win/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

bool is_update(const call& one) {
    return one.level == SOL_SOCKET && one.option == SO_UPDATE_CONNECT_CONTEXT;
}

// The sockets that were made and not closed.
std::size_t left_open() {
    std::vector<std::intptr_t> open;
    for (const call& one : script::calls()) {
        if (one.name == "WSASocketW") {
            open.push_back(one.result);
        } else if (one.name == "closesocket") {
            std::erase(open, one.handle);
        }
    }
    return open.size();
}

// In the place of ConnectEx: connects at once, says so, and no packet comes.
std::intptr_t connect_at_once(call& c) {
    const auto* to = reinterpret_cast<const sockaddr*>(c.value.data());
    if (::connect(static_cast<SOCKET>(c.handle), to, static_cast<int>(c.value.size())) != 0) {
        c.error = static_cast<int>(::GetLastError());
        return FALSE;
    }
    auto* overlapped = static_cast<OVERLAPPED*>(c.out);
    overlapped->Internal = 0;
    overlapped->InternalHigh = 0;
    return TRUE;
}

THOLE_TEST("R35, R40: bound to any, ConnectEx, then SO_UPDATE_CONNECT_CONTEXT", "[scripted]") {
    for (const address_family family : {address_family::ipv4, address_family::ipv6}) {
        if (family == address_family::ipv6 && !raw::has_ipv6()) {
            continue;
        }
        rig r(backend_kind::iocp);
        raw::socket door = raw::socket::bind(family, 5);
        auto socket = r.on.block_on(dial(r.on, door.local()));
        REQUIRE(socket);
        std::vector<std::string_view> order;
        for (const call& one : script::calls()) {
            if (one.name == "bind" || one.name == "ConnectEx" || is_update(one)) {
                order.push_back(one.name);
            }
        }
        CHECK(order == std::vector<std::string_view>{"bind", "ConnectEx", "setsockopt"});
        const call bound = script::calls("bind").back();
        CHECK(bound.handle == script::calls("ConnectEx").back().handle);
        CHECK(std::ranges::count(bound.value, 0) >=  // the family alone is not zero
              static_cast<std::ptrdiff_t>(bound.value.size()) - 2);
        const auto options = script::calls("setsockopt");
        CHECK(std::ranges::count_if(options, is_update) == 1);
        raw::socket peer = door.accept();
        CHECK(r.run(echoes(*socket, peer)));
    }
}

THOLE_TEST("R35: a context that cannot be set fails the connect, and nothing stays open",
           "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    script::on("setsockopt").when(is_update).gives(SOCKET_ERROR, WSAENOTCONN);
    const auto failed = r.on.block_on(dial(r.on, door.local()));
    CHECK(failed.error() == std::errc::not_connected);
    REQUIRE(r.on.poll());
    CHECK(left_open() == 0);
    CHECK(r.on.block_on(dial(r.on, door.local())));
}

THOLE_TEST("a ConnectEx that succeeds at once finishes exactly once", "[scripted]") {
    for (const bool skips : {true, false}) {
        CAPTURE(skips);
        rig r(backend_kind::iocp);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        if (skips) {  // no packet will come
            script::on("ConnectEx").instead(&connect_at_once);
        } else {  // one will: the system's own
            script::on("SetFileCompletionNotificationModes").forever().gives(FALSE, 87);
            script::on("ConnectEx").gives(TRUE).after_it();
        }
        made got;
        connecting op{{&got}};
        op.start(r.on, door.local(), tcp::connect_options{}, within(5s));
        CHECK(got.seen.empty());
        REQUIRE(r.on.run());
        REQUIRE(got.seen.size() == 1);
        REQUIRE(got.seen[0].error() == std::error_code{});
        const auto options = script::calls("setsockopt");
        CHECK(std::ranges::count_if(options, is_update) == 1);
        raw::socket peer = door.accept();
        CHECK(r.run(echoes(*got.seen[0], peer)));
    }
}

THOLE_TEST("R57: an error of ConnectEx at once is told in a later turn", "[scripted]") {
    struct row {
        int raw;
        std::errc meaning;
    };
    const row rows[] = {{WSAECONNREFUSED, std::errc::connection_refused},
                        {WSAENETUNREACH, std::errc::network_unreachable},
                        {WSAEHOSTUNREACH, std::errc::host_unreachable},
                        {WSAETIMEDOUT, std::errc::timed_out},
                        {WSAEADDRNOTAVAIL, std::errc::address_not_available},
                        {WSAEADDRINUSE, std::errc::address_not_available},
                        {WSAEACCES, std::errc::permission_denied}};
    for (const row& error : rows) {
        CAPTURE(error.raw);
        rig r(backend_kind::iocp);
        script::on("ConnectEx").gives(FALSE, error.raw);
        made got;
        connecting op{{&got}};
        op.start(r.on, endpoint::loopback(address_family::ipv4, 9), tcp::connect_options{},
                 within(5s));
        CHECK(got.seen.empty());
        REQUIRE(r.on.run());
        REQUIRE(got.seen.size() == 1);
        CHECK(got.seen[0].error() == error.meaning);
        CHECK(left_open() == 0);
    }
}

THOLE_TEST("R6: where skip mode cannot be set, each transfer still ends once", "[scripted]") {
    rig r(backend_kind::iocp);
    script::on("SetFileCompletionNotificationModes").forever().gives(FALSE, 87);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    auto socket = r.on.block_on(dial(r.on, door.local()));
    REQUIRE(socket);
    raw::socket peer = door.accept();
    for (int i = 0; i < 20; ++i) {
        REQUIRE(r.run(echoes(*socket, peer)));
    }
    ends<transfer> writes;
    ends<result<std::size_t>> reads;
    callback<tcp::write_op, ends<transfer>::add> writing{{&writes}};
    callback<tcp::read_op, ends<result<std::size_t>>::add> reading{{&reads}};
    std::byte buffer[16];
    peer.send("ready");
    writing.start(*socket, bytes_of("thole"), within(5s));
    reading.start(*socket, buffer, within(5s));
    REQUIRE(r.on.run());
    REQUIRE(r.on.run_for(20ms));
    REQUIRE(writes.seen.size() == 1);
    REQUIRE(reads.seen.size() == 1);
    CHECK(writes.seen[0].count == 5);
    CHECK(reads.seen[0]);
}

THOLE_TEST("R16: the extension functions are fetched for each family, once", "[scripted]") {
    if (!raw::has_ipv6()) {
        thole::test::skip("no IPv6 here");
    }
    rig r(backend_kind::iocp);
    for (int i = 0; i < 3; ++i) {
        const tcp::listener four = open_door(r.on, address_family::ipv4);
        const tcp::listener six = open_door(r.on, address_family::ipv6);
    }
    const GUID wanted[] = {WSAID_ACCEPTEX, WSAID_CONNECTEX, WSAID_GETACCEPTEXSOCKADDRS};
    for (const GUID& id : wanted) {
        std::vector<int> families;
        for (const call& one : script::calls("WSAIoctl")) {
            if (one.code == SIO_GET_EXTENSION_FUNCTION_POINTER && one.value.size() == sizeof id &&
                std::memcmp(one.value.data(), &id, sizeof id) == 0) {
                for (const call& s : script::calls("WSASocketW")) {
                    if (s.result == one.handle) {
                        families.push_back(s.option);
                        break;
                    }
                }
            }
        }
        CHECK(families == std::vector<int>{AF_INET, AF_INET6});
    }
}

THOLE_TEST("a provider without the extension functions is an error that says so", "[scripted]") {
    rig r(backend_kind::iocp);
    script::on("WSAIoctl").forever().gives(SOCKET_ERROR, WSAEOPNOTSUPP);
    const auto door = tcp::listener::open(r.on, endpoint::loopback(address_family::ipv4, 0));
    CHECK(door.error() == std::errc::operation_not_supported);
    REQUIRE(r.on.poll());
    CHECK(left_open() == 0);
}

// Posts from another thread while PostQueuedCompletionStatus fails as `failing` says.
void post_under(rig& r, int each, const std::function<void(int)>& before_each) {
    std::atomic<int> seen{0};
    timer keep(
        r.on, [](void*) {}, nullptr);
    REQUIRE_FALSE(keep.arm(within(1h)));
    std::thread other([&] {
        for (int i = 0; i < each; ++i) {
            before_each(i);
            r.on.post([&] { seen.fetch_add(1); });
            while (seen.load() <= i) {  // no wake may be lost: nothing else would end the sleep
                std::this_thread::yield();
            }
        }
        r.on.stop();
    });
    CHECK(r.on.run().value() == static_cast<std::size_t>(each));
    other.join();
    CHECK(seen.load() == each);
}

THOLE_TEST("R13: a wake that cannot be posted is not lost", "[scripted]") {
    {
        rig r(backend_kind::iocp);  // n times
        script::rule& failing =
            script::on("PostQueuedCompletionStatus").times(50).gives(FALSE, 1450);
        post_under(r, 200, [](int) {});
        CHECK(failing.used() > 0);
    }
    {
        rig r(backend_kind::iocp);  // always
        script::on("PostQueuedCompletionStatus").forever().gives(FALSE, 1450);
        post_under(r, 200, [](int) {});
        CHECK(count("PostQueuedCompletionStatus") > 0);
    }
    {
        rig r(backend_kind::iocp);  // every other time
        post_under(r, 200, [](int i) {
            if (i % 2 == 0) {
                script::on("PostQueuedCompletionStatus").gives(FALSE, 1450);
            }
        });
    }
}

THOLE_TEST("R13: stop wakes a loop although nothing can be posted", "[scripted]") {
    rig r(backend_kind::iocp);
    script::on("PostQueuedCompletionStatus").forever().gives(FALSE, 1450);
    timer keep(
        r.on, [](void*) {}, nullptr);
    REQUIRE_FALSE(keep.arm(within(1h)));
    for (int i = 0; i < 50; ++i) {
        std::thread other([&] { r.on.stop(); });
        CHECK(r.on.run().value() == 0);
        other.join();
        r.on.restart();
    }
}

THOLE_TEST("R2: what CancelIoEx says decides nothing", "[scripted]") {
    for (const bool claims : {true, false}) {
        CAPTURE(claims);
        rig r(backend_kind::iocp);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        auto socket = r.on.block_on(dial(r.on, door.local()));
        REQUIRE(socket);
        raw::socket peer = door.accept();
        if (claims) {  // it says yes, and does nothing
            script::on("CancelIoEx").gives(TRUE);
        } else {  // it says that there is nothing, and does it
            script::on("CancelIoEx").gives(FALSE, ERROR_NOT_FOUND).after_it();
        }
        ends<result<std::size_t>> reads;
        callback<tcp::read_op, ends<result<std::size_t>>::add> reading{{&reads}};
        std::byte buffer[16];
        reading.start(*socket, buffer);
        REQUIRE(r.on.poll());
        reading.cancel();
        REQUIRE(r.on.run_for(20ms));
        CHECK(reads.seen.size() == (claims ? 0U : 1U));
        if (claims) {  // an effect is a success, whatever was asked for meanwhile
            peer.send("thole");
            REQUIRE(r.on.run());
            REQUIRE(reads.seen.size() == 1);
            CHECK(reads.seen[0].value() == 5);
        } else {
            CHECK(reads.seen[0].error() == errc::cancelled);
        }
    }
}

}  // namespace
