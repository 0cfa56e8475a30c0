// SPDX-License-Identifier: BSL-1.0
// The system has no buffer and no memory for bytes: reads and writes are tried again.
#include "rig.hpp"

#include <string>

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;

constexpr backend_kind kinds[] = {backend_kind::epoll, backend_kind::select};

// A socket of the loop and its peer outside.
struct connection {
    explicit connection(rig& r) : door(open_door(r.on)) {
        there = raw::socket::connect(*door.local());
        auto made = r.run([](tcp::listener& on) -> task<result<tcp::socket>> {
            co_return co_await on.accept(within(5s));
        }(door));
        here = std::move(*made);
    }
    tcp::listener door;
    raw::socket there;
    tcp::socket here;
};

task<transfer> write_it(tcp::socket& to, std::span<const std::byte> bytes, deadline until) {
    co_return co_await to.write(bytes, until);
}
task<transfer> write_two(tcp::socket& to, std::string_view text) {
    const std::span<const std::byte> pieces[] = {bytes_of(text.substr(0, 3)),
                                                 bytes_of(text.substr(3))};
    co_return co_await to.write(pieces, within(5s));
}

THOLE_TEST("R28: a write for which the system has no buffer is tried again", "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const int raw : {ENOBUFS, ENOMEM}) {
            CAPTURE(to_string(kind), raw);
            rig r(kind);
            connection both(r);
            script::on("send").times(5).gives(-1, raw);
            const transfer sent = r.run(write_it(both.here, bytes_of("thole"), within(5s)));
            CHECK(sent.error == std::error_code{});
            CHECK(sent.count == 5);
            CHECK(both.there.receive_all(5).bytes == "thole");
            script::on("sendmsg").times(2).gives(-1, raw);
            CHECK(r.run(write_two(both.here, "in pieces")).count == 9);
            CHECK(both.there.receive_all(9).bytes == "in pieces");
        }
    }
}

THOLE_TEST("R28: a write that has moved a part goes on where it was", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        connection both(r);
        script::on("send").cut(4);
        script::on("send").times(3).gives(-1, ENOBUFS);
        const std::string text = "0123456789";
        const transfer sent = r.run(write_it(both.here, bytes_of(text), within(5s)));
        CHECK(sent.count == text.size());
        CHECK(both.there.receive_all(text.size()).bytes == text);
        script::on("send").cut(4);
        script::on("send").forever().gives(-1, ENOBUFS);
        const transfer late = r.run(write_it(both.here, bytes_of(text), within(30ms)));
        CHECK(late.error == errc::deadline_reached);
        CHECK(late.count == 4);
    }
}

THOLE_TEST("R28: a read for which the system has no memory is tried again", "[scripted]") {
    for (const backend_kind kind : kinds) {
        for (const int raw : {ENOBUFS, ENOMEM}) {
            CAPTURE(to_string(kind), raw);
            rig r(kind);
            connection both(r);
            both.there.send("thole and more, to look at and to keep");
            std::byte bytes[5];
            script::on("recv").times(3).gives(-1, raw);
            const auto read =
                r.run([](tcp::socket& from, std::span<std::byte> to) -> task<result<std::size_t>> {
                    co_return co_await from.read(to, within(5s));
                }(both.here, bytes));
            CHECK(read.value() == 5);
            script::on("recv").times(2).gives(-1, raw);
            const auto seen =
                r.run([](tcp::socket& from, std::span<std::byte> to) -> task<result<std::size_t>> {
                    co_return co_await from.peek(to, within(5s));
                }(both.here, bytes));
            CHECK(seen.value() == 5);
            script::on("recv").times(2).gives(-1, raw);
            auto lent = r.run([](tcp::socket& from) -> task<result<tcp::lent_buffer>> {
                co_return co_await from.receive(within(5s));
            }(both.here));
            REQUIRE(lent);
            CHECK(lent->size() == 33);
        }
    }
}

THOLE_TEST("R28: a read that waits for memory ends by its deadline, and a second is refused",
           "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        connection both(r);
        both.there.send("thole");
        script::on("recv").forever().gives(-1, ENOMEM);
        ends<result<std::size_t>> got;
        std::byte bytes[5];
        callback<tcp::read_op, ends<result<std::size_t>>::add> first{{&got}};
        callback<tcp::read_op, ends<result<std::size_t>>::add> second{{&got}};
        first.start(both.here, bytes, within(60ms));
        REQUIRE(r.on.run_for(10ms));
        CHECK(first.pending());
        second.start(both.here, bytes, within(5s));
        REQUIRE(r.on.run());
        REQUIRE(got.seen.size() == 2);
        CHECK(got.seen[0].error() == errc::operation_in_progress);
        CHECK(got.seen[1].error() == errc::deadline_reached);
        script::reset();
        both.there.send("more");
        first.start(both.here, bytes, within(5s));
        REQUIRE(r.on.run());
        CHECK(got.seen[2].value() == 5);
    }
}

THOLE_TEST("R28: a connect that lacks a buffer is told so", "[scripted]") {
    for (const backend_kind kind : kinds) {
        CAPTURE(to_string(kind));
        rig r(kind);
        script::on("connect").gives(-1, ENOBUFS);
        const auto failed = r.on.block_on([](loop& on) -> task<result<tcp::socket>> {
            co_return co_await tcp::connect(on, endpoint::loopback(address_family::ipv4, 1),
                                            within(5s));
        }(r.on));
        CHECK(failed.error() == std::errc::no_buffer_space);
    }
}

}  // namespace
