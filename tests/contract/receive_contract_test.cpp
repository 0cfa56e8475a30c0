// SPDX-License-Identifier: BSL-1.0
// backend.hpp held to its word: receiving into lent buffers.
#include "contract/rig.hpp"

using namespace thole;
using namespace thole::test;
using namespace std::chrono_literals;
using detail::reason;

namespace {

class receive_ask : public asked<tcp::receive_op> {
public:
    using asked::asked;
    bool start(socket_state* on) {
        reset(verb::receive, on, never);
        length = 1;
        return by_.submit(*this);
    }
    // What it got; the buffer goes back.
    std::string text() {
        REQUIRE_FALSE(error());
        const auto lent = take();
        return {reinterpret_cast<const char*>(lent->bytes().data()), lent->size()};
    }
};

constexpr loop_options one_buffer{.lent_buffer_size = 64, .lent_buffers = 1};

}  // namespace

THOLE_TEST("a receive holds a buffer from its end on, not before", "[contract]") {
    rig r;
    const auto [client, server] = r.pair();
    receive_ask waiting(r);
    REQUIRE_FALSE(waiting.start(server));
    CHECK(server->reading.front() == &waiting);
    CHECK(r.poll() == 0);
    CHECK(r.core.lent->lent() == 0);
    r.write(client, "hello");
    r.finish(waiting);
    CHECK(waiting.reported() == 1);
    CHECK(server->reading.empty());
    CHECK(r.core.lent->lent() == 1);
    CHECK(waiting.text() == "hello");
    CHECK(r.core.lent->lent() == 0);

    r.write(client, "more");
    r.pass(2ms);
    receive_ask again(r);
    again.start(server);
    r.finish(again);
    CHECK(again.text() == "more");
    receive_ask idle(r);
    REQUIRE_FALSE(idle.start(server));
    r.cancel(idle, reason::deadline);
    r.finish(idle);
    CHECK(idle.error() == errc::deadline_reached);
    r.write(client, "kept");
    CHECK(r.read(server, 4) == "kept");
    CHECK(r.core.lent->lent() == 0);
}

THOLE_TEST("the end of the stream and a reset end a receive, without a buffer", "[contract]") {
    rig r;
    const socket_pair one = r.pair();
    const socket_pair two = r.pair();
    r.write(one.client, "x");
    CHECK_FALSE(r.control(one.client, request::shutdown_write));
    r.pass(5ms);
    receive_ask receiving(r);
    receiving.start(one.server);
    r.finish(receiving);
    CHECK(receiving.text() == "x");
    for (int i = 0; i < 2; ++i) {
        receiving.start(one.server);
        r.finish(receiving);
        CHECK(receiving.error() == errc::end_of_stream);
    }
    receive_ask other(r);
    REQUIRE_FALSE(other.start(two.server));
    r.close(two.client, farewell::reset);
    r.finish(other);
    CHECK(other.error() == std::errc::connection_reset);
    CHECK(r.core.lent->lent() == 0);
}

THOLE_TEST("a starved receive is submitted anew when a buffer has come back", "[contract]") {
    rig r(one_buffer);
    const socket_pair one = r.pair();
    const socket_pair two = r.pair();
    r.write(one.client, "first");
    r.write(two.client, "second");
    receive_ask first(r);
    receive_ask second(r);
    first.start(one.server);
    r.finish(first);
    REQUIRE_FALSE(second.start(two.server));
    r.until([&] { return second.starved; });
    CHECK(r.poll() == 0);
    CHECK(second.pending());
    CHECK(two.server->reading.front() == &second);
    CHECK(first.text() == "first");
    r.finish(second);
    CHECK(second.reported() == 1);
    CHECK_FALSE(second.starved);
    CHECK(two.server->reading.empty());
    CHECK(second.text() == "second");
}

THOLE_TEST("a starved receive is the core's to end", "[contract]") {
    rig r(one_buffer);
    const socket_pair one = r.pair();
    const socket_pair two = r.pair();
    const detail::buffer_pool::place held = r.core.lent->take();
    r.write(one.client, "first");
    r.write(two.client, "second");
    receive_ask first(r);
    receive_ask second(r);
    REQUIRE_FALSE(first.start(one.server));
    REQUIRE_FALSE(second.start(two.server));
    r.until([&] { return first.starved && second.starved; });
    r.core.cancel(first, reason::cancelled);
    CHECK_FALSE(first.starved);
    CHECK(one.server->reading.empty());
    r.finish(first);
    CHECK(first.reported() == 1);
    CHECK(first.error() == errc::cancelled);
    CHECK(r.read(one.server, 5) == "first");
    r.close(two.server);
    r.finish(second);
    CHECK(second.error() == errc::closed);
    r.core.lent->give_back(held.bytes, held.number);
    CHECK(r.poll() == 0);
    CHECK(r.core.lent->lent() == 0);
}
