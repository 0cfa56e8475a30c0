// SPDX-License-Identifier: BSL-1.0
// One stack for both families, whatever the system's default is; and a network that leads nowhere.
#include "support/raw_process.hpp"
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

std::error_code error_of_connect(loop& on, const endpoint& where) {
    auto ended = on.block_on([](loop& in, endpoint to) -> task<std::error_code> {
        const auto made = co_await tcp::connect(in, to, within(patience));
        co_return made.error();
    }(on, where));
    return ended ? *ended : ended.error();
}

endpoint mapped_loopback(std::uint16_t port) {
    return {endpoint::ipv6_bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}, port};
}

constexpr int forbidden = 100;

// Gives a bit for each thing that was not as it should be. In a child: its network is its own.
int in_a_lonely_network(bool v6_only) {
    if (!raw::enter_lonely_network(v6_only)) {
        return forbidden;
    }
    int wrong = 0;
    loop on(options_of_run());
    for (const bool dual : {false, true}) {
        const auto door =
            tcp::listener::open(on, endpoint::any(address_family::ipv6, 0), {.dual_stack = dual});
        if (!door) {
            return 1;
        }
        const std::uint16_t port = door->local()->port();
        const auto of_v4 = error_of_connect(on, endpoint::loopback(address_family::ipv4, port));
        const auto of_v6 = error_of_connect(on, endpoint::loopback(address_family::ipv6, port));
        wrong |= of_v4 == (dual ? std::errc{} : std::errc::connection_refused) ? 0 : dual ? 2 : 4;
        wrong |= of_v6 ? 8 : 0;
    }
    const auto v4_door = tcp::listener::open(on, endpoint::loopback(address_family::ipv4, 0));
    wrong |= v4_door && !error_of_connect(on, mapped_loopback(v4_door->local()->port())) ? 0 : 16;
    // R111: there is no way to anywhere else.
    const endpoint away(endpoint::ipv4_bytes{192, 0, 2, 1}, 9);
    wrong |= error_of_connect(on, away) == std::errc::network_unreachable ? 0 : 32;
    return wrong;
}

void need_ipv6() {
    if (!on_sim() && !raw::has_ipv6()) {
        skip("this machine has no IPv6");
    }
}

}  // namespace

THOLE_TEST("R49 R111 both stacks, and no route, whatever the system's default for IPV6_V6ONLY",
           "[accept][connect]") {
    if (on_sim()) {
        skip("the simulated network has no defaults of a system's");
    }
    if (raw::is_windows()) {
        skip("Windows has no network namespaces, and no such default");
    }
    need_ipv6();
    for (bool v6_only : {false, true}) {
        CAPTURE(v6_only);
        const int end = raw::in_forked_child(
            [](void* asked) { return in_a_lonely_network(*static_cast<bool*>(asked)); }, &v6_only);
        if (end == forbidden) {
            skip("this machine lets nobody make a network namespace");
        }
        CHECK(end == 0);
    }
}

// R49: a stream of IPv6 has IPV6_V6ONLY off.
THOLE_TEST("R49 a mapped address leads to a listener of IPv4", "[connect]") {
    need_ipv6();
    scene in;
    const tcp::listener door = open_door(in.on);
    CHECK(error_of_connect(in.on, mapped_loopback(door.local()->port())) == no_error);
}
