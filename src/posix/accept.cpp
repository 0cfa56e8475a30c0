// SPDX-License-Identifier: BSL-1.0
#include "core/error_table.hpp"
#include "posix/address.hpp"
#include "posix/handle.hpp"
#include "posix/outcome.hpp"
#include "posix/verbs.hpp"

namespace thole::detail {
namespace {

// Clients that failed, in one turn (R71).
constexpr int most_failed = 64;

// With the peer's name. A loop's socket asks the system for it; a detached one may have to tell it
// when the peer is gone.
THOLE_APART int accept_named(int door, endpoint& name) noexcept {
    native_address peer;
    peer.length = sizeof peer.v6;
    const int fd = sys::accept4(door, &peer.any, &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        name = from_native(&peer.any, peer.length);
    }
    return fd;
}

}  // namespace

bool is_of_one_client(int raw) noexcept {
    switch (raw) {
    case ECONNABORTED:
    case ECONNRESET:
    case EPROTO:
    case EINTR:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
#if defined(ENONET)
    case ENONET:
#endif
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

progress start_accept(operation& op, reactor_state& state) noexcept {
    if (!state.has(mark::asks) || !state.reading.empty()) {
        return progress::wait_readable;  // in order
    }
    return finish_accept(op, state);
}

progress finish_accept(operation& op, reactor_state& state) noexcept {
    detail::loose_socket& accepted = static_cast<tcp::accept_op&>(op).accepted;
    for (int failed = 0; failed < most_failed; ++failed) {
        const int fd = op.what == verb::accept
                           ? sys::accept4(state.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)
                           : accept_named(state.fd, accepted.peer);
        if (fd >= 0) {
            accepted.native = static_cast<std::uintptr_t>(fd);
            accepted.methods = &socket_methods;
            settle_done(op);
            return progress::done;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            state.clear(mark::asks);
            return progress::wait_readable;
        }
        if (!is_of_one_client(errno)) {
            // No descriptor or no memory: the client stays in the system's queue, and the next
            // accept asks again, since the listener stays readable (I8, R69).
            settle_error(op, decode(op.what, errno));
            return progress::done;
        }
    }
    state.set(mark::again);
    return progress::wait_readable;
}

}  // namespace thole::detail
