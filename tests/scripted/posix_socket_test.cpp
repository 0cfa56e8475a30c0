// SPDX-License-Identifier: BSL-1.0
// Data with a connect, pairs among strangers, and the handle for other loops, as the system could
// answer.
#include "rig.hpp"

#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

constexpr backend_kind kinds[] = {backend_kind::epoll, backend_kind::select};

task<result<tcp::connection>> dial(loop& on, endpoint to, std::string_view data,
                                   deadline until = within(5s)) {
    co_return co_await tcp::connect_with_data(on, to, bytes_of(data), until);
}

// In the place of sendto: connects, and sends so many bytes with it.
std::function<std::intptr_t(call&)> fast_open(std::string_view data) {
    return [data](call& c) -> std::intptr_t {
        const int fd = static_cast<int>(c.handle);
        const auto* to = reinterpret_cast<const sockaddr*>(c.value.data());
        if (::connect(fd, to, static_cast<socklen_t>(c.value.size())) != 0 &&
            errno != EINPROGRESS) {
            c.error = errno;
            return -1;
        }
        return ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);  // loopback is that fast
    };
}

// "hello", whole and once.
void arrives_once(rig& r, raw::socket& door) {
    auto made = r.on.block_on(dial(r.on, door.local(), "hello"));
    REQUIRE(made);
    CHECK(made->sent.count == 5);
    CHECK_FALSE(made->sent.error);
    raw::socket peer = door.accept();
    made->socket.close();
    REQUIRE(r.on.poll());
    const raw::reception got = peer.receive_all(64);
    CHECK(got.bytes == "hello");
    CHECK(got.how == raw::ending::end_of_stream);
}

THOLE_TEST("R77: without data nothing goes before the handshake", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        CHECK(r.on.block_on(dial(r.on, door.local(), "")));
        CHECK(count("sendto") == 0);
        CHECK(count("connect") == 1);
    }
}

THOLE_TEST("CN26 where the system has no fast open, data follows the handshake", "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const int raw : {EOPNOTSUPP, EINVAL, ENOTCONN, EPIPE, EPERM, ENOSYS}) {
            CAPTURE(to_string(kind), raw);
            rig r(kind);
            raw::socket door = raw::socket::bind(address_family::ipv4, 5);
            script::on("sendto").gives(-1, raw);
            arrives_once(r, door);
            CHECK(count("sendto") == 1);
            CHECK(count("connect") == 1);
            CHECK(count("send") == 1);
        }
    }
}

THOLE_TEST("CN26 what fast open took is not sent again", "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const std::string_view taken : {"hello", "he", "h"}) {
            CAPTURE(to_string(kind), taken);
            rig r(kind);
            raw::socket door = raw::socket::bind(address_family::ipv4, 5);
            script::on("sendto").instead(fast_open(taken));
            arrives_once(r, door);
            CHECK(count("connect") == 0);
            CHECK(count("send") == (taken.size() == 5 ? 0 : 1));
        }
    }
}

THOLE_TEST("R77: data that was taken is no connection", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        script::on("sendto").gives(5);  // and nobody answers
        const auto failed = r.on.block_on(
            dial(r.on, endpoint::loopback(address_family::ipv4, 1), "hello", within(20ms)));
        CHECK(failed.error() == errc::deadline_reached);
        CHECK(count("send") == 0);
    }
}

THOLE_TEST("CN27 what fast open fails with is the connect's end, and is not tried again",
           "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const int raw : {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT}) {
            CAPTURE(to_string(kind), raw);
            rig r(kind);
            script::on("sendto").gives(-1, raw);
            const auto failed =
                r.on.block_on(dial(r.on, endpoint::loopback(address_family::ipv4, 1), "hello"));
            CHECK(failed.error().value() == raw);
            CHECK(count("connect") == 0);
            CHECK(count("close") == 1);
        }
    }
}

THOLE_TEST("a connection whose data could not be sent is a connection", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        script::on("send").gives(-1, ECONNRESET);
        auto made = r.on.block_on(dial(r.on, door.local(), "hello"));
        REQUIRE(made);
        CHECK(made->sent.error == std::errc::connection_reset);
        CHECK(made->sent.count == 0);
        CHECK(made->socket.is_open());
        raw::socket peer = door.accept();
        CHECK(r.run(echoes(made->socket, peer)));
    }
}

#if defined(THOLE_HAVE_EPOLL)
THOLE_TEST("R67: the handle for other loops outlives the set behind it", "[scripted]") {
    rig r(backend_kind::epoll);
    const auto handle = r.on.native_waitable();
    REQUIRE(handle);
    REQUIRE(r.on.poll());
    const std::size_t sets = count("epoll_create1");
    script::on("epoll_wait").instead([](call& c) -> std::intptr_t {
        auto* events = static_cast<epoll_event*>(c.out);
        for (int i = 0; i < 2; ++i) {  // of sockets that are closed here, and live on elsewhere
            events[i].events = EPOLLIN;
            events[i].data.u64 = (std::uint64_t{1} << 32) | 7;
        }
        return 2;
    });
    REQUIRE(r.on.poll());
    CHECK(count("epoll_create1") == sets + 1);
    CHECK(*r.on.native_waitable() == *handle);
    REQUIRE(r.on.poll());  // what the new set told about the waker
    CHECK_FALSE(raw::readable_within(*handle, 0s));
    bool ran = false;
    std::thread other([&] { r.on.post([&ran] { ran = true; }); });
    CHECK(raw::readable_within(*handle, 5s));
    other.join();
    REQUIRE(r.on.poll());
    CHECK(ran);
}
#endif

}  // namespace
