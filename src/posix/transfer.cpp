// SPDX-License-Identifier: BSL-1.0
#include <algorithm>

#include "core/error_table.hpp"
#include "posix/handle.hpp"
#include "posix/verbs.hpp"

namespace thole::detail {
namespace {

// Pieces a system call, on our stack.
constexpr std::size_t most_pieces = 64;
// No system takes more bytes at once than an int counts.
constexpr std::size_t most_bytes = std::size_t{1} << 30;
// Sends that the system cut short, in one turn: a peer that reads as fast as we write must not keep
// the others waiting (R65). After a short send an edge is owed.
constexpr int most_short = 8;

// One system call for what is left of the buffers; `asked` is what it could have moved.
ssize_t step_of_pieces(const operation& op, int fd, bool sending, std::size_t& asked) noexcept {
    iovec pieces[most_pieces];
    msghdr message{};
    message.msg_iov = pieces;
    std::size_t used = 0;
    asked = remaining_pieces(op, most_pieces, [&](std::byte* bytes, std::size_t length) {
        pieces[used++] = {bytes, length};
    });
    message.msg_iovlen = used;
    return sending ? sys::sendmsg(fd, &message, MSG_NOSIGNAL) : sys::recvmsg(fd, &message, 0);
}

ssize_t step(const operation& op, int fd, bool sending, std::size_t& asked) noexcept {
    if (op.vectored) {
        return step_of_pieces(op, fd, sending, asked);
    }
    auto* bytes = static_cast<std::byte*>(op.buffer) + op.count;
    asked = std::min(op.length - op.count, most_bytes);
    return sending ? sys::send(fd, bytes, asked, MSG_NOSIGNAL)  // R72
                   : sys::recv(fd, bytes, asked, 0);
}

bool is_complete(const operation& op) noexcept {
    return !wants_all(op.what) || op.count == (op.vectored ? total_length(op) : op.length);
}

progress done(operation& op) noexcept {
    settle_done(op);
    return progress::done;
}

// The connection's end is told once, to whoever asks first: it is kept for the other direction.
progress failed(operation& op, reactor_state& state, int raw) noexcept {
    if (raw == ECONNRESET || raw == ETIMEDOUT || raw == EHOSTUNREACH || raw == ENETUNREACH) {
        state.broken = static_cast<std::uint8_t>(raw);
    } else if (raw == EPIPE && state.broken != 0) {
        raw = state.broken;
    }
    settle_error(op, decode(op.what, raw));
    return progress::done;
}

// No more will come.
progress ended(operation& op, reactor_state& state) noexcept {
    if (state.broken != 0) {  // a reset is never an end of stream (R106)
        settle_error(op, decode(op.what, state.broken));
    } else {
        settle_own(op, errc::end_of_stream);
    }
    return progress::done;
}

progress read_on(operation& op, reactor_state& state) noexcept {
    for (;;) {
        std::size_t asked = 0;
        const ssize_t n = step(op, state.fd, false, asked);
        if (n > 0) {
            const auto moved = static_cast<std::size_t>(n);
            op.count += moved;
            if (moved < asked && !state.wary) {
                state.readable = false;  // R63: it is drained, and an edge will tell of more
            }
            if (is_complete(op)) {
                return done(op);
            }
            if (!state.readable) {
                return progress::wait_readable;
            }
        } else if (n == 0) {
            return ended(op, state);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            state.readable = false;
            return progress::wait_readable;
        } else if (errno != EINTR) {
            return failed(op, state, errno);
        }
    }
}

progress write_on(operation& op, reactor_state& state) noexcept {
    for (int cut = 0; cut < most_short;) {
        std::size_t asked = 0;
        const ssize_t n = step(op, state.fd, true, asked);
        if (n >= 0) {
            const auto moved = static_cast<std::size_t>(n);
            op.count += moved;
            if (is_complete(op)) {
                return done(op);
            }
            cut += moved < asked ? 1 : 0;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            return failed(op, state, errno);
        }
    }
    return progress::wait_writable;
}

}  // namespace

progress start_transfer(operation& op, reactor_state& state) noexcept {
    if (is_write(op.what)) {
        return write_on(op, state);  // there is nearly always room
    }
    return state.readable ? read_on(op, state) : progress::wait_readable;
}

progress finish_transfer(operation& op, reactor_state& state) noexcept {
    return is_write(op.what) ? write_on(op, state) : read_on(op, state);
}

}  // namespace thole::detail
