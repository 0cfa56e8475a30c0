// SPDX-License-Identifier: BSL-1.0
// Connecting, closing and waiting, as the system could answer.
#include "rig.hpp"

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

constexpr backend_kind kinds[] = {backend_kind::epoll, backend_kind::select};

// The sockets that were made and not closed.
std::vector<std::intptr_t> left_open() {
    std::vector<std::intptr_t> open;
    for (const call& one : script::calls()) {
        if (one.name == "socket" && one.result >= 0) {
            open.push_back(one.result);
        } else if (one.name == "close") {
            std::erase(open, one.handle);
        }
    }
    return open;
}

THOLE_TEST("R56: a connect that succeeds at once finishes once, in a later turn", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        script::on("connect").gives(0).after_it();
        made got;
        connecting op{{&got}};
        op.start(r.on, door.local(), tcp::connect_options{}, within(5s));
        CHECK(got.seen.empty());
        CHECK(r.on.run().value() == 1);
        REQUIRE(got.seen.size() == 1);
        REQUIRE(got.seen[0]);
        CHECK(count("connect") == 1);
        raw::socket peer = door.accept();
        CHECK(r.run(echoes(*got.seen[0], peer)));
    }
}

THOLE_TEST("R54: an interrupted connect goes on by itself, and is not called again", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        script::on("connect").gives(-1, EINTR).after_it();
        auto socket = r.on.block_on(dial(r.on, door.local()));
        REQUIRE(socket);
        CHECK(count("connect") == 1);
        raw::socket peer = door.accept();
        CHECK(r.run(echoes(*socket, peer)));
    }
}

THOLE_TEST("R57: an error at once is told in a later turn, and nothing stays open", "[scripted]") {
    struct row {
        int raw;
        std::errc meaning;
    };
    const row rows[] = {{ECONNREFUSED, std::errc::connection_refused},
                        {EADDRNOTAVAIL, std::errc::address_not_available},
                        {EADDRINUSE, std::errc::address_not_available},  // no port left
                        {EAGAIN, std::errc::address_not_available},      // the same, on Linux
                        {ENETUNREACH, std::errc::network_unreachable},
                        {EHOSTUNREACH, std::errc::host_unreachable},
                        {ETIMEDOUT, std::errc::timed_out},
                        {EACCES, std::errc::permission_denied},
                        {ENOBUFS, std::errc::no_buffer_space}};
    for (const backend_kind kind : kinds) {
        for (const row& error : rows) {
            CAPTURE(to_string(kind), error.raw);
            rig r(kind);
            script::on("connect").gives(-1, error.raw);
            made got;
            connecting op{{&got}};
            op.start(r.on, endpoint::loopback(address_family::ipv4, 1), tcp::connect_options{},
                     within(5s));
            CHECK(got.seen.empty());
            CHECK(r.on.run().value() == 1);
            REQUIRE(got.seen.size() == 1);
            CHECK(got.seen[0].error() == error.meaning);
            CHECK(left_open().empty());
        }
    }
}

THOLE_TEST("R58: each attempt has a socket of its own, closed after its failure", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        script::on("connect").times(2).gives(-1, ECONNREFUSED);
        CHECK_FALSE(r.on.block_on(dial(r.on, door.local())));
        CHECK_FALSE(r.on.block_on(dial(r.on, door.local())));
        auto third = r.on.block_on(dial(r.on, door.local()));
        REQUIRE(third);
        std::vector<std::string_view> order;
        for (const call& one : script::calls()) {
            if (one.name == "socket" || one.name == "connect" ||
                (one.name == "close" && !order.empty())) {
                order.push_back(one.name);
            }
        }
        const std::vector<std::string_view> expected = {"socket",  "connect", "close",  "socket",
                                                        "connect", "close",   "socket", "connect"};
        CHECK(std::vector(order.begin(), order.begin() + 8) == expected);
    }
}

THOLE_TEST("SO_ERROR tells why a connect failed, and is asked once", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        raw::socket closed = raw::socket::bind(address_family::ipv4, -1);
        // The loopback refuses at once, and so takes the error: it is given back here.
        script::on("connect").gives(-1, EINPROGRESS).after_it();
        script::on("getsockopt")
            .when([](const call& c) { return c.option == SO_ERROR; })
            .then([](call& c) { *static_cast<int*>(c.out) = EHOSTUNREACH; });
        const auto failed = r.on.block_on(dial(r.on, closed.local()));
        CHECK(failed.error() == std::errc::host_unreachable);
        int asked = 0;
        for (const call& one : script::calls("getsockopt")) {
            asked += one.option == SO_ERROR ? 1 : 0;
        }
        CHECK(asked == 1);
        CHECK(left_open().empty());
    }
}

#if defined(THOLE_HAVE_EPOLL)
// Adds an event to the next answer of epoll that has room for it.
void inject(std::uint32_t events, std::uint64_t mark) {
    for (const char* name : {"epoll_wait", "epoll_pwait2"}) {
        script::on(name).instead([=](call& c) -> std::intptr_t {
            auto* out = static_cast<epoll_event*>(c.out);
            out[0].events = events;
            out[0].data.u64 = mark;
            return 1;
        });
    }
}
std::uint64_t mark_of_last_watch() {
    std::uint64_t mark = 0;
    for (const call& one : script::calls("epoll_ctl")) {
        mark = one.option == EPOLL_CTL_ADD ? one.code : mark;
    }
    return mark;
}

THOLE_TEST("R53: a stale event does not make a connection", "[scripted]") {
    rig r(backend_kind::epoll);
    raw::silent_port silent;
    made got;
    connecting op{{&got}};
    op.start(r.on, silent.where(), tcp::connect_options{}, within(200ms));
    REQUIRE(r.on.poll());
    for (const std::uint32_t events : {EPOLLOUT | EPOLLHUP, EPOLLOUT | EPOLLERR}) {
        inject(events, mark_of_last_watch());
        REQUIRE(r.on.poll());
        CHECK(got.seen.empty());
        CHECK(op.pending());
    }
    REQUIRE(r.on.run());
    REQUIRE(got.seen.size() == 1);
    CHECK(got.seen[0].error() == errc::deadline_reached);
}

THOLE_TEST("R66: an event of a closed socket does not reach the next of its number", "[scripted]") {
    rig r(backend_kind::epoll);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    auto first = r.on.block_on(dial(r.on, door.local()));
    REQUIRE(first);
    const std::uint64_t stale = mark_of_last_watch();
    raw::socket first_peer = door.accept();
    first->close();
    auto second = r.on.block_on(dial(r.on, door.local()));
    REQUIRE(second);
    raw::socket peer = door.accept();
    const std::uint64_t fresh = mark_of_last_watch();
    REQUIRE(fresh != stale);
    REQUIRE(fresh >> 32 == stale >> 32);  // the descriptor

    ends<result<std::size_t>> reads;
    callback<tcp::read_op, ends<result<std::size_t>>::add> reading{{&reads}};
    std::byte buffer[8];
    reading.start(*second, buffer, within(5s));
    const std::size_t before = count("recv");
    for (int i = 0; i < 3; ++i) {  // from the second one on, the set is built anew (R67)
        inject(EPOLLIN | EPOLLHUP, stale);
        REQUIRE(r.on.poll());
    }
    CHECK(reads.seen.empty());
    CHECK(count("recv") <= before + 1);
    peer.send("hello");
    REQUIRE(r.on.run());
    REQUIRE(reads.seen.size() == 1);
    CHECK(reads.seen[0].value() == 5);
}

THOLE_TEST("without epoll_pwait2, and with interrupted waits, timers are not early", "[scripted]") {
    rig r(backend_kind::epoll);
    script::on("epoll_pwait2").gives(-1, ENOSYS);
    script::on("epoll_wait").times(3).gives(-1, EINTR);
    const auto begin = r.on.now();
    r.run([]() -> task<> { co_await sleep_for(3ms); }());
    CHECK(r.on.now() - begin >= 3ms);
    CHECK(r.on.now() - begin < 1s);
}

THOLE_TEST("a poller that cannot watch ends the connect, and nothing stays open", "[scripted]") {
    rig r(backend_kind::epoll);
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    script::on("epoll_ctl").gives(-1, ENOSPC);
    const auto failed = r.on.block_on(dial(r.on, door.local()));
    CHECK_FALSE(failed);
    CHECK(left_open().empty());
    CHECK(r.on.block_on(dial(r.on, door.local())));
}
#endif

THOLE_TEST("R68: close is not called again when it was interrupted", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        auto socket = r.on.block_on(dial(r.on, door.local()));
        REQUIRE(socket);
        const std::intptr_t fd = script::calls("socket").back().result;
        script::on("close").gives(-1, EINTR).after_it();
        socket->close();
        socket->close();
        REQUIRE(r.on.poll());
        int closes = 0;
        for (const call& one : script::calls("close")) {
            closes += one.handle == fd ? 1 : 0;
        }
        CHECK(closes == 1);
    }
}

THOLE_TEST("a loop whose handles cannot be made says so", "[scripted]") {
    script::reset();
    for (const char* name : {"epoll_create1", "eventfd"}) {
        CAPTURE(name);
        script::on(name).gives(-1, EMFILE);
        const loop on(loop_options{.backend = backend_kind::epoll});
        CHECK_FALSE(on);
        CHECK(on.error() == std::errc::too_many_files_open);
        CHECK_FALSE(on.backend().reason.empty());
        script::reset();
    }
}

THOLE_TEST("a write goes on after short sends, and counts them", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        auto socket = r.on.block_on(dial(r.on, door.local()));
        REQUIRE(socket);
        raw::socket peer = door.accept();
        script::on("send").times(3).cut(1);
        const auto all = [](tcp::socket& to) -> task<transfer> {
            co_return co_await to.write(bytes_of("thole"), within(5s));
        };
        const transfer sent = r.run(all(*socket));
        CHECK(sent);
        CHECK(sent.count == 5);
        CHECK(count("send") == 4);
        CHECK(peer.receive_all(5).bytes == "thole");
    }
}

}  // namespace
