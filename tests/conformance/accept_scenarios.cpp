// SPDX-License-Identifier: BSL-1.0
#include "stage.hpp"
#include "support/raw_peer.hpp"

namespace thole::conformance {
namespace {

const endpoint loopback = endpoint::loopback(address_family::ipv4, 0);

SCENARIO(accept_before_the_client) {
    on.server.listen(loopback);
    step& accepted = on.server.accept();
    on.turn();
    on.server.note(accepted.pending() ? "accept pending" : "accept ended");
    on.wait(on.client.connect(on.server.where()));
    on.wait(accepted);
}

SCENARIO(accept_after_the_client) {
    on.server.listen(loopback);
    on.wait(on.client.connect(on.server.where()));
    on.wait(on.server.accept());
}

SCENARIO(accept_several_in_order) {
    on.server.listen(loopback);
    step& first = on.server.accept({.socket = 0, .as = "first accept"});
    step& second = on.server.accept({.socket = 1, .as = "second accept"});
    step& third = on.server.accept({.socket = 2, .as = "third accept"});
    for (int i = 0; i < 3; ++i) {
        on.expect_ok(on.watch(on.client.connect(on.server.where(), {.socket = i})));
    }
    on.wait(first);
    on.wait(second);
    on.wait(third);
    const bool in_order = first.order < second.order && second.order < third.order;
    on.server.note(in_order ? "in order" : "out of order");
}

SCENARIO(accept_clients_that_wait_in_order) {
    on.server.listen(loopback);
    for (int i = 0; i < 3; ++i) {
        on.expect_ok(on.watch(on.client.connect(on.server.where(), {.socket = i})));
    }
    for (int i = 0; i < 3; ++i) {
        on.wait(on.server.accept({.socket = i}));
        const bool same = on.server.peer(i) == on.client.local(i);
        on.server.note(same ? "the next client" : "another client");
    }
}

SCENARIO(accept_cancelled_loses_no_client) {
    on.server.listen(loopback);
    step& cancelled = on.server.accept();
    cancelled.cancel();
    on.wait(cancelled);
    step& connected = on.client.connect(on.server.where());
    on.wait(on.server.accept());
    on.wait(connected);
    on.send(on.client, on.server, "hello");
}

SCENARIO(accept_cancel_one_of_two) {
    on.server.listen(loopback);
    step& first = on.server.accept({.socket = 0, .as = "first accept"});
    step& second = on.server.accept({.socket = 1, .as = "second accept"});
    first.cancel();
    on.wait(first);
    on.expect_ok(on.watch(on.client.connect(on.server.where(), {.socket = 1})));
    on.wait(second);
    on.server.note(on.server.peer(1) == on.client.local(1) ? "the client" : "a stranger");
}

SCENARIO(accept_until_deadline) {
    on.server.listen(loopback);
    on.wait(on.server.accept({.limit = 30ms}));
    step& connected = on.client.connect(on.server.where());
    on.wait(on.server.accept());
    on.wait(connected);
}

SCENARIO(accept_deadline_loses_to_a_client) {
    on.server.listen(loopback);
    step& accepted = on.server.accept({.limit = patience});
    on.wait(on.client.connect(on.server.where(), {.limit = patience}));
    on.wait(accepted);
}

SCENARIO(accept_pending_door_closed) {
    on.server.listen(loopback);
    step& first = on.server.accept({.socket = 0, .as = "first accept"});
    step& second = on.server.accept({.socket = 1, .as = "second accept"});
    on.server.close_door();
    on.wait(first);
    on.wait(second);
}

SCENARIO(accept_on_a_closed_door) {
    on.server.listen(loopback);
    on.server.close_door();
    on.wait(on.server.accept());
    on.server.note(on.server.where() ? "it has a name" : "it has no name");
}

SCENARIO(accept_at_a_door_never_opened) { on.wait(on.server.accept()); }

SCENARIO(accept_after_the_client_finished) {
    on.server.listen(loopback);
    on.wait(on.client.connect(on.server.where()));
    on.expect_ok(on.watch(on.client.write("bye")));
    on.client.close();
    on.wait(on.server.accept());
    on.wait(on.server.read_exactly(3));
    on.wait(on.server.read(1));
}

SCENARIO(accept_after_the_client_reset,
         .not_on_windows = "a client that resets before it is accepted: Wine's AcceptEx fails, "
                           "and what the listener then does is shown by tests/scripted",
         .not_on_sim = a_system) {
    on.server.listen(loopback);
    on.wait(on.client.connect(on.server.where()));
    on.client.abort();
    on.wait(on.server.accept());
    on.wait(on.server.read(1));
    on.wait(on.client.connect(on.server.where(), {.socket = 1}));
    on.wait(on.server.accept({.socket = 1}));
}

SCENARIO(listen_name) {
    on.server.listen(loopback);
    const endpoint name = on.server.where();
    on.server.note("listens on " + name.with_port(0).to_string());
    on.server.note(name.port() == 0 ? "no port" : "a port");
}

SCENARIO(listen_address_in_use) {
    on.server.listen(loopback);
    on.server.listen(on.server.where(), 1);
    on.client.listen(on.server.where());
    step& accepted = on.server.accept();
    on.wait(on.client.connect(on.server.where()));
    on.wait(accepted);
}

SCENARIO(listen_closed_door_refuses) {
    on.server.listen(loopback);
    const endpoint where = on.server.where();
    on.server.close_door();
    on.turn();
    on.wait(on.client.connect(where));
}

SCENARIO(listen_again_at_once) {
    on.server.listen(loopback);
    const endpoint where = on.server.where();
    on.server.close_door();
    on.server.listen(where, 1);
    on.server.note(on.server.where(1) == where ? "the same name" : "no name");
}

SCENARIO(listen_again_beside_a_connection) {
    on.join();
    const endpoint where = on.server.where();
    on.server.close_door();
    on.turn();
    on.server.listen(where, 1);
    on.server.note(on.server.where(1) == where ? "the same name" : "no name");
    on.send(on.client, on.server, "hello");
}

SCENARIO(listen_address_of_nobody, .not_on_sim = a_system) {
    on.server.listen(*endpoint::parse("192.0.2.1:0"));  // RFC 5737: of no machine
}

}  // namespace
}  // namespace thole::conformance
