// SPDX-License-Identifier: BSL-1.0
// The end of a server's service: who is let go, who is waited for, who is aborted.
#include "service.hpp"

#include <algorithm>
#include <vector>

using namespace thole;
using namespace thole::test;

namespace {

// Reads until the end, then closes.
task<> leaves_at_the_end(tcp::socket peer) {
    const std::error_code end = co_await end_of(peer);
    CHECK(end == errc::end_of_stream);
    peer.close();
}

task<> refused_or_reset(loop& on, const endpoint& where) {
    const auto made = co_await tcp::connect(on, where, within(patience));
    CHECK(made.error() == std::errc::connection_refused);
}

// ---- CL19

task<> fifty_idle(loop& on, service& at) {
    scope clients(on);
    for (int i = 0; i < 50; ++i) {
        tcp::socket peer = co_await known_client(on, at.where);
        clients.spawn(leaves_at_the_end(std::move(peer)));
    }
    const time_point before = on.now();
    const drain_report end = co_await at.runs.drain(within(patience));
    CHECK(on.now() - before <= (on_sim() ? 100ms : std::chrono::milliseconds(5s)));
    CHECK(end == drain_report{.idle = 50});
    CHECK_FALSE(at.runs.accepting());
    CHECK(at.closed().drained == 50);
    CHECK(at.runs.counters().standing == 0);
    co_await refused_or_reset(on, at.where);
    co_await clients.wait();
}

}  // namespace

THOLE_TEST("CL19 a server whose connections are all idle is drained at once", "[serve]") {
    scene in;
    service at(in.on, &echo);
    run(in.on, fifty_idle(in.on, at));
    settle(in.on);
}

// ---- CL20

namespace {

// A request is a byte; its answer takes until `answer` is set.
struct slow_service {
    event answer;
    std::size_t begun = 0;
    bool told = false;

    task<> operator()(connection& with) {
        std::byte request[1];
        while (auto n = co_await with.socket().read(request)) {
            ++begun;
            (void)co_await answer.wait();
            told = with.draining();
            const transfer sent = co_await with.socket().write(bytes_of("answer"));
            if (!sent) {
                co_return;
            }
        }
    }
};

task<> asks_slowly(loop& on, endpoint where) {
    tcp::socket peer = co_await client_of(on, where);
    co_await send(peer, "?");
    co_await expect(peer, "answer");
    co_await leaves_at_the_end(std::move(peer));
}

task<> three_busy_one_idle(loop& on, service& at, slow_service& work) {
    scope clients(on);
    for (int i = 0; i < 3; ++i) {
        clients.spawn(asks_slowly(on, at.where));
    }
    co_await until([&work] { return work.begun == 3; });
    tcp::socket idle = co_await client_of(on, at.where);
    co_await until([&at] { return at.runs.counters().active == 4; });
    auto ending = on.spawn(at.runs.drain(within(patience)));
    co_await leaves_at_the_end(std::move(idle));
    (void)co_await sleep_for(20ms);
    CHECK_FALSE(ending.ended());
    CHECK(at.runs.counters().active == 3);
    co_await refused_or_reset(on, at.where);  // no new ones
    work.answer.set();
    const drain_report end = co_await ending;
    // Each was busy; when it had answered it was idle, and was let go.
    CHECK(end.idle + end.finished == 4);
    CHECK(end.aborted == 0);
    CHECK(end.unanswered == 0);
    CHECK(work.told);
    co_await clients.wait();
}

}  // namespace

THOLE_TEST("CL20 a busy connection finishes what it has begun", "[serve]") {
    scene in;
    slow_service work;
    service at(in.on, [&work](connection& with) { return work(with); });
    run(in.on, three_busy_one_idle(in.on, at, work));
}

// ---- CL21

namespace {

task<> sees_a_reset(tcp::socket peer) {
    const std::error_code end = co_await end_of(peer);
    CHECK(end == std::errc::connection_reset);
}

task<> seven_too_slow(loop& on, service& at, slow_service& work) {
    scope clients(on);
    for (int i = 0; i < 7; ++i) {
        tcp::socket peer = co_await client_of(on, at.where);
        co_await send(peer, "?");
        clients.spawn(sees_a_reset(std::move(peer)));
    }
    for (int i = 0; i < 2; ++i) {
        tcp::socket peer = co_await client_of(on, at.where);
        clients.spawn(leaves_at_the_end(std::move(peer)));
    }
    co_await until([&] { return work.begun == 7 && at.runs.counters().active == 9; });
    const time_point before = on.now();
    const drain_report end = co_await at.runs.drain(within(50ms));
    CHECK(on.now() - before >= 50ms);
    CHECK(end == drain_report{.idle = 2, .aborted = 7});
    CHECK(at.closed().aborted == 7);
    CHECK(at.runs.counters().active == 0);
    co_await clients.wait();
}

}  // namespace

THOLE_TEST("CL21 past the deadline exactly the busy are aborted, and reported", "[serve]") {
    scene in;
    slow_service work;
    service at(in.on, [&work](connection& with) { return work(with); });
    run(in.on, seven_too_slow(in.on, at, work));
}

// ---- CL22

namespace {

// As echo, but an exclamation is never answered.
std::size_t hung = 0;
task<> echo_or_hang(connection& with) {
    std::byte buffer[16];
    while (auto n = co_await with.socket().read(buffer)) {
        if (buffer[0] == std::byte{'!'}) {
            ++hung;
            (void)co_await sleep_until(never);
        }
        const transfer sent = co_await with.socket().write(std::span(buffer).first(*n));
        if (!sent) {
            co_return;
        }
    }
}

task<> hangs(tcp::socket& peer) {
    const std::size_t before = hung;
    co_await send(peer, "!");
    co_await until([before] { return hung > before; });
}

task<> again_and_again(loop& on, service& at) {
    server never_started;
    const drain_report nothing = co_await never_started.drain(within(patience));
    CHECK(nothing == drain_report{});

    for (int round = 0; round < 3; ++round) {
        tcp::socket peer = co_await known_client(on, at.where);
        auto first = on.spawn(at.runs.drain(within(patience)));
        auto second = on.spawn(at.runs.drain(within(patience)));
        co_await yield();
        co_await yield();
        CHECK(at.runs.start(open_door(on)).error() == errc::operation_in_progress);
        co_await leaves_at_the_end(std::move(peer));
        const drain_report one = co_await first;
        const drain_report other = co_await second;
        CHECK(one == drain_report{.idle = 1});
        CHECK(other == drain_report{.idle = 1});
        const drain_report third = co_await at.runs.drain(within(0s));
        CHECK(third == drain_report{});
        at.runs.close();

        tcp::listener door = open_door(on);
        at.where = *door.local();
        CHECK(at.runs.start(std::move(door)).error() == no_error);
        CHECK(at.runs.accepting());
    }
    // Each keeps its own deadline: the shorter one ends them all.
    tcp::socket peer = co_await known_client(on, at.where);
    co_await hangs(peer);
    auto patient = on.spawn(at.runs.drain(within(patience)));
    auto hasty = on.spawn(at.runs.drain(within(10ms)));
    const drain_report one = co_await hasty;
    const drain_report other = co_await patient;
    CHECK(one == drain_report{.aborted = 1});
    CHECK(other == drain_report{.aborted = 1});
}

task<> cancelled_drain(loop& on, service& at) {
    tcp::socket peer = co_await known_client(on, at.where);
    co_await hangs(peer);
    auto ending = on.spawn(at.runs.drain(never));
    (void)co_await sleep_for(10ms);
    ending.cancel();
    const drain_report seen = co_await ending;
    CHECK(seen == drain_report{});
    CHECK(at.runs.counters().active == 1);
    CHECK_FALSE(at.runs.accepting());
    at.runs.close();
    const drain_report rest = co_await at.runs.drain(within(patience));
    CHECK(rest == drain_report{.aborted = 1});
}

}  // namespace

THOLE_TEST("CL22 a drain is idempotent, and a server can be started again", "[serve]") {
    scene in;
    service at(in.on, &echo_or_hang);
    run(in.on, again_and_again(in.on, at));
}

THOLE_TEST("CL22 a cancelled drain ends the waiting alone", "[serve]") {
    scene in;
    service at(in.on, &echo_or_hang);
    run(in.on, cancelled_drain(in.on, at));
}

THOLE_TEST("CL22 a server that goes during a drain", "[serve]") {
    scene in;
    std::vector<tcp::socket> kept;
    auto at = std::make_unique<service>(in.on, &echo_or_hang);
    run(in.on, [](loop& on, service& of, std::vector<tcp::socket>& into) -> task<> {
        into.push_back(co_await known_client(on, of.where));
        co_await hangs(into.back());
    }(in.on, *at, kept));
    auto ending = in.on.spawn(at->runs.drain(never));
    turn(in.on);
    at.reset();
    settle(in.on);
    CHECK(ending.ended());
}

// ---- Who waits in the listener's queue.

namespace {

task<> waits_in_the_queue(loop& on, endpoint where, std::size_t& answered, std::size_t& refused) {
    tcp::socket peer = co_await client_of(on, where);
    const transfer sent = co_await peer.write(bytes_of("x"));
    std::byte answer[1];
    const transfer got = co_await peer.read_exactly(answer);
    ++(sent && got ? answered : refused);
}

task<> three_in_the_queue(loop& on, service& at, bool served) {
    tcp::socket peer = co_await known_client(on, at.where);  // the only one there is room for
    std::size_t answered = 0;
    std::size_t refused = 0;
    scope clients(on);
    for (int i = 0; i < 3; ++i) {
        clients.spawn(waits_in_the_queue(on, at.where, answered, refused));
    }
    (void)co_await sleep_for(20ms);
    CHECK(answered + refused == 0);
    auto ending = on.spawn(at.runs.drain(within(patience)));
    co_await leaves_at_the_end(std::move(peer));
    co_await clients.wait();
    const drain_report end = co_await ending;
    CHECK(end.aborted == 0);
    CHECK(answered == (served ? 3 : 0));
    CHECK(refused == (served ? 0 : 3));
    CHECK(end.idle + end.finished == (served ? 4 : 1));
    co_await refused_or_reset(on, at.where);
}

}  // namespace

THOLE_TEST("CL20 clients in the queue are refused by a drain", "[serve]") {
    scene in;
    service at(in.on, &echo, {.most_connections = 1});
    run(in.on, three_in_the_queue(in.on, at, false));
}

THOLE_TEST("CL20 clients in the queue are served by a drain that is told so", "[serve]") {
    scene in;
    service at(in.on, &echo, {.most_connections = 1, .at_drain = waiting_clients::serve});
    run(in.on, three_in_the_queue(in.on, at, true));
}

// ---- G3: nothing begun is lost.

namespace {

constexpr std::size_t request_size = 64;
constexpr std::size_t answer_size = 20'000;

struct load {
    std::size_t begun = 0;
    std::size_t answered = 0;

    // Requests come in pieces: a mark holds from the first byte to the end of the answer.
    task<> operator()(connection& with) {
        const std::vector<std::byte> answer(answer_size, std::byte{5});
        std::byte request[request_size];
        for (;;) {
            const auto first = co_await with.socket().read(request);
            if (!first) {
                co_return;
            }
            const auto mark = with.busy();
            ++begun;
            const transfer rest =
                co_await with.socket().read_exactly(std::span(request).subspan(*first));
            CHECK(rest.error == no_error);
            const transfer sent = co_await with.socket().write(answer);
            CHECK(sent.error == no_error);
        }
    }

    task<> client(loop& on, endpoint where) {
        tcp::socket peer = co_await client_of(on, where);
        const std::vector<std::byte> request(request_size, std::byte{1});
        std::vector<std::byte> answer(answer_size);
        for (;;) {
            const transfer head = co_await peer.write(std::span(request).first(7));
            co_await yield();
            const transfer tail = co_await peer.write(std::span(request).subspan(7));
            const transfer got = co_await peer.read_exactly(answer);
            if (!head || !tail || !got) {
                CHECK(got.count == 0);  // a whole answer, or none
                co_return;
            }
            ++answered;
        }
    }
};

task<> under_load(loop& on, service& at, load& work) {
    scope clients(on);
    for (int i = 0; i < 30; ++i) {
        clients.spawn(work.client(on, at.where));
    }
    co_await until([&work] { return work.answered > 300; });
    const drain_report end = co_await at.runs.drain(within(patience));
    CHECK(end.idle + end.finished == 30);
    CHECK(end.aborted == 0);
    co_await clients.wait();
    CHECK(work.answered == work.begun);
}

}  // namespace

THOLE_TEST("G3 a drain under load loses no reply that was begun", "[serve]") {
    scene in;
    load work;
    service at(in.on, [&work](connection& with) { return work(with); });
    run(in.on, under_load(in.on, at, work));
}
