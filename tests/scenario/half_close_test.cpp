// SPDX-License-Identifier: BSL-1.0
// Streams of which one half is over, or both.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

bool is_gone(std::error_code error) {
    return error == std::errc::connection_reset || error == std::errc::broken_pipe ||
           error == std::errc::not_connected;
}

// Writes until that fails; each write ends once.
struct writes_on {
    tcp::socket* to;
    callback<tcp::write_op, writes_on>* self;
    journal* log;
    std::size_t* starts;

    void operator()(const transfer& end) const {
        log->note("write", end.error, end.count);
        if (!end.error && log->size() < 100'000) {
            ++*starts;
            self->start(*to, bytes_of("anybody?"), within(patience));
        }
    }
};

}  // namespace

THOLE_TEST("RW07 a write to a peer that is gone without a word to us", "[transfer]") {
    for (const bool with_reset : {true, false}) {
        CAPTURE(with_reset);
        scene in;
        pair both = make_pair(in.on);
        run(in.on, send(both.here, "unread"));  // so that also its close is a reset (R113)
        if (with_reset) {
            both.there.abort();
        } else {
            both.there.close();
        }
        journal log;
        std::size_t starts = 1;
        callback<tcp::write_op, writes_on> writing{writes_on{&both.here, nullptr, &log, &starts}};
        writing.function().self = &writing;
        writing.start(both.here, bytes_of("hello"), within(patience));
        CHECK(log.size() == 0);
        settle(in.on);
        CHECK(log.size() == starts);  // once each
        const std::error_code end = log[log.size() - 1].error;
        CAPTURE(end.message());
        CHECK(is_gone(end));
        std::byte buffer[4];
        noting<tcp::read_op> reading{noted{&log, "read"}};
        reading.start(both.here, buffer, within(patience));
        settle(in.on);
        CHECK((is_gone(log.of("read").error) || log.of("read").error == errc::end_of_stream));
        CHECK(log.times("read") == 1);
    }
}

namespace {

task<> nothing_works(tcp::socket& broken) {
    std::byte buffer[4];
    for (int i = 0; i < 3; ++i) {
        const auto got = co_await broken.read(buffer, within(patience));
        CAPTURE(got.error().message());
        // Wine 8 forgets the reset that it told once (docs/windows.md).
        CHECK((is_gone(got.error()) || (on_iocp() && got.error() == errc::end_of_stream)));
        const transfer sent = co_await broken.write(bytes_of("x"), within(patience));
        CAPTURE(sent.error.message());
        CHECK(is_gone(sent.error));
        CHECK(sent.count == 0);
    }
}

}  // namespace

THOLE_TEST("RW12 after a read's error neither readable nor writable", "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[4];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(both.here, buffer);
    turn(in.on);
    both.there.abort();
    settle(in.on);
    CHECK(log.of("read").error == std::errc::connection_reset);
    CHECK(both.here.is_open());  // it is the owner's to close
    const guard late(in.on, patience / 2);
    run(in.on, nothing_works(both.here));
    CHECK_FALSE(late.fired());
}

THOLE_TEST("CL04 half-close: our FIN is sent, and we still receive", "[close]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[4];
    noting<tcp::read_op> parked{noted{&log, "read"}};
    parked.start(both.here, buffer);  // a pending read is not disturbed
    turn(in.on);
    run(in.on, send(both.here, "last words"));
    CHECK(both.here.shutdown_write().error() == no_error);
    turn(in.on);
    CHECK(parked.pending());
    run(in.on, expect(both.there, "last words"));
    CHECK(run(in.on, drain(both.there)) == transfer{0, make_error_code(errc::end_of_stream)});

    run(in.on, send(both.there, "abcd"));
    settle(in.on);
    CHECK(log.of("read").count == 4);
    const auto rest = [](pair& ends) -> task<transfer> {
        const transfer sent = co_await ends.there.write(bulk().first(200'000), within(patience));
        ends.there.close();
        co_return sent;
    };
    auto writing = in.on.spawn(rest(both));
    const transfer got = run(in.on, drain(both.here));
    CHECK(got == transfer{200'000, make_error_code(errc::end_of_stream)});
    settle(in.on);
    CHECK(writing.ended());
}

THOLE_TEST("CL06 shutdown of what is not connected", "[close]") {
    scene in;
    tcp::socket none;
    CHECK(none.shutdown_write().error() == errc::closed);
    pair both = make_pair(in.on);
    tcp::socket elsewhere = std::move(both.here);
    CHECK(both.here.shutdown_write().error() == errc::closed);  // NOLINT(bugprone-use-after-move)
    elsewhere.close();
    CHECK(elsewhere.shutdown_write().error() == errc::closed);

    pair other = make_pair(in.on);
    journal log;
    std::byte buffer[4];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(other.here, buffer);
    turn(in.on);
    other.there.abort();
    settle(in.on);
    REQUIRE(log.of("read").error == std::errc::connection_reset);
    if (!on_iocp()) {  // Wine 8 forgets the reset that it told (docs/windows.md)
        CHECK(other.here.shutdown_write().error() == std::errc::not_connected);
    }
}

THOLE_TEST("CL07 shutdown twice, and from both ends at once", "[close]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, send(both.here, "one way"));
    run(in.on, send(both.there, "the other"));
    CHECK(both.here.shutdown_write().error() == no_error);
    CHECK(both.there.shutdown_write().error() == no_error);
    CHECK(in.on.run().value() == 0);  // no operation is behind it
    run(in.on, expect(both.there, "one way"));
    run(in.on, expect(both.here, "the other"));
    const transfer end{0, make_error_code(errc::end_of_stream)};
    CHECK(run(in.on, drain(both.here)) == end);
    CHECK(run(in.on, drain(both.there)) == end);

    pair again = make_pair(in.on);
    CHECK(again.here.shutdown_write().error() == no_error);
    CHECK(again.here.shutdown_write().error() == no_error);  // done already: nothing
    CHECK(run(in.on, drain(again.there)) == end);
    CHECK(again.here.shutdown_write().error() == no_error);
    run(in.on, send(again.there, "still"));
    run(in.on, expect(again.here, "still"));
}

THOLE_TEST("CL08 a write after our shutdown", "[close]") {
    scene in;
    pair both = make_pair(in.on);
    CHECK(both.here.shutdown_write().error() == no_error);
    journal log;
    noting<tcp::write_op> writing{noted{&log, "write"}};
    noting<tcp::write_some_op> some{noted{&log, "some"}};
    noting<tcp::write_op> nothing{noted{&log, "nothing"}};
    writing.start(both.here, bytes_of("x"));
    CHECK(log.size() == 0);
    settle(in.on);
    some.start(both.here, bytes_of("x"));
    CHECK(log.size() == 1);
    settle(in.on);
    nothing.start(both.here, std::span<const std::byte>());
    settle(in.on);
    REQUIRE(log.size() == 3);
    CHECK(log.of("write").error == std::errc::broken_pipe);
    CHECK(log.of("write").count == 0);
    CHECK(log.of("some").error == std::errc::broken_pipe);
    CHECK(log.of("nothing").error == no_error);
    run(in.on, send(both.there, "still"));
    run(in.on, expect(both.here, "still"));
    CHECK(run(in.on, drain(both.there)) == transfer{0, make_error_code(errc::end_of_stream)});
}
