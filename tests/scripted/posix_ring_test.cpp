// SPDX-License-Identifier: BSL-1.0
// io_uring under a script: what the kernel refuses, takes in part, gives back unasked or mixes up.
#include "rig.hpp"

#include <deque>
#include <functional>
#include <iterator>
#include <optional>
#include <string>

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;

void need_rings() {
    script::reset();
    const loop tried({.backend = backend_kind::io_uring});
    if (tried.error()) {
        skip(tried.backend().reason);
    }
}

// The ring of the loop that is made while this lives: the last one, after the one that is tried.
class watched_ring {
public:
    // To be called after the script was reset.
    void watch() {
        script::on("io_uring_setup")
            .then([this](call& made) { ring_ = static_cast<io_uring*>(made.out); })
            .forever();
    }
    // A request that is about to be sent.
    [[nodiscard]] io_uring_sqe* unsent(unsigned code) const {
        const unsigned tail = *ring_->sq.ktail;
        for (unsigned at = *ring_->sq.khead; at != tail; ++at) {
            io_uring_sqe& one = ring_->sq.sqes[ring_->sq.array[at & *ring_->sq.kring_mask]];
            if (one.opcode == code) {
                return &one;
            }
        }
        return nullptr;
    }
    // The next request of this code is not carried out; it comes back with this result.
    void give_back(unsigned code, int result, std::uint64_t as = 0) {
        script::on("io_uring_enter")
            .when([this, code](const call&) { return unsent(code) != nullptr; })
            .instead([this, code, result, as](call& asked) -> std::intptr_t {
                io_uring_sqe& place = *unsent(code);
                const std::uint64_t word = as != 0 ? as : place.user_data;
                place = {};
                place.opcode = IORING_OP_NOP;
                place.user_data = word;
                const int came = ::io_uring_enter2(static_cast<unsigned>(asked.handle),
                                                   static_cast<unsigned>(asked.most), 1,
                                                   IORING_ENTER_GETEVENTS, nullptr, 0);
                const unsigned tail = *ring_->cq.ktail;
                for (unsigned at = *ring_->cq.khead; at != tail; ++at) {
                    io_uring_cqe& one = ring_->cq.cqes[at & *ring_->cq.kring_mask];
                    if (one.user_data == word) {
                        one.res = result;
                        ++given_back;
                    }
                }
                return came;
            });
    }
    int given_back = 0;

private:
    io_uring* ring_ = nullptr;
};

// A loop on a ring that is watched.
struct ring_rig {
    ring_rig() {
        script::reset();
        ring.watch();
        on.emplace(loop_options{.backend = backend_kind::io_uring});
        REQUIRE_FALSE(on->error());
    }
    ring_rig(const ring_rig&) = delete;
    ring_rig& operator=(const ring_rig&) = delete;
    ~ring_rig() {
        script::reset();
        on.reset();
        script::reset();
    }
    template <class T>
    T run(task<T>&& work) {
        auto got = on->block_on(std::move(work));
        REQUIRE_FALSE(got.error());
        if constexpr (!std::is_void_v<T>) {
            return std::move(*got);
        }
    }
    watched_ring ring;
    std::optional<loop> on;
};

// A connection whose far end is outside of the library.
struct link_to {
    link_to(ring_rig& r, tcp::listener& door) : there(raw::socket::connect(*door.local())) {
        here = r.run(next(door)).value();
    }
    raw::socket there;
    tcp::socket here;
};

using read_end = ends<result<std::size_t>>;
using reading = callback<tcp::read_op, read_end::add>;

void some_turns(loop& on) {
    for (int i = 0; i < 5; ++i) {
        REQUIRE(on.poll());
    }
}

// A write whose end is asked at once whether it is true.
struct told {
    raw::socket* there;
    int* well;
    int* ended;
    loop* on;
    int wanted;
    void operator()(const transfer& end) const {
        *well += end && there->receive_all(5).bytes == "thole" ? 1 : 0;
        if (++*ended == wanted) {
            on->stop();
        }
    }
};
using writing = callback<tcp::write_op, told>;

}  // namespace

THOLE_TEST("R79: an end that nobody asked for is none: the request is made again", "[scripted]") {
    need_rings();
    for (const int code : {-ECANCELED, -EINTR}) {
        CAPTURE(code);
        ring_rig r;
        tcp::listener door = open_door(*r.on);
        r.ring.give_back(IORING_OP_ACCEPT, code);
        link_to both(r, door);
        CHECK(r.ring.given_back == 1);

        r.ring.give_back(IORING_OP_RECV, code);
        r.ring.give_back(IORING_OP_SEND, code);
        CHECK(r.run(echoes(both.here, both.there)));
        CHECK(r.ring.given_back == 3);

        r.ring.give_back(IORING_OP_CONNECT, code);
        made got;
        connecting op{{&got}};
        op.start(*r.on, *door.local(), tcp::connect_options{}, within(5s));
        REQUIRE(r.on->run());
        CHECK(r.ring.given_back == 4);
        REQUIRE(got.seen.size() == 1);
        CHECK(got.seen[0].error() == std::error_code());
    }
}

THOLE_TEST("R28, R69: what the kernel lacks is asked for again, until the deadline", "[scripted]") {
    need_rings();
    ring_rig r;
    tcp::listener door = open_door(*r.on);
    r.ring.give_back(IORING_OP_ACCEPT, -EMFILE);
    link_to both(r, door);
    CHECK(door.counters().pauses == 1);
    for (const int code : {-ENOBUFS, -ENOMEM}) {
        r.ring.give_back(IORING_OP_SEND, code);
        CHECK(r.run(echoes(both.here, both.there)));
    }
    CHECK(r.ring.given_back == 3);
    for (int i = 0; i < 20; ++i) {
        r.ring.give_back(IORING_OP_SEND, -ENOBUFS);
    }
    const transfer late = r.run([](tcp::socket& to) -> task<transfer> {
        co_return co_await to.write(bytes_of("never"), within(30ms));
    }(both.here));
    CHECK(late.error == errc::deadline_reached);
}

THOLE_TEST("R80 R97: a ring that cannot be had, or cannot do what is needed", "[scripted]") {
    need_rings();
    struct row {
        const char* what;
        std::function<void()> arrange;
        int code;
        const char* reason;
    };
    const auto refuses = [](int code) {
        return [code] { script::on("io_uring_setup").gives(-code).forever(); };
    };
    const auto lacks = [](unsigned feature) {
        return [feature] {
            script::on("io_uring_setup")
                .then([feature](call& made) {
                    static_cast<io_uring*>(made.out)->features &= ~feature;
                })
                .forever();
        };
    };
    const row rows[] = {
        {"EPERM", refuses(EPERM), EPERM, "cannot be had here"},
        {"ENOSYS", refuses(ENOSYS), ENOSYS, "cannot be had here"},
        {"EACCES", refuses(EACCES), EACCES, "cannot be had here"},
        {"ENOMEM", refuses(ENOMEM), ENOMEM, "cannot be had here"},
        {"no EXT_ARG", lacks(IORING_FEAT_EXT_ARG), EOPNOTSUPP, "lacks a feature"},
        {"no NODROP", lacks(IORING_FEAT_NODROP), EOPNOTSUPP, "lacks a feature"},
        {"no CQE_SKIP", lacks(IORING_FEAT_CQE_SKIP), EOPNOTSUPP, "lacks a feature"},
    };
    for (const row& one : rows) {
        CAPTURE(one.what);
        script::reset();
        one.arrange();
        const loop exact({.backend = backend_kind::io_uring});
        CHECK(exact.error().value() == one.code);
        CHECK(exact.backend().reason.find(one.reason) != std::string::npos);
        raw::set_environment("THOLE_BACKEND", "io_uring");
        const loop wished;
        raw::set_environment("THOLE_BACKEND", nullptr);
        CHECK_FALSE(wished.error());
        CHECK(wished.backend().kind == backend_kind::epoll);
        CHECK(wished.backend().reason.find(exact.backend().reason) != std::string::npos);
        CHECK(script::count("io_uring_exit") == (one.code == EOPNOTSUPP ? 2 : 0));
    }
    script::reset();
}

THOLE_TEST("R81: each set of flags that a kernel may not know", "[scripted]") {
    need_rings();
    constexpr unsigned flags[] = {
        IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_COOP_TASKRUN,
        IORING_SETUP_TASKRUN_FLAG,  IORING_SETUP_SUBMIT_ALL,    IORING_SETUP_R_DISABLED,
        IORING_SETUP_CLAMP,         IORING_SETUP_CQSIZE,
    };
    for (unsigned set = 0; set < 1U << std::size(flags); ++set) {
        CAPTURE(set);
        unsigned unknown = 0;
        for (unsigned i = 0; i < std::size(flags); ++i) {
            unknown |= (set >> i & 1) != 0 ? flags[i] : 0;
        }
        script::reset();
        script::on("io_uring_setup")
            .when([unknown](const call& asked) { return (asked.code & unknown) != 0; })
            .gives(-EINVAL)
            .forever();
        loop on({.backend = backend_kind::io_uring});
        REQUIRE_FALSE(on.error());
        CHECK((script::calls("io_uring_setup").back().code & unknown) == 0);
        tcp::listener door = open_door(on);
        raw::socket there = raw::socket::connect(*door.local());
        auto here = on.block_on(next(door));
        REQUIRE(here);
        const auto echoed = on.block_on(echoes(*here, there));
        REQUIRE(echoed);
        CHECK(*echoed);
    }
    script::reset();
}

THOLE_TEST("R83: what the kernel does not take now is sent again, and no write ends before",
           "[scripted]") {
    need_rings();
    struct row {
        const char* what;
        std::function<void()> arrange;
    };
    const auto fails = [](int code) {
        return [code] { script::on("io_uring_enter").gives(code).times(3); };
    };
    const row rows[] = {
        {"one at a time", [] { script::on("io_uring_enter").cut(1).forever(); }},
        {"two at a time", [] { script::on("io_uring_enter").cut(2).forever(); }},
        {"none at first", [] { script::on("io_uring_enter").cut(0).times(2); }},
        {"EBUSY", fails(-EBUSY)},
        {"EAGAIN", fails(-EAGAIN)},
        {"EINTR", fails(-EINTR)},
    };
    constexpr int crowd = 8;
    for (const row& one : rows) {
        CAPTURE(one.what);
        ring_rig r;
        tcp::listener door = open_door(*r.on);
        std::deque<link_to> links;
        std::deque<writing> writes;
        std::deque<reading> reads;
        std::byte rooms[crowd][8];
        read_end got;
        int well = 0, ended = 0;
        for (int i = 0; i < crowd; ++i) {
            links.emplace_back(r, door);
            writes.emplace_back(told{&links.back().there, &well, &ended, &*r.on, crowd});
            reads.emplace_back(read_end::add{&got});
        }
        one.arrange();
        for (std::size_t i = 0; i < crowd; ++i) {
            reads[i].start(links[i].here, rooms[i], within(10s));
            writes[i].start(links[i].here, bytes_of("thole"), within(10s));
        }
        REQUIRE(r.on->run());
        CHECK(ended == crowd);
        CHECK(well == crowd);
        r.on->restart();
        for (link_to& each : links) {
            each.there.send("back");
        }
        while (got.seen.size() < crowd) {
            REQUIRE(r.on->poll());
        }
        for (const auto& end : got.seen) {
            CHECK(end.error() == std::error_code());
            CHECK(end.value_or(0) == 4);
        }
    }
}

THOLE_TEST("R90: a completion of the past ends nobody who came later", "[scripted]") {
    need_rings();
    ring_rig r;
    tcp::listener door = open_door(*r.on);
    link_to one(r, door), other(r, door);
    std::uint64_t past = 0;
    script::on("io_uring_enter").when([&](const call&) {
        const io_uring_sqe* sent = r.ring.unsent(IORING_OP_RECV);
        past = past == 0 && sent != nullptr ? sent->user_data : past;
        return false;
    });
    read_end first, second, third;
    reading a{{&first}}, b{{&second}}, c{{&third}};
    std::byte rooms[3][8];
    a.start(one.here, rooms[0]);
    some_turns(*r.on);
    REQUIRE(past != 0);
    one.there.send("a");
    while (first.seen.empty()) {
        REQUIRE(r.on->poll());
    }
    // The place of the request that would cancel the third is that of the stray one's.
    b.start(one.here, rooms[1]);
    c.start(other.here, rooms[2]);
    some_turns(*r.on);
    r.ring.give_back(IORING_OP_ASYNC_CANCEL, 5, past);
    c.cancel();
    some_turns(*r.on);
    CHECK(r.ring.given_back == 1);
    CHECK(first.seen.size() == 1);
    CHECK(second.seen.empty());
    CHECK(third.seen.empty());
    one.there.send("bb");
    other.there.send("ccc");
    while (second.seen.empty() || third.seen.empty()) {
        REQUIRE(r.on->poll());
    }
    CHECK(second.seen[0].value_or(0) == 2);
    CHECK(third.seen[0].value_or(0) == 3);  // it has its effect, whatever was asked
}

THOLE_TEST("a kernel that forgets the part that a send has moved: each asks for its completion",
           "[scripted]") {
    need_rings();
    for (const bool forgets : {false, true}) {
        CAPTURE(forgets);
        script::reset();
        watched_ring tried;
        tried.watch();
        if (forgets) {
            tried.give_back(IORING_OP_SEND, -EAGAIN);  // the trial's
        }
        loop on({.backend = backend_kind::io_uring});
        REQUIRE_FALSE(on.error());
        CHECK(tried.given_back == (forgets ? 1 : 0));
        tcp::listener door = open_door(on);
        raw::socket there = raw::socket::connect(*door.local());
        auto here = on.block_on(next(door));
        REQUIRE(here);
        int silent = 0;
        script::on("io_uring_enter").when([&](const call&) {
            const io_uring_sqe* sent = tried.unsent(IORING_OP_SEND);
            silent += sent != nullptr && (sent->flags & IOSQE_CQE_SKIP_SUCCESS) != 0 ? 1 : 0;
            return false;
        });
        const auto echoed = on.block_on(echoes(*here, there));
        REQUIRE(echoed);
        CHECK(*echoed);
        CHECK((silent > 0) == !forgets);
        script::reset();
    }
}
