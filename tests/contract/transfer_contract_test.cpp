// SPDX-License-Identifier: BSL-1.0
// backend.hpp held to its word: bytes, and cancel.
#include "contract/rig.hpp"

#include <array>

using namespace thole;
using namespace thole::test;
using namespace std::chrono_literals;
using detail::reason;

// ---- submit

THOLE_TEST("what finishes at once is not reported later", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string hello = "hello";
    std::string text(16, '-');
    transfer_ask writing(r);
    const bool written = writing.start(verb::write, client, bytes_of(hello));
    r.finish(writing);
    CHECK(writing.reported() == (written ? 0 : 1));
    CHECK(writing.count == 5);
    CHECK(client->writing.empty());
    r.pass(5ms);  // the bytes arrive

    transfer_ask reading(r);
    const bool read = reading.start(verb::read, server, bytes_of(text));
    r.finish(reading);
    r.pass(5ms);
    CHECK(reading.reported() == (read ? 0 : 1));
    CHECK_FALSE(reading.error());
    CHECK(reading.count == 5);
    CHECK(text.substr(0, 5) == "hello");
    CHECK(server->reading.empty());
    // With a port the kernel decides whether it finishes at once; with a ring nothing does.
    if (!r.is("iocp")) {
        CHECK(written == !r.is("io_uring"));
    }
}

THOLE_TEST("what is pending stands in its queue and is reported once", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(16, '-');
    transfer_ask reading(r);
    REQUIRE_FALSE(reading.start(verb::read, server, bytes_of(text)));
    CHECK(server->reading.front() == &reading);
    CHECK(server->writing.empty());
    CHECK(r.poll() == 0);
    r.write(client, "hello");
    r.finish(reading);
    CHECK(server->reading.empty());
    CHECK(text.substr(0, reading.count) == "hello");
    r.write(client, "more");
    r.pass(5ms);
    CHECK(reading.reported() == 1);
    CHECK(r.read(server, 4) == "more");
}

THOLE_TEST("read takes what is there, read_exactly all of it", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(10, '-');
    transfer_ask all(r);
    REQUIRE_FALSE(all.start(verb::read_exactly, server, bytes_of(text)));
    r.write(client, "half ");
    r.pass(5ms);
    CHECK(all.pending());
    r.write(client, "whole and the rest");
    r.finish(all);
    CHECK(all.reported() == 1);
    CHECK(all.count == 10);
    CHECK(text == "half whole");
    CHECK(r.read(server, 13) == " and the rest");
}

THOLE_TEST("several buffers are one stream of bytes", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string out(300, '-');
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<char>('a' + i % 26);
    }
    std::vector<std::span<std::byte>> pieces;  // more than a kernel takes at once, empty ones too
    for (std::size_t i = 0; i < 100; ++i) {
        pieces.push_back(bytes_of(out).subspan(3 * i, 3));
        pieces.push_back(bytes_of(out).subspan(0, 0));
    }
    std::string in(300, '-');
    const std::array<std::span<std::byte>, 4> into = {
        bytes_of(in).subspan(0, 1), bytes_of(in).subspan(1, 200), bytes_of(in).subspan(201, 0),
        bytes_of(in).subspan(201)};
    transfer_ask reading(r);
    transfer_ask writing(r);
    reading.start(verb::read_exactly, server, std::span(into));
    writing.start(verb::write, client, std::span(std::as_const(pieces)));
    r.finish(writing);
    r.finish(reading);
    CHECK(writing.count == 300);
    CHECK(reading.count == 300);
    CHECK(in == out);
    CHECK(reading.reported() <= 1);
}

THOLE_TEST("a large write goes on as its reader makes room", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string out(std::size_t{8} * 1024 * 1024, '-');
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<char>(i * 2654435761U >> 13);
    }
    transfer_ask writing(r);
    writing.start(verb::write, client, bytes_of(out));
    const std::string in = r.read(server, out.size());
    r.finish(writing);
    CHECK(writing.reported() <= 1);
    CHECK_FALSE(writing.error());
    CHECK(writing.count == out.size());
    CHECK((in == out));
}

THOLE_TEST("both directions of a socket go their own way", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(4, '-');
    transfer_ask reading(r);
    transfer_ask writing(r);
    REQUIRE_FALSE(reading.start(verb::read_exactly, client, bytes_of(text)));
    r.start_stuck_write(writing, client);
    CHECK(client->reading.front() == &reading);
    CHECK(client->writing.front() == &writing);
    r.write(server, "news");
    r.finish(reading);
    CHECK(text == "news");
    CHECK(writing.pending());
}

// ---- cancel

THOLE_TEST("a cancelled read is reported once and loses nothing", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(16, '-');
    transfer_ask reading(r);
    REQUIRE_FALSE(reading.start(verb::read, server, bytes_of(text)));
    const bool back = r.cancel(reading);
    if (back) {
        CHECK(reading.reported() == 1);
        CHECK(server->reading.empty());
    }
    r.finish(reading);
    CHECK(reading.reported() == 1);
    CHECK(reading.error() == errc::cancelled);
    CHECK(reading.count == 0);
    r.write(client, "after");
    CHECK(r.read(server, 5) == "after");
    CHECK(reading.reported() == 1);
}

THOLE_TEST("the recorded reason is the error", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    const std::pair<reason, errc> expected[] = {{reason::cancelled, errc::cancelled},
                                                {reason::deadline, errc::deadline_reached},
                                                {reason::closed, errc::closed}};
    for (const auto& [why, error] : expected) {
        std::string text(16, '-');
        transfer_ask reading(r);
        REQUIRE_FALSE(reading.start(verb::read, server, bytes_of(text)));
        r.cancel(reading, why);
        r.finish(reading);
        CHECK(reading.error() == error);
    }
}

THOLE_TEST("an effect beats the reason", "[contract]") {  // R101
    rig r;
    const auto [client, server] = r.pair();
    std::size_t sent = 0;
    std::size_t received = 0;
    int effects = 0;
    for (int round = 0; round < 100; ++round) {
        std::string text(4, '-');
        transfer_ask reading(r);
        reading.start(verb::read, server, bytes_of(text));
        r.write(client, "four");
        sent += 4;
        if (round % 2 == 0) {
            r.poll();
        }
        if (reading.pending()) {
            r.cancel(reading);
            r.finish(reading);
        }
        if (reading.error()) {  // never with bytes: those are for the next read
            CHECK(reading.error() == errc::cancelled);
            CHECK(reading.count == 0);
        } else {
            CHECK(reading.count > 0);
            received += reading.count;
            ++effects;
        }
        CHECK(reading.reported() <= 1);
    }
    CHECK(effects > 0);
    if (sent > received) {
        CHECK(r.read(server, sent - received).size() == sent - received);
    }
    CHECK(r.pass(2ms) == 0);
}

THOLE_TEST("a cancelled read_exactly keeps its bytes", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(10, '-');
    transfer_ask reading(r);
    REQUIRE_FALSE(reading.start(verb::read_exactly, server, bytes_of(text)));
    r.write(client, "four");
    r.pass(5ms);
    r.cancel(reading);
    r.finish(reading);
    CHECK(reading.reported() == 1);
    CHECK(reading.error() == errc::cancelled);
    CHECK(reading.count == 4);
    CHECK(text == "four------");
}

THOLE_TEST("a cancelled write counts the bytes that the kernel took", "[contract]") {  // R107
    rig r;
    const auto [client, server] = r.pair();
    transfer_ask writing(r);
    r.start_stuck_write(writing, client);
    r.cancel(writing);
    r.finish(writing);
    CHECK(writing.reported() == 1);
    CHECK(writing.error() == errc::cancelled);
    CHECK(writing.count > 0);
    CHECK(writing.count < writing.length);
    REQUIRE_FALSE(r.control(client, request::shutdown_write));
    std::string text;
    CHECK(r.read_to_end(server, text) == errc::end_of_stream);
    if (r.is("iocp")) {
        CHECK(text.size() >= writing.count);
    } else {
        CHECK(text.size() == writing.count);
    }
}
