// SPDX-License-Identifier: BSL-1.0
// Listening and accepting, as the system could answer.
#include "rig.hpp"

#include <cstring>

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

constexpr backend_kind kinds[] = {backend_kind::epoll, backend_kind::select};

THOLE_TEST("R70: what concerns one client is never the listener's error", "[scripted]") {
    const int rows[] = {
        ECONNABORTED,
        EPROTO,
        EINTR,
        ENETDOWN,
        ENOPROTOOPT,
        EHOSTDOWN,
        EHOSTUNREACH,
        EOPNOTSUPP,
        ENETUNREACH,
        EPERM,
        ETIMEDOUT,
#if defined(ENONET)
        ENONET,
#endif
    };
    for (const backend_kind kind : kinds) {
        for (const int raw : rows) {
            CAPTURE(to_string(kind), raw);
            rig r(kind);
            tcp::listener door = open_door(r.on);
            made got;
            accepting op{{&got}};
            op.start(door, within(5s));  // waits before the client comes
            REQUIRE(r.on.poll());
            script::rule& failing = script::on("accept4").times(2).gives(-1, raw);
            raw::socket client = raw::socket::connect(door.local().value());
            REQUIRE(r.on.run());
            CHECK(failing.used() == 2);
            REQUIRE(got.seen.size() == 1);
            REQUIRE(got.seen[0]);
            CHECK(door.counters().accepted == 1);
            CHECK(door.counters().absorbed == (raw == EINTR ? 0U : 2U));
            CHECK(r.run(echoes(*got.seen[0], client)));
        }
    }
}

THOLE_TEST("R71: a flood of dead clients does not hold the loop", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        tcp::listener door = open_door(r.on);
        made got;
        accepting op{{&got}};
        op.start(door, within(5s));
        REQUIRE(r.on.poll());
        script::rule& failing = script::on("accept4").times(1000).gives(-1, ECONNABORTED);
        raw::socket client = raw::socket::connect(door.local().value());
        REQUIRE(r.on.poll());
        CHECK(failing.used() < 1000);
        CHECK(got.seen.empty());
        REQUIRE(r.on.run());  // and the edge is not lost
        CHECK(failing.used() == 1000);
        REQUIRE(got.seen.size() == 1);
        CHECK(got.seen[0]);
    }
}

// The value of an option that was set, or -1.
int option_of(int level, int option) {
    int value = -1;
    for (const call& one : script::calls("setsockopt")) {
        if (one.level == level && one.option == option && one.value.size() == sizeof value) {
            std::memcpy(&value, one.value.data(), sizeof value);
        }
    }
    return value;
}

THOLE_TEST("a listener's options are set before it is bound", "[scripted]") {
    rig r(backend_kind::epoll);
    {
        const tcp::listener door = open_door(r.on);
        CHECK(option_of(SOL_SOCKET, SO_REUSEADDR) == 1);
        CHECK(option_of(IPPROTO_IPV6, IPV6_V6ONLY) == -1);
        std::vector<std::string_view> order;
        for (const call& one : script::calls()) {
            if (one.name == "setsockopt" || one.name == "bind" || one.name == "listen") {
                order.push_back(one.name);
            }
        }
        CHECK(order == std::vector<std::string_view>{"setsockopt", "bind", "listen"});
    }
    script::reset();
    {
        const tcp::listener door = open_door(r.on, address_family::ipv4, {.reuse_address = false});
        CHECK(option_of(SOL_SOCKET, SO_REUSEADDR) == -1);
    }
    if (!raw::has_ipv6()) {
        return;
    }
    for (const bool dual : {false, true}) {
        script::reset();
        const tcp::listener door = open_door(r.on, address_family::ipv6, {.dual_stack = dual});
        CHECK(option_of(IPPROTO_IPV6, IPV6_V6ONLY) == (dual ? 0 : 1));
    }
}

THOLE_TEST("a listener that cannot be made leaves nothing open", "[scripted]") {
    struct row {
        const char* name;
        int raw;
        std::errc meaning;
    };
    const row rows[] = {{"socket", EMFILE, std::errc::too_many_files_open},
                        {"setsockopt", EINVAL, std::errc::invalid_argument},
                        {"bind", EADDRINUSE, std::errc::address_in_use},
                        {"bind", EACCES, std::errc::permission_denied},
                        {"listen", EADDRINUSE, std::errc::address_in_use},
                        {"epoll_ctl", ENOMEM, std::errc::not_enough_memory}};
    rig r(backend_kind::epoll);
    for (const row& error : rows) {
        CAPTURE(error.name, error.raw);
        script::reset();
        script::on(error.name).gives(-1, error.raw);
        const auto door = tcp::listener::open(r.on, endpoint::loopback(address_family::ipv4, 0));
        CHECK_FALSE(door);
        CHECK((door.error() == error.meaning || door.error() == std::errc::no_buffer_space));
        REQUIRE(r.on.poll());
        const bool opened = script::calls("socket").back().result >= 0;
        CHECK(count("close") == (opened ? 1U : 0U));
    }
}

}  // namespace
