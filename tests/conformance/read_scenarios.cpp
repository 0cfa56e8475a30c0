// SPDX-License-Identifier: BSL-1.0
#include "stage.hpp"

namespace thole::conformance {
namespace {

SCENARIO(read_what_there_is) {
    on.join();
    on.expect_ok(on.watch(on.server.write("hello")));
    on.wait(on.client.read(100));
}

SCENARIO(read_exactly_in_two_parts) {
    on.join();
    step& reading = on.client.read_exactly(6);
    on.expect_ok(on.watch(on.server.write("hel")));
    on.turn();
    on.expect_ok(on.watch(on.server.write("lo!")));
    on.wait(reading);
}

SCENARIO(read_exactly_cut_short_by_the_end) {
    on.join();
    on.expect_ok(on.watch(on.server.write("hel")));
    on.server.shutdown_write();
    on.wait(on.client.read_exactly(6));
}

SCENARIO(read_into_an_empty_buffer) {
    on.join();
    on.wait(on.client.read(0));
    on.wait(on.client.read_exactly(0));
    on.send(on.server, on.client, "hello");
}

SCENARIO(read_into_two_buffers) {
    on.join();
    on.expect_ok(on.watch(on.server.write("hello world")));
    on.wait(on.client.read_exactly(11, {.split = 4}));
}

SCENARIO(read_parked_then_bytes) {
    on.join();
    step& reading = on.client.read(100);
    on.turn();
    on.client.note(reading.pending() ? "read pending" : "read ended");
    on.expect_ok(on.watch(on.server.write("hello")));
    on.wait(reading);
}

SCENARIO(read_parked_then_end) {
    on.join();
    step& reading = on.client.read(100);
    on.server.shutdown_write();
    on.wait(reading);
}

SCENARIO(read_parked_then_reset) {
    on.join();
    step& reading = on.client.read(100);
    on.server.abort();
    on.wait(reading);
}

SCENARIO(read_exactly_then_reset) {
    on.join();
    on.send(on.server, on.client, "x");
    step& reading = on.client.read_exactly(100);
    on.server.abort();
    on.wait(reading);
}

SCENARIO(read_bytes_then_reset, .not_on_windows = "Wine 8 hides a reset from a later read") {
    on.join();
    on.expect_ok(on.watch(on.server.write("hello")));
    on.wait(on.client.read_exactly(2));
    on.server.abort();
    on.wait(on.client.read_exactly(3));
    on.wait(on.client.read(1));
}

// How often a library repeats an end may depend on the moment; whether it always does may not.
void read_on(stage& on, std::string_view end) {
    constexpr int often = 5;
    for (int i = 0; i < often; ++i) {
        const step& again = on.watch(on.client.read(100, {.limit = 100ms}));
        if (again.end != end) {
            on.client.note("read forgot its end");
            return;
        }
    }
    on.client.note("read repeats its end");
}

SCENARIO(read_again_after_reset, .not_on_windows = "Wine 8 hides a reset from a later read") {
    on.join();
    step& reading = on.client.read(100);
    on.server.abort();
    on.wait(reading);
    read_on(on, reading.end);
}

SCENARIO(read_again_after_end) {
    on.join();
    step& reading = on.client.read(100);
    on.server.shutdown_write();
    on.wait(reading);
    read_on(on, reading.end);
}

SCENARIO(read_nothing_after_end) {
    on.join();
    step& reading = on.client.read(100);
    on.server.shutdown_write();
    on.wait(reading);
    on.wait(on.client.read(0, {.as = "empty read"}));
    on.send(on.client, on.server, "hello");
}

SCENARIO(read_bytes_then_end) {
    on.join();
    on.expect_ok(on.watch(on.server.write("hello")));
    on.server.close();
    on.wait(on.client.read_exactly(5));
    on.wait(on.client.read(100));
}

SCENARIO(read_cancelled_then_read) {
    on.join();
    step& reading = on.client.read(100, {.as = "first read"});
    on.turn();
    reading.cancel();
    on.wait(reading);
    on.send(on.server, on.client, "hello");
}

SCENARIO(read_cancelled_at_once) {
    on.join();
    step& reading = on.client.read(100, {.as = "first read"});
    reading.cancel();
    on.wait(reading);
    on.send(on.server, on.client, "hello");
}

// How many bytes the first read took nobody can know; together there are all of them.
SCENARIO(read_exactly_cancelled_loses_nothing) {
    on.join();
    step& reading = on.client.read_exactly(100);
    on.expect_ok(on.watch(on.server.write("hello")));
    on.turn();
    reading.cancel();
    on.watch(reading);
    on.client.note("read " + reading.end);
    std::string all = reading.bytes.substr(0, reading.count);
    while (all.size() < 5) {
        const step& rest = on.watch(on.client.read(100));
        on.expect_ok(rest);
        all += rest.bytes.substr(0, rest.count);
    }
    on.client.note("got '" + all + "'");
}

// Bytes may be the result or stay for the next read: never both, never neither.
SCENARIO(read_cancelled_as_bytes_come) {
    on.join();
    std::string all, sent;
    for (int round = 0; round < 40; ++round) {
        step& reading = on.client.read(8);
        const std::string text(1, static_cast<char>('A' + round));
        sent += text;
        on.expect_ok(on.wait_at(on.server, on.server.write(text)));
        if (round % 2 == 0) on.turn();
        if (reading.pending()) reading.cancel();
        on.watch(reading);
        if (reading.end != "ok" && reading.end != "cancelled") throw stuck(reading.end);
        all += reading.bytes.substr(0, reading.count);
    }
    while (all.size() < sent.size()) {
        const step& rest = on.watch(on.client.read(8));
        on.expect_ok(rest);
        all += rest.bytes.substr(0, rest.count);
    }
    on.client.note(all == sent ? "got all, in order" : "got '" + all + "'");
}

SCENARIO(read_until_deadline, .not_on_sim = "its clock is not the one that this scenario reads") {
    on.join();
    const auto begun = std::chrono::steady_clock::now();
    on.wait(on.client.read(100, {.limit = 40ms}));
    const bool early = std::chrono::steady_clock::now() - begun < 40ms;
    on.client.note(early ? "early" : "not early");
    on.send(on.server, on.client, "hello");
}

SCENARIO(read_deadline_loses_to_bytes) {
    on.join();
    step& reading = on.client.read(100, {.limit = patience});
    on.expect_ok(on.watch(on.server.write("hello")));
    on.wait(reading);
}

// A deadline that was armed, and lost, ends no later read. On a machine so loaded that it wins, it
// gets more time. The clock of the second half is a read of the server's that nobody answers.
SCENARIO(read_deadline_is_of_one_step) {
    on.join();
    auto limit = 50ms;
    for (;; limit *= 2) {
        step& first = on.client.read(100, {.limit = limit});
        on.expect_ok(on.watch(on.server.write("x")));
        if (on.watch(first).end == "ok") break;
        on.expect_ok(on.watch(on.client.read(100)));
    }
    step& second = on.client.read(100, {.as = "second read"});
    on.wait(on.server.read(1, {.limit = limit * 2, .as = "clock"}));
    on.client.note(second.pending() ? "second read pending" : "second read ended");
    on.expect_ok(on.watch(on.server.write("world")));
    on.wait(second);
}

SCENARIO(read_deadline_passed_already) {
    on.join();
    on.wait(on.client.read(100, {.limit = 0ms}));
    on.send(on.server, on.client, "hello");
}

// The two bytes before say that the other three are here as well.
SCENARIO(read_deadline_passed_with_bytes_there) {
    on.join();
    on.expect_ok(on.watch(on.server.write("hello")));
    on.wait(on.client.read_exactly(2, {.as = "first read"}));
    on.wait(on.client.read(100, {.limit = 0ms, .as = "second read"}));
}

SCENARIO(read_second_while_one_is_pending) {
    on.join();
    step& first = on.client.read_exactly(2, {.as = "first read"});
    step& second = on.client.read_exactly(3, {.as = "second read"});
    on.turn();
    on.expect_ok(on.watch(on.server.write("hello")));
    on.wait(second);
    on.wait(first);
}

SCENARIO(read_never_opened) {
    on.wait(on.client.read(1));
    on.wait(on.client.read_exactly(1));
    on.wait(on.client.read(0, {.as = "empty read"}));
}

}  // namespace
}  // namespace thole::conformance
