// SPDX-License-Identifier: BSL-1.0
// Closing without losing what was written, or what the peer was told.
#include "support/parting.hpp"

#include <algorithm>

using namespace thole;
using namespace thole::test;

THOLE_TEST("CL11 graceful close, the peer closes in time", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, send(both.here, "the last word"));
    parting ending;
    ending.start(both.here);
    CHECK(in.on.closing().running == 1);
    run(in.on, expect(both.there, "the last word"));
    CHECK(run(in.on, drain(both.there)) == nothing_more);
    CHECK_FALSE(ending.ended());  // it waits for the other FIN
    both.there.close();
    settle(in.on);
    const close_report& end = ending.report();
    CHECK(end.ended_by == close_end::peer_closed);
    CHECK(end.phase == close_phase::waiting);
    CHECK(end.error == no_error);
    CHECK(end);
    CHECK(end.unsent == 0);
    CHECK(end.discarded == 0);
    CHECK(in.on.closing().running == 0);
}

THOLE_TEST("CL10 unread input is no reset in a graceful close", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, send(both.there, "nobody reads this"));
    run(in.on, send(both.here, "answer"));
    parting ending;
    ending.start(both.here);
    run(in.on, expect(both.there, "answer"));
    run(in.on, send(both.there, ", nor this"));
    CHECK(run(in.on, drain(both.there)) == nothing_more);
    both.there.close();
    settle(in.on);
    CHECK(ending.report().ended_by == close_end::peer_closed);
    CHECK(ending.report().discarded == 27);
}

// R45, R24.
THOLE_TEST("R45 a write of 8 MiB and a graceful close at once: all arrives", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    const auto all = bulk().first(std::size_t{8} << 20);
    journal log;
    std::byte buffer[8];
    noting<tcp::write_op> writing{noted{&log, "write"}};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    writing.start(both.here, all);
    reading.start(both.here, buffer);
    parting ending;
    ending.start(both.here);
    const auto compare = [](tcp::socket& from, std::span<const std::byte> sent) -> task<bool> {
        std::vector<std::byte> got(sent.size());
        const transfer came = co_await from.read_exactly(got, within(patience));
        co_return came.count == sent.size() && std::ranges::equal(got, sent);
    };
    CHECK(run(in.on, compare(both.there, all)));
    CHECK(run(in.on, drain(both.there)) == nothing_more);
    CHECK(log.of("read").error == errc::closed);
    CHECK(log.of("write").error == no_error);  // it is another's, and goes on to its own end
    CHECK(log.of("write").count == all.size());
    both.there.close();
    settle(in.on);
    CHECK(ending.report().ended_by == close_end::peer_closed);
    CHECK(ending.report().unsent == 0);
}

namespace {

task<> upload(tcp::socket client, std::size_t length, std::string& answer) {
    const transfer sent = co_await client.write(bulk().first(length), within(patience));
    CHECK(sent == transfer{length, no_error});
    std::byte buffer[256];
    for (;;) {
        const auto got = co_await client.read(buffer, within(patience));
        if (!got) {
            CHECK(got.error() == errc::end_of_stream);
            client.close();
            co_return;
        }
        answer += text_of(std::span(buffer).first(*got));
    }
}

task<close_report> refuse(tcp::socket peer, std::string_view answer) {
    std::byte request[1000];
    const transfer asked = co_await peer.read_exactly(request, within(patience));
    CHECK(asked.count == 1000);
    co_await send(peer, answer);
    const close_report end = co_await peer.close_gracefully(within(patience));
    co_return end;
}

}  // namespace

THOLE_TEST("R46 the client that uploads reads the whole answer (R113)", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    const std::string answer = "wrong password" + std::string(100'000, '!');
    constexpr std::size_t length = std::size_t{4} << 20;
    std::string read;
    auto uploading = in.on.spawn(upload(std::move(both.here), length, read));
    const close_report end = run(in.on, refuse(std::move(both.there), answer));
    settle(in.on);
    CHECK(uploading.ended());
    CHECK(read == answer);
    CHECK(end.ended_by == close_end::peer_closed);
    CHECK(end.discarded == length - 1000);
}

THOLE_TEST("CL12 graceful close, the peer never closes", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    run(in.on, send(both.here, "farewell"));
    run(in.on, send(both.there, "unread"));
    const time_point start = in.on.now();
    parting ending;
    ending.start(both.here, within(80ms));
    settle(in.on);
    CHECK(in.on.now() - start >= 80ms);
    CHECK(ending.report().ended_by == close_end::deadline);
    CHECK(ending.report().phase == close_phase::waiting);
    CHECK(ending.report().error == errc::deadline_reached);
    CHECK(ending.report().discarded == 6);
    CHECK(ending.report().unsent == 0);
    CHECK_FALSE(ending.report());
    check_aborted(in.on, both.there);
}

THOLE_TEST("CL13 graceful close, the peer never reads", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<tcp::write_op> writing{noted{&log, "write"}};
    writing.start(both.here, bulk());
    turn(in.on);
    REQUIRE(writing.pending());
    parting ending;
    ending.start(both.here, within(80ms));
    settle(in.on);
    const close_report& end = ending.report();
    CHECK(end.ended_by == close_end::deadline);
    CHECK(end.phase == close_phase::writing);
    CHECK(log.of("write").error == errc::closed);
    const std::size_t taken = log.of("write").count;
    CHECK(taken < bulk().size());
    CHECK(end.unsent >= bulk().size() - taken);
    const transfer arrived = run(in.on, drain(both.there));
    if (!on_iocp()) {  // there the kernel may have taken more, and tells less
        CHECK(arrived.count + end.unsent == bulk().size());
        CHECK(arrived.error == std::errc::connection_reset);
    }
}

THOLE_TEST("CL13 what the kernel still holds at the deadline is told", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    const std::size_t written = stuff(in.on, both.here);
    parting ending;
    ending.start(both.here, within(80ms));
    settle(in.on);
    const close_report& end = ending.report();
    CHECK(end.ended_by == close_end::deadline);
    CHECK(end.phase == close_phase::waiting);
    const transfer arrived = run(in.on, drain(both.there));
    if (on_iocp()) {
        CHECK(end.unsent == 0);  // docs/windows.md: it does not tell
    } else {
        CHECK(arrived.count + end.unsent == written);
        CHECK((end.unsent != 0) == !on_sim());
    }
}

THOLE_TEST("a peer that sends on and on meets the limit", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<tcp::write_op> writing{noted{&log, "write"}};
    writing.start(both.there, bulk());
    parting ending;
    ending.start(both.here, within(patience), {.most_discarded = 100'000});
    settle(in.on);
    CHECK(ending.report().ended_by == close_end::limit);
    CHECK(ending.report().error == errc::limit_reached);
    CHECK(ending.report().discarded == 100'001);
    CHECK(is_gone(log.of("write").error));

    pair exact = make_pair(in.on);  // as much as that is no more than that
    run(in.on, send(exact.there, std::string(100'000, 'x')));
    exact.there.close();
    parting at_most;
    at_most.start(exact.here, within(patience), {.most_discarded = 100'000});
    settle(in.on);
    CHECK(at_most.report().ended_by == close_end::peer_closed);
    CHECK(at_most.report().discarded == 100'000);
}

THOLE_TEST("a reset ends a graceful close", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    parting ending;
    ending.start(both.here);
    turn(in.on);
    both.there.abort();
    settle(in.on);
    CHECK(ending.report().ended_by == close_end::reset);
    CHECK(ending.report().error == std::errc::connection_reset);
    CHECK(ending.report().phase == close_phase::waiting);
}

THOLE_TEST("R107 after a cancelled write the peer gets what that counted", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<tcp::write_op> writing{noted{&log, "write"}};
    writing.start(both.here, bulk());
    turn(in.on);
    REQUIRE(writing.pending());
    writing.cancel();
    parting ending;
    ending.start(both.here);
    const transfer arrived = run(in.on, drain(both.there));
    both.there.close();
    settle(in.on);
    CHECK(arrived.error == errc::end_of_stream);
    CHECK(log.of("write").error == errc::cancelled);
    CHECK(arrived.count >= log.of("write").count);
    if (!on_iocp()) {
        CHECK(arrived.count == log.of("write").count);
    }
    CHECK(ending.report().ended_by == close_end::peer_closed);
}

// A FIN is no end of writing.
THOLE_TEST("R61 the peer finished sending: we answer, and part", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    const auto much = bulk().first(std::size_t{1} << 20);
    const auto ask = [](tcp::socket& peer, std::span<const std::byte> bytes) -> task<transfer> {
        const transfer sent = co_await peer.write(bytes, within(patience));
        CHECK(sent.error == no_error);
        CHECK(peer.shutdown_write().error() == no_error);
        const transfer got = co_await drain(peer);
        co_return got;
    };
    const auto answer = [](tcp::socket peer,
                           std::span<const std::byte> bytes) -> task<close_report> {
        const transfer got = co_await drain(peer);
        CHECK(got == transfer{bytes.size(), make_error_code(errc::end_of_stream)});
        const transfer sent = co_await peer.write(bytes, within(patience));
        CHECK(sent.error == no_error);
        const close_report end = co_await peer.close_gracefully(within(patience));
        co_return end;
    };
    auto answering = in.on.spawn(answer(std::move(both.there), much));
    const transfer got = run(in.on, ask(both.here, much));
    CHECK(got == transfer{much.size(), make_error_code(errc::end_of_stream)});
    settle(in.on);
    CHECK(answering.ended());
}

THOLE_TEST("R112 a FIN follows a hundred writes, and reading goes on", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(both.here, buffer);
    const auto writes = [](tcp::socket& to) -> task<> {
        for (std::size_t i = 0; i < 100; ++i) {
            const transfer sent = co_await to.write(bulk().first(100'000), within(patience));
            CHECK(sent.error == no_error);
        }
        CHECK(to.shutdown_write().error() == no_error);
    };
    auto writing = in.on.spawn(writes(both.here));
    turn(in.on);
    REQUIRE_FALSE(writing.ended());
    CHECK(both.here.shutdown_write().error() == errc::operation_in_progress);  // no byte overtaken
    const transfer end = run(in.on, drain(both.there));
    CHECK(end == transfer{10'000'000, make_error_code(errc::end_of_stream)});
    CHECK(reading.pending());
    run(in.on, send(both.there, "still"));
    settle(in.on);
    CHECK(log.of("read").count == 5);
}
