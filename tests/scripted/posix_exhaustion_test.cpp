// SPDX-License-Identifier: BSL-1.0
// The system has no descriptor, no buffer or no memory: what waits, what is told, what is shed.
#include "rig.hpp"

#include <deque>
#include <string>
#include <thread>

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;
using tcp::exhaustion_policy;

constexpr backend_kind kinds[] = {backend_kind::epoll, backend_kind::select};
constexpr int lacking[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};

std::size_t waits() { return count("pselect") + count("epoll_wait") + count("epoll_pwait2"); }

// A listener, and a callback that waits at it.
struct waiting_door {
    explicit waiting_door(rig& r, tcp::listen_options options = {})
        : on(r.on), door(open_door(r.on, address_family::ipv4, options)) {
        wait(r);
    }
    waiting_door(const waiting_door&) = delete;
    waiting_door& operator=(const waiting_door&) = delete;
    ~waiting_door() {
        door.close();
        static_cast<void>(on.run());
    }
    accepting& wait(rig& r) {
        ops.emplace_back(made::add{&got}).start(door, within(5s));
        REQUIRE(r.on.poll());
        return ops.back();
    }
    [[nodiscard]] raw::socket client() const { return raw::socket::connect(*door.local()); }
    // Runs until so many have ended.
    void run_until(rig& r, std::size_t ended) {
        while (got.seen.size() < ended) {
            REQUIRE(r.on.run_for(2ms));
        }
    }

    loop& on;
    tcp::listener door;
    made got;
    std::deque<accepting> ops;
};

THOLE_TEST("R69: where a descriptor is lacking an accept waits, and gets the same client",
           "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const int raw : lacking) {
            CAPTURE(to_string(kind), raw);
            rig r(kind);
            waiting_door at(r);
            const script::rule& failing = script::on("accept4").times(3).gives(-1, raw);
            raw::socket client = at.client();
            at.run_until(r, 1);
            CHECK(failing.used() == 3);
            REQUIRE(at.got.seen[0]);
            CHECK(at.door.counters().pauses == 3);
            CHECK(at.door.counters().accepted == 1);
            CHECK(r.run(echoes(*at.got.seen[0], client)));
        }
    }
}

THOLE_TEST("R69: an accept that finds a client and no descriptor at once waits as well",
           "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        tcp::listener door = open_door(r.on);
        raw::socket client = raw::socket::connect(*door.local());
        script::on("accept4").times(2).gives(-1, EMFILE);
        auto awaited = r.run([](tcp::listener& on) -> task<result<tcp::socket>> {
            co_return co_await on.accept(within(5s));
        }(door));
        REQUIRE(awaited);
        CHECK(r.run(echoes(*awaited, client)));
        script::on("accept4").times(2).gives(-1, ENFILE);
        raw::socket second = raw::socket::connect(*door.local());
        auto without_deadline = r.run([](tcp::listener& on) -> task<result<tcp::socket>> {
            co_return co_await on.accept();
        }(door));
        REQUIRE(without_deadline);
        CHECK(r.run(echoes(*without_deadline, second)));
        CHECK(door.counters().pauses == 4);
    }
}

THOLE_TEST("R69: while it waits nothing is asked, whoever comes and whoever accepts",
           "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        waiting_door at(r);
        script::rule& failing = script::on("accept4").forever().gives(-1, EMFILE);
        std::vector<raw::socket> clients;
        const time_point start = r.on.now();
        while (r.on.now() - start < 100ms) {
            clients.push_back(at.client());
            at.wait(r);
            REQUIRE(r.on.run_for(2ms));
        }
        // After 5, 10, 20, 40, 80 … ms.
        CHECK(failing.used() <= 7);
        CHECK(at.got.seen.empty());
        failing.times(0);
        at.run_until(r, clients.size());
        for (std::size_t i = 0; i < clients.size(); ++i) {  // in order, and nobody is lost
            REQUIRE(at.got.seen[i]);
            CHECK(at.got.seen[i]->peer().value() == clients[i].local());
        }
    }
}

THOLE_TEST("R69: the loop sleeps while a descriptor is lacking", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        waiting_door at(r);
        script::on("accept4").forever().gives(-1, EMFILE);
        raw::socket client = at.client();
        script::reset();
        script::on("accept4").forever().gives(-1, EMFILE);
        REQUIRE(r.on.run_for(300ms));  // asked after 5, 10, 20, 40, 80, 160 ms
        CHECK(waits() <= 20);
        CHECK(count("accept4") <= 8);
        CHECK(count("accept4") >= 1);
    }
}

THOLE_TEST("R69: a loop that comes late does not ask more often for that", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        waiting_door at(r);
        const script::rule& failing = script::on("accept4").forever().gives(-1, EMFILE);
        const raw::socket client = at.client();
        const time_point start = r.on.now();
        for (int turns = 0; turns < 25; ++turns) {
            std::this_thread::sleep_for(12ms);  // the first wait is over after 5
            REQUIRE(r.on.poll());
        }
        CHECK(failing.used() <= 8 + (r.on.now() - start) / 250ms);
    }
}

THOLE_TEST("R69: what waits for a descriptor ends by cancel, deadline and close", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        waiting_door at(r);
        script::rule& failing = script::on("accept4").forever().gives(-1, EMFILE);
        const raw::socket client = at.client();
        accepting& second = at.wait(r);
        while (failing.used() == 0) {
            REQUIRE(r.on.run_for(1ms));
        }
        at.ops.front().cancel();
        at.run_until(r, 1);
        CHECK(at.got.seen[0].error() == errc::cancelled);
        CHECK(second.pending());
        at.ops.emplace_back(made::add{&at.got}).start(at.door, within(20ms));
        at.run_until(r, 2);  // the last one's own deadline, though another stands before it
        CHECK(at.got.seen[1].error() == errc::deadline_reached);
        CHECK(second.pending());
        at.ops.emplace_back(made::add{&at.got}).start(at.door, within(5s));
        at.door.close();
        CHECK(r.on.run());
        REQUIRE(at.got.seen.size() == 4);
        CHECK(at.got.seen[2].error() == errc::closed);
        CHECK(at.got.seen[3].error() == errc::closed);
    }
}

THOLE_TEST("R69: a loop that ends while something waits for a descriptor tells nobody",
           "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        made got;
        accepting op{{&got}};
        tcp::listener door;
        {
            rig r(kind);
            door = open_door(r.on);
            script::on("accept4").forever().gives(-1, EMFILE);
            const raw::socket client = raw::socket::connect(*door.local());
            op.start(door, within(5s));
            REQUIRE(r.on.poll());
            CHECK(count("accept4") == 1);
        }
        CHECK(got.seen.empty());
    }
}

THOLE_TEST("R69: a listener that reports tells it, and lives", "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const int raw : lacking) {
            CAPTURE(to_string(kind), raw);
            rig r(kind);
            waiting_door at(r, {.when_exhausted = exhaustion_policy::report});
            at.wait(r);
            script::on("accept4").gives(-1, raw);
            raw::socket client = at.client();
            at.run_until(r, 2);  // the first is told, the next is served
            CHECK(at.got.seen[0].error().value() == raw);
            REQUIRE(at.got.seen[1]);
            CHECK(at.door.counters().pauses == 0);
            CHECK(r.run(echoes(*at.got.seen[1], client)));
        }
    }
}

THOLE_TEST("R69: a listener that sheds resets who waits, and serves who comes later",
           "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        waiting_door at(r, {.when_exhausted = exhaustion_policy::shed});
        std::vector<raw::socket> unlucky;
        for (int i = 0; i < 3; ++i) {
            unlucky.push_back(at.client());
        }
        script::on("accept4").gives(-1, EMFILE);
        while (at.door.counters().pauses == 0) {
            REQUIRE(r.on.run_for(1ms));
        }
        CHECK(at.door.counters().shed == 3);
        for (raw::socket& client : unlucky) {
            CHECK(client.receive(1).how == raw::ending::reset);
        }
        CHECK(at.got.seen.empty());
        raw::socket lucky = at.client();
        at.run_until(r, 1);
        REQUIRE(at.got.seen[0]);
        CHECK(r.run(echoes(*at.got.seen[0], lucky)));
    }
}

THOLE_TEST("R69: without its reserve a listener that sheds waits, and finds it again",
           "[scripted]") {
    rig r(backend_kind::epoll);
    waiting_door at(r, {.when_exhausted = exhaustion_policy::shed});
    script::on("accept4").times(4).gives(-1, EMFILE);
    script::on("eventfd").gives(-1, EMFILE);  // it was given up, and is not to be had again
    raw::socket client = at.client();
    at.run_until(r, 1);
    REQUIRE(at.got.seen[0]);
    CHECK(at.door.counters().pauses == 2);
    CHECK(at.door.counters().shed == 0);
    // The loop's own, the reserve, in vain, and before and after the second try.
    CHECK(count("eventfd") == 5);
    CHECK(r.run(echoes(*at.got.seen[0], client)));
}

// Another thread opens something in the very moment in which the reserve is given up for a client.
struct theft {
    explicit theft(std::intptr_t reserve) {
        script::on("close")
            .when([reserve](const call& asked) { return asked.handle == reserve; })
            .then([this](call&) { taken_ = ::eventfd(0, EFD_CLOEXEC); });
    }
    theft(const theft&) = delete;
    theft& operator=(const theft&) = delete;
    ~theft() { give_back(); }
    void give_back() {
        if (taken_ >= 0) {
            ::close(std::exchange(taken_, -1));
        }
    }
    [[nodiscard]] int taken() const { return taken_; }

private:
    int taken_ = -1;
};

// Also of io_uring, whose accepts the script does not see: the limit is the system's own.
std::vector<backend_kind> kinds_of_machine() {
    std::vector<backend_kind> found(std::begin(kinds), std::end(kinds));
    if (const loop tried({.backend = backend_kind::io_uring}); !tried.error()) {
        found.push_back(backend_kind::io_uring);
    }
    return found;
}

THOLE_TEST("R69: a reserve that another thread took is won back, and who waits is shed again",
           "[scripted]") {
    for (const backend_kind kind : kinds_of_machine()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        tcp::listener door =
            open_door(r.on, address_family::ipv4, {.when_exhausted = exhaustion_policy::shed});
        const std::intptr_t reserve = script::calls("eventfd").back().result;
        const auto come = [&door] { return raw::socket::connect(*door.local()); };
        const auto run_until = [&r](auto holds) {
            for (int turns = 0; !holds(); ++turns) {
                REQUIRE(turns < 10'000);
                REQUIRE(r.on.run_for(1ms));
            }
        };
        raw::socket unlucky = come();
        raw::no_descriptors none;
        theft other(reserve);
        made got;
        accepting op{{&got}};
        op.start(door, within(20s));
        run_until([&door] { return door.counters().pauses >= 3; });
        CHECK(other.taken() == reserve);
        CHECK(door.counters().shed == 0);  // nobody can be taken, and nobody is lost
        CHECK(op.pending());

        other.give_back();
        run_until([&door] { return door.counters().shed != 0; });
        CHECK(unlucky.receive(1).how == raw::ending::reset);
        none.give(1);
        raw::socket next = come();
        run_until(
            [&door] { return door.counters().shed == 2; });  // it still has what it does it by
        CHECK(next.receive(1).how == raw::ending::reset);
        next.close();
        CHECK(op.pending());

        none.give(1);
        raw::socket lucky = come();
        run_until([&op] { return !op.pending(); });
        REQUIRE(got.seen.size() == 1);
        REQUIRE(got.seen[0]);
        CHECK(r.run(echoes(*got.seen[0], lucky)));
        CHECK(door.counters().accepted == 1);
        CHECK(door.counters().shed == 2);
    }
}

THOLE_TEST("R69: a client for whom the loop has no room is reset, and the accept goes on",
           "[scripted]") {
    for (const exhaustion_policy policy : {exhaustion_policy::pause, exhaustion_policy::report}) {
        rig r(backend_kind::epoll);
        waiting_door at(r, {.when_exhausted = policy});
        script::on("epoll_ctl").gives(-1, ENOSPC);
        raw::socket unlucky = at.client();
        while (at.door.counters().shed == 0) {
            REQUIRE(r.on.run_for(1ms));
        }
        CHECK(unlucky.receive(1).how == raw::ending::reset);
        if (policy == exhaustion_policy::report) {
            at.run_until(r, 1);
            CHECK(at.got.seen[0].error() == std::errc::no_buffer_space);
            at.got.seen.clear();
            at.wait(r);
        }
        raw::socket lucky = at.client();
        at.run_until(r, 1);
        REQUIRE(at.got.seen[0]);
        CHECK(r.run(echoes(*at.got.seen[0], lucky)));
    }
}

THOLE_TEST("R69: an error that says that there is no listener is told at once", "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const int raw : {EBADF, EINVAL, ENOTSOCK}) {
            CAPTURE(to_string(kind), raw);
            rig r(kind);
            waiting_door at(r);
            script::on("accept4").gives(-1, raw);
            const raw::socket client = at.client();
            at.run_until(r, 1);
            CHECK(at.got.seen[0].error().value() == raw);
            CHECK(at.door.counters().pauses == 0);
            CHECK(at.door.counters().absorbed == 0);
        }
    }
}

}  // namespace
