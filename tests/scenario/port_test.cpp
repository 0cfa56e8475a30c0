// SPDX-License-Identifier: BSL-1.0
// Who may have a port beside whom.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

// Opening the port of a listener anew, while a connection that it accepted is alive.
std::error_code beside_a_connection(scene& in, bool old_reuses, bool new_reuses) {
    tcp::listener door = open_door(in.on, address_family::ipv4, {.reuse_address = old_reuses});
    const endpoint where = *door.local();
    pair both = run(in.on, connected(in.on, door));
    door.close();
    settle(in.on);
    auto again = tcp::listener::open(in.on, where, {.reuse_address = new_reuses});
    if (again) {  // and it works, beside the old connection
        pair fresh = run(in.on, connected(in.on, *again));
        run(in.on, send(fresh.here, "new"));
        run(in.on, expect(fresh.there, "new"));
        fresh.here.abort();
    }
    run(in.on, send(both.here, "old"));
    run(in.on, expect(both.there, "old"));
    both.here.abort();
    settle(in.on);
    return again.error();
}

}  // namespace

// R48: with TIME_WAIT in the place of the connection: AC24 (reuse_test.cpp).
THOLE_TEST("R48 the same port again beside a connection that was accepted there", "[accept]") {
    scene in;
    for (const bool old_reuses : {false, true}) {
        for (const bool new_reuses : {false, true}) {
            CAPTURE(old_reuses, new_reuses);
            // The simulated network's ports belong to listeners alone; on Windows exclusive use
            // minds what still listens (docs/windows.md).
            const bool works = on_sim() || on_iocp() || (old_reuses && new_reuses);
            const std::error_code end = beside_a_connection(in, old_reuses, new_reuses);
            CHECK((works ? end == no_error : end == std::errc::address_in_use));
        }
    }
}

namespace {

int tries_the_port(void* context) {
    const endpoint where = *static_cast<const endpoint*>(context);
    int refused = 0;
    for (const bool reuses : {false, true}) {
        loop own(options_of_run());
        const auto second = tcp::listener::open(own, where, {.reuse_address = reuses});
        refused += own && second.error() == std::errc::address_in_use ? 1 : 0;
    }
    return refused;
}

}  // namespace

THOLE_TEST("R48 another process cannot take a port that is listened on", "[accept]") {
    if (on_sim()) {
        skip("each simulated network is one process' own");
    }
    scene in;
    for (const bool reuses : {false, true}) {
        const tcp::listener door =
            open_door(in.on, address_family::ipv4, {.reuse_address = reuses});
        endpoint where = *door.local();
        if (raw::is_windows()) {  // no fork: a loop of its own is the nearest
            CHECK(tries_the_port(&where) == 2);
        } else {
            CHECK(raw::in_forked_child(&tries_the_port, &where) == 2);
        }
    }
}
