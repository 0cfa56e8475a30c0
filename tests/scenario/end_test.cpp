// SPDX-License-Identifier: BSL-1.0
// The loop's end with everything pending, handles that outlive it, and the forked child.
#include "support/scenario.hpp"

#include <algorithm>
#include <memory>

using namespace thole;
using namespace thole::test;

namespace {

// Writes its name when its frame is destroyed.
struct last_word {
    last_word(std::string& into, char own) : all(into), name(own) {}
    last_word(const last_word&) = delete;
    last_word& operator=(const last_word&) = delete;
    ~last_word() { all += name; }
    std::string& all;
    char name;
};

struct notes {
    std::string gone;  // the frames, in the order of their end
    int resumed = 0;
};

task<> innermost(notes& seen, tcp::socket& from) {
    const last_word mine(seen.gone, '3');
    std::byte buffer[8];
    const auto got = co_await from.read(buffer, within(1h));
    ++seen.resumed;
    (void)got;
}

task<> middle(notes& seen, tcp::socket& from) {
    const last_word mine(seen.gone, '2');
    co_await innermost(seen, from);
    ++seen.resumed;
}

task<> outermost(notes& seen, tcp::socket& from) {
    const last_word mine(seen.gone, '1');
    co_await shield(within(1h), middle(seen, from));
    ++seen.resumed;
}

}  // namespace

THOLE_TEST("the loop's end destroys nested tasks from the innermost frame out", "[end]") {
    notes seen;
    scene in;
    pair both = make_pair(in.on);
    in.on.spawn(outermost(seen, both.here));
    turn(in.on);
    CHECK(seen.gone.empty());
    in.end_loop();
    CHECK(seen.gone == "321");
    CHECK(seen.resumed == 0);
}

namespace {

task<> pends_on_read(notes& seen, tcp::socket& from) {
    const last_word mine(seen.gone, 'r');
    std::byte buffer[8];
    (void)co_await from.read_exactly(buffer);
    ++seen.resumed;
}

task<> pends_on_write(notes& seen, tcp::socket& to) {
    const last_word mine(seen.gone, 'w');
    (void)co_await to.write(bulk());
    ++seen.resumed;
}

task<> pends_on_accept(notes& seen, tcp::listener& door) {
    const last_word mine(seen.gone, 'a');
    (void)co_await door.accept();
    ++seen.resumed;
}

task<> pends_on_connect(notes& seen, loop& on, endpoint silent) {
    const last_word mine(seen.gone, 'c');
    (void)co_await tcp::connect(on, silent, within(1h));
    ++seen.resumed;
}

task<> pends_on_sleep(notes& seen) {
    const last_word mine(seen.gone, 's');
    (void)co_await sleep_for(1h);
    ++seen.resumed;
}

task<> owns_all(notes& seen, loop& on) {
    const last_word mine(seen.gone, 'o');
    tcp::listener door = open_door(on);
    const pair both = co_await connected(on, door);
    auto sleeping = on.spawn(pends_on_sleep(seen));
    co_await sleeping;
    ++seen.resumed;
}

task<> keeps_yielding(notes& seen) {
    const last_word mine(seen.gone, 'y');
    for (;;) {
        co_await yield();
    }
}

}  // namespace

THOLE_TEST("the loop's end with everything pending resumes nothing", "[end]") {
    notes seen;
    int timer_calls = 0;
    int posted_calls = 0;
    scene in;
    loop& on = in.on;
    pair one = make_pair(on);
    tcp::listener door = open_door(on);
    const silent_port nobody(on);
    on.spawn(pends_on_read(seen, one.here));
    on.spawn(pends_on_write(seen, one.here));
    on.spawn(pends_on_accept(seen, door));
    on.spawn(pends_on_connect(seen, on, nobody.where()));
    on.spawn(pends_on_sleep(seen));
    on.spawn(owns_all(seen, on));
    on.spawn(keeps_yielding(seen));
    timer lone(
        on, [](void* count) { ++*static_cast<int*>(count); }, &timer_calls);
    lone.arm(within(1h));
    CHECK(on.run_for(20ms).error() == no_error);
    CHECK(seen.gone.empty());
    on.post([&posted_calls] { ++posted_calls; });
    in.end_loop();
    std::sort(seen.gone.begin(), seen.gone.end());
    CHECK(seen.gone == "acorsswy");
    CHECK(seen.resumed == 0);
    CHECK(timer_calls == 0);
    CHECK(posted_calls == 0);
    lone.disarm();
}

THOLE_TEST("the loop's end with pending callbacks calls none", "[end]") {
    journal log;
    std::byte buffer[8];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    noting<tcp::write_op> writing{noted{&log, "write"}};
    noting<tcp::accept_op> accepting{noted{&log, "accept"}};
    noting<tcp::connect_op> connecting{noted{&log, "connect"}};
    noting<sleep_op> sleeping{noted{&log, "sleep"}};
    posted posting{[&log] { log.note("post", {}); }};
    noting<tcp::read_op> done{noted{&log, "done"}};
    scene in;
    pair both = make_pair(in.on);
    tcp::listener door = open_door(in.on);
    const silent_port nobody(in.on);
    reading.start(both.here, std::span(buffer), within(1h));
    writing.start(both.here, bulk(), within(1h));
    accepting.start(door);
    connecting.start(in.on, nobody.where());
    sleeping.start(in.on, within(1h));
    turn(in.on);
    in.on.post(posting);
    done.start(both.there, std::span<std::byte>());  // finished, and not told yet
    in.end_loop();
    CHECK(log.size() == 0);
    CHECK_FALSE(reading.pending());
    CHECK_FALSE(writing.pending());
    CHECK_FALSE(accepting.pending());
    CHECK_FALSE(connecting.pending());
    CHECK_FALSE(sleeping.pending());
}

THOLE_TEST("handles outlive the loop: their destructors only free memory", "[end]") {
    tcp::socket here;
    tcp::socket there;
    tcp::listener door;
    tcp::socket moved;
    {
        scene in;
        door = open_door(in.on);
        pair both = run(in.on, connected(in.on, door));
        here = std::move(both.here);
        there = std::move(both.there);
        moved = make_pair(in.on).here;
        in.end_loop();
        CHECK(here.shutdown_write().error());
        CHECK(here.local().error());
        CHECK(here.no_delay(true).error());
        CHECK(door.local().error());
        here.cancel();
        door.cancel();
    }  // the scene counts: the descriptors are gone with the loop
    here.close();
    there.abort();
    tcp::socket again = std::move(moved);
    again = tcp::socket();
    CHECK_FALSE(here.is_open());
}

THOLE_TEST("a verb on a handle that outlived its loop finishes with closed", "[end]") {
    tcp::socket orphan;
    {
        scene in;
        orphan = make_pair(in.on).here;
        in.end_loop();
    }
    scene in;
    journal log;
    std::byte buffer[8];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(orphan, std::span(buffer));
    CHECK(log.size() == 0);
    settle(in.on);
    CHECK(log.of("read").error == errc::closed);
    const transfer sent = run(in.on, [](tcp::socket& to) -> task<transfer> {
        co_return co_await to.write(bytes_of("x"));
    }(orphan));
    CHECK(sent.error == errc::closed);
}

THOLE_TEST("loops come and go, several at once", "[end]") {
    const std::size_t before = raw::open_handles();
    for (int i = 0; i < 20; ++i) {
        auto one = std::make_unique<loop>(options_of_run());
        auto two = std::make_unique<loop>(options_of_run());
        int ran = 0;
        one->post([&ran] { ++ran; });
        two->post([&ran] { ++ran; });
        const pair here = make_pair(*one);
        const pair there = make_pair(*two);
        turn(*one);
        turn(*two);
        CHECK(ran == 2);
        (i % 2 == 0 ? one : two).reset();
        turn(i % 2 == 0 ? *two : *one);
    }
    if (!on_iocp()) {  // see ~scene
        CHECK(raw::open_handles() == before);
    }
}

namespace {

struct inherited {
    loop& on;
    tcp::socket& with;
};

task<std::error_code> error_of_read(tcp::socket& from) {
    std::byte buffer[4];
    const auto got = co_await from.read(buffer);
    co_return got.error();
}

// Gives a bit for each thing that was not as it should be.
int use_parents_loop(void* context) {
    auto& parent = *static_cast<inherited*>(context);
    int wrong = 0;
    const auto not_ours = std::errc::operation_not_permitted;
    wrong |= parent.on.run().error() == not_ours ? 0 : 1;
    wrong |= parent.on.poll().error() == not_ours ? 0 : 2;
    wrong |= parent.on.run_for(1s).error() == not_ours ? 0 : 4;
    wrong |= parent.with.shutdown_write().error() ? 0 : 8;

    loop own(options_of_run());  // the child may have one of its own
    wrong |= own ? 0 : 16;
    int ran = 0;
    own.post([&ran] { ++ran; });
    wrong |= own.run().value_or(std::size_t{0}) == 1 && ran == 1 ? 0 : 32;

    const auto read = own.block_on(error_of_read(parent.with));
    wrong |= read.value_or(std::error_code{}) == not_ours ? 0 : 64;
    return wrong;
}

}  // namespace

THOLE_TEST("a forked child gets a clear error from its parent's loop", "[end]") {
    if (raw::is_windows()) {
        skip("Windows has no fork");
    }
    scene in;
    pair both = make_pair(in.on);
    inherited context{in.on, both.here};
    CHECK(raw::in_forked_child(&use_parents_loop, &context) == 0);
    run(in.on, send(both.here, "untouched"));
    run(in.on, expect(both.there, "untouched"));
}
