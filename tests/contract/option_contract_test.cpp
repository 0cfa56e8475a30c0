// SPDX-License-Identifier: BSL-1.0
// backend.hpp held to its word: options.
#include "contract/rig.hpp"

using namespace thole;
using namespace thole::test;
using detail::socket_option;

namespace {

std::error_code set(rig& r, socket_state* state, socket_option which, int value) {
    control_request asks{request::set_option, {}, value};
    asks.option = which;
    return r.net.control(*state, asks);
}

int get(rig& r, socket_state* state, socket_option which) {
    control_request asks{request::get_option, {}, -1};
    asks.option = which;
    REQUIRE_FALSE(r.net.control(*state, asks));
    return asks.value;
}

}  // namespace

THOLE_TEST("control keeps switches, and gives 0 or 1", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    for (const socket_option which : {socket_option::no_delay, socket_option::keep_alive}) {
        CAPTURE(static_cast<int>(which));
        for (const int value : {1, 0, 1}) {
            CHECK_FALSE(set(r, client, which, value));
            CHECK(get(r, client, which) == value);
        }
        CHECK(get(r, server, which) == 0);
    }
}

THOLE_TEST("control keeps buffer sizes, before and after connecting", "[contract]") {
    rig r;
    socket_state* lone = r.open(socket_role::stream);
    const auto [client, server] = r.pair();
    for (socket_state* state : {lone, client}) {
        for (const socket_option which :
             {socket_option::send_buffer, socket_option::receive_buffer}) {
            CAPTURE(static_cast<int>(which));
            REQUIRE_FALSE(set(r, state, which, 32 * 1024));
            const int less = get(r, state, which);
            CHECK(less >= 32 * 1024);
            REQUIRE_FALSE(set(r, state, which, 64 * 1024));
            CHECK(get(r, state, which) == 2 * less);
        }
    }
    r.write(client, "still works");
    CHECK(r.read(server, 11) == "still works");
}

THOLE_TEST("an accepted connection has its listener's buffer sizes", "[contract]") {
    rig r;
    socket_state* plain = r.listen();
    socket_state* door = r.listen({.send_buffer = 6'000, .receive_buffer = 30'000});
    const socket_pair usual = r.pair(plain);
    const socket_pair small = r.pair(door);
    for (const socket_option which : {socket_option::send_buffer, socket_option::receive_buffer}) {
        const int asked = which == socket_option::send_buffer ? 6'000 : 30'000;
        CAPTURE(asked);
        CHECK(get(r, small.server, which) >= asked);
        CHECK(get(r, small.server, which) <= 2 * asked);
        CHECK(get(r, usual.server, which) > 2 * asked);
    }
}

THOLE_TEST("control keeps what keep-alive is told", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    control_request asks{request::set_keep_alive};
    asks.keep_alive = {true, std::chrono::seconds(20), std::chrono::seconds(3), 0};
    CHECK_FALSE(r.net.control(*client, asks));
    CHECK(get(r, client, socket_option::keep_alive) == 1);
    control_request told{request::get_keep_alive};
    CHECK_FALSE(r.net.control(*client, told));
    CHECK(told.keep_alive.on);
    if (told.keep_alive.idle.count() == 0) {
        CHECK(told.keep_alive.interval.count() == 0);
        CHECK(told.keep_alive.count == 0);
        skip("this system, Wine 8 among them, keeps the numbers and cannot be asked for them");
    }
    CHECK(told.keep_alive.idle.count() == 20);
    CHECK(told.keep_alive.interval.count() == 3);
    CHECK(told.keep_alive.count > 0);  // as the system has it

    asks.keep_alive = {true, {}, {}, 5};
    CHECK_FALSE(r.net.control(*client, asks));
    CHECK_FALSE(r.net.control(*client, told));
    CHECK(told.keep_alive.idle.count() == 20);
    CHECK(told.keep_alive.count == 5);
    asks.keep_alive = {};
    CHECK_FALSE(r.net.control(*client, asks));
    CHECK(get(r, client, socket_option::keep_alive) == 0);
    CHECK(get(r, server, socket_option::keep_alive) == 0);
}

THOLE_TEST("control sets the user timeout, or says that there is none", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    if (const std::error_code failed = set(r, client, socket_option::user_timeout, 5000)) {
        CHECK(failed == std::errc::operation_not_supported);
        skip("this system has no TCP_USER_TIMEOUT or TCP_MAXRT (Wine has not)");
    }
    CHECK(get(r, client, socket_option::user_timeout) == 5000);
    CHECK(get(r, server, socket_option::user_timeout) != 5000);
}
