// SPDX-License-Identifier: BSL-1.0
#include "core/error_table.hpp"
#include "posix/address.hpp"
#include "posix/handle.hpp"
#include "posix/outcome.hpp"
#include "posix/verbs.hpp"

namespace thole::detail {
namespace {

// Clients that failed, in one turn (R71).
constexpr std::size_t most_failed = 64;

// R52: all flags at once.
constexpr int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

// With the peer's name, which a loop's socket asks the system for: a detached one may have to tell
// it when the peer is gone.
THOLE_APART bool accept_detached(operation& op, reactor_listener& door) noexcept {
    native_address peer;
    peer.length = sizeof peer.v6;
    const int fd = sys::accept4(door.fd, &peer.any, &peer.length, flags);
    if (fd >= 0) {
        static_cast<tcp::accept_detached_op&>(op).accepted = {
            static_cast<std::uintptr_t>(fd),
            &socket_methods,
            {},
            from_native(&peer.any, peer.length),
        };
        settle_done(op);
        ++door.counts.accepted;
    }
    return fd >= 0;
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

unsigned reset_waiting(int door) noexcept {
    unsigned reset = 0;
    for (std::size_t tries = 0; tries < most_failed; ++tries) {
        const int fd = sys::accept4(door, nullptr, nullptr, flags);
        if (fd >= 0) {
            socket_methods.close(static_cast<std::uintptr_t>(fd));
            ++reset;
        } else if (!is_of_one_client(errno)) {
            break;
        }
    }
    return reset;
}

// It comes to the loop registered.
inline void reactor::welcome(operation& op, reactor_listener& door, int fd) noexcept {
    socket_kind kind = door.kind;
    kind.role = socket_role::stream;
    int raw = 0;
    reactor_state* state = make(fd, kind, raw);
    if (state != nullptr) [[likely]] {
        const std::uint32_t generation = next_generation();
        state_table::entry& place = entry_of(*state);
        raw = watch(fd, generation);
        if (raw == 0) [[likely]] {
            place = {state, generation, steps()};
            core().give(op, *state);
            ++door.counts.accepted;
            return;
        }
    }
    turn_away(op, fd, state, raw);
}

void reactor::turn_away(operation& op, int fd, reactor_state* state, int raw) noexcept {
    if (state != nullptr) {
        discard(*state);
    }
    socket_methods.close(static_cast<std::uintptr_t>(fd));
    ++op.state->as_listener()->counts.shed;
    settle_error(op, decode(op.what, raw));
}

inline progress reactor::finish_accept(operation& op, reactor_listener& door) noexcept {
    if (op.what != verb::accept) [[unlikely]] {
        return accept_detached(op, door) ? progress::done : accept_failed(op, door);
    }
    const int fd = sys::accept4(door.fd, nullptr, nullptr, flags);
    if (fd < 0) [[unlikely]] {
        return accept_failed(op, door);
    }
    welcome(op, door, fd);
    return progress::done;
}

// `count` is that of the clients in a row that failed.
progress reactor::accept_failed(operation& op, reactor_listener& door) noexcept {
    const int raw = errno;
    if (raw == EAGAIN || raw == EWOULDBLOCK) {
        op.count = 0;
        door.clear(mark::asks);
        return progress::wait_readable;
    }
    if (!is_of_one_client(raw)) {
        shed(door, door, raw);
        settle_error(op, decode(op.what, raw));
        return progress::done;
    }
    door.counts.absorbed += raw != EINTR ? 1 : 0;
    if (++op.count < most_failed) {
        return finish_accept(op, door);
    }
    op.count = 0;
    door.set(mark::again);
    return progress::wait_readable;
}

bool reactor::submit_accept(operation& op, reactor_listener& door) {
    const bool asks = door.has(mark::asks) && door.reading.empty();  // in order
    return (asks && finish_accept(op, door) == progress::done) || wait_for(op);
}

// R71: as many as wait, up to a bound; what is left is told again.
void reactor::serve_accepts(reactor_listener& state, completions& finished) {
    constexpr int most = 64;
    operation* op = nullptr;
    for (int served = 0; (op = state.reading.front()) != nullptr && !op->paused; ++served) {
        if (served == most) {
            state.set(mark::again);
        }
        if (served == most || finish_accept(*op, state) != progress::done) {
            pause(state);
            return;
        }
        leave(*op, state);
        finished.push(*op);
    }
}

}  // namespace thole::detail
