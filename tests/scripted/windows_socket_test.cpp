// SPDX-License-Identifier: BSL-1.0
// Options, looking, data with a connect and pairs, as Windows could answer: Wine has less.
#include "rig.hpp"

#include <cstring>
#include <string>

#include "win/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

constexpr int keep_idle = 3;
constexpr int max_rt = 5;
constexpr int keep_count = 16;
constexpr int keep_interval = 17;

tcp::socket connected_to(rig& r, raw::socket& door) {
    auto made = r.on.block_on([](loop& on, endpoint to) -> task<result<tcp::socket>> {
        co_return co_await tcp::connect(on, to, within(5s));
    }(r.on, door.local()));
    REQUIRE(made);
    return std::move(*made);
}

bool is_tcp(const call& one, int option) {
    return one.level == IPPROTO_TCP && one.option == option;
}

// The value that such an option was last set to, or -1.
int last_value(int level, int option) {
    int value = -1;
    for (const call& one : script::calls("setsockopt")) {
        if (one.level == level && one.option == option && one.value.size() == sizeof value) {
            std::memcpy(&value, one.value.data(), sizeof value);
        }
    }
    return value;
}

THOLE_TEST("keep-alive is set number by number where the system can", "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    tcp::socket here = connected_to(r, door);
    for (const int option : {keep_idle, keep_interval, keep_count}) {
        script::on("setsockopt").when([=](const call& c) { return is_tcp(c, option); }).gives(0);
    }
    const std::size_t ioctls = count("WSAIoctl");
    CHECK(here.keep_alive({.on = true, .idle = 20s, .interval = 3s, .count = 5}));
    CHECK(last_value(IPPROTO_TCP, keep_idle) == 20);
    CHECK(last_value(IPPROTO_TCP, keep_interval) == 3);
    CHECK(last_value(IPPROTO_TCP, keep_count) == 5);
    CHECK(last_value(SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(count("WSAIoctl") == ioctls);
}

THOLE_TEST("keep-alive is set with SIO_KEEPALIVE_VALS where that is all there is", "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    tcp::socket here = connected_to(r, door);
    script::on("setsockopt")
        .when([](const call& c) { return is_tcp(c, keep_idle) || is_tcp(c, keep_interval); })
        .forever()
        .gives(SOCKET_ERROR, WSAENOPROTOOPT);
    CHECK(here.keep_alive({.on = true, .idle = 20s}));
    const call asked = script::calls("WSAIoctl").back();
    CHECK(asked.code == SIO_KEEPALIVE_VALS);
    tcp_keepalive values{};
    REQUIRE(asked.value.size() == sizeof values);
    std::memcpy(&values, asked.value.data(), sizeof values);
    CHECK(values.onoff == 1);
    CHECK(values.keepalivetime == 20'000);
    CHECK(values.keepaliveinterval == 1000);  // the system's own
    script::on("WSAIoctl").gives(SOCKET_ERROR, WSAEINVAL);
    CHECK(here.keep_alive({.on = true, .idle = 20s}).error() == std::errc::invalid_argument);
}

THOLE_TEST("the user timeout is TCP_MAXRT, in seconds, rounded up", "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    tcp::socket here = connected_to(r, door);
    script::on("setsockopt")
        .when([](const call& c) { return is_tcp(c, max_rt); })
        .times(2)
        .gives(0);
    CHECK(here.user_timeout(1500ms));
    CHECK(last_value(IPPROTO_TCP, max_rt) == 2);
    CHECK(here.user_timeout(3s));
    CHECK(last_value(IPPROTO_TCP, max_rt) == 3);
    CHECK(here.user_timeout(0s).error() == std::errc::invalid_argument);
    script::on("setsockopt")
        .when([](const call& c) { return is_tcp(c, max_rt); })
        .gives(SOCKET_ERROR, WSAENOPROTOOPT);
    CHECK(here.user_timeout(3s).error() == std::errc::operation_not_supported);
}

THOLE_TEST("a peek that finds nothing after all waits again", "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    tcp::socket here = connected_to(r, door);
    raw::socket peer = door.accept();
    peer.send("hello");
    script::on("WSARecv")
        .when([](const call& c) { return c.out == nullptr; })
        .times(3)
        .gives(SOCKET_ERROR, WSAEWOULDBLOCK);
    std::byte buffer[8];
    const auto seen =
        r.on.block_on([](tcp::socket& from, std::span<std::byte> to) -> task<result<std::size_t>> {
            co_return co_await from.peek(to, within(5s));
        }(here, buffer));
    REQUIRE(seen);
    CHECK(*seen == 5);
    CHECK(count("WSARecv") >= 7);
}

THOLE_TEST("a receive that finds nothing after all waits again, without a buffer", "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    tcp::socket here = connected_to(r, door);
    raw::socket peer = door.accept();
    peer.send("hello");
    std::size_t most = 0;
    script::on("WSARecv")
        .when([](const call& c) { return c.out == nullptr; })
        .times(3)
        .gives(SOCKET_ERROR, WSAEWOULDBLOCK)
        .then([&](call&) { most = std::max(most, r.on.lent_buffers()); });
    const auto lent = r.on.block_on([](tcp::socket& from) -> task<result<tcp::lent_buffer>> {
        co_return co_await from.receive(within(5s));
    }(here));
    REQUIRE(lent);
    CHECK(lent->size() == 5);
    CHECK(most == 1);
    CHECK(r.on.lent_buffers() == 1);
    CHECK(count("WSARecv") >= 8);
    for (const call& one : script::calls("WSARecv")) {  // R26: what waits locks nothing
        CHECK((one.out == nullptr || one.most == 0));
    }
}

THOLE_TEST("ConnectEx gets no more than 16 KiB, the rest follows", "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    const std::string data(100'000, 'x');
    auto made = r.on.block_on(
        [](loop& on, endpoint to, std::string_view text) -> task<result<tcp::connection>> {
            co_return co_await tcp::connect_with_data(on, to, bytes_of(text), within(5s));
        }(r.on, door.local(), data));
    REQUIRE(made);
    CHECK(made->sent.count == data.size());
    CHECK(script::calls("ConnectEx").back().most == 16 * 1024);
    raw::socket peer = door.accept();
    made->socket.close();
    REQUIRE(r.on.poll());
    CHECK((peer.receive_all(data.size() + 1).bytes == data));
}

// In the place of NtSetInformationFile.
struct {
    HANDLE file = nullptr;
    std::vector<unsigned char> value;
    int what = 0;
    LONG status = 0;
} last_set;

LONG WINAPI set_information(HANDLE file, void*, void* value, ULONG length, int what) {
    const auto* first = static_cast<const unsigned char*>(value);
    last_set.file = file;
    last_set.value.assign(first, first + length);
    last_set.what = what;
    return last_set.status;
}

THOLE_TEST("R15: a released socket has left its port, or is still the loop's", "[scripted]") {
    rig r(backend_kind::iocp);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    tcp::socket here = connected_to(r, door);
    raw::socket peer = door.accept();
    const std::string_view name = "NtSetInformationFile";
    script::on("GetProcAddress")
        .when([=](const call& c) { return std::string(c.value.begin(), c.value.end()) == name; })
        .forever()
        .gives(reinterpret_cast<std::intptr_t>(&set_information));
    last_set.status = static_cast<LONG>(0xC0000003);  // no such class, as before Windows 8.1
    CHECK(here.release(true).error() == std::errc::operation_not_supported);
    CHECK(r.run(echoes(here, peer)));
    last_set.status = 0;
    const std::size_t closed = count("closesocket");
    const auto given = here.release(true);
    REQUIRE(given);
    CHECK(last_set.file == reinterpret_cast<HANDLE>(*given));
    CHECK(last_set.what == 61);
    CHECK(last_set.value == std::vector<unsigned char>(2 * sizeof(void*), 0));
    CHECK_FALSE(here.is_open());
    REQUIRE(r.on.poll());
    CHECK(count("closesocket") == closed);
    raw::socket released(*given);
    released.send("still");
    CHECK(peer.receive_all(5).bytes == "still");
}

}  // namespace
