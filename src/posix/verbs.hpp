// SPDX-License-Identifier: BSL-1.0
// The verbs of the readiness kind of kernel: a pair of functions each. Any that waits may set
// state.has(mark::again).
#pragma once

#include <cstdint>

#include "core/loop_core.hpp"
#include "posix/reactor.hpp"
#include "posix/sys.hpp"

namespace thole::detail {

// read, read_exactly and receive, which has a buffer from the moment that there may be something
// for it, and gives it back if there is not. The system is asked only where there may be something.
// The commonest case, some bytes into one buffer, stands here in few instructions.
// read_rest() goes on after a first step: what recv() gave for one buffer.
[[nodiscard]] progress read_unusual(operation& op, reactor_state& state) noexcept;
[[nodiscard]] progress read_rest(operation& op, reactor_state& state, ssize_t first) noexcept;
[[nodiscard]] inline bool borrow(operation& op, reactor_state& state) noexcept {
    return state.core->lent->take(static_cast<tcp::receive_op&>(op));
}
[[nodiscard]] inline progress finish_read(operation& op, reactor_state& state) noexcept {
    if (!takes_some(op.what) || op.vectored) {
        return read_unusual(op, state);
    }
    if (op.what == verb::receive && !borrow(op, state)) {
        return state.core->lent->starve(static_cast<tcp::receive_op&>(op)) ? progress::wait_readable
                                                                           : progress::done;
    }
    const ssize_t moved = sys::recv(state.fd, op.buffer, op.length, 0);
    if (moved <= 0) {
        return read_rest(op, state, moved);
    }
    op.count = static_cast<std::size_t>(moved);
    if (op.count < op.length && !state.has(mark::wary)) {
        state.clear(mark::asks);  // R63: it is drained, and an edge will tell of more
    }
    settle_done(op);
    return progress::done;
}
[[nodiscard]] inline progress start_read(operation& op, reactor_state& state) noexcept {
    return state.has(mark::asks) ? finish_read(op, state) : progress::wait_readable;
}

// write and write_some. write_rest() goes on after a first step: what send() gave.
[[nodiscard]] progress write_rest(operation& op, reactor_state& state, ssize_t first) noexcept;
[[nodiscard]] progress finish_write(operation& op, reactor_state& state) noexcept;

// The commonest news, some bytes for a plain read or a receive, goes its way without a call of
// ours. While a read waits `asks` is not marked; after a short one it stays so (R63), for an edge
// will tell of more.
inline void reactor::ready(reactor_state& state, std::uint32_t events, completions& finished) {
    constexpr std::uint8_t usual = mark::receive | mark::wary | mark::submitted;
    if ((events & ~event::writable) != event::readable || (state.marks & usual) != mark::plain)
        [[unlikely]] {
        const bool receives = (state.marks & usual) == mark::receive;
        if ((events & ~event::writable) != event::readable || !receives ||
            !borrow(*state.reading.front(), state)) {
            ready_unusual(state, events, finished);
            return;
        }
    }
    operation* op = state.reading.front();
    const ssize_t moved = sys::recv(state.fd, op->buffer, op->length, 0);
    const auto count = static_cast<std::size_t>(moved);
    if (moved <= 0 || count == op->length) {
        read_to_the_end(*op, moved, finished);
        return;
    }
    op->count = count;
    settle_done(*op);
    op->state->reading.remove_alone();
    op->state->clear(mark::receive);
    finished.push_done(*op);
}

}  // namespace thole::detail
