// SPDX-License-Identifier: BSL-1.0
#include "support/scenario.hpp"

#include <coroutine>
#include <exception>

using namespace thole;
using namespace thole::test;

namespace {

// A name that the system is asked for, which opens nothing for it and asks nobody.
constexpr std::string_view nobody = "2001:db8::1%no-such-zone";

struct end {
    std::error_code error;
    std::vector<tcp::attempt> attempts;
    tcp::socket made;
};

end taken(tcp::connect_outcome& got) {
    end one;
    one.error = got.error();
    one.attempts.assign(got.attempts().begin(), got.attempts().end());
    if (got) {
        one.made = std::move(*got);
    }
    return one;
}

struct noted_end {
    std::vector<end>* in;
    void operator()(tcp::connect_outcome got) const { in->push_back(taken(got)); }
};
using connecting = callback<tcp::connect_by_name_op, noted_end>;

task<end> connect_to(loop& on, std::string_view host, int port, deadline until = never) {
    tcp::connect_outcome got = co_await tcp::connect_by_name(on, host, port, until);
    co_return taken(got);
}

task<end> connect_to(loop& on, std::string_view host, std::string_view service) {
    tcp::connect_outcome got =
        co_await tcp::connect_by_name(on, host, service, within(patience / 2));
    co_return taken(got);
}

}  // namespace

THOLE_TEST("HE02 by a number", "[connect_by_name]") {
    scene in;
    tcp::listener door = open_door(in.on);
    const endpoint where = *door.local();
    const end got = run(in.on, connect_to(in.on, "127.0.0.1", where.port()));
    REQUIRE(got.error == no_error);
    CHECK(got.attempts.empty());
    CHECK(*got.made.peer() == where);
    const std::string port = std::to_string(where.port());
    const end by_text = run(in.on, connect_to(in.on, "127.0.0.1", port));
    CHECK(by_text.error == no_error);
}

// ::1 comes first, where nobody listens, if this machine has it at all.
THOLE_TEST("HE03 localhost is of two families: what does not answer is passed over",
           "[connect_by_name]") {
    scene in;
    tcp::listener door = open_door(in.on);
    const endpoint where = *door.local();
    const end got = run(in.on, connect_to(in.on, "localhost", where.port()));
    REQUIRE(got.error == no_error);
    CHECK(*got.made.peer() == where);
    REQUIRE(got.attempts.size() == 1);
    CHECK(got.attempts[0].target == endpoint::loopback(address_family::ipv6, where.port()));
    CHECK(got.attempts[0].error);
}

THOLE_TEST("HE04 a name nobody listens at", "[connect_by_name]") {
    scene in;
    const closed_port nobody_there;
    std::vector<end> ends;
    connecting op{noted_end{&ends}};
    op.start(in.on, "localhost", nobody_there.where().port());
    CHECK(ends.empty());
    settle(in.on);
    REQUIRE(ends.size() == 1);
    CHECK(ends[0].error == std::errc::connection_refused);
    CHECK(ends[0].attempts.size() == 2);
    op.start(in.on, "127.0.0.1", 0);  // the same operation again
    settle(in.on);
    REQUIRE(ends.size() == 2);
    CHECK(ends[1].error == std::errc::invalid_argument);
    CHECK(ends[1].attempts.size() == 1);
}

THOLE_TEST("HE01 a name without an address", "[connect_by_name][threads]") {
    scene in;
    for (const std::string_view host : {std::string_view("example.invalid"), nobody}) {
        const end got = run(in.on, connect_to(in.on, host, 80));
        CHECK(got.error == errc::name_not_found);
        CHECK(got.attempts.empty());
    }
    const end empty = run(in.on, connect_to(in.on, "", 80));
    CHECK(empty.error == std::errc::invalid_argument);
    const end no_port = run(in.on, connect_to(in.on, "localhost", "no-such-service-of-thole"));
    CHECK(no_port.error == errc::service_not_found);
    CHECK(no_port.attempts.empty());
}

THOLE_TEST("HE07 a cancel while the name is looked up", "[connect_by_name][threads]") {
    scene in;
    std::vector<end> ends;
    connecting op{noted_end{&ends}};
    op.start(in.on, nobody, 80, tcp::connect_options{}, within(patience / 2));
    CHECK(op.pending());
    op.cancel();
    CHECK(ends.empty());
    settle(in.on);
    REQUIRE(ends.size() == 1);
    CHECK(ends[0].error == errc::cancelled);
    CHECK(ends[0].attempts.empty());
}

THOLE_TEST("HE07 a cancel while connecting", "[connect_by_name]") {
    scene in;
    const silent_port silent(in.on);
    std::vector<end> ends;
    connecting op{noted_end{&ends}};
    op.start(in.on, "127.0.0.1", silent.where().port(), tcp::connect_options{},
             within(patience / 2));
    REQUIRE(in.on.run_for(30ms).error() == no_error);
    CHECK(op.pending());
    op.cancel();
    settle(in.on);
    REQUIRE(ends.size() == 1);
    CHECK(ends[0].error == errc::cancelled);
    REQUIRE(ends[0].attempts.size() == 1);
    CHECK(ends[0].attempts[0].target == silent.where());
    CHECK(ends[0].attempts[0].error == errc::cancelled);
}

namespace {

task<> cancel_task(loop& on, int port) {
    auto asking = on.spawn(connect_to(on, "127.0.0.1", port));
    const auto slept = co_await sleep_for(30ms);
    REQUIRE(slept.error() == no_error);
    asking.cancel();
    const end got = co_await asking;
    CHECK(got.error == errc::cancelled);
    CHECK(got.attempts.size() == 1);
}

}  // namespace

THOLE_TEST("HE07 a cancelled task that connects by name", "[connect_by_name]") {
    scene in;
    const silent_port silent(in.on);
    run(in.on, cancel_task(in.on, silent.where().port()));
}

THOLE_TEST("HE09 one deadline for the name and its addresses", "[connect_by_name]") {
    scene in;
    const silent_port silent(in.on);
    const time_point start = in.on.now();
    const end got = run(in.on, connect_to(in.on, "127.0.0.1", silent.where().port(), within(40ms)));
    CHECK(in.on.now() - start >= 40ms);
    CHECK(got.error == errc::deadline_reached);
    REQUIRE(got.attempts.size() == 1);
    CHECK(got.attempts[0].error == errc::deadline_reached);
    const end past = run(in.on, connect_to(in.on, "localhost", 80, within(0s)));
    CHECK(past.error == errc::deadline_reached);
    CHECK(past.attempts.empty());
}

THOLE_TEST("HE07 the loop's end while connecting by name calls nothing",
           "[connect_by_name][threads]") {
    std::vector<end> ends;
    connecting op{noted_end{&ends}};
    for (const std::string_view host : {std::string_view("127.0.0.1"), nobody}) {
        for (const int turns : {0, 2}) {  // before the first turn, or later
            loop on(options_of_run());
            const silent_port silent(on);
            op.start(on, host, silent.where().port(), tcp::connect_options{}, within(patience));
            for (int i = 0; i < turns && host != nobody; ++i) {
                turn(on);
            }
            CHECK(op.pending());
        }
        CHECK_FALSE(op.pending());
    }
    CHECK(ends.empty());
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

foreign foreign_connect(loop& on, int port, journal& log) {
    const auto made = co_await tcp::connect_by_name(on, "localhost", port, within(patience / 2));
    log.note("made", made.error(), made.attempts().size());
}

}  // namespace

THOLE_TEST("HE03 a coroutine of another type connects by name", "[connect_by_name]") {
    scene in;
    tcp::listener door = open_door(in.on);
    journal log;
    foreign_connect(in.on, door.local()->port(), log);
    settle(in.on);
    CHECK(log.of("made").error == no_error);
    CHECK(log.of("made").count == 1);
}
