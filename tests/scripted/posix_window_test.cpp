// SPDX-License-Identifier: BSL-1.0
// What happens between two calls of the library to the system: news while an operation takes its
// place, a number that is given to somebody else, a socket that lives on without us.
#include "rig.hpp"

#include <array>
#include <functional>
#include <optional>

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::count;

constexpr backend_kind kinds[] = {backend_kind::epoll, backend_kind::select};

// A socket of the loop and its peer outside.
struct both {
    explicit both(rig& r, raw::socket door = raw::socket::bind(address_family::ipv4, 5))
        : here(r.on.block_on(dial(r.on, door.local())).value()), there(door.accept()) {}
    tcp::socket here;
    raw::socket there;
};

using read_end = ends<result<std::size_t>>;
using reading = callback<tcp::read_op, read_end::add>;

// When that call has found nothing, and before the library knows: `act`, once.
struct hook {
    hook(std::string_view name, std::function<void()> act) {
        script::on(name).forever().then([this, act = std::move(act)](const call& c) {
            if (c.result < 0 && (c.error == EAGAIN || c.error == EWOULDBLOCK) && !came) {
                came = true;
                act();
            }
        });
    }
    hook(const hook&) = delete;
    hook& operator=(const hook&) = delete;
    ~hook() { script::reset(); }
    bool came = false;
};

// After a read that filled its buffer the next one asks the system at once.
void fill_a_read(rig& r, both& ends) {
    ends.there.send("12345");
    std::byte five[5];
    read_end got;
    reading op{{&got}};
    op.start(ends.here, std::span(five), within(5s));
    REQUIRE(r.on.run());
    REQUIRE(got.seen.at(0).value() == 5);
}

THOLE_TEST("R64: bytes, and an end, between EAGAIN and the wait are found", "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const bool ends_it : {false, true}) {
            CAPTURE(to_string(kind), ends_it);
            rig r(kind);
            both pair(r);
            fill_a_read(r, pair);
            const hook between("recv",
                               [&] { ends_it ? pair.there.finish() : pair.there.send("late"); });
            std::byte buffer[8];
            read_end got;
            reading op{{&got}};
            op.start(pair.here, std::span(buffer), within(5s));
            CHECK(got.seen.empty());
            REQUIRE(between.came);
            REQUIRE(r.on.run());
            REQUIRE(got.seen.size() == 1);
            CHECK(got.seen[0].error() ==
                  (ends_it ? make_error_code(errc::end_of_stream) : std::error_code{}));
            CHECK((ends_it || got.seen[0].value() == 4));
        }
    }
}

THOLE_TEST("R64: room that is made between EAGAIN and the wait is found", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        both pair(r);
        const std::vector<std::byte> much(std::size_t{16} << 20);
        std::size_t sent = 0;
        std::size_t taken = 0;
        int full = 0;
        script::on("send").forever().then([&](const call& c) {  // nobody else takes anything
            if (c.result > 0) {
                sent += static_cast<std::size_t>(c.result);
            } else if (c.error == EAGAIN) {
                ++full;
                taken += pair.there.receive_all(sent - taken).bytes.size();
            }
        });
        ends<transfer> got;
        callback<tcp::write_op, ends<transfer>::add> op{{&got}};
        op.start(pair.here, std::span<const std::byte>(much), within(20s));
        REQUIRE(r.on.run());
        REQUIRE(got.seen.size() == 1);
        CHECK(got.seen[0] == transfer{much.size(), {}});
        CHECK(full > 0);
        script::reset();
    }
}

THOLE_TEST("R64: a client that comes between EAGAIN and the wait is found", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        tcp::listener door = open_door(r.on);
        raw::socket first = raw::socket::connect(*door.local());
        auto served = r.run(next(door));
        REQUIRE(served);
        raw::socket second;
        const hook between("accept4", [&] { second = raw::socket::connect(*door.local()); });
        auto found = r.run(next(door));
        REQUIRE(between.came);
        REQUIRE(found);
        CHECK(r.run(echoes(*found, second)));
    }
}

// What the poller told, in how many waits.
std::size_t told() {
    std::size_t times = 0;
    for (const call& one : script::calls()) {
        const bool waits =
            one.name == "epoll_wait" || one.name == "epoll_pwait2" || one.name == "pselect";
        times += waits && one.result > 0 ? 1 : 0;
    }
    return times;
}

THOLE_TEST("R67: of a socket that lives on elsewhere two events come, and no more", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        raw::socket made = raw::socket::connect(door.local());
        raw::socket peer = door.accept();
        raw::socket twin(static_cast<std::uintptr_t>(::dup(static_cast<int>(made.native()))));
        auto here = tcp::detached_socket::adopt(made.give()).value().attach(r.on).value();
        read_end got;
        reading op{{&got}};
        std::byte buffer[8];
        op.start(here, std::span(buffer));
        REQUIRE(r.on.poll());
        here.close();
        REQUIRE(r.on.run());
        REQUIRE(got.seen.size() == 1);
        script::reset();
        for (int i = 0; i < 8; ++i) {
            peer.send("x");
            REQUIRE(r.on.poll());
        }
        const bool keeps_sets = kind == backend_kind::epoll;
        CHECK(told() <= (keeps_sets ? 2U : 0U));
        CHECK(count("epoll_create1") <= (keeps_sets ? 1U : 0U));
        CHECK(count("recv") == 0);
        CHECK(got.seen.size() == 1);
        CHECK(twin.receive_all(8).bytes == "xxxxxxxx");
    }
}

// Whoever opens something while close() is interrupted gets the number; a second close() would take
// it from him.
THOLE_TEST("R68: an interrupted close takes the number from nobody who has it next", "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const bool resets : {false, true}) {
            CAPTURE(to_string(kind), resets);
            rig r(kind);
            raw::socket door = raw::socket::bind(address_family::ipv4, 5);
            auto mine = r.on.block_on(dial(r.on, door.local()));
            REQUIRE(mine);
            raw::socket there = door.accept();
            const auto number = static_cast<std::uintptr_t>(script::calls("socket").back().result);
            std::optional<raw::socket> other;
            script::on("close").gives(-1, EINTR).after_it().then(
                [&](const call&) { other.emplace(raw::socket::bind(address_family::ipv4, 5)); });
            resets ? mine->abort() : mine->close();
            mine->close();
            REQUIRE(r.on.poll());
            REQUIRE(other);
            REQUIRE(other->native() == number);
            raw::socket client = raw::socket::connect(other->local());
            raw::socket served = other->accept();
            client.send("x");
            CHECK(served.receive(1).bytes == "x");
        }
    }
}

THOLE_TEST("R72: whatever sends asks for no signal", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        both pair(r);
        script::on("send").times(1).cut(1);  // the rest goes by another way
        r.run([](tcp::socket& to) -> task<> {
            const std::array<std::span<const std::byte>, 2> two{bytes_of("a"), bytes_of("b")};
            (void)co_await to.write(bytes_of("thole"));
            (void)co_await to.write_some(bytes_of("x"));
            (void)co_await to.write(two);
            (void)co_await to.write_some(two);
        }(pair.here));
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        r.run([](loop& on, endpoint to) -> task<> {
            (void)co_await tcp::connect_with_data(on, to, bytes_of("first"), within(5s));
        }(r.on, door.local()));
        std::size_t seen = 0;
        for (const std::string_view name : {"send", "sendmsg", "sendto"}) {
            CAPTURE(name);
            CHECK(count(name) > 0);
            for (const call& one : script::calls(name)) {
                CHECK((one.option & MSG_NOSIGNAL) != 0);
                ++seen;
            }
        }
        CHECK(seen >= 6);
    }
}

}  // namespace
