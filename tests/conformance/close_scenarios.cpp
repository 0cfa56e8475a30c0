// SPDX-License-Identifier: BSL-1.0
#include "stage.hpp"

namespace thole::conformance {
namespace {

constexpr std::string_view wine_keeps_sends =
    "Wine's closesocket leaves a pending WSASend to the socket that gets the handle's number next";

SCENARIO(shutdown_then_read) {
    on.join();
    on.expect_ok(on.watch(on.client.write("question")));
    on.client.shutdown_write();
    on.wait(on.server.read_exactly(8));
    on.wait(on.server.read(1));
    on.wait(on.server.write("answer"));
    on.wait(on.client.read_exactly(6));
}

SCENARIO(shutdown_twice) {
    on.join();
    on.client.shutdown_write();
    on.client.shutdown_write();
    on.wait(on.server.read(1));
}

SCENARIO(shutdown_both_ways) {
    on.join();
    on.client.shutdown_write();
    on.wait(on.server.read(1));
    on.server.shutdown_write();
    on.wait(on.client.read(1));
}

SCENARIO(shutdown_at_the_same_time) {
    on.join();
    step& at_client = on.client.read(1);
    step& at_server = on.server.read(1);
    on.client.shutdown_write();
    on.server.shutdown_write();
    on.wait(at_client);
    on.wait(at_server);
}

SCENARIO(shutdown_while_a_read_is_pending) {
    on.join();
    step& reading = on.client.read(100);
    on.client.shutdown_write();
    on.wait(on.server.read(1));
    on.wait(on.server.write("still here"));
    on.wait(reading);
}

SCENARIO(shutdown_while_a_write_is_pending) {
    on.join();
    step& writing = on.client.write(pattern(bulk), {.uncounted = true});
    on.turn();
    on.client.shutdown_write();
    on.server.close();
    on.watch(writing);
}

SCENARIO(shutdown_never_opened) { on.client.shutdown_write(); }

SCENARIO(close_is_an_end_for_the_peer) {
    on.join();
    step& reading = on.server.read(1);
    on.client.close();
    on.wait(reading);
}

SCENARIO(close_after_a_write_loses_nothing) {
    on.join();
    constexpr std::size_t some = 100'000;
    on.wait(on.client.write(pattern(some)));
    on.client.close();
    on.wait(on.server.read_exactly(some));
    on.wait(on.server.read(1));
}

SCENARIO(close_with_unread_bytes_is_a_reset) {
    on.join();
    on.expect_ok(on.watch(on.server.write("hello")));
    on.wait(on.client.read_exactly(2));
    step& reading = on.server.read(1);
    on.client.close();
    on.wait(reading);
}

SCENARIO(close_at_the_same_time) {
    on.join();
    on.client.close();
    on.server.close();
    on.wait(on.client.read(1));
    on.wait(on.server.read(1));
}

SCENARIO(close_with_a_pending_read) {
    on.join();
    step& reading = on.client.read(1);
    on.client.close();
    on.wait(reading);
    on.wait(on.server.read(1));
}

SCENARIO(close_with_a_pending_write, .not_on_windows = wine_keeps_sends) {
    on.join();
    step& writing = on.client.write(pattern(bulk), {.uncounted = true});
    on.turn();
    on.client.close();
    on.wait(writing);
}

SCENARIO(close_twice) {
    on.join();
    on.client.close();
    on.client.close();
    on.wait(on.server.read(1));
}

SCENARIO(close_then_use) {
    on.join();
    on.client.close();
    on.wait(on.client.read(1));
    on.wait(on.client.write("hello"));
    on.client.shutdown_write();
    on.client.note(on.client.local() ? "it has a name" : "it has no name");
    on.client.note(on.client.peer() ? "it has a peer" : "it has no peer");
}

SCENARIO(close_one_of_two_connections) {
    on.join(0);
    on.join(1);
    step& reading = on.client.read(100, {.socket = 1});
    on.client.close(0);
    on.wait(on.server.read(1));
    on.wait(on.server.write("hello", {.socket = 1}));
    on.wait(reading);
}

SCENARIO(abort_with_a_pending_read) {
    on.join();
    step& here = on.client.read(1);
    step& there = on.server.read(1);
    on.client.abort();
    on.wait(here);
    on.wait(there);
}

SCENARIO(abort_after_a_write) {
    on.join();
    step& reading = on.server.read_exactly(100);
    on.send(on.server, on.client, "go");
    on.client.abort();
    on.wait(reading);
}

SCENARIO(abort_then_use) {
    on.join();
    on.client.abort();
    on.wait(on.client.read(1));
    on.wait(on.client.write("hello"));
}

SCENARIO(abort_after_the_peer_finished) {
    on.join();
    on.server.shutdown_write();
    on.wait(on.client.read(1));
    step& reading = on.server.read(1);
    on.client.abort();
    on.wait(reading);
}

SCENARIO(end_with_steps_pending, .not_on_windows = wine_keeps_sends) {
    on.join();
    on.server.accept({.socket = 1});
    on.client.read(1);
    on.server.write(pattern(bulk), {.uncounted = true});
    on.turn();
    on.client.note("the loops end");
}

}  // namespace
}  // namespace thole::conformance
