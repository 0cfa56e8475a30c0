// SPDX-License-Identifier: BSL-1.0
// Listeners and servers that are closed from elsewhere, and from inside.
#include "service.hpp"

#include <thread>
#include <vector>

using namespace thole;
using namespace thole::test;

namespace {

// Each accept's end, the first of which closes the listener.
struct closes_it {
    tcp::listener* door;
    std::vector<std::error_code>* ends;
    void operator()(const result<tcp::socket>& made) const {
        ends->push_back(made.error());
        door->close();
    }
};

task<> fails(connection& with) {
    std::byte buffer[1];
    (void)co_await with.socket().read(buffer);
    throw 1;
}

task<> comes_and_is_cut(loop& on, endpoint where) {
    tcp::socket peer = co_await client_of(on, where);
    co_await send(peer, "!");
    const std::error_code end = co_await end_of(peer);
    CHECK(end);
}

}  // namespace

THOLE_TEST("AC27 a listener is closed by another thread's post", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    journal log;
    noting<tcp::accept_op> accepting{noted{&log, "accept"}};
    accepting.start(door);
    turn(in.on);
    bool closed = false;
    std::thread other([&] {
        in.on.post([&] {
            door.close();
            closed = true;
            CHECK(log.size() == 0);  // never inside
        });
    });
    other.join();
    settle(in.on);
    CHECK(closed);
    REQUIRE(log.size() == 1);
    CHECK(log.of("accept").error == errc::closed);
    turn(in.on);
    CHECK(log.size() == 1);
}

THOLE_TEST("AC27 a listener is closed in the end of its own accept", "[accept]") {
    scene in;
    tcp::listener door = open_door(in.on);
    std::vector<std::error_code> ends;
    callback<tcp::accept_op, closes_it> first{closes_it{&door, &ends}};
    callback<tcp::accept_op, closes_it> second{closes_it{&door, &ends}};
    first.start(door);
    second.start(door);
    door.cancel();
    CHECK(ends.empty());
    settle(in.on);
    REQUIRE(ends.size() == 2);
    CHECK(ends[0] == errc::cancelled);
    CHECK(ends[1] == errc::cancelled);
    CHECK_FALSE(door.is_open());
}

THOLE_TEST("AC27 a server is closed in a handler, and where an exception is told",
           "[serve][throws]") {
    scene in;
    server* closes = nullptr;
    const auto close_it = [](void* which, connection&, const std::exception_ptr&) {
        (*static_cast<server**>(which))->close();
    };
    {
        service at(in.on, [&closes](connection& with) -> task<> {
            std::byte buffer[1];
            (void)co_await with.socket().read(buffer);
            closes->close();
            CHECK_FALSE(with.socket().is_open());
        });
        closes = &at.runs;
        run(in.on, comes_and_is_cut(in.on, at.where));
        settle(in.on);
        CHECK(at.closed().aborted == 1);
        CHECK(at.runs.counters().active == 0);
    }
    service at(in.on, &fails, {.failed = close_it, .context = &closes});
    closes = &at.runs;
    run(in.on, comes_and_is_cut(in.on, at.where));
    settle(in.on);
    CHECK(at.closed().exceptions == 1);
    CHECK(at.runs.counters().active == 0);
}
