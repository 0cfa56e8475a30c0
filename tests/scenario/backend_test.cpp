// SPDX-License-Identifier: BSL-1.0
// Which backend a loop has, and why.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

namespace {

// Sets THOLE_BACKEND for a while.
class wish {
public:
    explicit wish(const char* name) { raw::set_environment("THOLE_BACKEND", name); }
    wish(const wish&) = delete;
    wish& operator=(const wish&) = delete;
    ~wish() { raw::set_environment("THOLE_BACKEND", nullptr); }
};

bool says(const loop& on, std::string_view word) {
    INFO("reason: " << on.backend().reason);
    CHECK_FALSE(on.backend().reason.empty());
    return on.backend().reason.find(word) != std::string::npos;
}

backend_kind not_here() { return raw::is_windows() ? backend_kind::epoll : backend_kind::iocp; }

}  // namespace

THOLE_TEST("a backend that is named is the one", "[backend]") {
    const wish other(on_sim() ? "select" : "sim");  // a wish does not count then
    const loop on(options_of_run());
    CHECK(on.error() == no_error);
    CHECK(static_cast<bool>(on));
    CHECK(on.backend().kind == kind_of_run());
    CHECK(on.backend().name == backend());
    CHECK_FALSE(on.backend().reason.empty());
}

THOLE_TEST("THOLE_BACKEND is taken when it can be had", "[backend]") {
    const std::string name(backend());
    const wish this_one(name.c_str());
    const loop on;
    CHECK(on.error() == no_error);
    CHECK(on.backend().kind == kind_of_run());
    CHECK(says(on, "THOLE_BACKEND"));
}

THOLE_TEST("THOLE_BACKEND falls back, and the reason says so", "[backend]") {
    std::string_view usual;
    {
        const wish none(nullptr);
        const loop on;
        CHECK(on.error() == no_error);
        usual = on.backend().name;
        CHECK_FALSE(on.backend().reason.empty());
    }
    for (const std::string& name : {std::string("nonsense"), std::string(to_string(not_here()))}) {
        const wish impossible(name.c_str());
        loop on;
        CHECK(on.error() == no_error);
        CHECK(on.backend().name == usual);
        CHECK(says(on, name));
        int ran = 0;
        on.post([&ran] { ++ran; });
        CHECK(on.run().value() == 1);
    }
}

namespace {

task<int> never_started() { co_return 1; }

}  // namespace

THOLE_TEST("a backend that is not there is an error with a reason, from every verb", "[backend]") {
    loop on({.backend = not_here()});
    CHECK_FALSE(on);
    CHECK(on.error() == std::errc::not_supported);
    CHECK(on.backend().name.empty());
    CHECK_FALSE(on.backend().reason.empty());

    CHECK(on.run().error() == on.error());
    CHECK(on.poll().error() == on.error());
    CHECK(on.run_for(1s).error() == on.error());
    CHECK(on.block_on(never_started()).error() == on.error());
    auto door = tcp::listener::open(on, endpoint::loopback(address_family::ipv4, 0));
    CHECK(door.error() == on.error());
    timer lone(
        on, [](void*) {}, nullptr);
    CHECK(lone.arm(within(1s)) == on.error());
    on.post([] {});
    on.stop();
    on.restart();
    on.spawn(never_started());
}

THOLE_TEST("a callback on a loop that could not be made is told by its run", "[backend]") {
    loop on({.backend = not_here()});
    std::vector<std::error_code> told;
    const auto note = [&told](result<tcp::socket> made) { told.push_back(made.error()); };
    callback<tcp::connect_op, decltype(note)> connecting{note};
    connecting.start(on, endpoint::loopback(address_family::ipv4, 1));
    CHECK(told.empty());  // never inside the call
    CHECK(on.run().error() == on.error());
    REQUIRE(told.size() == 1);
    CHECK(told[0] == on.error());
    connecting.start(on, endpoint::loopback(address_family::ipv4, 1));
    CHECK(on.poll().error() == on.error());
    CHECK(told.size() == 2);
}

THOLE_TEST("a coroutine on another loop gets the error of one that could not be made",
           "[backend]") {
    scene in;
    loop broken({.backend = not_here()});
    const std::error_code error = run(in.on, [](loop& on) -> task<std::error_code> {
        const auto made = co_await tcp::connect(on, endpoint::loopback(address_family::ipv4, 9));
        co_return made.error();
    }(broken));
    CHECK(error == broken.error());
}

THOLE_TEST("names of backends are read and printed", "[backend]") {
    for (const std::string_view name : {"epoll", "select", "io_uring", "iocp", "sim"}) {
        const auto kind = parse_backend(name);
        REQUIRE(kind.error() == no_error);
        CHECK(to_string(*kind) == name);
    }
    CHECK(parse_backend("EPOLL ").error() == std::errc::invalid_argument);
    CHECK(parse_backend("").error() == std::errc::invalid_argument);
}

namespace {

task<std::error_code> error_of_accept(tcp::listener& door) {
    const auto got = co_await door.accept();
    co_return got.error();
}

task<std::error_code> error_of_connect(loop& on, endpoint where) {
    const auto made = co_await tcp::connect(on, where);
    co_return made.error();
}

}  // namespace

THOLE_TEST("R73 select refuses a descriptor that FD_SETSIZE cannot hold", "[backend]") {
    if (kind_of_run() != backend_kind::select) {
        skip("FD_SETSIZE is a limit of POSIX's select alone");
    }
    scene in;
    tcp::listener door = open_door(in.on);
    tcp::listener reporting =
        open_door(in.on, address_family::ipv4, {.when_exhausted = tcp::exhaustion_policy::report});
    pair both = run(in.on, connected(in.on, door));
    raw::socket client;
    {
        const raw::held_descriptors many(1024);
        CHECK(run(in.on, error_of_connect(in.on, *door.local())) == std::errc::too_many_files_open);
        CHECK(tcp::listener::open(in.on, endpoint::loopback(address_family::ipv4, 0)).error() ==
              std::errc::too_many_files_open);
        // A second loop's own descriptors do not fit either.
        const loop crowded(options_of_run());
        if (!crowded) {
            CHECK_FALSE(crowded.backend().reason.empty());
        }
        // R69: no client is taken for whom there is no number.
        client = raw::socket::connect(*reporting.local());
        CHECK(run(in.on, error_of_accept(reporting)) == std::errc::too_many_files_open);
        CHECK(reporting.counters().shed == 0);
        run(in.on, send(both.here, "old ones go on"));
        run(in.on, expect(both.there, "old ones go on"));
    }
    CHECK(run(in.on, error_of_accept(reporting)) == no_error);
    const pair again = run(in.on, connected(in.on, door));
    CHECK(again.here.is_open());
}
