// SPDX-License-Identifier: BSL-1.0
// Names as the system knows them. What only a server could say is in tests/scripted.
#include "support/scenario.hpp"

#include <coroutine>
#include <exception>
#include <memory>
#include <thread>

using namespace thole;
using namespace thole::test;

namespace {

// The system is asked for this, opens nothing for it and asks nobody: no scenario leaves a thread
// waiting for a server, with handles that the next one would count.
constexpr std::string_view nobody = "2001:db8::1%no-such-zone";

struct noted_names {
    journal* in;
    void operator()(result<endpoint_list> end) const {
        in->note("resolve", end.error(), end ? end->size() : 0);
    }
};
using resolving = callback<resolve_op, noted_names>;

task<result<endpoint_list>> look_up(loop& on, std::string_view host, int port,
                                    deadline until = never) {
    co_return co_await resolve(on, host, port, until);
}
task<result<endpoint_list>> look_up(loop& on, std::string_view host, std::string_view service) {
    co_return co_await resolve(on, host, service);
}

// Unlike run() it lets an error through.
template <class T>
auto outcome(loop& on, task<T>&& work) {
    const guard limit(on, patience);
    auto got = on.block_on(std::move(work));
    REQUIRE_FALSE(limit.fired());
    return got;
}

}  // namespace

THOLE_TEST("NL07 a number is read at once, and nobody is asked", "[resolve]") {
    scene in;
    const auto ipv4 = outcome(in.on, look_up(in.on, "127.0.0.1", 80));
    REQUIRE(ipv4.error() == no_error);
    REQUIRE(ipv4->size() == 1);
    CHECK(ipv4->front() == endpoint::loopback(address_family::ipv4, 80));
    const auto ipv6 = outcome(in.on, look_up(in.on, "fe80::1%3", "443"));
    REQUIRE(ipv6.error() == no_error);
    REQUIRE(ipv6->size() == 1);
    CHECK(ipv6->front().to_string() == "[fe80::1%3]:443");
    const auto both = outcome(in.on, look_up(in.on, "localhost", 80));
    REQUIRE(both.error() == no_error);
    REQUIRE(both->size() == 2);
    CHECK((*both)[0] == endpoint::loopback(address_family::ipv6, 80));
    CHECK((*both)[1] == endpoint::loopback(address_family::ipv4, 80));
}

THOLE_TEST("NL07 what does not exist, what cannot be, what is no port: three errors", "[resolve]") {
    scene in;
    const auto no_name = outcome(in.on, look_up(in.on, "example.invalid", 80));
    CHECK(no_name.error() == errc::name_not_found);
    const auto no_words = outcome(in.on, look_up(in.on, "", 80));
    CHECK(no_words.error() == std::errc::invalid_argument);
    const auto no_port = outcome(in.on, look_up(in.on, "127.0.0.1", "no-such-service-of-thole"));
    CHECK(no_port.error() == errc::service_not_found);
}

// A machine without a server may say either; never anything of ours. The name is in no file, and
// its domain is kept out of the system of names (RFC 6761 §6.5).
THOLE_TEST("NL07 an unknown name has an error of its own kind", "[resolve][threads]") {
    loop on(options_of_run());
    const std::size_t before = raw::open_handles();
    const auto got = outcome(on, look_up(on, "no-such-name-of-thole.example", 80));
    CAPTURE(got.error().message());
    CHECK((got.error() == errc::name_not_found || got.error() == errc::name_lookup_unavailable));
    // The system may close its own when the thread has ended; the next scenario counts.
    const auto limit = std::chrono::steady_clock::now() + patience;
    while (raw::open_handles() > before && std::chrono::steady_clock::now() < limit) {
        std::this_thread::yield();
    }
}

THOLE_TEST("NL07 the system reads the name of a zone", "[resolve][threads]") {
    if (on_sim() || on_iocp()) {
        skip("names of zones are those of POSIX's if_nametoindex");
    }
    scene in;
    const auto got = outcome(in.on, look_up(in.on, "fe80::1%lo", 80));
    REQUIRE(got.error() == no_error);
    REQUIRE(got->size() == 1);
    CHECK(got->front().scope() != 0);
    CHECK(got->front().port() == 80);
    const auto none = outcome(in.on, look_up(in.on, "fe80::1%no-such-zone", 80));
    CHECK(none.error() == errc::name_not_found);
}

THOLE_TEST("NL07 told to a callback, in a later turn, once", "[resolve][threads]") {
    scene in;
    journal log;
    resolving op{noted_names{&log}};
    for (const std::string_view host : {std::string_view("localhost"), nobody}) {
        const std::size_t before = log.size();
        op.start(in.on, host, 80, within(patience / 2));
        CHECK(log.size() == before);
        settle(in.on);
        CHECK(log.size() == before + 1);
    }
    CHECK(log[0].count == 2);
    CHECK(log[1].error);
}

THOLE_TEST("CX12 a cancelled look-up ends in the next turn", "[resolve][threads]") {
    scene in;
    journal log;
    resolving op{noted_names{&log}};
    for (int i = 0; i < 50; ++i) {
        op.start(in.on, nobody, 80);
        if (on_sim()) {
            CHECK_FALSE(op.pending());  // nothing to wait for
        } else {
            CHECK(op.pending());
        }
        op.cancel();
        turn(in.on);
        REQUIRE(log.size() == static_cast<std::size_t>(i) + 1);
        const std::error_code error = log[static_cast<std::size_t>(i)].error;
        CHECK(error == (on_sim() ? errc::name_not_found : errc::cancelled));
    }
    settle(in.on);
    CHECK(log.size() == 50);
}

THOLE_TEST("CX12 a deadline that has passed asks nobody", "[resolve]") {
    scene in;
    const auto late = outcome(in.on, look_up(in.on, nobody, 80, within(0s)));
    CHECK(late.error() == errc::deadline_reached);
    const auto number = outcome(in.on, look_up(in.on, "127.0.0.1", 80, within(-1s)));
    CHECK(number.error() == errc::deadline_reached);
}

namespace {

task<std::error_code> error_of_look_up(loop& on) {
    const auto got = co_await resolve(on, nobody, 80);
    co_return got.error();
}

task<> cancel_look_up(loop& on) {
    auto asking = on.spawn(error_of_look_up(on));
    asking.cancel();  // before it has started
    const std::error_code early = co_await asking;
    CHECK(early == errc::cancelled);
    auto again = on.spawn(error_of_look_up(on));
    co_await yield();
    again.cancel();
    const std::error_code error = co_await again;
    CHECK((error == errc::cancelled || error == errc::name_not_found));
}

}  // namespace

THOLE_TEST("CX12 a cancelled task that resolves", "[resolve][threads]") {
    scene in;
    run(in.on, cancel_look_up(in.on));
}

THOLE_TEST("CX12 the loop's end does not wait for a look-up, and calls nothing",
           "[resolve][threads]") {
    journal log;
    resolving first{noted_names{&log}};
    resolving second{noted_names{&log}};
    for (std::size_t i = 0; i < rounds() / 20; ++i) {
        loop on(options_of_run());
        REQUIRE(on.error() == no_error);
        first.start(on, nobody, 80);
        second.start(on, nobody, 81);
        if (i % 2 == 0) {
            turn(on);  // the answer may have come, or not
        }
    }
    CHECK_FALSE(first.pending());
    CHECK(log.size() <= rounds() / 20);
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

foreign foreign_look_up(loop& on, journal& log) {
    const auto known = co_await resolve(on, "localhost", 80);
    log.note("localhost", known.error(), known ? known->size() : 0);
    const auto asked = co_await resolve(on, nobody, 80, within(patience / 2));
    log.note("nobody", asked.error());
}

}  // namespace

THOLE_TEST("NL07 a coroutine of another type resolves", "[resolve][threads]") {
    scene in;
    journal log;
    foreign_look_up(in.on, log);
    settle(in.on);
    CHECK(log.of("localhost").count == 2);
    CHECK(log.of("nobody").error);
    CHECK(log.of("nobody").error != errc::cancelled);
}

THOLE_TEST("NL07 many names at once: all are told, in few threads", "[resolve][threads]") {
    scene in;
    journal log;
    std::vector<std::unique_ptr<resolving>> all;
    for (int i = 0; i < 200; ++i) {
        all.push_back(std::make_unique<resolving>(noted_names{&log}));
        all.back()->start(in.on, nobody, 80, within(patience / 2));
    }
    settle(in.on);
    CHECK(log.times("resolve") == 200);
}
