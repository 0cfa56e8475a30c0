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

// R52: all flags at once.
constexpr int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

// With the peer's name, which a loop's socket asks the system for: a detached one may have to tell
// it when the peer is gone.
THOLE_APART int accept_detached(operation& op, int door) noexcept {
    native_address peer;
    peer.length = sizeof peer.v6;
    const int fd = sys::accept4(door, &peer.any, &peer.length, flags);
    if (fd >= 0) {
        static_cast<tcp::accept_detached_op&>(op).accepted = {
            static_cast<std::uintptr_t>(fd),
            &socket_methods,
            {},
            from_native(&peer.any, peer.length),
        };
        settle_done(op);
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

// It comes to us registered: the loop's socket, from now on.
inline void reactor::welcome(operation& op, const reactor_state& door, int fd) noexcept {
    int raw = 0;
    reactor_state* state = make(fd, {socket_role::stream, door.kind.family}, raw);
    if (state != nullptr) [[likely]] {
        state_table::entry& place = entry_of(*state);
        raw = watch(fd, place);
        if (raw == 0) [[likely]] {
            place.since = steps();
            core().give(op, *state);
            return;
        }
    }
    turn_away(op, fd, state, raw);
}

void reactor::turn_away(operation& op, int fd, reactor_state* state, int raw) noexcept {
    if (state != nullptr) {
        states_.remove(fd);
        discard(*state);
    }
    socket_methods.close(static_cast<std::uintptr_t>(fd));
    settle_error(op, decode(op.what, raw));
}

progress reactor::start_accept(operation& op, reactor_state& door) noexcept {
    if (!door.has(mark::asks) || !door.reading.empty()) {
        return progress::wait_readable;  // in order
    }
    return finish_accept(op, door);
}

progress reactor::finish_accept(operation& op, reactor_state& door) noexcept {
    for (int failed = 0; failed < most_failed; ++failed) {
        if (op.what == verb::accept) [[likely]] {
            const int fd = sys::accept4(door.fd, nullptr, nullptr, flags);
            if (fd >= 0) [[likely]] {
                welcome(op, door, fd);
                return progress::done;
            }
        } else if (accept_detached(op, door.fd) >= 0) {
            return progress::done;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            door.clear(mark::asks);
            return progress::wait_readable;
        }
        if (!is_of_one_client(errno)) {
            // No descriptor or no memory: the client stays in the system's queue, and the next
            // accept asks again, since the listener stays readable (I8, R69).
            settle_error(op, decode(op.what, errno));
            return progress::done;
        }
    }
    door.set(mark::again);
    return progress::wait_readable;
}

}  // namespace thole::detail
