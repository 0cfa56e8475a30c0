// SPDX-License-Identifier: BSL-1.0
// backend.hpp held to its word: bytes, their ends, cancel and close.
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
    if (!r.is("iocp")) {  // there the kernel decides whether it finishes at once
        CHECK(written);
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

// ---- How streams end

THOLE_TEST("a FIN is the end of the stream, after the bytes", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(10, '-');
    transfer_ask parked(r);
    REQUIRE_FALSE(parked.start(verb::read_exactly, server, bytes_of(text)));
    r.write(client, "four");
    r.close(client);
    r.finish(parked);
    CHECK(parked.reported() == 1);
    CHECK(parked.error() == errc::end_of_stream);
    CHECK(parked.count == 4);
    CHECK(text.substr(0, 4) == "four");
    std::string more;
    CHECK(r.read_to_end(server, more) == errc::end_of_stream);
    CHECK(more.empty());
}

THOLE_TEST("a reset is no end of stream", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    std::string text(10, '-');
    transfer_ask parked(r);
    REQUIRE_FALSE(parked.start(verb::read, server, bytes_of(text)));
    REQUIRE_FALSE(r.control(client, request::reset_on_close));
    r.close(client);
    r.finish(parked);
    CHECK(parked.reported() == 1);
    CHECK(parked.error() == std::errc::connection_reset);
    CHECK(parked.count == 0);
}

THOLE_TEST("bytes that came before a reset are read first", "[contract]") {  // R60, RW05
    rig r;
    const auto [client, server] = r.pair();
    r.write(client, "before");
    r.pass(5ms);
    REQUIRE_FALSE(r.control(client, request::reset_on_close));
    r.close(client);
    r.pass(5ms);
    std::string text;
    CHECK(r.read_to_end(server, text) == std::errc::connection_reset);
    if (!r.is("iocp")) {  // Windows may drop what was not read
        CHECK(text == "before");
    }
}

THOLE_TEST("closing with unread bytes is a reset", "[contract]") {  // R113
    rig r;
    const auto [client, server] = r.pair();
    r.write(client, "never read");
    r.pass(5ms);
    r.close(server);
    std::string text;
    CHECK(r.read_to_end(client, text) == std::errc::connection_reset);
}

THOLE_TEST("writing to a peer that is gone fails in the end", "[contract]") {  // RW06
    rig r;
    const auto [client, server] = r.pair();
    r.close(server);
    r.pass(5ms);
    std::error_code error;
    int writes = 0;
    for (; !error && writes < 100; ++writes) {
        std::string text = "anybody?";
        transfer_ask writing(r);
        writing.start(verb::write, client, bytes_of(text));
        r.finish(writing);
        error = writing.error();
        r.pass(2ms);
    }
    CHECK(writes > 1);
    CHECK((error == std::errc::broken_pipe || error == std::errc::connection_reset));
}

THOLE_TEST("a reset ends a pending write", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    transfer_ask writing(r);
    r.start_stuck_write(writing, client);
    r.close(server);  // with unread bytes
    r.finish(writing);
    CHECK(writing.reported() == 1);
    CHECK((writing.error() == std::errc::connection_reset ||
           writing.error() == std::errc::broken_pipe));
    CHECK(writing.count > 0);
    CHECK(writing.count < writing.length);
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

// ---- close

THOLE_TEST("close with a read and a write pending ends each once", "[contract]") {  // CL01
    rig r;
    const auto [client, server] = r.pair();
    std::string text(4, '-');
    transfer_ask reading(r);
    transfer_ask writing(r);
    REQUIRE_FALSE(reading.start(verb::read, client, bytes_of(text)));
    r.start_stuck_write(writing, client);
    r.close(client);
    r.finish(reading);
    r.finish(writing);
    r.until([&] { return r.net.held() == 0; });
    CHECK(reading.reported() == 1);
    CHECK(reading.error() == errc::closed);
    CHECK(reading.count == 0);
    CHECK(writing.reported() == 1);
    CHECK(writing.error() == errc::closed);
    CHECK(writing.count > 0);
    std::string got;
    static_cast<void>(r.read_to_end(server, got));  // what was taken is still sent
    CHECK(got.size() >= writing.count);
    CHECK(r.poll() == 0);
}

THOLE_TEST("close of an idle socket holds nothing", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    r.close(client);
    std::string text;
    CHECK(r.read_to_end(server, text) == errc::end_of_stream);
    r.close(server);
    r.until([&] { return r.net.held() == 0; });
    CHECK(r.poll() == 0);
}

THOLE_TEST("a socket opened after a close is not mixed up with it", "[contract]") {  // I5
    rig r;
    socket_state* door = r.listen();
    for (int round = 0; round < 20; ++round) {
        const auto [client, server] = r.pair(door);
        std::string old_text(4, '-');
        std::string new_text(4, '-');
        transfer_ask old_read(r);
        transfer_ask new_read(r);
        REQUIRE_FALSE(old_read.start(verb::read, server, bytes_of(old_text)));
        r.write(client, "news");  // the kernel may have an event for the old socket already
        r.close(server);
        const auto [next_client, next_server] = r.pair(door);
        REQUIRE_FALSE(new_read.start(verb::read, next_server, bytes_of(new_text)));
        r.finish(old_read);
        CHECK(old_read.reported() == 1);
        r.pass(1ms);
        CHECK(new_read.pending());
        r.write(next_client, "mine");
        r.finish(new_read);
        CHECK(new_read.reported() == 1);
        CHECK(new_text == "mine");
        REQUIRE_FALSE(r.control(client, request::reset_on_close));
        REQUIRE_FALSE(r.control(next_client, request::reset_on_close));
        r.close(client);
        r.close(next_client);
        r.close(next_server);
    }
}
