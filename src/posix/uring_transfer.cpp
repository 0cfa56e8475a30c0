// SPDX-License-Identifier: BSL-1.0
#include <algorithm>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"
#include "posix/handle.hpp"
#include "posix/outcome.hpp"
#include "posix/uring.hpp"

namespace thole::detail {
namespace {

// The pieces of a gather or a scatter, beside the request.
msghdr& to_message(const operation& op, attachment& beside) noexcept {
    std::size_t used = 0;
    static_cast<void>(remaining_pieces(op, most_pieces, [&](std::byte* bytes, std::size_t length) {
        beside.pieces[used++] = {bytes, length};
    }));
    beside.message = {};
    beside.message.msg_iov = beside.pieces;
    beside.message.msg_iovlen = used;
    return beside.message;
}

}  // namespace

// Never MSG_WAITALL: a request that moved a part and then met the connection's end tells of the
// part alone, and that end would be told to nobody.
void prepare_transfer(operation& op, const uring_state& state, io_uring_sqe& request,
                      attachment& beside, char& glance) noexcept {
    std::byte* const bytes = static_cast<std::byte*>(op.buffer) + op.count;
    const std::size_t left = std::min(op.length - op.count, most_at_once);
    if (uses_writing(op.what)) {
        if (op.vectored) {
            io_uring_prep_sendmsg(&request, state.fd, &to_message(op, beside), MSG_NOSIGNAL);
        } else {
            io_uring_prep_send(&request, state.fd, bytes, left, MSG_NOSIGNAL);  // R72
        }
        return;
    }
    if (op.what == verb::closed) {
        io_uring_prep_poll_add(&request, state.fd,
                               POLLRDHUP);  // and a reset, which is not asked for
        return;
    }
    const int flags = is_look(op.what) ? MSG_PEEK : 0;
    if (op.what == verb::wait_readable) {
        io_uring_prep_recv(&request, state.fd, &glance, 1, flags);
    } else if (op.vectored) {
        io_uring_prep_recvmsg(&request, state.fd, &to_message(op, beside),
                              static_cast<unsigned>(flags));
    } else {
        io_uring_prep_recv(&request, state.fd, bytes, left, flags);
    }
    if (!state.readable) {  // R63: it is drained, so that to ask at once would be in vain
        request.ioprio = IORING_RECVSEND_POLL_FIRST;
    }
}

bool settle_ended_early(operation& op) noexcept {
    if (op.why == reason::none) {
        return false;
    }
    settle_aborted(op, ECANCELED);
    return true;
}

step go_on_after(operation& op, uring_state& state, int raw) noexcept {
    if (is_ended_early(raw)) {
        return settle_ended_early(op) ? step::done : step::again;
    }
    if (raw == EAGAIN && op.why == reason::none) {
        // R98: somebody who shares the socket has made it non-blocking.
        raw = set_blocking(state.fd, true);
        if (raw == 0) {
            return step::again;
        }
    }
    if (op.what == verb::wait_readable && keeps_end(state, raw)) {
        settle_done(op);  // the system has told it now; the read that follows tells it again
    } else {
        settle_failed(op, state, raw);
    }
    return step::done;
}

namespace {

// What was asked for has not all moved.
step go_on(operation& op) noexcept {
    if (is_complete(op)) {
        settle_done(op);
        return step::done;
    }
    return settle_ended_early(op) ? step::done : step::again;
}

}  // namespace

step finish_read(operation& op, uring_state& state, completion came) noexcept {
    if (came.result < 0) {
        return go_on_after(op, state, -came.result);
    }
    if (op.what == verb::wait_readable || op.what == verb::closed) {
        state.readable = true;
        settle_done(op);
        return step::done;
    }
    if (came.result == 0) {
        settle_ended(op, state);
        return step::done;
    }
    state.readable = op.what == verb::peek || (came.flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
    op.count += static_cast<std::size_t>(came.result);
    return go_on(op);
}

step finish_write(operation& op, uring_state& state, int came) noexcept {
    if (came < 0) {
        return go_on_after(op, state, -came);
    }
    op.count += static_cast<std::size_t>(came);
    state.stuffed = !is_complete(op);
    return go_on(op);
}

step finish_undecided(operation& op, uring_state& state, int came) noexcept {
    if (came != -EAGAIN) {
        return finish_write(op, state, came);
    }
    state.stuffed = true;
    return settle_ended_early(op) ? step::done : step::again;
}

}  // namespace thole::detail
