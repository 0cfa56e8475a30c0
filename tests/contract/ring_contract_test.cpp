// SPDX-License-Identifier: BSL-1.0
// io_uring alone: rings that are far too small, and a machine that forbids them.
#include "contract/rig.hpp"

#include <memory>

#include "posix/ring.hpp"
#include "support/raw_peer.hpp"

using namespace thole;
using namespace thole::test;

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

}  // namespace

THOLE_TEST("R82 R84 R89 a ring of two: a thousand reads and cancels, each ends once",
           "[contract]") {
    only_on_io_uring();
    const small_rings small;
    rig r;
    std::vector<std::unique_ptr<exchange>> all;
    for (int i = 0; i < 50; ++i) {
        all.push_back(std::make_unique<exchange>(r));
    }
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
            return wished.backend().reason.find(exact.backend().reason) != std::string::npos
                       ? fine
                       : no_word_of_it;
        },
        nullptr);
    if (end == not_forbidden) {
        skip("this machine lets no process forbid itself a system call");
    }
    CHECK(end == fine);
}
