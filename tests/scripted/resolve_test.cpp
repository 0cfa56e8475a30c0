// SPDX-License-Identifier: BSL-1.0
// Look-ups that are stuck, come late, or come all at once (R129), on every platform.
#include "resolve_rig.hpp"

#include <memory>
#include <optional>

namespace {

using namespace thole;
using namespace thole::test;

endpoint here(int port) {
    return endpoint::loopback(address_family::ipv4, static_cast<std::uint16_t>(port));
}

THOLE_TEST("R129: a cancelled look-up ends in the next turn, whatever its thread does",
           "[scripted][resolve][threads]") {
    for (const backend_kind kind : kinds_here()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        names known;
        std::vector<resolved> ends;
        resolving op{noted_names{&ends}};
        op.start(r.on, "stuck.example", 80);
        known.stuck.await(1);
        CHECK(op.pending());
        op.cancel();
        CHECK(ends.empty());
        CHECK(r.on.run().value() == 1);  // ends: nothing is pending
        REQUIRE(ends.size() == 1);
        CHECK(ends[0].error == errc::cancelled);
        CHECK(resolver_now().stuck == 1);
        op.start(r.on, "good.example", 80, within(30s));  // another thread takes its place
        REQUIRE(r.on.run());
        REQUIRE(ends.size() == 2);
        CHECK(ends[1].found == std::vector{here(80)});
        known.stuck.open();
        await_idle_resolver();
        CHECK(r.on.run().value() == 0);  // the late answer went nowhere
        CHECK(ends.size() == 2);
        CHECK(script::count(look_up_call) == 2);
        CHECK(script::count(release_call) == 2);
    }
}

THOLE_TEST("R129: the deadline ends a stuck look-up, and one that waits",
           "[scripted][resolve][threads]") {
    for (const backend_kind kind : kinds_here()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        names known;
        std::vector<resolved> ends;
        std::vector<std::unique_ptr<resolving>> all;
        const time_point start = r.on.now();
        for (int i = 0; i < 6; ++i) {
            all.push_back(std::make_unique<resolving>(noted_names{&ends}));
            all.back()->start(r.on, "stuck.example", 80, within(30ms));
        }
        REQUIRE(r.on.run());
        CHECK(r.on.now() - start >= 30ms);
        REQUIRE(ends.size() == 6);
        for (const resolved& each : ends) {
            CHECK(each.error == errc::deadline_reached);
        }
        CHECK(resolver_now().waiting == 0);
    }
}

THOLE_TEST("R129: the loop's end does not wait for a stuck look-up",
           "[scripted][resolve][threads]") {
    for (const backend_kind kind : kinds_here()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        names known;
        std::vector<resolved> ends;
        resolving op{noted_names{&ends}};
        resolving waiting{noted_names{&ends}};
        const auto never_called = [](tcp::connect_outcome) { FAIL_CHECK("called"); };
        callback<tcp::connect_by_name_op, decltype(never_called)> connecting{never_called};
        {
            loop on({.backend = kind});
            op.start(on, "stuck.example", 80);
            known.stuck.await(1);
            waiting.start(on, "good.example", 80);
            connecting.start(on, "stuck.example", 80);
            on.spawn(look_up(on, "stuck.example", 81));
            static_cast<void>(on.poll());
        }
        CHECK_FALSE(op.pending());
        CHECK_FALSE(waiting.pending());
        CHECK_FALSE(connecting.pending());
        CHECK(ends.size() <= 1);  // the good one may have been told
    }
}

THOLE_TEST("R129: a thousand stuck look-ups stand in nobody's way",
           "[scripted][resolve][threads]") {
    for (const backend_kind kind : kinds_here()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        names known;
        std::vector<resolved> ends;
        std::vector<std::unique_ptr<resolving>> all;
        for (int i = 0; i < 1000; ++i) {
            all.push_back(std::make_unique<resolving>(noted_names{&ends}));
            all.back()->start(r.on, "stuck.example", 80);
        }
        known.stuck.await(detail::resolver::most_awaited);
        CHECK(resolver_now().threads == detail::resolver::most_awaited);
        CHECK(resolver_now().waiting == 1000 - detail::resolver::most_awaited);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        const auto talks = [](loop& on, raw::socket& at) -> task<bool> {
            auto made = co_await tcp::connect(on, at.local(), within(30s));
            REQUIRE(made);
            raw::socket peer = at.accept();
            const bool echoed = co_await echoes(*made, peer);
            const auto slept = co_await sleep_for(1ms);
            co_return echoed&& slept;
        };
        CHECK(r.run(talks(r.on, door)));
        const auto number = r.on.block_on(look_up(r.on, "192.0.2.1", 80));
        CHECK(number);
        for (const auto& each : all) {
            each->cancel();
        }
        REQUIRE(r.on.run());
        CHECK(ends.size() == 1000);
        // Each that was given up is replaced, up to the bound; then names wait.
        CHECK(resolver_now().waiting == 0);
        CHECK(resolver_now().threads <= detail::resolver::most_threads);
        known.stuck.open();
        const auto good = r.on.block_on(look_up(r.on, "good.example", 80));
        CHECK(good);
    }
}

THOLE_TEST("R129: stuck threads are bounded; then names wait until one comes back",
           "[scripted][resolve][threads]") {
    for (const backend_kind kind : kinds_here()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        names known;
        std::vector<resolved> ends;
        resolving op{noted_names{&ends}};
        for (std::size_t i = 1; i <= detail::resolver::most_threads; ++i) {
            op.start(r.on, "stuck.example", 80);
            known.stuck.await(i);
            op.cancel();
            REQUIRE(r.on.run());
        }
        CHECK(resolver_now().threads == detail::resolver::most_threads);
        CHECK(resolver_now().stuck == detail::resolver::most_threads);
        op.start(r.on, "good.example", 80, within(20ms));
        REQUIRE(r.on.run());
        CHECK(ends.back().error == errc::deadline_reached);
        op.start(r.on, "good.example", 80, within(30s));
        CHECK(resolver_now().waiting == 1);
        known.stuck.open();
        REQUIRE(r.on.run());
        CHECK(ends.back().error == std::error_code{});
        CHECK(ends.size() == detail::resolver::most_threads + 2);
    }
}

THOLE_TEST("few look-ups run at once, and all are told", "[scripted][resolve][threads]") {
    for (const backend_kind kind : kinds_here()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        names known;
        std::vector<resolved> ends;
        std::vector<std::unique_ptr<resolving>> all;
        for (int i = 0; i < 20; ++i) {
            all.push_back(std::make_unique<resolving>(noted_names{&ends}));
            all.back()->start(r.on, "stuck.example", i, within(30s));
        }
        known.stuck.await(detail::resolver::most_awaited);
        CHECK(known.stuck.entered() == detail::resolver::most_awaited);
        known.stuck.open();
        REQUIRE(r.on.run());
        REQUIRE(ends.size() == 20);
        for (const resolved& each : ends) {
            CHECK_FALSE(each.error);
        }
        await_idle_resolver();
        CHECK(resolver_now().threads == 0);
    }
}

THOLE_TEST("R101: an answer that is there is the result of a cancelled look-up",
           "[scripted][resolve][threads]") {
    for (const backend_kind kind : kinds_here()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        names known;
        std::vector<resolved> ends;
        resolving op{noted_names{&ends}};
        for (const std::string_view host : {"good.example", "none.example"}) {
            op.start(r.on, host, 80);
            await_idle_resolver();  // answered; the loop has not seen it
            op.cancel();
            REQUIRE(r.on.run());
        }
        REQUIRE(ends.size() == 2);
        CHECK(ends[0].found == std::vector{here(80)});
        CHECK(ends[1].error == errc::cancelled);  // an error is no effect
        {
            loop on({.backend = kind});
            op.start(on, "good.example", 80);
            await_idle_resolver();
        }
        CHECK(ends.size() == 2);
    }
}

THOLE_TEST("a sleeping loop is woken by the answer", "[scripted][resolve][threads]") {
    for (const backend_kind kind : kinds_here()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        names known;
        std::thread opener([&] {
            known.stuck.await(1);
            known.stuck.open();
        });
        const auto got = r.on.block_on(look_up(r.on, "stuck.example", 7, never));
        opener.join();
        REQUIRE(got);
        CHECK(got->front() == here(7));
        for (int i = 0; i < 200; ++i) {  // no wake is lost
            const auto again = r.on.block_on(look_up(r.on, "good.example", i, never));
            REQUIRE(again);
        }
    }
}

THOLE_TEST("several loops ask at the same time", "[scripted][resolve][threads]") {
    const backend_kind kind = kinds_here().front();
    rig r(kind);
    names known;
    std::vector<std::thread> threads;
    std::size_t good[4] = {};
    for (std::size_t& count : good) {
        threads.emplace_back([&count, kind] {
            loop on({.backend = kind});
            for (int i = 0; i < 50; ++i) {
                const auto got = on.block_on(look_up(on, "good.example", 80, never));
                count += got && got->size() == 1 ? 1U : 0U;
                on.spawn(look_up(on, "good.example", 81));  // left behind at the loop's end
            }
        });
    }
    for (std::thread& each : threads) {
        each.join();
    }
    for (const std::size_t count : good) {
        CHECK(count == 50);
    }
}

THOLE_TEST("each address once, in the system's order, with the port asked for",
           "[scripted][resolve][threads]") {
    for (const backend_kind kind : kinds_here()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        names known;
        const auto at = [](const char* text) { return endpoint::parse(text).value(); };
        known.addresses = {
            at("[2001:db8::2]:0"), at("192.0.2.9:0"), at("[2001:db8::2]:0"), endpoint{},
            at("192.0.2.1:0"),     at("192.0.2.9:0"), at("[fe80::1%7]:0"),   at("[fe80::1%8]:0")};
        const auto got = r.on.block_on(look_up(r.on, "good.example", 443));
        REQUIRE(got);
        const std::vector<endpoint> expected = {at("[2001:db8::2]:443"), at("192.0.2.9:443"),
                                                at("192.0.2.1:443"), at("[fe80::1%7]:443"),
                                                at("[fe80::1%8]:443")};
        CHECK(std::vector(got->begin(), got->end()) == expected);
        known.addresses.assign(500, endpoint{});
        const auto none = r.on.block_on(look_up(r.on, "good.example", 443));
        CHECK(none.error() == errc::name_not_found);
        known.addresses.clear();
        for (std::uint8_t i = 0; i < 250; ++i) {
            known.addresses.push_back(endpoint(endpoint::ipv4_bytes{192, 0, 2, i}, 0));
        }
        const auto many = r.on.block_on(look_up(r.on, "good.example", 443));
        REQUIRE(many);
        CHECK(many->size() == 250);
        CHECK(many->back().port() == 443);
    }
}

THOLE_TEST("the name of a service is the system's to know", "[scripted][resolve][threads]") {
    rig r(kinds_here().front());
    names known;
    known.addresses = {here(8443)};
    std::vector<resolved> ends;
    resolving op{noted_names{&ends}};
    op.start(r.on, "good.example", "thole-test", within(30s));
    REQUIRE(r.on.run());
    REQUIRE(ends.size() == 1);
    CHECK(ends[0].found == std::vector{here(8443)});
    const script::call asked = script::calls(look_up_call).back();
    CHECK(host_of(asked) == "good.example");
    CHECK(service_of(asked) == "thole-test");

    // The address is known: only the port is asked for.
    script::reset();
    script::on(look_up_call).forever().instead([](script::call& c) {
        const endpoint any_port[] = {here(4711), here(4711)};
        return give(c, any_port);
    });
    script::on(release_call).forever().instead(&take_back);
    for (const std::string_view host : {"192.0.2.1", "localhost"}) {
        op.start(r.on, host, "thole-test", within(30s));
        REQUIRE(r.on.run());
        CHECK(host_of(script::calls(look_up_call).back()).empty());
    }
    REQUIRE(ends.size() == 3);
    CHECK(ends[1].found == std::vector{endpoint::parse("192.0.2.1:4711").value()});
    CHECK(ends[2].found.size() == 2);
    CHECK(ends[2].found.back() == here(4711));
    CHECK(ends[2].found.front() == endpoint::loopback(address_family::ipv6, 4711));
}

THOLE_TEST("HE03: by a name of several addresses, a fresh socket for each",
           "[scripted][resolve][threads]") {
    for (const backend_kind kind : kinds_here()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        names known;
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        const int port = door.local().port();
        const auto on_net = [](std::uint8_t last) {
            return endpoint(endpoint::ipv4_bytes{127, 0, 0, last}, 0);
        };
        known.addresses = {on_net(3), on_net(2), on_net(1)};
        const auto dial = [](loop& on, int to) -> task<tcp::connect_outcome> {
            co_return co_await tcp::connect_by_name(on, "good.example", to, within(30s));
        };
        const auto got = r.on.block_on(dial(r.on, port));
        REQUIRE(got);
        REQUIRE(*got);
        CHECK(*(*got)->peer() == door.local());
        REQUIRE(got->attempts().size() == 2);
        CHECK(got->attempts()[0].error == std::errc::connection_refused);
        CHECK(got->attempts()[1].target.to_string() == "127.0.0.2:" + std::to_string(port));
        const auto none = r.on.block_on([](loop& on) -> task<tcp::connect_outcome> {
            co_return co_await tcp::connect_by_name(on, "stuck.example", 80, within(20ms));
        }(r.on));
        REQUIRE(none);
        CHECK(none->error() == errc::deadline_reached);
        CHECK(none->attempts().empty());
    }
}

}  // namespace
