// SPDX-License-Identifier: BSL-1.0
// io_uring alone: rings that are far too small, writes without a word, what is taken back, and a
// machine that forbids rings.
#include "contract/rig.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "posix/native_backend.hpp"
#include "posix/ring.hpp"
#include "support/raw_peer.hpp"

using namespace thole;
using namespace thole::test;
using namespace std::chrono_literals;

namespace {

// Rings of two requests and four completions, for those that are made meanwhile.
class small_rings {
public:
    small_rings() noexcept { detail::sizes_of_rings = {2, 4}; }
    small_rings(const small_rings&) = delete;
    small_rings& operator=(const small_rings&) = delete;
    ~small_rings() { detail::sizes_of_rings = {}; }
};

void only_on_io_uring() {
    if (backend() != "io_uring") {
        skip("rings are io_uring's");
    }
}

struct exchange {
    explicit exchange(rig& r) : both(r.pair()), reading(r) {}
    socket_pair both;
    transfer_ask reading;
    std::byte byte{};
};

std::vector<std::unique_ptr<exchange>> exchanges(rig& r, int count) {
    std::vector<std::unique_ptr<exchange>> made;
    for (int i = 0; i < count; ++i) {
        made.push_back(std::make_unique<exchange>(r));
    }
    return made;
}

}  // namespace

THOLE_TEST("R82 R84 R89 a ring of two: a thousand reads and cancels, each ends once",
           "[contract]") {
    only_on_io_uring();
    const small_rings small;
    rig r;
    const auto all = exchanges(r, 50);
    for (int round = 0; round < 20; ++round) {
        for (const auto& one : all) {
            REQUIRE_FALSE(one->reading.start(verb::read, one->both.server, {&one->byte, 1}));
        }
        if (round % 2 == 0) {  // else some are not even sent
            r.poll();
        }
        for (const auto& one : all) {
            r.cancel(one->reading);
        }
        for (const auto& one : all) {
            r.finish(one->reading);
            CHECK(one->reading.reported() == round + 1);
            CHECK(one->reading.error() == errc::cancelled);
        }
    }
    // Nothing of that harmed a socket, and no completion is missing: bytes for all at once.
    for (const auto& one : all) {
        REQUIRE_FALSE(one->reading.start(verb::read, one->both.server, {&one->byte, 1}));
    }
    for (const auto& one : all) {
        r.write(one->both.client, "b");
    }
    for (const auto& one : all) {
        r.finish(one->reading);
        CHECK(one->reading.error() == std::error_code());
        CHECK(one->byte == std::byte{'b'});
    }
}

THOLE_TEST("R85 a ring of four completions: each of twelve clients is accepted", "[contract]") {
    only_on_io_uring();
    const small_rings small;
    rig r;
    socket_state* door = r.listen();
    std::vector<std::unique_ptr<connect_ask>> clients;
    for (int i = 0; i < 12; ++i) {
        clients.push_back(std::make_unique<connect_ask>(r));
        clients.back()->start(r.open(socket_role::stream), r.name(door, request::local_name));
    }
    for (int i = 0; i < 12; ++i) {
        accept_ask accepting(r);
        accepting.start(door);
        r.finish(accepting);
        REQUIRE_FALSE(accepting.error());
        std::error_code error;
        REQUIRE(r.adopt(accepting.take(), error) != nullptr);
    }
    for (const auto& client : clients) {
        r.finish(*client);
        CHECK_FALSE(client->error());
    }
}

// The standing request of a listener ends with its fourth client here, while the listener is still
// to be looked at for the first one's sake; to let it go then is all that the next wait does.
THOLE_TEST("a wait whose only work is to let go of what was closed does not sleep", "[contract]") {
    only_on_io_uring();
    const small_rings small;
    for (int accepts = 1; accepts <= 8; ++accepts) {
        rig r;
        socket_state* door = r.listen();
        std::vector<socket_state*> clients;
        for (int i = 0; i < 12; ++i) {
            clients.push_back(r.client(door));
        }
        for (int i = 0; i < accepts; ++i) {
            accept_ask accepting(r);
            accepting.start(door);
            r.until([&] { return !accepting.pending(); });
        }
        r.close(door);
        for (socket_state* client : clients) {
            r.close(client);
        }
        while (r.net.held() > 0) {
            r.wait(time_point::max());  // the watchdog ends it otherwise
        }
        CHECK(r.net.held() == 0);
    }
}

THOLE_TEST("a write ends when the kernel has it, and with the next wait", "[contract]") {
    only_on_io_uring();
    rig r;
    const auto [client, server] = r.pair();
    std::string text = "hello";
    for (int i = 1; i <= 3; ++i) {
        transfer_ask writing(r);
        REQUIRE_FALSE(writing.start(verb::write, client, bytes_of(text)));
        CHECK(client->writing.front() == &writing);
        CHECK(writing.reported() == 0);
        r.wait(time_point::max());  // it does not sleep: nothing else is there to end it
        CHECK(writing.reported() == 1);
        CHECK_FALSE(writing.error());
        CHECK(writing.count == text.size());
        CHECK(client->writing.empty());
        CHECK(r.read(server, text.size()) == text);
    }
}

THOLE_TEST("a write that the kernel takes in parts ends with the last of them", "[contract]") {
    only_on_io_uring();
    std::string much(std::size_t{12} << 20, '-');
    for (std::size_t i = 0; i < much.size(); ++i) {
        much[i] = static_cast<char>('a' + i * 31 % 23);
    }
    rig r;
    const auto [client, server] = r.pair();
    for (int round = 0; round < 2; ++round) {  // the second one begins on a connection that is full
        transfer_ask first(r);
        REQUIRE_FALSE(first.start(verb::write, client, bytes_of(much)));
        r.pass(20ms);
        CHECK(first.pending());
        CHECK(first.reported() == 0);
        CHECK(first.count < much.size());
        CHECK(r.read(server, much.size()) == much);
        r.finish(first);
        CHECK_FALSE(first.error());
        CHECK(first.count == much.size());
    }
    // One that ends by its peer's reset tells what was taken, and the reset.
    transfer_ask last(r);
    REQUIRE_FALSE(last.start(verb::write, client, bytes_of(much)));
    r.pass(20ms);
    REQUIRE(last.pending());
    r.close(server, farewell::reset);
    r.finish(last);
    CHECK(last.reported() == 1);
    CHECK(last.error() == std::errc::connection_reset);
    CHECK(last.count > 0);
    CHECK(last.count < much.size());
}

THOLE_TEST("what was cancelled before it was sent has not happened", "[contract]") {
    only_on_io_uring();
    rig r;
    const auto [client, server] = r.pair();
    std::string lost = "lost", kept = "kept", room(16, '-');
    transfer_ask first(r), second(r), reading(r);
    REQUIRE_FALSE(first.start(verb::write, client, bytes_of(lost)));
    REQUIRE_FALSE(reading.start(verb::read, server, bytes_of(room)));
    for (transfer_ask* one : {&first, &reading}) {
        CHECK(r.cancel(*one));  // at once
        CHECK(one->reported() == 1);
        CHECK(one->error() == errc::cancelled);
        CHECK(one->count == 0);
    }
    REQUIRE_FALSE(second.start(verb::write, client, bytes_of(kept)));
    r.finish(second);
    CHECK_FALSE(second.error());
    CHECK(r.read(server, kept.size()) == "kept");
    CHECK(first.reported() == 1);
    CHECK(room == std::string(16, '-'));

    // In the middle of others that wait to be sent as well.
    const auto all = exchanges(r, 5);
    std::vector<std::unique_ptr<transfer_ask>> writes;
    std::string one = "1";
    for (const auto& each : all) {
        writes.push_back(std::make_unique<transfer_ask>(r));
        REQUIRE_FALSE(writes.back()->start(verb::write, each->both.client, bytes_of(one)));
    }
    for (const std::size_t i : {std::size_t{2}, std::size_t{4}, std::size_t{0}}) {
        REQUIRE(writes[i]->pending());
        CHECK(r.cancel(*writes[i]));
    }
    transfer_ask again(r);
    REQUIRE_FALSE(again.start(verb::write, all[4]->both.client, bytes_of(kept)));
    r.wait(time_point::max());
    for (const std::size_t i : {std::size_t{1}, std::size_t{3}}) {
        CHECK(writes[i]->reported() == 1);
        CHECK_FALSE(writes[i]->error());
        CHECK(r.read(all[i]->both.server, 1) == "1");
    }
    CHECK(again.reported() == 1);
    CHECK(r.read(all[4]->both.server, kept.size()) == "kept");
}

THOLE_TEST("a buffer longer than a request can name is read into and written from", "[contract]") {
    only_on_io_uring();
    rig r;
    const auto [client, server] = r.pair();
    std::string room(16, '-');
    // The length alone is so large: a read fills no more than there is.
    const std::span<std::byte> large(bytes_of(room).data(), std::size_t{1} << 32);
    transfer_ask reading(r);
    REQUIRE_FALSE(reading.start(verb::read, server, large));
    r.write(client, "hello");
    r.finish(reading);
    CHECK_FALSE(reading.error());
    CHECK(reading.count == 5);
    CHECK(room.substr(0, 5) == "hello");
}

THOLE_TEST("R86 what nobody asks for stays with the system, but for one batch", "[contract]") {
    only_on_io_uring();
    const small_rings small;
    rig r;
    socket_state* door = r.listen();
    const endpoint where = r.name(door, request::local_name);
    std::vector<raw::socket> clients;
    for (int i = 0; i < 40; ++i) {
        clients.push_back(raw::socket::connect(where));
    }
    const std::size_t before = raw::open_handles();
    accept_ask accepting(r);
    accepting.start(door);
    r.finish(accepting);
    for (int i = 0; i < 20; ++i) {
        r.wait(r.net.now() + 1ms);
    }
    CHECK(raw::open_handles() > before);
    CHECK(raw::open_handles() <= before + 8);  // the ring holds four completions
    // None of them is lost.
    std::vector<std::string> names{accepting.accepted.peer.to_string()};
    for (int i = 1; i < 40; ++i) {
        accept_ask next(r);
        next.start(door);
        r.finish(next);
        REQUIRE_FALSE(next.error());
        names.push_back(next.accepted.peer.to_string());
    }
    for (const raw::socket& client : clients) {
        CHECK(std::count(names.begin(), names.end(), client.local().to_string()) == 1);
    }
}

THOLE_TEST("R86 a thousand clients: each has its own name", "[contract]") {
    only_on_io_uring();
    rig r;
    socket_state* door = r.listen();
    const endpoint where = r.name(door, request::local_name);
    for (int round = 0; round < 10; ++round) {
        std::vector<std::string> ports, names;
        std::vector<raw::socket> clients;
        for (int i = 0; i < 100; ++i) {
            clients.push_back(raw::socket::connect(where));
            ports.push_back(clients.back().local().to_string());
        }
        for (int i = 0; i < 100; ++i) {
            accept_ask next(r);
            next.start(door);
            r.finish(next);
            REQUIRE_FALSE(next.error());
            names.push_back(next.accepted.peer.to_string());
        }
        for (raw::socket& client : clients) {
            client.reset();
        }
        std::sort(ports.begin(), ports.end());
        std::sort(names.begin(), names.end());
        CHECK(names == ports);
    }
}

THOLE_TEST("R100 a wake-up ends a wait, whatever has filled the ring before", "[contract]") {
    only_on_io_uring();
    const small_rings small;
    rig r;
    const auto all = exchanges(r, 16);
    for (int round = 1; round <= 50; ++round) {
        for (const auto& one : all) {
            REQUIRE_FALSE(one->reading.start(verb::read, one->both.server, {&one->byte, 1}));
        }
        r.net.wake();  // one more completion among four times as many as there is room for
        for (const auto& one : all) {
            r.write(one->both.client, "b");
        }
        for (const auto& one : all) {
            r.finish(one->reading);
            CHECK(one->reading.reported() == round);
        }
        r.poll();
        r.net.wake();
        r.wait(time_point::max());  // the watchdog ends it otherwise
    }
}

THOLE_TEST("R100 a child that ends leaves its parent's ring alone", "[contract]") {
    only_on_io_uring();
    rig r;
    exchange one(r);
    for (int round = 1; round <= 3; ++round) {
        REQUIRE_FALSE(one.reading.start(verb::read, one.both.server, {&one.byte, 1}));
        if (round != 2) {  // else the request was not sent when the child is made
            r.poll();
        }
        CHECK(raw::in_forked_child([](void*) { return 7; }, nullptr) == 7);
        r.write(one.both.client, "b");
        r.finish(one.reading);
        CHECK(one.reading.reported() == round);
        CHECK_FALSE(one.reading.error());
    }
}

THOLE_TEST("R80 a machine that forbids io_uring: epoll in its place, and why", "[contract]") {
    only_on_io_uring();
    enum : int { fine, not_forbidden, still_there, no_reason, no_fall_back, no_word_of_it };
    const int end = raw::in_forked_child(
        [](void*) -> int {
            if (!raw::forbid_io_uring()) {
                return not_forbidden;
            }
            const loop exact({.backend = backend_kind::io_uring});
            if (exact.error() != std::errc::operation_not_permitted) {
                return still_there;
            }
            if (exact.backend().reason.find("io_uring cannot be had here") == std::string::npos) {
                return no_reason;
            }
            raw::set_environment("THOLE_BACKEND", "io_uring");
            const loop wished;
            if (wished.error() || wished.backend().kind != backend_kind::epoll) {
                return no_fall_back;
            }
            if (wished.backend().reason.find(exact.backend().reason) == std::string::npos) {
                return no_word_of_it;
            }
            raw::set_environment("THOLE_BACKEND", nullptr);
            detail::preferred_backend = backend_kind::io_uring;  // were it the default
            const loop standard;
            if (standard.error() || standard.backend().kind != backend_kind::epoll) {
                return no_fall_back;
            }
            return standard.backend().reason.find(exact.backend().reason) != std::string::npos
                       ? fine
                       : no_word_of_it;
        },
        nullptr);
    if (end == not_forbidden) {
        skip("this machine lets no process forbid itself a system call");
    }
    CHECK(end == fine);
}
