// SPDX-License-Identifier: BSL-1.0
// The verbs of the readiness kind of kernel: a pair of functions each. Any that waits may set
// state.again.
#pragma once

#include <cstdint>

#include "core/loop_core.hpp"
#include "posix/reactor.hpp"
#include "posix/sys.hpp"

namespace thole::detail {

// To be registered with the poller if it goes on, and only then (R53).
[[nodiscard]] progress start_connect(operation& op, reactor_state& state) noexcept;
[[nodiscard]] progress finish_connect(operation& op, reactor_state& state,
                                      std::uint32_t events) noexcept;

[[nodiscard]] progress start_accept(operation& op, reactor_state& state) noexcept;
[[nodiscard]] progress finish_accept(operation& op, reactor_state& state) noexcept;

// A receive: the buffer is taken when there is something for it, and goes back if there is not.
[[nodiscard]] progress finish_receive(operation& op, reactor_state& state) noexcept;

// read and read_exactly. The system is asked only where there may be something. The commonest case,
// some bytes into one buffer, stands here in few instructions.
[[nodiscard]] progress read_unusual(operation& op, reactor_state& state, ssize_t first) noexcept;
[[nodiscard]] inline progress finish_read(operation& op, reactor_state& state) noexcept {
    if (op.what == verb::read && !op.vectored) {
        const ssize_t moved = sys::recv(state.fd, op.buffer, op.length, 0);
        if (moved <= 0) {
            return read_unusual(op, state, moved);
        }
        op.count = static_cast<std::size_t>(moved);
        if (op.count < op.length && !state.wary) {
            state.readable = false;  // R63: it is drained, and an edge will tell of more
        }
        settle_done(op);
        return progress::done;
    }
    return op.what == verb::receive ? finish_receive(op, state) : read_unusual(op, state, 0);
}
[[nodiscard]] inline progress start_read(operation& op, reactor_state& state) noexcept {
    return state.readable ? finish_read(op, state) : progress::wait_readable;
}

// write and write_some. There is nearly always room, so the system is asked at once.
[[nodiscard]] progress write_unusual(operation& op, reactor_state& state, ssize_t first) noexcept;
[[nodiscard]] inline progress start_write(operation& op, reactor_state& state) noexcept {
    if (op.vectored) {
        return write_unusual(op, state, 0);
    }
    const ssize_t moved = sys::send(state.fd, op.buffer, op.length, MSG_NOSIGNAL);  // R72
    if (static_cast<std::size_t>(moved) != op.length) {
        return write_unusual(op, state, moved);
    }
    op.count = op.length;
    settle_done(op);
    return progress::done;
}
[[nodiscard]] progress finish_write(operation& op, reactor_state& state) noexcept;

// The commonest news, bytes for a read, goes its way without a call of ours.
inline void reactor::ready(reactor_state& state, std::uint32_t events, completions& finished) {
    constexpr std::uint32_t usual = event::readable | event::writable;
    if ((events & ~usual) != 0 || !state.writing.empty()) {
        ready_unusual(state, events, finished);
        return;
    }
    if ((events & event::readable) == 0) {
        return;
    }
    state.readable = true;
    operation* op = state.reading.front();
    if (op == nullptr) {
        return;
    }
    if (!takes_some(op->what)) {
        serve_read(state, finished);
    } else if (finish_read(*op, state) == progress::done) {
        state.reading.remove_alone();
        finished.push(*op);
    }
}

}  // namespace thole::detail
