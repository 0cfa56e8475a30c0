// SPDX-License-Identifier: BSL-1.0
#include "stage.hpp"

namespace thole::conformance {
namespace {

SCENARIO(write_all) {
    on.join();
    step& reading = on.server.read_exactly(5);
    on.wait(on.client.write("hello"));
    on.wait(reading);
}

SCENARIO(write_some_of_it) {
    on.join();
    on.wait(on.client.write("hello", {.some = true}));
    on.wait(on.server.read_exactly(5));
}

SCENARIO(write_nothing) {
    on.join();
    on.wait(on.client.write(""));
    on.wait(on.client.write("", {.some = true, .as = "write_some"}));
    on.send(on.client, on.server, "hello");
}

SCENARIO(write_two_buffers) {
    on.join();
    on.wait(on.client.write("hello world", {.split = 6}));
    on.wait(on.server.read_exactly(11));
}

SCENARIO(write_much_to_a_slow_reader) {
    on.join();
    step& writing = on.client.write(pattern(bulk));
    on.turn();
    on.client.note(writing.pending() ? "write pending" : "write ended");
    std::string all;
    while (all.size() < bulk) {
        const step& part = on.watch(on.server.read(std::size_t{1} << 20));
        on.expect_ok(part);
        all += part.bytes.substr(0, part.count);
    }
    on.wait(writing);
    on.server.note(all == pattern(bulk) ? "got it as it was sent" : "got something else");
}

SCENARIO(write_much_both_ways) {
    on.join();
    constexpr std::size_t much = std::size_t{6} << 20;
    step& there = on.client.write(pattern(much));
    step& back = on.server.write(pattern(much));
    step& at_server = on.server.read_exactly(much);
    step& at_client = on.client.read_exactly(much);
    on.wait(there);
    on.wait(back);
    on.wait(at_server);
    on.wait(at_client);
}

SCENARIO(write_while_a_read_is_pending) {
    on.join();
    step& reading = on.client.read(100);
    on.wait(on.client.write("question"));
    on.wait(on.server.read_exactly(8));
    on.expect_ok(on.watch(on.server.write("answer")));
    on.wait(reading);
}

SCENARIO(write_second_while_one_is_pending) {
    on.join();
    step& first = on.client.write(pattern(bulk), {.uncounted = true, .as = "first write"});
    on.turn();
    step& second = on.client.write("hello", {.as = "second write"});
    on.turn();
    on.expect_ok(on.watch(on.server.read_exactly(bulk)));
    on.wait(first);
    on.wait(second);
}

SCENARIO(write_cancelled) {
    on.join();
    step& writing = on.client.write(pattern(bulk), {.uncounted = true});
    on.turn();
    writing.cancel();
    on.wait(writing);
    on.client.note(writing.count < bulk ? "not all of it" : "all of it");
}

// What the writer counts is what the reader gets.
SCENARIO(write_cancelled_counts_what_went_out) {
    on.join();
    step& writing = on.client.write(pattern(bulk), {.uncounted = true});
    on.turn();
    writing.cancel();
    on.wait(writing);
    on.client.shutdown_write();
    std::size_t count = 0;
    for (;;) {
        const step& part = on.watch(on.server.read(std::size_t{1} << 20));
        count += part.count;
        if (part.end != "ok") {
            on.server.note("read " + part.end);
            break;
        }
    }
    on.client.note(count == writing.count ? "counted right" : "miscounted");
}

SCENARIO(write_until_deadline) {
    on.join();
    on.wait(on.client.write(pattern(bulk), {.limit = 60ms, .uncounted = true}));
}

SCENARIO(write_deadline_passed_already) {
    on.join();
    on.wait(on.client.write(pattern(bulk), {.limit = 0ms, .uncounted = true}));
}

SCENARIO(write_after_shutdown) {
    on.join();
    on.client.shutdown_write();
    on.wait(on.client.write("hello"));
    on.wait(on.server.read(1));
}

// The first bytes meet a closed socket and bring a reset back; then writing fails.
SCENARIO(write_after_the_peer_closed) {
    on.join();
    on.server.close();
    on.wait(on.client.read(1));
    on.wait(on.client.write("x", {.as = "first write"}));
    std::string end;
    do {
        end = on.watch(on.client.write("x")).end;
    } while (end == "ok");
    on.client.note("write " + end);
}

SCENARIO(write_after_a_reset_was_read) {
    on.join();
    step& reading = on.client.read(1);
    on.server.abort();
    on.wait(reading);
    on.wait(on.client.write("hello"));
}

SCENARIO(write_pending_then_reset) {
    on.join();
    step& writing = on.client.write(pattern(bulk), {.uncounted = true});
    on.turn();
    on.server.abort();
    on.wait(writing);
}

// More than what it read has come, so that its close is a reset.
SCENARIO(write_pending_then_peer_closes) {
    on.join();
    step& writing = on.client.write(pattern(bulk), {.uncounted = true});
    on.expect_ok(on.watch(on.server.read_exactly(10)));
    on.server.close();
    on.wait(writing);
}

SCENARIO(write_never_opened) {
    on.wait(on.client.write("hello"));
    on.wait(on.client.write("", {.as = "empty write"}));
}

SCENARIO(write_echo_many_times) {
    on.join();
    for (int round = 0; round < 60; ++round) {
        on.send(on.client, on.server, "ping");
        on.send(on.server, on.client, "pong!");
    }
    on.client.note("60 rounds");
}

}  // namespace
}  // namespace thole::conformance
