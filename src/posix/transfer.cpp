// SPDX-License-Identifier: BSL-1.0
#include "core/error_table.hpp"
#include "posix/handle.hpp"
#include "posix/outcome.hpp"
#include "posix/verbs.hpp"

namespace thole::detail {
namespace {

// Sends that the system cut short, in one turn: a peer that reads as fast as we write must not keep
// the others waiting (R65).
constexpr int most_short = 8;

// One system call: what it moved, or -1, and what it could have moved.
struct step {
    ssize_t moved;
    std::size_t asked;
};

step move_pieces(const operation& op, int fd, bool sending, int flags) noexcept {
    iovec pieces[most_pieces];
    msghdr message{};
    message.msg_iov = pieces;
    std::size_t used = 0;
    const std::size_t asked =
        remaining_pieces(op, most_pieces, [&](std::byte* bytes, std::size_t length) {
            pieces[used++] = {bytes, length};
        });
    message.msg_iovlen = used;
    return {sending ? sys::sendmsg(fd, &message, flags) : sys::recvmsg(fd, &message, flags), asked};
}

inline step receive(const operation& op, int fd) noexcept {
    if (op.vectored) {
        return move_pieces(op, fd, false, 0);
    }
    const std::size_t left = op.length - op.count;
    return {sys::recv(fd, static_cast<std::byte*>(op.buffer) + op.count, left, 0), left};
}

inline step transmit(const operation& op, int fd) noexcept {
    if (op.vectored) {
        return move_pieces(op, fd, true, MSG_NOSIGNAL);
    }
    const std::size_t left = op.length - op.count;
    const std::byte* bytes = static_cast<std::byte*>(op.buffer) + op.count;
    return {sys::send(fd, bytes, left, MSG_NOSIGNAL), left};  // R72
}

progress done(operation& op) noexcept {
    settle_done(op);
    return progress::done;
}

progress failed(operation& op, reactor_state& state, int raw) noexcept {
    settle_failed(op, state, raw);
    return progress::done;
}

progress ended(operation& op, const reactor_state& state) noexcept {
    settle_ended(op, state);
    return progress::done;
}

void note_short_read(const step& last, reactor_state& state) noexcept {
    if (static_cast<std::size_t>(last.moved) < last.asked && !state.has(mark::wary)) {
        state.clear(mark::asks);  // R63: it is drained, and an edge will tell of more
    }
}

progress go_on_reading(operation& op, reactor_state& state, step last) noexcept {
    for (;; last = receive(op, state.fd)) {
        if (last.moved > 0) {
            op.count += static_cast<std::size_t>(last.moved);
            note_short_read(last, state);
            if (is_complete(op)) {
                return done(op);
            }
            if (!state.has(mark::asks)) {
                return progress::wait_readable;
            }
        } else if (last.moved == 0) {
            return ended(op, state);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            state.clear(mark::asks);
            return progress::wait_readable;
        } else if (errno != EINTR) {
            return failed(op, state, errno);
        }
    }
}

progress go_on_writing(operation& op, reactor_state& state, step last) noexcept {
    for (int cut = 0;; last = transmit(op, state.fd)) {
        if (last.moved >= 0) {
            op.count += static_cast<std::size_t>(last.moved);
            if (is_complete(op)) {
                return done(op);
            }
            if (static_cast<std::size_t>(last.moved) < last.asked && ++cut == most_short) {
                state.set(mark::again);
                return progress::wait_writable;
            }
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return progress::wait_writable;
        } else if (errno != EINTR) {
            return failed(op, state, errno);
        }
    }
}

ssize_t glance(const operation& op, int fd) noexcept {
    if (op.what == verb::wait_readable) {
        char one = 0;
        return sys::recv(fd, &one, sizeof one, MSG_PEEK);
    }
    return op.vectored ? move_pieces(op, fd, false, MSG_PEEK).moved
                       : sys::recv(fd, op.buffer, op.length, MSG_PEEK);
}

// Bytes may lie before the end, so that no read can tell of it (R61). They stay.
progress look_for_end(operation& op, const reactor_state& state) noexcept {
    pollfd asked{state.fd, POLLIN | POLLRDHUP, 0};
    static_cast<void>(sys::poll(&asked, 1, 0));
    if ((asked.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0) {
        return done(op);
    }
    op.spent = (asked.revents & POLLIN) != 0;
    return progress::wait_readable;
}

// peek and wait_readable. What is there stays there, so that the socket stays readable.
progress look(operation& op, reactor_state& state) noexcept {
    if (op.what == verb::closed) {
        return look_for_end(op, state);
    }
    const bool waits = op.what == verb::wait_readable;
    for (;;) {
        const ssize_t seen = glance(op, state.fd);
        if (seen > 0) {
            op.count = waits ? 0 : static_cast<std::size_t>(seen);
            return done(op);
        }
        if (seen == 0) {
            return waits ? done(op) : ended(op, state);
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            state.clear(mark::asks);
            return progress::wait_readable;
        }
        if (errno != EINTR) {  // the system has told it now; the read that follows tells it again
            return waits && keeps_end(state, errno) ? done(op) : failed(op, state, errno);
        }
    }
}

}  // namespace

// ---- What a transfer's end is.

bool is_complete(const operation& op) noexcept {
    return !wants_all(op.what) || op.count == (op.vectored ? total_length(op) : op.length);
}

bool keeps_end(native_state& state, int raw) noexcept {
    if (raw == ECONNRESET || raw == ETIMEDOUT || raw == EHOSTUNREACH || raw == ENETUNREACH) {
        state.broken = static_cast<std::uint8_t>(raw);
        return true;
    }
    return false;
}

void settle_failed(operation& op, native_state& state, int raw) noexcept {
    if (!keeps_end(state, raw) && raw == EPIPE && state.broken != 0) {
        raw = state.broken;
    }
    settle_error(op, decode(acts_as(op), raw));
}

void settle_ended(operation& op, const native_state& state) noexcept {
    if (state.broken != 0) {  // a reset is never an end of stream (R106)
        settle_error(op, decode(op.what, state.broken));
    } else {
        settle_own(op, errc::end_of_stream);
    }
}

// ---- The verbs.

progress read_unusual(operation& op, reactor_state& state) noexcept {
    if (is_look(op.what)) {
        return look(op, state);
    }
    return go_on_reading(op, state, receive(op, state.fd));
}

progress read_rest(operation& op, reactor_state& state, ssize_t first) noexcept {
    const progress came = go_on_reading(op, state, {first, op.length});
    if (op.what == verb::receive && op.count == 0) {
        static_cast<tcp::receive_op&>(op).give_back();
    }
    return came;
}

progress write_rest(operation& op, reactor_state& state, ssize_t first) noexcept {
    return go_on_writing(op, state, {first, op.length});
}

progress finish_write(operation& op, reactor_state& state) noexcept {
    return go_on_writing(op, state, transmit(op, state.fd));
}

}  // namespace thole::detail
