// SPDX-License-Identifier: BSL-1.0
// A peer's end is noticed without a read, and leaves nothing in CLOSE_WAIT.
#include "support/parting.hpp"

#include <algorithm>
#include <ctime>
#include <fstream>
#include <sstream>

using namespace thole;
using namespace thole::test;

namespace {

using noticing = noting<tcp::closed_op>;

constexpr auto soon = 50ms;  // RW15
constexpr int tries = 5;     // of which the fastest counts: the machine may be busy elsewhere

// Runs until `log` has so many entries; how long that took.
std::chrono::nanoseconds time_until(loop& on, const journal& log, std::size_t count) {
    const guard limit(on, patience);
    const time_point start = on.now();
    while (log.size() < count && !limit.fired()) {
        CHECK(on.run_for(1ms).error() == no_error);
    }
    return on.now() - start;
}

// Sockets of the system between these two, by the state that /proc/net/tcp gives.
enum class tcp_state : unsigned { fin_wait2 = 5, time_wait = 6, close_wait = 8 };

std::size_t count_in(tcp_state state, std::uint16_t local, std::uint16_t peer) {
    std::ifstream table("/proc/net/tcp");
    REQUIRE(table.is_open());
    std::size_t count = 0;
    std::string line;
    std::getline(table, line);
    while (std::getline(table, line)) {
        std::istringstream fields(line);
        std::string number;
        std::string here;
        std::string there;
        std::string how;
        fields >> number >> here >> there >> how;
        const auto port = [](const std::string& name) {
            return std::stoul(name.substr(name.find(':') + 1), nullptr, 16);
        };
        const bool ours = port(here) == local && port(there) == peer;
        if (ours && std::stoul(how, nullptr, 16) == static_cast<unsigned>(state)) {
            ++count;
        }
    }
    return count;
}

void need_the_table() {
    if (on_sim() || raw::is_windows()) {
        skip("there is no table of the states of TCP sockets to be read");
    }
}

}  // namespace

THOLE_TEST("RW15 a peer that closes is noticed without a read", "[close][closed]") {
    scene in;
    std::chrono::nanoseconds fastest[] = {1h, 1h, 1h};
    for (std::size_t i = 0; i < 3 * tries; ++i) {
        const std::size_t how = i % 3;
        CAPTURE(how);
        pair both = make_pair(in.on);
        journal log;
        noticing watching{noted{&log, "closed"}};
        watching.start(both.here);
        turn(in.on);
        CHECK(watching.pending());
        if (how == 0) {
            both.there.close();
        } else if (how == 1) {
            both.there.abort();
        } else {
            CHECK(both.there.shutdown_write().error() == no_error);
        }
        fastest[how] = std::min(fastest[how], time_until(in.on, log, 1));
        CHECK(log.of("closed").error == no_error);
        std::byte buffer[8];
        noting<tcp::read_op> reading{noted{&log, "read"}};
        reading.start(both.here, buffer);
        settle(in.on);
        if (how == 1) {
            CHECK(log.of("read").error == std::errc::connection_reset);
        } else {
            CHECK(log.of("read").error == errc::end_of_stream);
        }
        noticing again{noted{&log, "again"}};
        again.start(both.here);  // it has ended already
        settle(in.on);
        CHECK(log.of("again").error == no_error);
    }
    for (const std::chrono::nanoseconds time : fastest) {
        CHECK(time < soon);
    }
}

THOLE_TEST("RW15 also where unread bytes lie before the end (R61)", "[close][closed]") {
    scene in;
    std::chrono::nanoseconds fastest = 1h;
    for (int round = 0; round < 2 * tries; ++round) {
        const bool before = round % 2 == 0;
        CAPTURE(before);
        pair both = make_pair(in.on);
        journal log;
        noticing watching{noted{&log, "closed"}};
        if (before) {
            run(in.on, send(both.there, "unread"));
        }
        watching.start(both.here);
        turn(in.on);
        if (!before) {
            run(in.on, send(both.there, "unread"));
        }
        for (int i = 0; i < 3; ++i) {
            CHECK(in.on.run_for(10ms).error() == no_error);
            CHECK(watching.pending());  // bytes are no end
        }
        both.there.close();
        if (on_iocp()) {
            watching.cancel();
            settle(in.on);
        } else {
            fastest = std::min(fastest, time_until(in.on, log, 1));
            CHECK(log.of("closed").error == no_error);
        }
        run(in.on, expect(both.here, "unread"));
        CHECK(run(in.on, drain(both.here)) == nothing_more);
    }
    if (on_iocp()) {
        skip("docs/windows.md: Wine 8 does not tell of an end behind unread bytes");
    }
    CHECK(fastest < soon);
}

THOLE_TEST("unread bytes do not keep a loop busy that waits for the end", "[close][closed]") {
    if (on_sim()) {
        skip("the simulated network has a clock of its own");
    }
    if (raw::is_windows()) {
        skip("clock() counts the time that passes there, not the processor's");
    }
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noticing watching{noted{&log, "closed"}};
    run(in.on, send(both.there, "unread"));
    watching.start(both.here, within(200ms));
    turn(in.on);
    const std::clock_t start = std::clock();
    settle(in.on);
    const auto used = 1000 * (std::clock() - start) / CLOCKS_PER_SEC;
    CHECK(log.of("closed").error == errc::deadline_reached);
    CHECK(used < 100);  // milliseconds of processor time
}

THOLE_TEST("closed() takes the place of a read, and ends as others do", "[close][closed]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    noticing watching{noted{&log, "closed"}};
    noticing second{noted{&log, "second"}};
    noting<tcp::read_op> reading{noted{&log, "read"}};
    watching.start(both.here);
    second.start(both.here);
    reading.start(both.here, buffer);
    turn(in.on);
    CHECK(log.of("second").error == errc::operation_in_progress);
    CHECK(log.of("read").error == errc::operation_in_progress);
    watching.cancel();
    settle(in.on);
    CHECK(log.of("closed").error == errc::cancelled);
    for (const bool unread : {false, true}) {
        CAPTURE(unread);
        if (unread) {
            run(in.on, send(both.there, "x"));
        }
        journal more;
        noticing late{noted{&more, "late"}};
        noticing cancelled{noted{&more, "cancelled"}};
        late.start(both.here, within(30ms));
        settle(in.on);
        CHECK(more.of("late").error == errc::deadline_reached);
        cancelled.start(both.here);
        CHECK(in.on.run_for(30ms).error() == no_error);
        cancelled.cancel();
        settle(in.on);
        CHECK(more.of("cancelled").error == errc::cancelled);
    }
    journal last;
    noticing closing{noted{&last, "closing"}};
    closing.start(both.here);
    turn(in.on);
    both.here.close();
    settle(in.on);
    CHECK(last.of("closing").error == errc::closed);
    closing.start(both.here);
    settle(in.on);
    CHECK(last[1].error == errc::closed);
}

THOLE_TEST("who notices and closes leaves nothing in CLOSE_WAIT", "[close][closed]") {
    need_the_table();
    scene in;
    pair both = make_pair(in.on);
    const std::uint16_t here = both.here.local()->port();
    const std::uint16_t there = both.there.local()->port();
    const auto serve = [](tcp::socket peer) -> task<> {
        const auto end = co_await peer.closed(within(patience));
        CHECK(end.error() == no_error);
        peer.close();
    };
    both.there.close();
    turn(in.on);
    turn(in.on);
    CHECK(count_in(tcp_state::close_wait, here, there) == 1);
    run(in.on, serve(std::move(both.here)));
    settle(in.on);
    CHECK(count_in(tcp_state::close_wait, here, there) == 0);
}

THOLE_TEST("avoid_time_wait leaves no TIME_WAIT", "[close][graceful]") {
    need_the_table();
    scene in;
    for (const bool avoided : {false, true}) {
        CAPTURE(avoided);
        pair both = make_pair(in.on);
        const std::uint16_t here = both.here.local()->port();
        const std::uint16_t there = both.there.local()->port();
        run(in.on, send(both.here, "the last word"));
        parting ending;
        ending.start(both.here, within(patience), {.avoid_time_wait = avoided});
        run(in.on, expect(both.there, "the last word"));
        if (avoided) {
            settle(in.on);
            CHECK(ending.report().ended_by == close_end::time_wait_avoided);
            check_aborted(in.on, both.there);
        }
        both.there.close();
        settle(in.on);
        CHECK(ending.report().error == no_error);
        CHECK(ending.report().unsent == 0);
        CHECK(count_in(tcp_state::time_wait, here, there) == (avoided ? 0 : 1));
        CHECK(count_in(tcp_state::fin_wait2, here, there) == 0);
    }
}

THOLE_TEST("avoid_time_wait where the peer closes first is a plain end", "[close][graceful]") {
    scene in;
    pair both = make_pair(in.on);
    both.there.close();
    turn(in.on);
    turn(in.on);
    parting ending;
    ending.start(both.here, within(patience), {.avoid_time_wait = true});
    settle(in.on);
    CHECK(ending.report().ended_by == close_end::peer_closed);
}
