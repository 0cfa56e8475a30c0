// SPDX-License-Identifier: BSL-1.0
// What each call to Windows must be given, and what its packets may say: Wine minds none of it.
#include "rig.hpp"

#include <cstring>

#include "win/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

task<result<tcp::socket>> dial_as(loop& on, endpoint to, tcp::connect_options how) {
    co_return co_await tcp::connect(on, to, how, within(5s));
}
bool asks_for_one_syn(const call& one) { return one.code == SIO_TCP_INITIAL_RTO; }

std::vector<call> syn_questions() {
    std::vector<call> found;
    for (const call& one : script::calls("WSAIoctl")) {
        if (asks_for_one_syn(one)) {
            found.push_back(one);
        }
    }
    return found;
}

THOLE_TEST("R44: a port of this machine is asked once, before ConnectEx; another is not",
           "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    script::on("WSAIoctl").when(&asks_for_one_syn).gives(0);  // Windows 10 1709 on
    CHECK(r.on.block_on(dial(r.on, door.local())));
    REQUIRE(syn_questions().size() == 1);
    const call asked = syn_questions()[0];
    CHECK(asked.handle == script::calls("ConnectEx").back().handle);
    TCP_INITIAL_RTO_PARAMETERS given{};
    REQUIRE(asked.value.size() == sizeof given);
    std::memcpy(&given, asked.value.data(), sizeof given);
    CHECK(given.Rtt == TCP_INITIAL_RTO_UNSPECIFIED_RTT);
    CHECK(given.MaxSynRetransmissions == TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS);
    bool connected = false;
    for (const call& one : script::calls()) {
        connected = connected || one.name == "ConnectEx";
        CHECK_FALSE((connected && one.name == "WSAIoctl" && asks_for_one_syn(one)));
    }

    script::reset();
    script::on("ConnectEx").gives(FALSE, WSAENETUNREACH);
    const endpoint away(endpoint::ipv4_bytes{192, 0, 2, 1}, 9);
    CHECK(r.on.block_on(dial(r.on, away)).error() == std::errc::network_unreachable);
    CHECK(syn_questions().empty());
}

THOLE_TEST("R40: a socket that is bound by its user is bound once", "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    tcp::connect_options how;
    how.local = endpoint::loopback(address_family::ipv4, 0);
    auto made = r.on.block_on(dial_as(r.on, door.local(), how));
    REQUIRE(made);
    CHECK(count("bind") == 1);
    const auto name = script::calls("bind")[0].value;
    CHECK(std::vector<unsigned char>(name.begin() + 4, name.begin() + 8) ==
          std::vector<unsigned char>{127, 0, 0, 1});
    CHECK(made->local()->is_loopback());
}

THOLE_TEST("R33: AcceptEx has room for the largest address of each kind", "[scripted]") {
    for (const address_family family : {address_family::ipv4, address_family::ipv6}) {
        if (family == address_family::ipv6 && !raw::has_ipv6()) {
            continue;
        }
        rig r(backend_kind::iocp);
        tcp::listener door = open_door(r.on, family);
        raw::socket client = raw::socket::connect(*door.local());
        auto here = r.run(next(door));
        REQUIRE(here);
        REQUIRE(count("AcceptEx") > 0);
        for (const call& one : script::calls("AcceptEx")) {
            CHECK(one.level >= static_cast<int>(sizeof(sockaddr_in6)) + 16);
            CHECK(one.option >= static_cast<int>(sizeof(sockaddr_in6)) + 16);
        }
        CHECK(here->peer().value() == client.local());
    }
}

// Changes the status of the packet of the call of that name that was made last.
void let_fail(std::string_view name, DWORD status) {
    script::on("GetQueuedCompletionStatusEx").forever().then([=](call& c) {
        if (c.result == FALSE || count(name) == 0) {
            return;
        }
        auto* packets = static_cast<OVERLAPPED_ENTRY*>(c.out);
        const ULONG n = *reinterpret_cast<ULONG*>(c.code);
        for (ULONG i = 0; i < n; ++i) {
            if (packets[i].lpOverlapped == script::calls(name).back().out) {
                packets[i].lpOverlapped->Internal = status;
            }
        }
    });
}

THOLE_TEST("R111: no way to a target, told in the packet", "[scripted]") {
    const struct {
        DWORD status;
        std::errc meaning;
    } rows[] = {{0xC000023C, std::errc::network_unreachable},
                {0xC000023D, std::errc::host_unreachable},
                {0xC0000236, std::errc::connection_refused},
                {0xC00000B5, std::errc::timed_out}};
    for (const auto& row : rows) {
        CAPTURE(row.status);
        rig r(backend_kind::iocp);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        let_fail("ConnectEx", row.status);
        CHECK(r.on.block_on(dial(r.on, door.local())).error() == row.meaning);
    }
}

// R42, of which only this concerns more than files: what one use has left in the OVERLAPPED is not
// the next one's.
THOLE_TEST("R42: each request begins with an OVERLAPPED that has nothing of the last",
           "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    tcp::socket here = r.on.block_on(dial(r.on, door.local())).value();
    raw::socket peer = door.accept();
    int seen = 0;
    int left = 0;
    for (const std::string_view name : {"WSASend", "WSARecv"}) {
        script::on(name)
            .when([&](const call& c) {
                auto* request = static_cast<OVERLAPPED*>(c.out);
                if (request != nullptr) {
                    ++seen;
                    left += request->Offset != 0 || request->OffsetHigh != 0 ||
                                    request->Internal != 0 || request->InternalHigh != 0
                                ? 1
                                : 0;
                }
                return true;
            })
            .forever()
            .cut(1);
    }
    for (int i = 0; i < 3; ++i) {
        CHECK(r.run(echoes(here, peer)));
    }
    CHECK(seen >= 30);  // a byte each
    CHECK(left == 0);
}

}  // namespace
