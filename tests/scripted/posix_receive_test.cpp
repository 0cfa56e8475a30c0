// SPDX-License-Identifier: BSL-1.0
// Receiving into lent buffers, where the system says what it seldom says.
#include "rig.hpp"

#include <string>

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::count;

constexpr backend_kind kinds[] = {backend_kind::epoll, backend_kind::select};

using received = ends<result<tcp::lent_buffer>>;
using receiving = callback<tcp::receive_op, received::add>;

// A socket of the loop and its peer outside.
struct both {
    explicit both(loop& on, raw::socket door = raw::socket::bind(address_family::ipv4, 5))
        : here(on.block_on([](loop& in, endpoint to) -> task<result<tcp::socket>> {
                     co_return co_await tcp::connect(in, to, within(5s));
                 }(on, door.local()))
                   .value()),
          there(door.accept()) {}
    tcp::socket here;
    raw::socket there;
};

std::string text_of(const tcp::lent_buffer& lent) {
    return {reinterpret_cast<const char*>(lent.bytes().data()), lent.size()};
}

void run_until(loop& on, const received& got, std::size_t ended) {
    while (got.seen.size() < ended) {
        REQUIRE(on.run_for(5ms));
    }
}

THOLE_TEST("a receive that is interrupted goes on, into the same buffer", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        both ends(r.on);
        script::on("recv").times(5).gives(-1, EINTR);
        received got;
        receiving waiting(received::add{&got});
        ends.there.send("hello");
        waiting.start(ends.here);
        run_until(r.on, got, 1);
        REQUIRE(got.seen[0]);
        CHECK(text_of(*got.seen[0]) == "hello");
        CHECK(r.on.lent_buffers() == 1);
        CHECK(count("recv") == 6);
    }
}

THOLE_TEST("a receive that finds nothing after all holds no buffer", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        both ends(r.on);
        std::size_t lent = 0;
        script::on("recv").gives(-1, EAGAIN).then([&](script::call&) {
            lent = r.on.lent_buffers();
        });
        received got;
        receiving waiting(received::add{&got});
        ends.there.send("hello");
        waiting.start(ends.here);
        while (count("recv") == 0) {
            REQUIRE(r.on.run_for(1ms));
        }
        CHECK(lent == 1);
        ends.there.send("more");
        run_until(r.on, got, 1);
        REQUIRE(got.seen[0]);
        CHECK(text_of(*got.seen[0]).substr(0, 5) == "hello");
        got.seen.clear();
        CHECK(r.on.lent_buffers() == 0);
    }
}

THOLE_TEST("a receive that fails gives its buffer back, and tells the code", "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const int code : {EIO, ETIMEDOUT, ECONNRESET}) {
            CAPTURE(to_string(kind), code);
            rig r(kind);
            both ends(r.on);
            script::on("recv").gives(-1, code);
            received got;
            receiving waiting(received::add{&got});
            ends.there.send("hello");
            waiting.start(ends.here);
            run_until(r.on, got, 1);
            CHECK(got.seen[0].error().value() == code);
            CHECK(r.on.lent_buffers() == 0);
        }
    }
}

THOLE_TEST("who waits for a buffer asks the system nothing", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        script::reset();
        loop on({.backend = kind, .lent_buffer_size = 64, .lent_buffers = 1});
        REQUIRE(static_cast<bool>(on));
        both first(on);
        both second(on);
        received got;
        receiving one(received::add{&got});
        receiving other(received::add{&got});
        first.there.send("first");
        one.start(first.here);
        run_until(on, got, 1);
        second.there.send("second");
        other.start(second.here);
        REQUIRE(on.run_for(10ms));
        CHECK(other.pending());
        script::reset();
        REQUIRE(on.run_for(50ms));
        CHECK(count("recv") == 0);
        CHECK(count("pselect") + count("epoll_wait") + count("epoll_pwait2") <= 4);
        got.seen.erase(got.seen.begin());  // and with it the buffer
        run_until(on, got, 1);
        REQUIRE(got.seen[0]);
        CHECK(text_of(*got.seen[0]) == "second");
        CHECK(count("recv") == 1);
        got.seen.clear();
    }
    script::reset();
}

}  // namespace
