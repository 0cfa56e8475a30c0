// SPDX-License-Identifier: BSL-1.0
#include <algorithm>

#include "core/loop_core.hpp"
#include "win/handle.hpp"
#include "win/verbs.hpp"

namespace thole::detail {
namespace {

constexpr std::size_t most_pieces = 64;
constexpr std::size_t most_bytes = std::size_t{1} << 30;  // in one call

// The system's vector of what is left. The call copies it, so it may stand on the stack.
struct native_pieces {
    WSABUF pieces[most_pieces];
    DWORD count = 0;

    explicit native_pieces(const operation& op) noexcept {
        std::size_t room = most_bytes;
        remaining_pieces(op, most_pieces, [&](std::byte* bytes, std::size_t length) {
            const std::size_t taken = std::min(length, room);
            room -= taken;
            if (taken > 0) {
                pieces[count].buf = reinterpret_cast<char*>(bytes);
                pieces[count].len = static_cast<ULONG>(taken);
                ++count;
            }
        });
    }
};

// One step of a write. The count is never asked for here (R9): it stands in the OVERLAPPED.
call send(operation& op, const iocp_state& state, int& raw) noexcept {
    native_pieces left(op);
    OVERLAPPED& overlapped = overlapped_of(op);
    overlapped = {};
    const int failed =
        sys::WSASend(state.socket, left.pieces, left.count, nullptr, 0, &overlapped, nullptr);
    raw = failed == 0 ? 0 : sys::WSAGetLastError();
    return outcome_of(raw, state.skips);
}

// What the kernel moved, also before a failure (R107).
std::size_t count_moved(operation& op) noexcept {
    const auto moved = static_cast<std::size_t>(overlapped_of(op).InternalHigh);
    op.count += moved;
    return moved;
}

bool is_unfinished(const operation& op) noexcept {
    return wants_all(op.what) && op.count < total_length(op);
}

// No more will come. A reset is never an end of stream (R106).
void end_reading(operation& op, const iocp_state& state) noexcept {
    if (state.broken != 0) {
        static_cast<void>(settle_failure(op, state.broken));
    } else {
        settle_own(op, errc::end_of_stream);
    }
}

// Settles a step of a write that came back from the kernel, with `raw`, or false: more is to be
// sent.
bool settle_step(operation& op, int raw) noexcept {
    const std::size_t moved = count_moved(op);
    if (moved > 0 && !is_unfinished(op)) {
        settle_done(op);  // an effect beats every reason (R101)
        return true;
    }
    if (raw == 0 && moved > 0 && op.why == reason::none) {
        return false;
    }
    if (raw == 0 && moved > 0) {
        settle_aborted(op, ERROR_OPERATION_ABORTED);
    } else if (raw == 0) {  // nothing was sent, without an error: nobody could go on
        settle_error(op, WSAENOBUFS);
    } else {
        static_cast<void>(settle_failure(op, raw));
    }
    return true;
}

// ---- Reading. A receive of nothing finishes when there is something, and until then no buffer is
// locked: what is idle costs the system no pages (R26). No overlapped receive can peek, and none
// should hold a buffer while it waits: the ordinary kind then does what is asked for.

call await_news(operation& op, const iocp_state& state, int& raw) noexcept {
    WSABUF nothing{};
    DWORD flags = 0;
    OVERLAPPED& overlapped = overlapped_of(op);
    overlapped = {};
    const int failed =
        sys::WSARecv(state.socket, &nothing, 1, nullptr, &flags, &overlapped, nullptr);
    raw = failed == 0 ? 0 : sys::WSAGetLastError();
    return outcome_of(raw, state.skips);
}

// What there is has an end; that the system lacks something says nothing of the connection (R28).
// Who waited is told by the read that follows, others at once.
progress end_look(operation& op, iocp_state& state, int raw) noexcept {
    const bool only_waits = op.what == verb::wait_readable || op.what == verb::closed;
    if (raw == WSAEDISCON) {  // the peer has finished: nothing is broken
        only_waits ? settle_done(op) : end_reading(op, state);
        return progress::done;
    }
    if (raw != ERROR_OPERATION_ABORTED && op.why == reason::none && !is_exhaustion(raw)) {
        state.broken = raw;
        if (only_waits) {
            settle_done(op);
            return progress::done;
        }
    }
    return settle_failure(op, raw);
}

enum class sight : std::uint8_t { settled, nothing_yet, starved };

// True: it has a buffer. False: it stands in line for one, or is settled.
bool borrow(operation& op, iocp_state& state, sight& seen) noexcept {
    auto& receiving = static_cast<tcp::receive_op&>(op);
    buffer_pool& lender = *state.core->lent;
    if (lender.take(receiving)) {
        return true;
    }
    seen = sight::settled;
    if (op.why != reason::none) {  // nothing was taken, and nobody waits any more
        static_cast<void>(settle_failure(op, ERROR_OPERATION_ABORTED));
    } else if (lender.starve(receiving)) {
        seen = sight::starved;
    }
    return false;
}

// What there is now, without waiting.
sight ask_now(operation& op, iocp_state& state, DWORD flags) noexcept {
    native_pieces all(op);
    DWORD seen = 0;
    if (sys::WSARecv(state.socket, all.pieces, all.count, &seen, &flags, nullptr, nullptr) != 0) {
        const int raw = sys::WSAGetLastError();
        if (raw == WSAEWOULDBLOCK) {
            return sight::nothing_yet;
        }
        static_cast<void>(end_look(op, state, raw));
    } else if (seen == 0) {
        end_reading(op, state);
    } else {
        op.count += seen;
        if (is_unfinished(op)) {
            return sight::nothing_yet;
        }
        settle_done(op);
    }
    return sight::settled;
}

// Bytes may lie before the end; they stay. Where they do, no receive would wait.
sight look_behind(operation& op, const iocp_state& state) noexcept {
    if (has_ended(state)) {
        settle_done(op);
    } else if (op.why != reason::none) {
        static_cast<void>(settle_failure(op, ERROR_OPERATION_ABORTED));
    } else {
        return sight::starved;
    }
    return sight::settled;
}

sight look(operation& op, iocp_state& state) noexcept {
    if (op.what == verb::closed) {
        return look_behind(op, state);
    }
    if (op.what == verb::wait_readable) {
        settle_done(op);
        return sight::settled;
    }
    if (!state.nonblocking) {
        if (const int failed = set_blocking(state.socket, false)) {
            static_cast<void>(settle_failure(op, failed));
            return sight::settled;
        }
        state.nonblocking = true;
    }
    if (op.what != verb::receive) {
        return ask_now(op, state, op.what == verb::peek ? MSG_PEEK : 0);
    }
    sight seen{};
    if (borrow(op, state, seen)) {
        seen = ask_now(op, state, 0);
        if (op.count == 0) {
            static_cast<tcp::receive_op&>(op).give_back();
        }
    }
    return seen;
}

progress start_look(operation& op, iocp_state& state) noexcept {
    for (;;) {
        int raw = 0;
        switch (await_news(op, state, raw)) {
        case call::finished:
            switch (look(op, state)) {
            case sight::settled:
                return progress::done;
            case sight::starved:
                return progress::in_line;
            case sight::nothing_yet:
                break;
            }
            break;
        case call::pending:
            return progress::in_kernel;
        case call::failed:
            return end_look(op, state, raw);
        }
    }
}

progress finish_look(operation& op, iocp_state& state) noexcept {
    const int raw = code_of(overlapped_of(op));
    if (raw == ERROR_OPERATION_ABORTED && op.why == reason::none && !op.spent) {
        op.spent = true;  // nobody here asked for that: once more (R17)
        return start_look(op, state);
    }
    if (raw != 0) {
        return end_look(op, state, raw);
    }
    switch (look(op, state)) {
    case sight::settled:
        return progress::done;
    case sight::starved:
        return progress::in_line;
    case sight::nothing_yet:
        break;
    }
    return op.why == reason::none ? start_look(op, state)
                                  : settle_failure(op, ERROR_OPERATION_ABORTED);
}

}  // namespace

bool has_ended(const iocp_state& state) noexcept {
    WSAPOLLFD asked{state.socket, POLLRDNORM, 0};
    u_long unread = 0;
    return sys::WSAPoll(&asked, 1, 0) < 0 ||
           (asked.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0 ||
           sys::ioctlsocket(state.socket, static_cast<long>(FIONREAD), &unread) != 0 || unread == 0;
}

progress start_transfer(operation& op, iocp_state& state) noexcept {
    if (!uses_writing(op.what)) {
        return start_look(op, state);
    }
    for (;;) {
        int raw = 0;
        switch (send(op, state, raw)) {
        case call::finished:
            if (settle_step(op, 0)) {
                return progress::done;
            }
            break;
        case call::pending:
            return progress::in_kernel;
        case call::failed:
            return settle_failure(op, raw);
        }
    }
}

progress finish_transfer(operation& op, iocp_state& state) noexcept {
    if (!uses_writing(op.what)) {
        return finish_look(op, state);
    }
    return settle_step(op, code_of(overlapped_of(op))) ? progress::done : start_transfer(op, state);
}

}  // namespace thole::detail
