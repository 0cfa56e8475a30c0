// SPDX-License-Identifier: BSL-1.0
// What the tests of the scripted system share.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <thole/thole.hpp>

#include "script.hpp"
#include "support/raw_peer.hpp"
#include "support/test.hpp"

namespace thole::test {

using namespace std::chrono_literals;

// The backends of this platform that ask a system: posix_resolve_test.cpp,
// windows_resolve_test.cpp.
[[nodiscard]] std::span<const backend_kind> kinds_here();

// A loop under a script that starts and ends empty.
class rig {
public:
    explicit rig(backend_kind kind) : on((script::reset(), loop_options{.backend = kind})) {
        REQUIRE(static_cast<bool>(on));
    }
    rig(const rig&) = delete;
    rig& operator=(const rig&) = delete;
    ~rig() { script::reset(); }

    // A task's value; nothing here takes longer than its deadlines.
    template <class T>
    T run(task<T>&& work) {
        auto got = on.block_on(std::move(work));
        REQUIRE_FALSE(got.error());
        if constexpr (!std::is_void_v<T>) {
            return std::move(*got);
        }
    }

private:
    struct silence {
        ~silence() { script::reset(); }
    } last_;

public:
    loop on;
};

// A callback's ends, and whether one came inside start().
template <class R>
struct ends {
    std::vector<R> seen;
    struct add {
        ends* to;
        void operator()(R end) const { to->seen.push_back(std::move(end)); }
    };
};
using made = ends<result<tcp::socket>>;
using connecting = callback<tcp::connect_op, made::add>;
using accepting = callback<tcp::accept_op, made::add>;

[[nodiscard]] inline tcp::listener open_door(loop& on, address_family family = address_family::ipv4,
                                             tcp::listen_options options = {}) {
    return tcp::listener::open(on, endpoint::loopback(family, 0), options).value();
}

inline task<result<tcp::socket>> dial(loop& on, endpoint to, deadline until = within(5s)) {
    co_return co_await tcp::connect(on, to, until);
}
inline task<result<tcp::socket>> next(tcp::listener& door) {
    co_return co_await door.accept(within(5s));
}

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// Five bytes to the peer, and the same back.
inline task<bool> echoes(tcp::socket& here, raw::socket& there) {
    const auto sent = co_await here.write(bytes_of("thole"), within(5s));
    if (!sent || there.receive_all(5).bytes != "thole") {
        co_return false;
    }
    there.send("thole");
    std::byte back[5] = {};
    co_return static_cast<bool>(co_await here.read_exactly(back, within(5s)));
}

}  // namespace thole::test
