// SPDX-License-Identifier: BSL-1.0
// Sockets of the system: taken over, and given away.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

void need_native() {
    if (on_sim()) {
        skip("the simulated network has no sockets of the system's");
    }
}

// A connection between a raw peer and a raw socket that shall be adopted.
struct raw_pair {
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    raw::socket ours = raw::socket::connect(door.local());
    raw::socket peer = door.accept();
};

task<std::string> read_some(tcp::socket& from) {
    std::byte buffer[16];
    const auto got = co_await from.read(buffer, within(patience));
    REQUIRE(got.error() == no_error);
    co_return text_of(std::span(buffer).first(*got));
}

}  // namespace

THOLE_TEST("an adopted socket is the loop's", "[native]") {
    need_native();
    scene in;
    raw_pair raws;
    raws.peer.send("early");  // before anybody watches
    tcp::socket here = adopted(in.on, raws.ours);
    CHECK(here.connected_for().error() == no_error);
    CHECK(*here.peer() == raws.door.local());
    CHECK(run(in.on, read_some(here)) == "early");
    run(in.on, send(here, "hello"));
    CHECK(raws.peer.receive_all(5).bytes == "hello");
    raws.peer.send("late");
    CHECK(run(in.on, read_some(here)) == "late");
    here.close();
    settle(in.on);
    CHECK(raws.peer.receive(1).how == raw::ending::end_of_stream);
}

THOLE_TEST("an adopted socket that nobody attached ends with its bytes, not with a reset",
           "[native]") {
    need_native();
    scene in;
    raw_pair raws;
    raws.ours.send("last words");
    {
        auto loose = tcp::detached_socket::adopt(raws.ours.native());
        REQUIRE(loose.error() == no_error);
        raws.ours.give();
        CHECK(*loose->peer() == raws.door.local());
        CHECK(loose->local().error() == no_error);
    }
    const raw::reception got = raws.peer.receive_all(64);
    CHECK(got.bytes == "last words");
    CHECK(got.how == raw::ending::end_of_stream);
}

THOLE_TEST("R110: adopting takes a lingering time back", "[native]") {
    need_native();
    scene in;
    raw_pair raws;
    raws.ours.set_linger(30);
    REQUIRE(raws.ours.lingers());
    auto loose = tcp::detached_socket::adopt(raws.ours.native());
    REQUIRE(loose.error() == no_error);
    CHECK_FALSE(raws.ours.lingers());
    raws.ours.give();
}

THOLE_TEST("what is no connected stream socket stays the caller's", "[native]") {
    need_native();
    scene in;
    raw::socket listening = raw::socket::bind(address_family::ipv4, 5);
    raw::socket lone = raw::socket::bind(address_family::ipv4, -1);
    raw::socket datagrams = raw::socket::datagram();
    CHECK(tcp::detached_socket::adopt(listening.native()).error() == std::errc::not_connected);
    CHECK(tcp::detached_socket::adopt(lone.native()).error() == std::errc::not_connected);
    CHECK(tcp::detached_socket::adopt(datagrams.native()).error() == std::errc::invalid_argument);
    CHECK(tcp::detached_socket::adopt(raw::socket::none).error() == std::errc::bad_file_descriptor);
    CHECK(listening.local().port() != 0);
    raw::socket client = raw::socket::connect(listening.local());  // it still listens
    if (raw::is_windows()) {
        return;
    }
    raw::socket other;
    const raw::socket unix_end = raw::local_stream(other);
    CHECK(tcp::detached_socket::adopt(unix_end.native()).error() ==
          std::errc::address_family_not_supported);
    CHECK(raw::is_blocking(unix_end.native()));
    CHECK(raw::is_blocking(lone.native()));
}

THOLE_TEST("a released socket is the caller's, blocking if that was wished", "[native]") {
    need_native();
    for (const bool blocking : {true, false}) {
        CAPTURE(blocking);
        scene in;
        pair both = make_pair(in.on);
        run(in.on, send(both.there, "hello"));
        run(in.on, expect(both.here, "hello"));
        const auto given = both.here.release(blocking);
        if (on_iocp() && !given) {
            CHECK(given.error() == std::errc::operation_not_supported);
            CHECK(both.here.is_open());
            run(in.on, send(both.there, "still here"));
            run(in.on, expect(both.here, "still here"));
            skip("Wine and Windows before 8.1: a socket is bound to its port for life (R15)");
        }
        REQUIRE(given.error() == no_error);
        CHECK_FALSE(both.here.is_open());
        raw::socket released(*given);
        if (!raw::is_windows()) {
            CHECK(raw::is_blocking(*given) == blocking);
        }
        run(in.on, send(both.there, "more"));
        if (blocking) {
            CHECK(released.receive_all(4).bytes == "more");
        }
        turn(in.on);
        tcp::socket back = adopted(in.on, released);
        run(in.on, send(both.there, "again"));
        run(in.on, expect(back, blocking ? "again" : "moreagain"));
        run(in.on, send(back, "and back"));
        run(in.on, expect(both.there, "and back"));
    }
}

THOLE_TEST("a socket travels to another loop by release and adopt", "[native]") {
    need_native();
    scene in;
    pair both = make_pair(in.on);
    const auto given = both.here.release(false);
    if (on_iocp() && !given) {
        skip("Wine and Windows before 8.1: a socket is bound to its port for life (R15)");
    }
    REQUIRE(given.error() == no_error);
    loop other(options_of_run());
    raw::socket released(*given);
    tcp::socket there = adopted(other, released);
    run(in.on, send(both.there, "hello"));
    run(other, expect(there, "hello"));
    there.close();
    settle(other);
}

THOLE_TEST("nothing may be pending on a socket that is released", "[native]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    noting<tcp::write_op> writing{noted{&log, "write"}};
    reading.start(both.here, buffer);
    CHECK(both.here.release(true).error() == errc::operation_in_progress);
    CHECK(both.here.is_open());
    reading.cancel();
    settle(in.on);
    writing.start(both.here, bulk());
    CHECK(both.here.release(true).error() == errc::operation_in_progress);
    both.here.close();
    settle(in.on);
    CHECK(both.here.release(true).error() == errc::closed);
    if (on_sim()) {
        CHECK(both.there.release(true).error() == std::errc::operation_not_supported);
        CHECK(both.there.is_open());
    }
}
