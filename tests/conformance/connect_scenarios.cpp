// SPDX-License-Identifier: BSL-1.0
#include "stage.hpp"
#include "support/raw_peer.hpp"

namespace thole::conformance {
namespace {

const endpoint loopback = endpoint::loopback(address_family::ipv4, 0);

SCENARIO(connect_ok) {
    on.server.listen(loopback);
    step& accepted = on.server.accept();
    on.wait(on.client.connect(on.server.where()));
    on.wait(accepted);
}

SCENARIO(connect_refused, .not_on_sim = a_system) {
    const auto held = test::raw::socket::bind(address_family::ipv4, -1);
    on.wait(on.client.connect(held.local()));
}

SCENARIO(connect_again_after_refused, .not_on_sim = a_system) {
    const auto held = test::raw::socket::bind(address_family::ipv4, -1);
    on.wait(on.client.connect(held.local()));
    on.server.listen(loopback);
    on.wait(on.client.connect(on.server.where(), {.as = "second connect"}));
}

SCENARIO(connect_pending_until_deadline, .not_on_sim = a_system) {
    const test::raw::silent_port silent;
    const auto begun = std::chrono::steady_clock::now();
    on.wait(on.client.connect(silent.where(), {.limit = 50ms}));
    const bool early = std::chrono::steady_clock::now() - begun < 50ms;
    on.client.note(early ? "early" : "not early");
}

SCENARIO(connect_pending_cancelled, .not_on_sim = a_system) {
    const test::raw::silent_port silent;
    step& connecting = on.client.connect(silent.where());
    on.turn();
    connecting.cancel();
    on.wait(connecting);
}

// The end of the loop takes it back.
SCENARIO(connect_pending_at_the_end, .not_on_sim = a_system) {
    const test::raw::silent_port silent;
    step& connecting = on.client.connect(silent.where());
    on.turn();
    on.client.note(connecting.pending() ? "connect pending" : "connect ended");
}

SCENARIO(connect_deadline_passed_already, .not_on_sim = a_system) {
    const test::raw::silent_port silent;
    on.wait(on.client.connect(silent.where(), {.limit = 0ms}));
}

SCENARIO(connect_ipv6, .needs_ipv6 = true) {
    on.server.listen(endpoint::loopback(address_family::ipv6, 0));
    step& accepted = on.server.accept();
    on.wait(on.client.connect(on.server.where()));
    on.wait(accepted);
    const bool same = on.client.local() == on.server.peer();
    on.client.note(same ? "the names agree" : "the names differ");
}

SCENARIO(connect_port_zero, .not_on_sim = a_system) { on.wait(on.client.connect(loopback)); }

SCENARIO(connect_unspecified_address) {
    on.server.listen(loopback);
    step& accepted = on.server.accept();
    const endpoint any = endpoint::any(address_family::ipv4, on.server.where().port());
    on.wait(on.client.connect(any));
    on.wait(accepted);
    on.client.note("peer " + on.client.peer().with_port(0).to_string());
}

SCENARIO(connect_names) {
    on.join();
    on.client.note(on.client.local() == on.server.peer() ? "local agrees" : "local differs");
    on.client.note(on.client.peer() == on.server.local() ? "peer agrees" : "peer differs");
    on.server.note(on.server.local() == on.server.where() ? "local is the door's"
                                                          : "local is not the door's");
    on.server.note("local " + on.server.local().with_port(0).to_string());
}

SCENARIO(connect_from_a_chosen_address) {
    on.server.listen(loopback);
    step& accepted = on.server.accept();
    on.wait(on.client.connect(on.server.where(), {.from = loopback}));
    on.wait(accepted);
    on.client.note(on.client.local() == on.server.peer() ? "local agrees" : "local differs");
}

// A port that nobody has, bound by the attempt itself: the SYN meets itself (RFC 9293 §3.5).
SCENARIO(connect_to_itself, .not_on_sim = a_system) {
    for (int attempt = 0; attempt < 20; ++attempt) {
        const endpoint own = test::raw::socket::bind(address_family::ipv4, -1).local();
        step& connected = on.watch(on.client.connect(own, {.socket = attempt, .from = own}));
        if (connected.end != "address_in_use") {  // somebody took it meanwhile
            on.wait(connected);
            return;
        }
    }
}

SCENARIO(connect_many) {
    constexpr int many = 40;
    on.server.listen(loopback);
    std::vector<step*> accepted, connected;
    for (int i = 0; i < many; ++i) {
        accepted.push_back(&on.server.accept({.socket = i}));
        connected.push_back(&on.client.connect(on.server.where(), {.socket = i}));
    }
    for (int i = 0; i < many; ++i) {
        on.expect_ok(on.watch(*accepted[static_cast<std::size_t>(i)]));
        on.expect_ok(on.watch(*connected[static_cast<std::size_t>(i)]));
    }
    for (int i = 0; i < many; ++i) {
        on.expect_ok(on.watch(on.server.write("welcome", {.socket = i})));
        on.wait(on.client.read_exactly(7, {.socket = i}));
    }
}

}  // namespace
}  // namespace thole::conformance
