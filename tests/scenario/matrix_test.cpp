// SPDX-License-Identifier: BSL-1.0
// R111: what a connection's end looks like, the same on every backend: one row a way to end, and
// what is told to whoever reads, writes, connects or accepts.
#include "support/scenario.hpp"

#include <thole/stop_token.hpp>

#include <stop_token>

using namespace thole;
using namespace thole::test;

namespace {

// One word an end. Where a write meets a peer that is gone, systems tell a reset or a broken pipe,
// as the news comes first or not: "gone".
std::string word(const std::error_code& end) {
    const struct {
        std::error_code code;
        std::string_view text;
    } own[] = {{make_error_code(errc::closed), "closed"},
               {make_error_code(errc::cancelled), "cancelled"},
               {make_error_code(errc::deadline_reached), "deadline"},
               {make_error_code(errc::end_of_stream), "end"}};
    for (const auto& each : own) {
        if (end == each.code) {
            return std::string(each.text);
        }
    }
    if (end == std::errc::connection_refused) {
        return "refused";
    }
    if (end == std::errc::connection_reset || end == std::errc::broken_pipe ||
        end == std::errc::connection_aborted) {
        return "gone";
    }
    return end ? end.message() : "ok";
}

// What is told, in the order of asking.
using trace = std::vector<std::string>;

struct here_and_there {
    explicit here_and_there(scene& in) : on(in.on), both(make_pair(in.on)) {}

    std::string read() {
        return run(on, [](tcp::socket& from) -> task<std::string> {
            std::byte buffer[16];
            const auto got = co_await from.read(buffer, within(patience / 2));
            co_return got ? text_of(std::span(buffer).first(*got)) : word(got.error());
        }(both.here));
    }
    std::string write() {
        return run(on, [](tcp::socket& to) -> task<std::string> {
            const transfer sent = co_await to.write(bytes_of("x"), within(patience / 2));
            co_return word(sent.error);
        }(both.here));
    }
    // Until it fails: the first one to a peer that is gone is what asks.
    std::string write_often() {
        for (int i = 0; i < 200; ++i) {
            if (std::string end = write(); end != "ok") {
                return end;
            }
        }
        return "never told";
    }
    void they_send(std::string_view text) { run(on, send(both.there, text)); }

    // What is pending here while they, or we, end it.
    template <class Ends>
    trace pending_read(Ends&& ends) {
        journal log;
        std::byte buffer[16];
        noting<tcp::read_op> reading{noted{&log, "read"}};
        reading.start(both.here, std::span(buffer));
        turn(on);
        REQUIRE(reading.pending());
        ends();
        settle(on);
        REQUIRE(log.size() == 1);
        return {word(log.of("read").error)};
    }
    template <class Ends>
    trace pending_write(Ends&& ends) {
        journal log;
        noting<tcp::write_op> writing{noted{&log, "write"}};
        writing.start(both.here, bulk());
        turn(on);
        REQUIRE(writing.pending());
        ends();
        settle(on);
        REQUIRE(log.size() == 1);
        CHECK(log.of("write").count < bulk().size());
        return {word(log.of("write").error)};
    }

    loop& on;
    pair both;
};

}  // namespace

THOLE_TEST("R111 the peer's end: idle, with bytes, under a read, and writing after it", "[close]") {
    scene in;
    {
        here_and_there at(in);
        at.both.there.close();
        CHECK(trace{at.read(), at.read(), at.write_often()} == trace{"end", "end", "gone"});
    }
    {
        here_and_there at(in);
        at.they_send("hello");
        at.both.there.close();
        CHECK(trace{at.read(), at.read()} == trace{"hello", "end"});
    }
    {
        here_and_there at(in);
        CHECK(at.pending_read([&] { at.both.there.close(); }) == trace{"end"});
    }
    {  // only half of it: who has finished still reads
        here_and_there at(in);
        REQUIRE(at.both.there.shutdown_write());
        CHECK(trace{at.read(), at.write(), at.write()} == trace{"end", "ok", "ok"});
        run(at.on, expect(at.both.there, "xx"));
    }
}

THOLE_TEST("R111 the peer's reset: idle, with bytes queued, under a read and under a write",
           "[close]") {
    scene in;
    {
        here_and_there at(in);
        CHECK(at.pending_read([&] { at.both.there.abort(); }) == trace{"gone"});
        CHECK(at.write_often() == "gone");
    }
    {
        here_and_there at(in);
        CHECK(at.pending_write([&] { at.both.there.abort(); }) == trace{"gone"});
    }
    if (on_iocp()) {
        skip("docs/windows.md: Wine 8 hides a reset from a receive issued after it");
    }
    {
        here_and_there at(in);
        at.both.there.abort();
        CHECK(trace{at.read(), at.read(), at.write()} == trace{"gone", "gone", "gone"});
    }
    {
        here_and_there at(in);
        at.they_send("hello");
        at.both.there.abort();
        CHECK(trace{at.read(), at.read()} == trace{"hello", "gone"});
    }
}

THOLE_TEST("R111 our own close and abort, under each verb that waits", "[close]") {
    scene in;
    {
        here_and_there at(in);
        CHECK(at.pending_read([&] { at.both.here.close(); }) == trace{"closed"});
        CHECK(trace{at.read(), at.write()} == trace{"closed", "closed"});
    }
    {
        here_and_there at(in);
        CHECK(at.pending_write([&] { at.both.here.close(); }) == trace{"closed"});
    }
    {
        here_and_there at(in);
        CHECK(at.pending_read([&] { at.both.here.abort(); }) == trace{"closed"});
    }
    {
        tcp::listener door = open_door(in.on);
        const endpoint where = *door.local();
        journal log;
        noting<tcp::accept_op> accepting{noted{&log, "accept"}};
        accepting.start(door);
        turn(in.on);
        door.close();
        settle(in.on);
        CHECK(word(log.of("accept").error) == "closed");
        noting<tcp::connect_op> late{noted{&log, "late"}};
        late.start(in.on, where);  // nobody listens there any more
        settle(in.on);
        CHECK(word(log.of("late").error) == "refused");
    }
}

namespace {

task<std::error_code> connects(loop& on, endpoint to, deadline until) {
    const auto made = co_await tcp::connect(on, to, until);
    co_return made.error();
}

task<std::error_code> reads(tcp::socket& from) {
    std::byte buffer[4];
    const auto got = co_await from.read(buffer);
    co_return got.error();
}

task<std::error_code> accepts(tcp::listener& from) {
    const auto got = co_await from.accept();
    co_return got.error();
}

task<std::error_code> under(std::stop_token token, task<std::error_code> work) {
    const std::error_code end = co_await with_stop_token(token, std::move(work));
    co_return end;
}

// What a stop token, and then a cancel of the task, ends it with.
template <class Make>
task<> ended_from_outside(loop& on, Make make) {
    std::stop_source source;
    auto stopped = on.spawn(under(source.get_token(), make()));
    co_await yield();
    CHECK_FALSE(stopped.ended());
    source.request_stop();
    const std::error_code by_token = co_await stopped;
    CHECK(word(by_token) == "cancelled");
    auto running = on.spawn(make());
    co_await yield();
    CHECK_FALSE(running.ended());
    running.cancel();
    const std::error_code by_cancel = co_await running;
    CHECK(word(by_cancel) == "cancelled");
}

}  // namespace

THOLE_TEST("R111 a connect that is refused, and one that is never answered", "[connect]") {
    scene in;
    const closed_port nobody;
    CHECK(word(run(in.on, connects(in.on, nobody.where(), never))) == "refused");
    silent_port silent(in.on);
    CHECK(word(run(in.on, connects(in.on, silent.where(), within(50ms)))) == "deadline");
    run(in.on, ended_from_outside(in.on, [&] { return connects(in.on, silent.where(), never); }));
}

THOLE_TEST("R111 a cancel and a stop token end a read and an accept, and harm neither",
           "[cancel]") {
    scene in;
    here_and_there at(in);
    run(in.on, ended_from_outside(in.on, [&] { return reads(at.both.here); }));
    at.they_send("hello");
    CHECK(at.read() == "hello");
    tcp::listener door = open_door(in.on);
    run(in.on, ended_from_outside(in.on, [&] { return accepts(door); }));
    const pair more = run(in.on, connected(in.on, door));
    CHECK(more.there.is_open());
}
