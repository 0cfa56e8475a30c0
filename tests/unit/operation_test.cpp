// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <cstdlib>
#include <exception>
#include <memory>
#include <vector>

#include <thole/thole.hpp>

#include "core/loop_core.hpp"
#include "support/raw_peer.hpp"

namespace {

using namespace std::chrono_literals;
using thole::callback;
using thole::errc;
using thole::loop;
using thole::never;
using thole::sleep_op;
using thole::within;
using thole::detail::reason;
using thole::detail::stage;

static_assert(sizeof(thole::operation) <= 128);
static_assert(sizeof(thole::timer) <= 48);
static_assert(sizeof(thole::detail::timer_node) <= 48);
static_assert(!std::is_copy_constructible_v<sleep_op>);
static_assert(!std::is_move_constructible_v<sleep_op>);
static_assert(sizeof(thole::tcp::socket) == sizeof(void*));
static_assert(sizeof(thole::tcp::read_op) == sizeof(thole::operation));
static_assert(sizeof(thole::tcp::write_op) == sizeof(thole::operation));

struct sim_loop : loop {
    sim_loop() : loop(thole::loop_options{.backend = thole::backend_kind::sim}) {
        REQUIRE(static_cast<bool>(*this));
    }
};

// Keeps what it was called with.
template <class R>
struct keep {
    std::vector<R>* seen;
    void operator()(R r) const { seen->push_back(std::move(r)); }
};
using results = std::vector<thole::result<void>>;
using sleeping = callback<sleep_op, keep<thole::result<void>>>;

THOLE_TEST("the edges of an operation that waits", "[operation]") {
    sim_loop on;
    results seen;
    sleeping op{{&seen}};
    CHECK(op.at == stage::idle);
    CHECK_FALSE(op.pending());
    op.start(on, within(5ms));
    CHECK(op.at == stage::submitted);
    CHECK(op.pending());
    CHECK(seen.empty());
    REQUIRE(on.run());
    CHECK(op.at == stage::dispatched);
    CHECK_FALSE(op.pending());
    REQUIRE(seen.size() == 1);
    CHECK(seen[0]);
    op.start(on, within(1ms));  // a dispatched one is started again
    CHECK(op.at == stage::submitted);
    REQUIRE(on.run());
    CHECK(seen.size() == 2);
}

THOLE_TEST("a callback is never called inside start()", "[operation]") {
    sim_loop on;
    results seen;
    sleeping op{{&seen}};
    op.start(on, within(-1s));
    CHECK(seen.empty());
    CHECK(op.at == stage::finished);
    CHECK_FALSE(op.pending());
    REQUIRE(on.run());
    REQUIRE(seen.size() == 1);
    CHECK(op.at == stage::dispatched);
}

THOLE_TEST("cancel outside of submitted does nothing", "[operation]") {
    sim_loop on;
    results seen;
    sleeping op{{&seen}};
    op.cancel();
    CHECK(op.at == stage::idle);
    op.start(on, within(1ms));
    REQUIRE(on.run());
    op.cancel();
    CHECK(op.at == stage::dispatched);
    CHECK(op.why == reason::deadline);
    CHECK(on.run().value() == 0);
    op.start(on, within(1ms));
    op.cancel();
    CHECK(op.at == stage::finished);
    op.cancel();  // finished, and not yet dispatched
    CHECK(op.at == stage::finished);
    REQUIRE(on.run());
    REQUIRE(seen.size() == 2);
    CHECK(seen[0]);
    CHECK(seen[1].error() == errc::cancelled);
}

THOLE_TEST("the first reason wins", "[operation]") {
    sim_loop on;
    results seen;
    sleeping op{{&seen}};
    op.start(on, never);
    on.core()->cancel(op, reason::closed);
    on.core()->cancel(op, reason::cancelled);
    op.cancel();
    REQUIRE(on.run());
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].error() == errc::closed);
}

THOLE_TEST("a finished operation has left the wheel before it is dispatched", "[operation]") {
    sim_loop on;
    results seen;
    sleeping op{{&seen}};
    op.start(on, within(1ms));
    CHECK(op.armed());
    op.cancel();
    CHECK_FALSE(op.armed());
    CHECK(on.core()->wheel.empty());
    REQUIRE(on.run());
    CHECK(seen.size() == 1);
}

struct again {
    loop* on;
    int left;
    callback<sleep_op, again>* self = nullptr;
    void operator()(thole::result<void> r) {
        CHECK(r);
        if (--left > 0) {
            self->start(*on, within(1ms));
        }
    }
};

THOLE_TEST("a callback may start its own operation again", "[operation]") {
    sim_loop on;
    callback<sleep_op, again> op{again{&on, 1000}};
    op.function().self = &op;
    const auto begin = on.now();
    op.start(on, within(1ms));
    CHECK(on.run().value() == 1000);
    CHECK(op.function().left == 0);
    CHECK(on.now() - begin >= 1000ms);
}

struct suicide {
    std::unique_ptr<callback<sleep_op, suicide>>* owner;
    int* calls;
    void operator()(thole::result<void>) const {
        ++*calls;
        owner->reset();
    }
};

THOLE_TEST("a callback may destroy its own operation", "[operation]") {
    sim_loop on;
    int calls = 0;
    std::unique_ptr<callback<sleep_op, suicide>> op;
    op = std::make_unique<callback<sleep_op, suicide>>(suicide{&op, &calls});
    op->start(on, within(1ms));
    REQUIRE(on.run());
    CHECK(calls == 1);
    CHECK(op == nullptr);
}

THOLE_TEST("verbs on an empty handle finish as closed, in a later turn", "[operation]") {
    sim_loop on;
    thole::tcp::socket none;
    std::vector<thole::result<std::size_t>> reads;
    std::vector<thole::transfer> writes;
    callback<thole::tcp::read_op, keep<thole::result<std::size_t>>> read{{&reads}};
    callback<thole::tcp::write_op, keep<thole::transfer>> write{{&writes}};
    std::byte buffer[4] = {};
    read.start(none, buffer, within(1s));
    write.start(none, std::span<const std::byte>(buffer));
    CHECK(reads.empty());
    REQUIRE(on.run());
    REQUIRE(reads.size() == 1);
    REQUIRE(writes.size() == 1);
    CHECK(reads[0].error() == errc::closed);
    CHECK(writes[0].error == errc::closed);
    CHECK(writes[0].count == 0);
    CHECK(none.shutdown_write().error() == errc::closed);
    CHECK(none.local().error() == errc::closed);
    none.cancel();
    none.close();
    none.abort();
}

THOLE_TEST("a loop that is destroyed drops what is pending without calling", "[operation]") {
    results seen;
    sleeping waiting{{&seen}};
    sleeping finished{{&seen}};
    {
        sim_loop on;
        waiting.start(on, never);
        finished.start(on, within(-1s));
    }
    CHECK(seen.empty());
    CHECK_FALSE(waiting.pending());
    CHECK_FALSE(finished.pending());
    sim_loop other;
    waiting.start(other, within(1ms));  // and both can be used again
    finished.start(other, within(1ms));
    REQUIRE(other.run());
    CHECK(seen.size() == 2);
}

// What a forked child that acts so comes to: its terminate handler gives 42.
int child_that(void (*act)()) {
    return thole::test::raw::in_forked_child(
        [](void* context) {
            std::set_terminate([] { std::_Exit(42); });
            reinterpret_cast<void (*)()>(context)();
            return 7;
        },
        reinterpret_cast<void*>(act));
}

THOLE_TEST("what would lose a result ends the program", "[operation]") {
    const int plain = child_that([] {
        sim_loop on;
        results seen;
        sleeping op{{&seen}};
        op.start(on, within(1ms));
        static_cast<void>(on.run());
    });
    if (plain == -1) {
        thole::test::skip("needs fork");
    }
    CHECK(plain == 7);
    CHECK(child_that([] {  // starting a pending callback
              sim_loop on;
              results seen;
              sleeping op{{&seen}};
              op.start(on, never);
              op.start(on, never);
          }) == 42);
    CHECK(child_that([] {  // destroying a pending operation
              sim_loop on;
              results seen;
              sleeping{{&seen}}.start(on, never);
          }) == 42);
}

}  // namespace
