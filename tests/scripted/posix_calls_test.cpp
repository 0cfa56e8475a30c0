// SPDX-License-Identifier: BSL-1.0
// The calls that the hot path leaves out, and those that it bounds.
#include "rig.hpp"

#include <algorithm>
#include <deque>
#include <set>

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

// The record, without what no test here is about.
std::vector<std::string_view> names_of(std::initializer_list<std::string_view> wanted) {
    std::vector<std::string_view> seen;
    for (const call& one : script::calls()) {
        if (std::find(wanted.begin(), wanted.end(), one.name) != wanted.end()) {
            seen.push_back(one.name);
        }
    }
    return seen;
}

std::size_t waits() { return count("epoll_wait") + count("epoll_pwait2") + count("pselect"); }

std::size_t count_of(std::string_view name, int option) {
    std::size_t times = 0;
    for (const call& one : script::calls(name)) {
        times += one.option == option ? 1 : 0;
    }
    return times;
}

// Both ends of a connection, the far one outside of the library.
struct ends_of_one {
    explicit ends_of_one(rig& r)
        : door(open_door(r.on)), there(raw::socket::connect(*door.local())) {
        here = r.run(next(door)).value();
    }
    tcp::listener door;
    raw::socket there;
    tcp::socket here;
};

using read_end = ends<result<std::size_t>>;
using reading = callback<tcp::read_op, read_end::add>;

THOLE_TEST("R53: a connect is registered once it has begun, and only then", "[scripted]") {
    for (const bool at_once : {false, true}) {
        CAPTURE(at_once);
        rig r(backend_kind::epoll);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        script::reset();
        if (at_once) {
            script::on("connect").gives(0).after_it();
        }
        made got;
        connecting op{{&got}};
        op.start(r.on, door.local(), tcp::connect_options{}, within(5s));
        REQUIRE(r.on.run());
        REQUIRE(got.seen.size() == 1);
        REQUIRE(got.seen[0]);
        CHECK(names_of({"socket", "connect", "epoll_ctl"}) ==
              std::vector<std::string_view>{"socket", "connect", "epoll_ctl"});
        CHECK(count_of("epoll_ctl", EPOLL_CTL_ADD) == 1);
        raw::socket peer = door.accept();
        CHECK(r.run(echoes(*got.seen[0], peer)));
    }
}

THOLE_TEST("a connect that fails at once is never registered", "[scripted]") {
    rig r(backend_kind::epoll);
    script::reset();
    script::on("connect").gives(-1, ENETUNREACH);
    made got;
    connecting op{{&got}};
    op.start(r.on, endpoint::loopback(address_family::ipv4, 1), tcp::connect_options{}, within(5s));
    REQUIRE(r.on.run());
    REQUIRE(got.seen.size() == 1);
    CHECK_FALSE(got.seen[0]);
    CHECK(count("epoll_ctl") == 0);
}

THOLE_TEST("R67: a plain close deregisters nothing, a release does", "[scripted]") {
    rig r(backend_kind::epoll);
    ends_of_one one(r);
    ends_of_one other(r);
    script::reset();
    one.here.close();
    CHECK(count("epoll_ctl") == 0);
    CHECK(count("close") == 1);
    const auto released = other.here.release(true);
    REQUIRE(released);
    CHECK(count_of("epoll_ctl", EPOLL_CTL_DEL) == 1);
    CHECK(count("close") == 1);
    raw::socket back(*released);
    back.send("x");
    CHECK(other.there.receive_all(1).bytes == "x");
}

THOLE_TEST("R63: a short read is not followed by a speculative one", "[scripted]") {
    for (const backend_kind kind : {backend_kind::epoll, backend_kind::select}) {
        CAPTURE(to_string(kind));
        rig r(kind);
        ends_of_one pair(r);
        std::byte buffer[64];
        read_end got;
        reading op{{&got}};
        op.start(pair.here, std::span(buffer), within(5s));
        REQUIRE(r.on.poll());
        script::reset();
        for (std::size_t turn = 1; turn <= 3; ++turn) {
            pair.there.send("thole");
            while (got.seen.size() < turn) {
                REQUIRE(r.on.poll());
            }
            CHECK(got.seen.back().value() == 5);
            CHECK(count("recv") == turn);  // the one that took them
            op.start(pair.here, std::span(buffer), within(5s));
            REQUIRE(r.on.poll());
            CHECK(count("recv") == turn);
        }
        op.cancel();
        REQUIRE(r.on.run());
    }
}

// What has come: each answers, which finishes at once, and what that calls answers again.
struct answering {
    struct again {
        answering* self;
        void operator()(transfer sent) const {
            REQUIRE(sent);
            if (--self->left > 0) {
                self->write();
            }
        }
    };
    struct first {
        answering* self;
        void operator()(result<std::size_t> got) const {
            REQUIRE(got);
            self->write();
        }
    };
    void write() { writing.start(pair.here, bytes_of("thole"), within(5s)); }

    explicit answering(rig& r) : pair(r) {}
    ends_of_one pair;
    int left = 3;
    std::byte buffer[64];
    callback<tcp::read_op, first> reading{{this}};
    callback<tcp::write_op, again> writing{{this}};
};

THOLE_TEST("no wait between completions while work is ready", "[scripted]") {
    for (const backend_kind kind : {backend_kind::epoll, backend_kind::select}) {
        CAPTURE(to_string(kind));
        rig r(kind);
        std::deque<answering> all;
        for (int i = 0; i < 5; ++i) {
            answering& one = all.emplace_back(r);
            one.reading.start(one.pair.here, std::span(one.buffer), within(5s));
        }
        REQUIRE(r.on.poll());
        for (answering& one : all) {
            one.pair.there.send("hello");
        }
        script::reset();
        CHECK(r.on.run().value() == 5 * (1 + 3));
        CHECK(waits() == 1);
        for (answering& one : all) {
            CHECK(one.left == 0);
        }
    }
}

THOLE_TEST("R120: who is always ready has the kernel asked each 256 handlers", "[scripted]") {
    for (const backend_kind kind : {backend_kind::epoll, backend_kind::select}) {
        CAPTURE(to_string(kind));
        rig r(kind);
        int left = 600;
        struct again {
            loop* on;
            int* left;
            posted<again>** self;
            void operator()() const {
                if (--*left > 0) {
                    on->post(**self);
                }
            }
        };
        posted<again>* self = nullptr;
        posted<again> one{{&r.on, &left, &self}};
        self = &one;
        r.on.post(one);
        script::reset();
        CHECK(r.on.run().value() == 600);
        CHECK(waits() == 2);
    }
}

THOLE_TEST("a deadline asks the system for nothing but the wait", "[scripted]") {
    for (const backend_kind kind : {backend_kind::epoll, backend_kind::select}) {
        CAPTURE(to_string(kind));
        rig r(kind);
        CHECK(count("eventfd") == 1);  // what wake() writes to
        ends_of_one pair(r);
        script::reset();
        std::byte buffer[64];
        read_end late;
        reading op{{&late}};
        op.start(pair.here, std::span(buffer), within(3ms));
        made nobody;
        accepting waiting{{&nobody}};
        waiting.start(pair.door, within(5ms));
        REQUIRE(r.on.run());
        REQUIRE(late.seen.size() == 1);
        CHECK(late.seen[0].error() == errc::deadline_reached);
        REQUIRE(nobody.seen.size() == 1);
        CHECK(nobody.seen[0].error() == errc::deadline_reached);
        std::set<std::string_view> asked;
        for (const call& one : script::calls()) {
            asked.insert(one.name);
        }
        asked.erase(kind == backend_kind::epoll ? "epoll_pwait2" : "pselect");
        asked.erase("epoll_wait");
        asked.erase("recv");  // the first read and the first accept ask
        asked.erase("accept4");
        CHECK(asked == std::set<std::string_view>{});
    }
}

THOLE_TEST("R71: accepts that wait are served in batches of 64", "[scripted]") {
    constexpr std::size_t most = 64;
    constexpr std::size_t clients = most + 6;
    for (const backend_kind kind : {backend_kind::epoll, backend_kind::select}) {
        CAPTURE(to_string(kind));
        rig r(kind);
        tcp::listener door = open_door(r.on);
        made got;
        std::deque<accepting> ops;
        for (std::size_t i = 0; i < clients; ++i) {
            ops.emplace_back(made::add{&got}).start(door);
        }
        REQUIRE(r.on.poll());
        CHECK(count("accept4") == 0);  // nobody has come yet
        std::vector<raw::socket> there;
        for (std::size_t i = 0; i < clients; ++i) {
            there.push_back(raw::socket::connect(*door.local()));
        }
        script::reset();
        REQUIRE(r.on.poll());
        CHECK(count("accept4") == most);
        CHECK(got.seen.size() == most);
        REQUIRE(r.on.poll());  // the edge is not lost
        CHECK(count("accept4") == clients);
        CHECK(got.seen.size() == clients);
        CHECK(waits() == 2);
        REQUIRE(got.seen.back());
        for (result<tcp::socket>& one : got.seen) {
            REQUIRE(one);
            one->close();
        }
    }
}

THOLE_TEST("an accept asks for the peer's name where it may be asked for later", "[scripted]") {
    rig r(backend_kind::epoll);
    tcp::listener door = open_door(r.on);
    raw::socket first = raw::socket::connect(*door.local());
    raw::socket second = raw::socket::connect(*door.local());
    auto attached = r.run(next(door));
    REQUIRE(attached);
    CHECK(count("getpeername") == 0);
    CHECK(attached->peer().value() == first.local());
    CHECK(count("getpeername") == 1);
    auto detached = r.run([](tcp::listener& on) -> task<result<tcp::detached_socket>> {
        co_return co_await on.accept_detached(within(5s));
    }(door));
    REQUIRE(detached);
    const endpoint name = second.local();
    second.reset();  // the system would not tell it any more
    CHECK(detached->peer().value() == name);
    CHECK(count("getpeername") == 1);
}

}  // namespace
