// SPDX-License-Identifier: BSL-1.0
// What a name is, before any server is asked.
#include "support/test.hpp"

#include <string>
#include <vector>

#include <thole/callback.hpp>
#include <thole/resolve.hpp>

#include "core/resolver.hpp"

namespace {

using thole::endpoint;
using thole::endpoint_list;
using thole::errc;
using thole::loop;
using thole::result;
using namespace std::literals;

struct found {
    std::error_code error;
    std::vector<std::string> addresses;
    bool operator==(const found&) const = default;
};

// As a callback: told in a later turn, once.
template <class Port>
found look_up(loop& on, std::string_view host, Port port) {
    std::vector<found> seen;
    const auto note = [&seen](result<endpoint_list> end) {
        found& one = seen.emplace_back();
        one.error = end.error();
        if (end) {
            for (const endpoint& each : *end) {
                one.addresses.push_back(each.to_string());
            }
        }
    };
    thole::callback<thole::resolve_op, decltype(note)> op{note};
    op.start(on, host, port);
    CHECK(seen.empty());
    REQUIRE(on.run());
    REQUIRE(seen.size() == 1);
    return seen[0];
}

found is(std::vector<std::string> addresses) { return {{}, std::move(addresses)}; }

thole::loop_options simulated() { return {.backend = thole::backend_kind::sim}; }

THOLE_TEST("a number is its own address", "[resolve]") {
    loop on(simulated());
    CHECK(look_up(on, "192.0.2.1", 80) == is({"192.0.2.1:80"}));
    CHECK(look_up(on, "0.0.0.0", 0) == is({"0.0.0.0:0"}));
    CHECK(look_up(on, "2001:db8::1", 443) == is({"[2001:db8::1]:443"}));
    CHECK(look_up(on, "::", 65535) == is({"[::]:65535"}));
    CHECK(look_up(on, "fe80::1%3", 1) == is({"[fe80::1%3]:1"}));
    CHECK(look_up(on, "::ffff:192.0.2.1", 1) == is({"[::ffff:192.0.2.1]:1"}));
    CHECK(look_up(on, "192.0.2.1", "8080"sv) == is({"192.0.2.1:8080"}));
    CHECK(look_up(on, "192.0.2.1", "0"sv) == is({"192.0.2.1:0"}));
}

THOLE_TEST("localhost is the loopback address, whatever the system says", "[resolve]") {
    loop on(simulated());
    const found both = is({"[::1]:7", "127.0.0.1:7"});
    for (const std::string_view name :
         {"localhost"sv, "LocalHost"sv, "localhost."sv, "a.localhost"sv, "b.c.LOCALHOST."sv}) {
        CAPTURE(name);
        CHECK(look_up(on, name, 7) == both);
        CHECK(look_up(on, name, "7"sv) == both);
    }
    for (const std::string_view name : {"localhost.example"sv, "notlocalhost"sv, "localhos"sv}) {
        CAPTURE(name);
        CHECK(look_up(on, name, 7).error == errc::name_not_found);
    }
}

THOLE_TEST("what ends in .invalid does not exist", "[resolve]") {
    loop on;
    REQUIRE(on);
    const std::size_t before = thole::detail::resolver::of_process()->look().started;
    for (const std::string_view name :
         {"invalid"sv, "example.invalid"sv, "a.b.INVALID."sv, "invalid."sv}) {
        CAPTURE(name);
        CHECK(look_up(on, name, 80).error == errc::name_not_found);
        CHECK(look_up(on, name, "http"sv).error == errc::name_not_found);
    }
    CHECK(thole::detail::resolver::of_process()->look().started == before);
}

THOLE_TEST("what cannot be a name is refused, and no thread is started", "[resolve]") {
    loop on;
    REQUIRE(on);
    const std::size_t before = thole::detail::resolver::of_process()->look().started;
    const std::string longest(253, 'a');
    for (const std::string& host :
         {""s,           "."s,          "a\0b"s,        "localhost\0.example"s,
          "\0"s,         longest + "a", longest + "a.", "1.2.3.256"s,
          "1.2.3"s,      "127.1"s,      "1.2.3.4.5"s,   "2130706433"s,
          "0x7f000001"s, "0x"s,         "0X7F.1"s,      "01.2.3.4"s,
          "a.1"s,        "a.b.0x1f."s,  "1.2.3.4."s,    "::zz"s,
          ":"s,          "1::2::3"s,    "[::1]"s,       "fe80::1%"s,
          "fe80::zz%3"s, "%:"s,         "a:80"s,        "1.2.3.4:80"s}) {
        CAPTURE(host);
        CHECK(look_up(on, host, 80).error == std::errc::invalid_argument);
        CHECK(look_up(on, host, "http"sv).error == std::errc::invalid_argument);
    }
    for (const std::string& service :
         {""s, "65536"s, "99999999999999999999"s, "ht\0tp"s, std::string(64, 'a')}) {
        CAPTURE(service);
        CHECK(look_up(on, "a.example", std::string_view(service)).error ==
              std::errc::invalid_argument);
        CHECK(look_up(on, "192.0.2.1", std::string_view(service)).error ==
              std::errc::invalid_argument);
    }
    for (const int port : {-1, 65536, 65536 + 80}) {
        CHECK(look_up(on, "a.example", port).error == std::errc::invalid_argument);
        CHECK(look_up(on, "192.0.2.1", port).error == std::errc::invalid_argument);
    }
    CHECK(thole::detail::resolver::of_process()->look().started == before);
}

THOLE_TEST("numbers need no thread", "[resolve]") {
    loop on;
    REQUIRE(on);
    const std::size_t before = thole::detail::resolver::of_process()->look().started;
    CHECK(look_up(on, "192.0.2.1", 80) == is({"192.0.2.1:80"}));
    CHECK(look_up(on, "fe80::1%3", "80"sv) == is({"[fe80::1%3]:80"}));
    CHECK(look_up(on, "localhost", 80) == is({"[::1]:80", "127.0.0.1:80"}));
    CHECK(thole::detail::resolver::of_process()->look().started == before);
}

THOLE_TEST("the simulated network asks nothing of the system", "[resolve]") {
    loop on(simulated());
    const std::size_t before = thole::detail::resolver::of_process()->look().started;
    CHECK(look_up(on, "example.com", 80).error == errc::name_not_found);
    CHECK(look_up(on, std::string(253, 'a') + '.', 80).error == errc::name_not_found);
    CHECK(look_up(on, "fe80::1%lo", 80).error == errc::name_not_found);
    CHECK(look_up(on, "192.0.2.1", "http"sv).error == errc::service_not_found);
    CHECK(look_up(on, "localhost", "http"sv).error == errc::service_not_found);
    CHECK(thole::detail::resolver::of_process()->look().started == before);
}

THOLE_TEST("a list of values is sized once, and moves", "[resolve]") {
    thole::fixed_list<int> list;
    CHECK(list.empty());
    CHECK(list.begin() == list.end());
    CHECK_FALSE(list.push_back(1));  // no room
    REQUIRE(list.reserve(2));
    CHECK(list.push_back(1));
    CHECK(list.push_back(2));
    CHECK_FALSE(list.push_back(3));
    CHECK(list.size() == 2);
    list[0] = 5;
    thole::fixed_list<int> other = std::move(list);
    CHECK(list.empty());  // NOLINT: what is left is an empty one
    CHECK(std::vector<int>(other.begin(), other.end()) == std::vector<int>{5, 2});
    CHECK(other.front() == 5);
    CHECK(other.back() == 2);
    list = std::move(other);
    CHECK(list.size() == 2);
    list.clear();
    CHECK(list.push_back(7));
    REQUIRE(list.reserve(1));
    CHECK(list.empty());
    CHECK_FALSE(list.reserve(static_cast<std::size_t>(-1)));
}

}  // namespace
