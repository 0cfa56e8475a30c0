// SPDX-License-Identifier: BSL-1.0
// Graceful closes: the line they stand in, cancel, what cannot begin, the loop's end.
#include "support/parting.hpp"

using namespace thole;
using namespace thole::test;

// ---- The line.

namespace {

loop_options with_closes(std::size_t most) {
    loop_options options = options_of_run();
    options.graceful_closes = most;
    return options;
}

// Whether the peer has been told that no more will come.
bool has_fin(loop& on, tcp::socket& peer) {
    const auto look = [](tcp::socket& at) -> task<bool> {
        std::byte buffer[1];
        const auto seen = co_await at.peek(buffer, within(20ms));
        co_return seen.error() == errc::end_of_stream;
    };
    return run(on, look(peer));
}

}  // namespace

THOLE_TEST("graceful closes beyond the bound stand in line, in order", "[close][graceful]") {
    scene in(with_closes(2));
    std::vector<pair> pairs;
    std::vector<parting> endings(5);
    for (parting& each : endings) {
        pairs.push_back(make_pair(in.on));
        each.start(pairs.back().here);
    }
    CHECK(in.on.closing().running == 2);
    CHECK(in.on.closing().standing == 3);
    CHECK(has_fin(in.on, pairs[0].there));
    CHECK(has_fin(in.on, pairs[1].there));
    for (std::size_t i = 2; i < 5; ++i) {
        CHECK_FALSE(has_fin(in.on, pairs[i].there));
    }
    endings[3].op.cancel();  // one leaves the line
    turn(in.on);
    CHECK(endings[3].report().ended_by == close_end::cancelled);
    CHECK(endings[3].report().phase == close_phase::in_line);
    CHECK(endings[3].report().error == errc::cancelled);
    check_aborted(in.on, pairs[3].there);
    CHECK(in.on.closing().standing == 2);

    pairs[1].there.close();
    until(in.on, endings[1]);
    CHECK(endings[1].report().ended_by == close_end::peer_closed);
    CHECK(in.on.closing().running == 2);
    CHECK(in.on.closing().standing == 1);
    CHECK(has_fin(in.on, pairs[2].there));
    CHECK_FALSE(has_fin(in.on, pairs[4].there));
    for (const std::size_t i : {2U, 0U, 4U}) {
        pairs[i].there.close();
        until(in.on, endings[i]);
        CHECK(endings[i].report().ended_by == close_end::peer_closed);
    }
    CHECK(in.on.closing().running == 0);
    CHECK(in.on.closing().standing == 0);
}

THOLE_TEST("the deadline of a graceful close runs in line", "[close][graceful]") {
    scene in(with_closes(1));
    pair first = make_pair(in.on);
    pair second = make_pair(in.on);
    parting holding;
    parting waiting;
    holding.start(first.here);
    waiting.start(second.here, within(50ms));
    run(in.on, send(first.there, "alive"));
    until(in.on, waiting);
    CHECK_FALSE(holding.ended());
    CHECK(waiting.report().ended_by == close_end::deadline);
    CHECK(waiting.report().phase == close_phase::in_line);
    check_aborted(in.on, second.there);
    first.there.close();
    settle(in.on);
    CHECK(holding.report().ended_by == close_end::peer_closed);
    CHECK(holding.report().discarded == 5);
}

namespace {

// How many bytes of what the other end sent have arrived.
std::size_t arrived_at(loop& on, tcp::socket& peer, std::size_t most) {
    const auto look = [](tcp::socket& at, std::span<std::byte> to) -> task<result<std::size_t>> {
        co_return co_await at.peek(to, within(patience));
    };
    std::vector<std::byte> seen(most);
    const auto count = run(on, look(peer, seen));
    REQUIRE(count.error() == no_error);
    return *count;
}

enum class before : std::uint8_t { nothing, reset, taken_over };

// Of a socket whose end of writing was told by its user, and whose close ends before its turn.
void part_after_our_fin(before what) {
    scene in(with_closes(1));
    pair first = make_pair(in.on);
    pair second = make_pair(in.on);
    const std::size_t written = stuff(in.on, second.here);
    CHECK(second.here.shutdown_write().error() == no_error);
    if (what == before::taken_over) {
        raw::socket released(*second.here.release(false));
        second.here = adopted(in.on, released);
    }
    const std::size_t arrived = arrived_at(in.on, second.there, written);
    parting holding;
    parting standing;
    holding.start(first.here);
    standing.start(second.here);
    REQUIRE(in.on.closing().standing == 1);
    if (what == before::reset) {
        second.there.abort();
        turn(in.on);
    }
    standing.op.cancel();
    until(in.on, standing);
    CHECK(standing.report().phase == close_phase::in_line);
    if (on_iocp()) {
        CHECK(standing.report().unsent == 0);  // docs/windows.md: it does not tell
    } else {
        CHECK(arrived + standing.report().unsent == written);
        CHECK((standing.report().unsent != 0) == !on_sim());
    }
    first.there.close();
    settle(in.on);
}

}  // namespace

THOLE_TEST("CL13 a FIN is no byte unsent, also the user's own before a close that never began",
           "[close][graceful]") {
    part_after_our_fin(before::nothing);
}

THOLE_TEST("CL13 nor is it after a reset", "[close][graceful]") {
    part_after_our_fin(before::reset);
}

THOLE_TEST("CL13 nor that of a socket which was taken over with it", "[close][graceful]") {
    if (on_sim() || on_iocp()) {
        skip("the system tells of no byte unsent, and not every one releases a socket");
    }
    part_after_our_fin(before::taken_over);
}

THOLE_TEST("no graceful close at all is no bound", "[close][graceful]") {
    const loop none(with_closes(0));
    CHECK(none.error() == std::errc::invalid_argument);
    CHECK(none.backend().reason.find("graceful_closes") != std::string::npos);
}

// ---- Cancel, and what cannot begin.

namespace {

task<close_report> part(tcp::socket peer, deadline until) {
    const close_report end = co_await peer.close_gracefully(until);
    co_return end;
}

task<close_report> part_after_a_cancel(tcp::socket peer) {
    std::byte buffer[8];
    const auto got = co_await peer.read(buffer);
    CHECK(got.error() == errc::cancelled);
    const close_report end = co_await peer.close_gracefully(within(patience));
    co_return end;
}

task<close_report> value_of(spawned<close_report>& running) {
    const close_report end = co_await running;
    co_return end;
}

}  // namespace

THOLE_TEST("a cancelled task closes gracefully, to its own deadline", "[close][graceful]") {
    scene in;
    for (const bool before : {true, false}) {
        CAPTURE(before);
        pair both = make_pair(in.on);
        auto running = in.on.spawn(before ? part_after_a_cancel(std::move(both.here))
                                          : part(std::move(both.here), within(patience)));
        turn(in.on);
        running.cancel();
        CHECK(run(in.on, drain(both.there)) == nothing_more);
        turn(in.on);
        CHECK_FALSE(running.ended());
        both.there.close();
        const close_report end = run(in.on, value_of(running));
        CHECK(end.ended_by == close_end::peer_closed);
    }
    pair both = make_pair(in.on);
    const auto limited = [](tcp::socket peer) -> task<close_report> {
        const close_report end =
            co_await with_deadline(within(1ms), part(std::move(peer), within(60ms)));
        co_return end;
    };
    const time_point start = in.on.now();
    const close_report end = run(in.on, limited(std::move(both.here)));
    CHECK(end.ended_by == close_end::deadline);
    CHECK(in.on.now() - start >= 60ms);
}

THOLE_TEST("a graceful close that is cancelled itself aborts", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<tcp::write_op> writing{noted{&log, "write"}};
    writing.start(both.here, bulk());
    parting ending;
    ending.start(both.here);
    turn(in.on);
    ending.op.cancel();
    ending.op.cancel();
    CHECK_FALSE(ending.ended());  // never inside
    settle(in.on);
    CHECK(ending.report().ended_by == close_end::cancelled);
    CHECK(ending.report().phase == close_phase::writing);
    CHECK(ending.report().unsent >= bulk().size() - log.of("write").count);
    CHECK(log.of("write").error == errc::closed);
    check_aborted(in.on, both.there);
}

THOLE_TEST("a graceful close that cannot begin", "[close][graceful]") {
    scene in;
    tcp::socket none;
    const close_report closed = run(in.on, part(std::move(none), within(1s)));
    CHECK(closed.ended_by == close_end::failed);
    CHECK(closed.error == errc::closed);

    pair both = make_pair(in.on);
    const close_report late = run(in.on, part(std::move(both.here), within(0s)));
    CHECK(late.ended_by == close_end::deadline);
    CHECK(late.error == errc::deadline_reached);
    check_aborted(in.on, both.there);

    pair other = make_pair(in.on);
    { const auto dropped = other.here.close_gracefully(); }
    CHECK_FALSE(other.here.is_open());
    CHECK(run(in.on, drain(other.there)) == nothing_more);

    pair gone = make_pair(in.on);
    gone.there.abort();
    settle(in.on);
    const close_report after = run(in.on, part(std::move(gone.here), within(patience)));
    if (!on_iocp()) {  // Wine 8 hides a reset from a receive issued after it (docs/windows.md)
        CHECK(after.ended_by == close_end::reset);
        CHECK(after.error == std::errc::connection_reset);
    }
}

THOLE_TEST("CL23 the loop's end ends graceful closes at once", "[close][graceful][end]") {
    scene in(with_closes(2));
    pair writing = make_pair(in.on);
    pair waiting = make_pair(in.on);
    pair standing = make_pair(in.on);
    pair reading = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    noting<tcp::write_op> write{noted{&log, "write"}};
    noting<tcp::read_op> read{noted{&log, "read"}};
    write.start(writing.here, bulk());
    read.start(reading.here, buffer);
    parting endings[3];
    endings[0].start(writing.here);
    endings[1].start(waiting.here);
    endings[2].start(standing.here);
    turn(in.on);
    CHECK(in.on.closing().running == 2);
    CHECK(in.on.closing().standing == 1);
    in.end_loop();
    for (const parting& each : endings) {
        CHECK_FALSE(each.ended());  // nothing is called
        CHECK_FALSE(each.op.pending());
    }
    CHECK(log.size() == 0);
}

THOLE_TEST("CL15 abort after a FIN: the peer's next write meets it", "[close]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, send(both.here, "the last word"));
    CHECK(both.here.shutdown_write().error() == no_error);
    run(in.on, expect(both.there, "the last word"));
    CHECK(run(in.on, drain(both.there)) == nothing_more);
    both.here.abort();
    CHECK_FALSE(both.here.is_open());
    settle(in.on);
    check_aborted(in.on, both.there);
}

THOLE_TEST("CL16 no destructor waits for a peer that never reads (R110)", "[close]") {
    scene in;
    raw::socket silent;
    tcp::socket here;
    tcp::socket there;
    if (on_sim()) {
        pair both = make_pair(in.on);
        here = std::move(both.here);
        there = std::move(both.there);
    } else {
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        raw::socket ours = raw::socket::connect(door.local());
        silent = door.accept();
        ours.set_linger(30);
        auto loose = tcp::detached_socket::adopt(ours.give());
        REQUIRE(loose.error() == no_error);
        auto attached = std::move(*loose).attach(in.on);
        REQUIRE(attached.error() == no_error);
        here = std::move(*attached);
    }
    journal log;
    noting<tcp::write_op> writing{noted{&log, "write"}};
    writing.start(here, bulk());
    turn(in.on);
    REQUIRE(writing.pending());
    const auto start = std::chrono::steady_clock::now();
    { const tcp::socket dies = std::move(here); }
    settle(in.on);
    CHECK(std::chrono::steady_clock::now() - start < 5s);  // of the 30 that it would linger
    CHECK(log.of("write").error == errc::closed);
}

// R47: the kernel's code for what a close ends depends on the moment; what we asked for decides.
THOLE_TEST("R47 a close tells closed and a reset tells reset, also when both race", "[close]") {
    scene in;
    for (std::size_t i = 0; i < rounds() / 4; ++i) {
        pair both = make_pair(in.on);
        journal log;
        std::byte buffer[8];
        noting<tcp::read_op> reading{noted{&log, "read"}};
        reading.start(both.here, buffer);
        if (i % 8 < 4) {
            turn(in.on);
        }
        const std::size_t how = i % 4;
        if (how != 1) {  // 0: close alone, 1: a reset alone, 2: both, 3: the other way round
            how == 3 ? both.there.abort() : both.here.close();
        }
        if (how != 0) {
            how == 3 ? both.here.close() : both.there.abort();
        }
        settle(in.on);
        REQUIRE(log.size() == 1);
        const std::error_code end = log.of("read").error;
        CAPTURE(i, end.message());
        const bool closed = end == errc::closed;
        const bool reset = end == std::errc::connection_reset;
        if (how == 0) {
            CHECK(closed);
        } else if (how == 1) {
            // Wine 8 hides a reset from a receive issued after it (docs/windows.md).
            CHECK((reset || (on_iocp() && end == errc::end_of_stream)));
        } else {
            CHECK((closed || reset));
        }
        both.there.abort();
    }
}
