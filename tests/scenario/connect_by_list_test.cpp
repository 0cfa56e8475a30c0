// SPDX-License-Identifier: BSL-1.0
#include "support/scenario.hpp"

#include <coroutine>
#include <exception>

using namespace thole;
using namespace thole::test;

namespace {

// How one ended, and what failed before.
struct end {
    std::error_code error;
    std::vector<tcp::attempt> attempts;
    tcp::socket made;
};
struct noted_end {
    std::vector<end>* in;
    void operator()(tcp::connect_outcome got) const {
        end& one = in->emplace_back();
        one.error = got.error();
        one.attempts.assign(got.attempts().begin(), got.attempts().end());
        if (got) {
            one.made = std::move(*got);
        }
    }
};
using connecting = callback<tcp::connect_by_list_op, noted_end>;

task<end> connect_to(loop& on, std::span<const endpoint> list, deadline until = never) {
    tcp::connect_outcome got = co_await tcp::connect_by_list(on, list, until);
    end one;
    one.error = got.error();
    one.attempts.assign(got.attempts().begin(), got.attempts().end());
    if (got) {
        one.made = std::move(*got);
    }
    co_return one;
}

// Nobody has knocked.
task<> untouched(tcp::listener& door) {
    const auto nobody = co_await door.accept(within(20ms));
    CHECK(nobody.error() == errc::deadline_reached);
}

}  // namespace

THOLE_TEST("HE01 an empty list is refused at once", "[connect_by_list]") {
    scene in;
    std::vector<end> ends;
    connecting op{noted_end{&ends}};
    op.start(in.on, std::span<const endpoint>{});
    CHECK(ends.empty());
    CHECK_FALSE(op.pending());
    settle(in.on);
    REQUIRE(ends.size() == 1);
    CHECK(ends[0].error == std::errc::invalid_argument);
    CHECK(ends[0].attempts.empty());
    const end awaited = run(in.on, connect_to(in.on, {}));
    CHECK(awaited.error == std::errc::invalid_argument);
}

THOLE_TEST("HE02 one good address", "[connect_by_list]") {
    scene in;
    tcp::listener door = open_door(in.on);
    const endpoint list[] = {*door.local()};
    const end got = run(in.on, connect_to(in.on, list, within(patience / 2)));
    REQUIRE(got.error == no_error);
    CHECK(got.attempts.empty());
    CHECK(*got.made.peer() == list[0]);
}

THOLE_TEST("HE03 a bad address, then a good one", "[connect_by_list]") {
    scene in;
    const closed_port nobody;
    tcp::listener door = open_door(in.on);
    tcp::listener spare = open_door(in.on);
    const endpoint list[] = {nobody.where(), endpoint{}, *door.local(), *spare.local()};
    const end got = run(in.on, connect_to(in.on, list));
    REQUIRE(got.error == no_error);
    CHECK(*got.made.peer() == list[2]);
    REQUIRE(got.attempts.size() == 2);
    CHECK(got.attempts[0].target == list[0]);
    CHECK(got.attempts[0].error == std::errc::connection_refused);
    CHECK(got.attempts[0].took >= 0ns);
    CHECK(got.attempts[1].target == endpoint{});
    CHECK(got.attempts[1].error == std::errc::invalid_argument);
    run(in.on, untouched(spare));
}

THOLE_TEST("HE04 all are bad: each has its error, the most telling is the whole's",
           "[connect_by_list]") {
    scene in;
    const closed_port nobody;
    const endpoint list[] = {nobody.where().with_port(0), nobody.where(), endpoint{}};
    std::vector<end> ends;
    connecting op{noted_end{&ends}};
    for (int i = 0; i < 2; ++i) {  // the same operation again
        op.start(in.on, list);
        settle(in.on);
        REQUIRE(ends.size() == static_cast<std::size_t>(i) + 1);
        const end& got = ends.back();
        CHECK(got.error == std::errc::connection_refused);
        REQUIRE(got.attempts.size() == 3);
        for (std::size_t each = 0; each < 3; ++each) {
            CHECK(got.attempts[each].target == list[each]);
        }
        CHECK(got.attempts[0].error == std::errc::invalid_argument);
        CHECK(got.attempts[1].error == std::errc::connection_refused);
        CHECK(got.attempts[2].error == std::errc::invalid_argument);
    }
}

THOLE_TEST("HE07 a cancel in the middle of the list stops at once", "[connect_by_list]") {
    scene in;
    const closed_port nobody;
    const silent_port silent(in.on);
    tcp::listener door = open_door(in.on);
    const endpoint list[] = {nobody.where(), silent.where(), *door.local()};
    std::vector<end> ends;
    connecting op{noted_end{&ends}};
    op.start(in.on, list, tcp::connect_options{}, within(patience / 2));
    const auto waited = in.on.run_for(50ms);
    REQUIRE(waited.error() == no_error);
    CHECK(op.pending());
    op.cancel();
    CHECK(ends.empty());
    op.cancel();
    settle(in.on);
    REQUIRE(ends.size() == 1);
    CHECK(ends[0].error == errc::cancelled);
    REQUIRE(ends[0].attempts.size() == 2);
    CHECK(ends[0].attempts[0].error == std::errc::connection_refused);
    CHECK(ends[0].attempts[1].target == silent.where());
    CHECK(ends[0].attempts[1].error == errc::cancelled);
    run(in.on, untouched(door));
}

THOLE_TEST("HE07 a cancel before the first attempt has ended", "[connect_by_list]") {
    scene in;
    const closed_port nobody;
    tcp::listener door = open_door(in.on);
    const endpoint list[] = {nobody.where(), *door.local()};
    std::vector<end> ends;
    connecting op{noted_end{&ends}};
    op.start(in.on, list);
    op.cancel();
    settle(in.on);
    REQUIRE(ends.size() == 1);
    CHECK(ends[0].error == errc::cancelled);
    CHECK(ends[0].attempts.size() == 1);
    run(in.on, untouched(door));
}

namespace {

task<> cancel_in_the_middle(loop& on, std::span<const endpoint> list) {
    auto asking = on.spawn(connect_to(on, list));
    const auto slept = co_await sleep_for(30ms);
    REQUIRE(slept.error() == no_error);
    CHECK_FALSE(asking.ended());
    asking.cancel();
    const end got = co_await asking;
    CHECK(got.error == errc::cancelled);
    CHECK(got.attempts.size() == 2);
}

task<> shielded(loop& on, std::span<const endpoint> list) {
    const end got = co_await shield(within(40ms), connect_to(on, list));
    CHECK(got.error == errc::deadline_reached);
    const end late = co_await connect_to(on, list);  // a cancelled task starts nothing
    CHECK(late.error == errc::cancelled);
    CHECK(late.attempts.empty());
}

task<> cancel_shielded(loop& on, std::span<const endpoint> list) {
    auto asking = on.spawn(shielded(on, list));
    co_await yield();
    asking.cancel();
    co_await asking;
}

}  // namespace

THOLE_TEST("HE07 a cancelled task, and a shielded one", "[connect_by_list]") {
    scene in;
    const closed_port nobody;
    const silent_port silent(in.on);
    tcp::listener door = open_door(in.on);
    const endpoint list[] = {nobody.where(), silent.where(), *door.local()};
    run(in.on, cancel_in_the_middle(in.on, list));
    run(in.on, cancel_shielded(in.on, list));
    run(in.on, untouched(door));
}

THOLE_TEST("HE09 one deadline for all, and nothing stays open", "[connect_by_list]") {
    scene in;
    const silent_port silent(in.on);
    tcp::listener door = open_door(in.on);
    const endpoint list[] = {silent.where(), silent.where(), *door.local()};
    const time_point start = in.on.now();
    const guard late(in.on, patience / 2);
    const end got = run(in.on, connect_to(in.on, list, within(40ms)));
    CHECK(in.on.now() - start >= 40ms);
    CHECK(got.error == errc::deadline_reached);
    REQUIRE(got.attempts.size() == 1);
    CHECK(got.attempts[0].error == errc::deadline_reached);
    CHECK(got.attempts[0].took >= 39ms);
    const end past = run(in.on, connect_to(in.on, list, within(0s)));
    CHECK(past.error == errc::deadline_reached);
    CHECK(past.attempts.empty());
    run(in.on, untouched(door));
    CHECK_FALSE(late.fired());
}

THOLE_TEST("HE07 the loop's end in the middle of the list calls nothing", "[connect_by_list]") {
    std::vector<end> ends;
    connecting op{noted_end{&ends}};
    const closed_port nobody;
    endpoint list[] = {nobody.where(), {}};
    for (const auto time : {0ms, 30ms}) {  // in the first attempt, or in the second
        loop on(options_of_run());
        const silent_port silent(on);
        list[1] = silent.where();
        op.start(on, list, tcp::connect_options{}, within(patience));
        static_cast<void>(on.run_for(time));
        CHECK(op.pending());
    }
    CHECK_FALSE(op.pending());
    scene in;
    const silent_port silent(in.on);
    list[1] = silent.where();
    in.on.spawn([](loop& of, std::span<const endpoint> to) -> task<> {
        static_cast<void>(co_await tcp::connect_by_list(of, to));
        FAIL_CHECK("resumed at the loop's end");
    }(in.on, list));
    turn(in.on);
    turn(in.on);
    in.end_loop();
    CHECK(ends.empty());
}

// The cancel comes when the connection is made and its turn has not come.
THOLE_TEST("HE02 a connection that was made is the result of a cancelled one",
           "[connect_by_list]") {
    scene in;
    tcp::listener door = open_door(in.on);
    const endpoint list[] = {*door.local()};
    std::vector<end> ends;
    connecting op{noted_end{&ends}};
    const auto cancels = [&op](result<tcp::socket>) { op.cancel(); };
    callback<tcp::connect_op, decltype(cancels)> before{cancels};
    before.start(in.on, list[0]);
    op.start(in.on, list);
    settle(in.on);
    REQUIRE(ends.size() == 1);
    if (on_sim()) {
        CHECK(ends[0].error == no_error);
    }
    CHECK((ends[0].error == no_error || ends[0].error == errc::cancelled));
    CHECK(ends[0].made.is_open() == !ends[0].error);
}

namespace {

struct foreign {
    struct promise_type {
        foreign get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

foreign foreign_connect(loop& on, std::span<const endpoint> list, journal& log) {
    result<tcp::socket> made = co_await tcp::connect_by_list(on, list, within(patience / 2));
    log.note("made", made.error());
    if (made) {
        const transfer sent = co_await made->write(bytes_of("thole"));
        log.note("sent", sent.error, sent.count);
    }
}

}  // namespace

THOLE_TEST("HE03 a coroutine of another type, a plain result", "[connect_by_list]") {
    scene in;
    const closed_port nobody;
    tcp::listener door = open_door(in.on);
    const endpoint list[] = {nobody.where(), *door.local()};
    journal log;
    foreign_connect(in.on, list, log);
    settle(in.on);
    CHECK(log.of("made").error == no_error);
    CHECK(log.of("sent").count == 5);
}

THOLE_TEST("HE03 options hold for every attempt", "[connect_by_list]") {
    scene in;
    tcp::listener door = open_door(in.on);
    tcp::connect_options options;
    options.no_delay = true;
    options.local = endpoint::loopback(address_family::ipv4, 0);
    const endpoint list[] = {endpoint::loopback(address_family::ipv6, 9), *door.local()};
    std::vector<end> ends;
    connecting op{noted_end{&ends}};
    op.start(in.on, list, options);
    settle(in.on);
    REQUIRE(ends.size() == 1);
    REQUIRE(ends[0].error == no_error);
    CHECK(ends[0].made.no_delay().value());
    REQUIRE(ends[0].attempts.size() == 1);
    CHECK(ends[0].attempts[0].error == std::errc::invalid_argument);  // not of that family
}
