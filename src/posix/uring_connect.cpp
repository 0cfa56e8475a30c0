// SPDX-License-Identifier: BSL-1.0
#include "core/error_table.hpp"
#include "core/loop_core.hpp"
#include "posix/handle.hpp"
#include "posix/outcome.hpp"
#include "posix/uring.hpp"

namespace thole::detail {

// An operation that is `spent` has begun by another call than the request: its end is waited for,
// since to ask again would be an error (R98).
bool begin_connect(operation& op, uring_state& state) noexcept {
    if (op.length == 0) {
        return false;
    }
    const int raw = begin_fast_open(op, state.fd, static_cast<tcp::connect_op&>(op).target());
    if (raw == EINPROGRESS) {
        op.spent = true;
    } else if (raw != EOPNOTSUPP) {
        settle_refused(op, raw);
        return true;
    }
    return false;
}

void prepare_connect(operation& op, const uring_state& state, io_uring_sqe& request,
                     attachment& beside) noexcept {
    if (op.spent) {
        io_uring_prep_poll_add(&request, state.fd, POLLOUT);
        return;
    }
    beside.address = to_native(static_cast<tcp::connect_op&>(op).target());
    io_uring_prep_connect(&request, state.fd, &beside.address.any, beside.address.length);
}

namespace {

// What the poll of a socket that connects by itself says: 0, or why not; EAGAIN: nothing yet.
int result_of_poll(int fd, int events) noexcept {
    if ((events & (POLLERR | POLLHUP)) == 0) {
        return 0;
    }
    const int raw = pending_error(fd);
    endpoint peer;
    return raw == 0 && peer_name(fd, peer) != 0 ? EAGAIN : raw;
}

}  // namespace

step uring::made(operation& op, uring_state& state) noexcept {
    auto& connecting = static_cast<tcp::connect_op&>(op);
    if (is_to_itself(state, connecting.target())) {
        settle_refused(op, ECONNREFUSED);
        return step::done;
    }
    connecting.connected = true;
    note_connected(state);
    if (op.count < op.length) {
        return settle_ended_early(op) ? step::done : step::again;
    }
    settle_done(op);
    return step::done;
}

step uring::finish_connect(operation& op, uring_state& state, int came) noexcept {
    if (static_cast<tcp::connect_op&>(op).connected) {  // the rest of what it was given to send
        return finish_write(op, state, came);
    }
    const int raw = came >= 0 && op.spent ? result_of_poll(state.fd, came) : came < 0 ? -came : 0;
    // EISCONN: an earlier request of ours has made it.
    if (raw == 0 || raw == EISCONN || is_made_in_spite_of(raw, state)) {
        return made(op, state);
    }
    if (is_ended_early(raw) && settle_ended_early(op)) {
        return step::done;
    }
    if (is_ended_early(raw)) {  // R79: what may have begun is asked for again, and says so
        return step::again;
    }
    if (raw == EAGAIN || raw == EALREADY || raw == EINPROGRESS) {
        op.spent = true;
        return settle_ended_early(op) ? step::done : step::again;
    }
    settle_refused(op, raw);
    return step::done;
}

}  // namespace thole::detail
