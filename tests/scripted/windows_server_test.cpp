// SPDX-License-Identifier: BSL-1.0
// A server on a system that has no socket left for a while: the last resort. Part of the suite
// `endure`, too, as Windows has no limit of handles to run into.
#include "rig.hpp"

#include <deque>
#include <string_view>

#include "win/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;

constexpr std::size_t guests = 20;

// A system with so many sockets for this library, and none for one more: `what` says then that
// there is nothing left.
struct narrow_system {
    narrow_system(const char* what, int raw) {
        const bool opens = what == std::string_view("WSASocketW");
        script::on("WSASocketW").forever().then([this, opens, raw](call& made) {
            const bool one_more = made.result != static_cast<std::intptr_t>(INVALID_SOCKET);
            if (one_more && opens && open_ >= most_) {
                ::closesocket(static_cast<SOCKET>(made.result));
                made.result = static_cast<std::intptr_t>(INVALID_SOCKET);
                made.error = raw;
                ++refused_;
            } else {
                open_ += one_more ? 1U : 0U;
            }
        });
        script::on("closesocket").forever().then([this](call&) { --open_; });
        script::on("WSASend").forever().then([this](call&) { ++sent_; });
        if (!opens) {
            script::on("AcceptEx")
                .forever()
                .when([this](const call&) { return open_ > most_; })
                .then([this](call&) { ++refused_; })
                .gives(FALSE, raw);
        }
    }
    void fill() { most_ = open_; }
    void widen() { most_ = SIZE_MAX; }
    [[nodiscard]] std::size_t refused() const { return refused_; }
    [[nodiscard]] std::size_t sent() const { return sent_; }  // answers

private:
    std::size_t open_ = 0;
    std::size_t most_ = SIZE_MAX;
    std::size_t refused_ = 0;
    std::size_t sent_ = 0;
};

task<> echo(connection& with) {
    std::byte buffer[64];
    while (auto n = co_await with.socket().read(buffer)) {
        const transfer sent = co_await with.socket().write(std::span(buffer).first(*n));
        if (!sent) {
            co_return;
        }
    }
}

// A server with one accept standing, and clients outside of the script.
struct place {
    place(const char* lacks, int raw, serve_options options = {}) : system(lacks, raw) {
        tcp::listener door = open_door(r.on, address_family::ipv4,
                                       {.standing_accepts = 1, .most_standing_accepts = 1});
        where = door.local().value();
        runs = serve(r.on, std::move(door), &echo, options);
        REQUIRE_FALSE(runs.error());
        for (std::size_t i = 0; i < guests; ++i) {
            come();
            serve_all();
        }
    }
    template <class F>
    void run_until(F holds) {
        for (int turns = 0; !holds(); ++turns) {
            REQUIRE(turns < 2000);
            REQUIRE(r.on.run_for(5ms));
        }
    }
    // One more, who says something.
    void come() {
        inside.push_back(raw::socket::connect(where));
        say(inside.back());
    }
    void say(raw::socket& from) {
        from.send("hello");
        ++said;
    }
    void serve_all() {
        run_until([this] { return system.sent() == said; });
    }

    rig r{backend_kind::iocp};
    narrow_system system;
    endpoint where;
    server runs;
    std::deque<raw::socket> inside;
    std::size_t said = 0;
};

struct shortage {
    const char* lacks;
    int raw;
};
constexpr shortage shortages[] = {{"WSASocketW", WSAEMFILE}, {"AcceptEx", WSAENOBUFS}};

THOLE_TEST("G12 serve: without sockets some of the idle make room for who comes",
           "[scripted][exhaustion]") {
    for (const shortage& of : shortages) {
        CAPTURE(of.lacks);
        place at(of.lacks, of.raw);
        at.system.fill();
        std::uint64_t gone = 0;  // the oldest
        for (const unsigned least : {2U, 4U}) {
            const time_point start = at.r.on.now();
            at.come();  // the last for whom a socket stands ready
            at.come();
            at.serve_all();
            at.run_until([&at] { return at.runs.counters().standing == 1; });
            const auto times = 1 + (at.r.on.now() - start) / 100ms;
            REQUIRE(at.r.on.run_for(250ms));  // there is room: nobody else is let go
            const std::uint64_t before = std::exchange(gone, at.runs.counters().closed.last_resort);
            CHECK(gone >= least);  // 10 %
            CHECK(gone <= before + 2 * static_cast<std::uint64_t>(times));
            CHECK(at.system.refused() > 0);
        }
        const server_counters seen = at.runs.counters();
        CHECK(seen.active == guests + 4 - gone);
        CHECK(seen.accepted == guests + 4);
        CHECK(seen.pauses >= 1);
        CHECK(seen.shed == 0);
        for (std::size_t i = 0; i < at.inside.size(); ++i) {
            CAPTURE(i);
            raw::socket& guest = at.inside[i];
            CHECK(guest.receive_all(5).bytes == "hello");
            if (i < gone) {
                CHECK(guest.receive(1).how == raw::ending::end_of_stream);
            } else {
                at.say(guest);
                at.serve_all();
                CHECK(guest.receive_all(5).bytes == "hello");
            }
        }
        at.system.widen();
        for (int i = 0; i < 5; ++i) {
            at.come();
            at.serve_all();
        }
        CHECK(at.runs.counters().closed.last_resort == gone);
        CHECK(at.runs.counters().active == guests + 9 - gone);
    }
}

THOLE_TEST("G12 serve: where the last resort is off who comes waits, and is served",
           "[scripted][exhaustion]") {
    for (const shortage& of : shortages) {
        CAPTURE(of.lacks);
        place at(of.lacks, of.raw, {.last_resort = 0});
        at.system.fill();
        at.come();
        at.serve_all();
        at.come();
        const time_point end = at.r.on.now() + 300ms;
        at.run_until([&] { return at.r.on.now() >= end; });
        CHECK(at.system.sent() == at.said - 1);
        CHECK(at.system.refused() >= 2);
        CHECK(at.system.refused() < 15);  // 5, 10, 20, 40, … ms apart
        CHECK(at.runs.counters().pauses >= 1);
        CHECK(at.runs.counters().active == guests + 1);
        at.system.widen();
        at.serve_all();
        CHECK(at.runs.counters().closed.last_resort == 0);
        CHECK(at.runs.counters().active == guests + 2);
        CHECK(at.inside.back().receive_all(5).bytes == "hello");
    }
}

}  // namespace
