// SPDX-License-Identifier: BSL-1.0
#include <thole/pair.hpp>

#include <thole/connect.hpp>
#include <thole/listener.hpp>
#include <thole/with_deadline.hpp>

namespace thole::tcp {
namespace {

bool are_ends(const socket& one, const socket& other) noexcept {
    const auto one_local = one.local();
    const auto one_peer = one.peer();
    const auto other_local = other.local();
    const auto other_peer = other.peer();
    return one_local && one_peer && other_local && other_peer && *one_local == *other_peer &&
           *one_peer == *other_local;
}

task<result<socket_pair>> make_pair(loop& on) {
    constexpr int most_strangers = 1000;
    auto door = listener::open(on, endpoint::loopback(address_family::ipv4, 0));
    if (!door) {
        co_return unexpected(door.error());
    }
    const auto where = door->local();
    if (!where) {
        co_return unexpected(where.error());
    }
    auto first = co_await connect(on, *where);
    if (!first) {
        co_return unexpected(first.error());
    }
    for (int strangers = 0; strangers < most_strangers; ++strangers) {
        auto second = co_await door->accept();
        if (!second) {
            co_return unexpected(second.error());
        }
        if (are_ends(*first, *second)) {  // R51
            co_return socket_pair{std::move(*first), std::move(*second)};
        }
        second->abort();
    }
    co_return unexpected(std::errc::connection_aborted);
}

}  // namespace

task<result<socket_pair>> pair(loop& on, deadline until) {
    co_return co_await with_deadline(until, make_pair(on));
}

}  // namespace thole::tcp
