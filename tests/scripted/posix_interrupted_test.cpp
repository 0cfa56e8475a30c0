// SPDX-License-Identifier: BSL-1.0
// Interrupted calls and short counts, everywhere: nothing comes of it.
#include "flow.hpp"

#include <atomic>
#include <cstdlib>
#include <thread>

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

constexpr backend_kind kinds[] = {backend_kind::epoll, backend_kind::select};

// Each call that a signal may interrupt. These two have had their effect by then.
constexpr std::string_view interruptible[] = {
    "accept4", "close", "connect", "epoll_pwait2", "epoll_wait",
    "pselect", "recv",  "recvmsg", "send",         "sendmsg",
};
bool had_its_effect(std::string_view name) { return name == "close" || name == "connect"; }

// Every second call of that name, or the first few.
struct pattern {
    int times;
    bool alternating;
};
constexpr pattern patterns[] = {{1, false}, {5, false}, {INT_MAX, true}};

void interrupt(std::string_view name, const pattern& how) {
    script::rule& rule = script::on(name).times(how.times).gives(-1, EINTR);
    if (had_its_effect(name)) {
        rule.after_it();
    }
    if (how.alternating) {
        rule.when([asked = 0](const call&) mutable { return ++asked % 2 == 1; });
    }
}

void closed_once() {
    constexpr std::string_view makers[] = {"accept4", "epoll_create1", "eventfd", "open", "socket"};
    constexpr std::string_view closers[] = {"close"};
    check_closed(makers, closers);  // R68
}

THOLE_TEST("every call of an echo is interrupted, and nothing comes of it", "[scripted]") {
    const std::string text(40, 't');
    for (const backend_kind kind : kinds) {
        for (const std::string_view name : interruptible) {
            for (const pattern& how : patterns) {
                CAPTURE(to_string(kind), name, how.times);
                script::reset();
                interrupt(name, how);
                const account got = echo_flow(kind, text);
                CHECK(got.complete);
                CHECK(got.started == got.ended);
                CHECK(count("connect") == 1);  // R54
                closed_once();
            }
        }
        script::reset();  // and all of them at once
        for (const std::string_view name : interruptible) {
            interrupt(name, {INT_MAX, true});
        }
        CHECK(echo_flow(kind, text).complete);
        CHECK(count("connect") == 1);
        closed_once();
    }
    script::reset();
}

THOLE_TEST("every call of a connect is interrupted, and nothing comes of it", "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const std::string_view name : interruptible) {
            for (const pattern& how : patterns) {
                CAPTURE(to_string(kind), name, how.times);
                script::reset();
                interrupt(name, how);
                const account got = connect_flow(kind);
                CHECK(got.complete);
                CHECK(got.started == got.ended);
                CHECK(count("connect") == 3);  // R54: one each
                closed_once();
            }
        }
    }
    script::reset();
}

THOLE_TEST("a wake that is interrupted is not lost", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        script::on("write").forever().gives(-1, EINTR).when(
            [asked = 0](const call&) mutable { return ++asked % 3 != 0; });
        script::on("read").forever().gives(-1, EINTR).when(
            [asked = 0](const call&) mutable { return ++asked % 2 == 1; });
        timer keep(
            r.on, [](void*) {}, nullptr);
        REQUIRE_FALSE(keep.arm(within(1h)));
        std::atomic<int> seen{0};
        std::thread other([&] {
            for (int i = 0; i < 200; ++i) {
                r.on.post([&] { seen.fetch_add(1); });
                while (seen.load() <= i) {
                    std::this_thread::yield();
                }
            }
            r.on.stop();
        });
        CHECK(r.on.run().value() == 200);
        other.join();
        CHECK(count("write") > 0);
    }
}

// ---- Short counts.

// A short receive means that no more has come (R63): here the rest comes as if in a segment of its
// own, which epoll tells as another edge.
void one_byte_a_segment(const char* name) {
    script::on(name).forever().cut(1).then([](call& c) {
#if defined(THOLE_HAVE_EPOLL)
        const auto sets = script::calls("epoll_create1");
        epoll_event again{};
        for (const call& one : script::calls("epoll_ctl")) {
            if (one.handle == c.handle && one.option == EPOLL_CTL_ADD) {
                again.data.u64 = one.code;
            }
        }
        if (c.result > 0 && !sets.empty()) {
            again.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
            const int set = static_cast<int>(sets.back().result);
            ::epoll_ctl(set, EPOLL_CTL_MOD, static_cast<int>(c.handle), &again);
            errno = c.error;
        }
#endif
    });
}

void cut_short(bool sends, bool receives) {
    if (sends) {
        script::on("send").forever().cut(1);
        script::on("sendmsg").forever().cut(1);
    }
    if (receives) {
        one_byte_a_segment("recv");
        one_byte_a_segment("recvmsg");
    }
}

THOLE_TEST("every transfer moves one byte, and nothing comes of it", "[scripted]") {
    const std::string text(60, 's');
    for (const backend_kind kind : kinds) {
        for (const bool interrupted : {false, true}) {
            for (const int which : {1, 2, 3}) {  // sent so, received so, both
                CAPTURE(to_string(kind), interrupted, which);
                script::reset();
                for (const std::string_view name : interruptible) {
                    interrupt(name, {interrupted ? INT_MAX : 0, true});
                }
                cut_short((which & 1) != 0, (which & 2) != 0);
                const account got = echo_flow(kind, text);
                CHECK(got.complete);
                CHECK(got.started == got.ended);
                CHECK(count("sendmsg") >= ((which & 1) != 0 ? 60U : 1U));
                CHECK(count("recv") >= ((which & 2) != 0 ? 60U : 1U));
                closed_once();
            }
        }
    }
    script::reset();
}

// ---- Accepts that are started again by what the system says, and a cancel.

THOLE_TEST("AC09 R31 a cancel between two tries of an accept: one completion", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        tcp::listener door = open_door(r.on);
        made got;
        accepting op{{&got}};
        op.start(door, within(5s));
        REQUIRE(r.on.poll());
        script::rule& failing = script::on("accept4").times(100).gives(-1, ECONNABORTED);
        raw::socket client = raw::socket::connect(door.local().value());
        REQUIRE(r.on.poll());
        REQUIRE(failing.used() > 0);
        REQUIRE(failing.used() < 100);  // R71: it goes on in the next turn
        REQUIRE(op.pending());
        op.cancel();
        CHECK(got.seen.empty());
        REQUIRE(r.on.run());
        REQUIRE(r.on.poll());
        REQUIRE(got.seen.size() == 1);
        CHECK(got.seen[0].error() == errc::cancelled);
        failing.times(0);
        op.start(door, within(5s));  // the client is still there
        REQUIRE(r.on.run());
        REQUIRE(got.seen.size() == 2);
        REQUIRE(got.seen[1]);
        CHECK(r.run(echoes(*got.seen[1], client)));
    }
}

}  // namespace
