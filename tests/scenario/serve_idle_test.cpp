// SPDX-License-Identifier: BSL-1.0
// Which end of a connection counts as that of an idle one.
#include "service.hpp"

using namespace thole;
using namespace thole::test;

namespace {

// What a handler's reads come to.
struct seen {
    std::vector<std::error_code> reads;
    bool asked = false;
    bool answered = false;
};

task<> read_once(connection& with, seen& by, deadline until = never) {
    std::byte buffer[16];
    const auto got = co_await with.socket().read(buffer, until);
    by.reads.push_back(got.error());
}

// Serves one client, who says "yes" when it is asked, and reads until it is let go.
template <class F>
closed_counters closed_after(F handler, serve_options options, seen& by) {
    scene in;
    service at(in.on, handler, options);
    run(in.on, [](loop& on, service& of, seen& what) -> task<> {
        tcp::socket peer = co_await client_of(on, of.where);
        co_await until([&] { return what.asked || of.runs.counters().closing != 0; });
        if (what.asked) {
            co_await send(peer, "yes");
            what.answered = true;
        }
        const std::error_code end = co_await end_of(peer);
        CHECK(end == errc::end_of_stream);
        peer.close();
        co_await until_empty(of.runs);
        of.runs.close();
    }(in.on, at, by));
    return at.closed();
}

void check_ended(const closed_counters& seen) {
    CHECK(seen.ended == 1);
    CHECK(seen.idle == 0);
}

void check_idle(const closed_counters& seen) {
    CHECK(seen.ended == 0);
    CHECK(seen.idle == 1);
}

// The handler reads in vain, for less than the idle time.
template <class F>
void check_own_time(F read) {
    seen by;
    check_ended(closed_after([&by, read](connection& with) -> task<> { co_await read(with, by); },
                             {.idle = patience}, by));
    REQUIRE(by.reads.size() == 1);
    CHECK(by.reads[0] == errc::deadline_reached);
}

}  // namespace

THOLE_TEST("serve: a deadline of the handler's own is not the idle time", "[serve]") {
    check_own_time([](connection& with, seen& by) { return read_once(with, by, within(10ms)); });
}

THOLE_TEST("serve: nor is one over a task that reads", "[serve]") {
    check_own_time([](connection& with, seen& by) -> task<> {
        co_await with_deadline(within(10ms), read_once(with, by));
    });
}

THOLE_TEST("serve: nor are default times that the handler has set", "[serve]") {
    check_own_time([](connection& with, seen& by) {
        CHECK(with.socket().default_times({.read = 10ms}).error() == no_error);
        return read_once(with, by);
    });
}

THOLE_TEST("serve: who was idle, answered then, and was served is not let go as idle", "[serve]") {
    seen by;
    check_ended(closed_after(
        [&by](connection& with) -> task<> {
            co_await read_once(with, by);
            by.asked = true;
            co_await until([&by] { return by.answered; });
            (void)co_await sleep_for(2ms);  // a turn at the least: it lies there before it is read
            co_await read_once(with, by);
        },
        {.idle = 20ms}, by));
    REQUIRE(by.reads.size() == 2);
    CHECK(by.reads[0] == errc::deadline_reached);
    CHECK(by.reads[1] == no_error);
}

THOLE_TEST("serve: an idle connection stays one when the handler says goodbye", "[serve]") {
    seen by;
    check_idle(closed_after(
        [&by](connection& with) -> task<> {
            co_await read_once(with, by);
            co_await send(with.socket(), "goodbye");
            co_await read_once(with, by, within(5ms));
        },
        {.idle = 20ms}, by));
    REQUIRE(by.reads.size() == 2);
    CHECK(by.reads[0] == errc::deadline_reached);
    CHECK(by.reads[1] == errc::deadline_reached);
}

THOLE_TEST("serve: a write that nobody takes for the idle time counts as idle", "[serve]") {
    seen by;
    scene in;
    service at(in.on,
               [](connection& with) -> task<> {
                   const transfer sent = co_await with.socket().write(bulk());
                   CHECK(sent.error == errc::deadline_reached);
               },
               {.idle = 30ms, .close_time = 30ms});
    run(in.on, [](loop& on, service& of) -> task<> {
        tcp::socket peer = co_await client_of(on, of.where);
        co_await until_empty(of.runs);
        of.runs.close();
    }(in.on, at));
    check_idle(at.closed());
}
