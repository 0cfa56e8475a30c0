// SPDX-License-Identifier: BSL-1.0
#include <thole/pair.hpp>

#include <chrono>
#include <utility>

#include <thole/connect.hpp>
#include <thole/listener.hpp>
#include <thole/loop.hpp>

#include "core/budget.hpp"

namespace thole::tcp {

namespace {

// R51: each is the other's peer.
bool are_ends_of_one(const socket& one, const socket& other) {
    const result<endpoint> own = one.local();
    const result<endpoint> far = one.peer();
    return own && far && other.peer() == own && other.local() == far;
}

}  // namespace

task<result<socket_pair>> pair(loop& on, deadline until) {
    const deadline end = detail::as_point(on, until);
    result<listener> door = listener::open(on, endpoint::loopback(address_family::ipv4, 0));
    if (!door) {
        co_return unexpected(door.error());
    }
    const result<endpoint> where = door->local();
    if (!where) {
        co_return unexpected(where.error());
    }
    // The system holds the connection until it is accepted.
    result<socket> first = co_await connect(on, *where, end);
    if (!first) {
        co_return unexpected(first.error());
    }
    for (;;) {
        result<socket> second = co_await door->accept(end);
        if (!second) {
            co_return unexpected(second.error());
        }
        if (are_ends_of_one(*first, *second)) {
            co_return socket_pair{std::move(*first), std::move(*second)};
        }
    }
}

}  // namespace thole::tcp
