// SPDX-License-Identifier: BSL-1.0
#include <algorithm>

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

// One step. The count is never asked for here (R9): it stands in the OVERLAPPED.
call move(operation& op, const iocp_state& state, int& raw) noexcept {
    native_pieces left(op);
    OVERLAPPED& overlapped = overlapped_of(op);
    overlapped = {};
    int failed = 0;
    if (is_write(op.what)) {
        failed =
            sys::WSASend(state.socket, left.pieces, left.count, nullptr, 0, &overlapped, nullptr);
    } else {
        DWORD flags = 0;  // MSG_WAITALL is not heard everywhere: read_exactly goes on by itself
        failed = sys::WSARecv(state.socket, left.pieces, left.count, nullptr, &flags, &overlapped,
                              nullptr);
    }
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

// Settles a step that came back from the kernel, with `raw`, or false: more is to be asked for.
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
    } else if (!is_write(op.what) && (raw == 0 || raw == WSAEDISCON)) {
        settle_own(op, errc::end_of_stream);
    } else if (raw == 0) {  // nothing was sent, without an error: nobody could go on
        settle_error(op, WSAENOBUFS);
    } else {
        static_cast<void>(settle_failure(op, raw));
    }
    return true;
}

}  // namespace

progress start_transfer(operation& op, iocp_state& state) noexcept {
    for (;;) {
        int raw = 0;
        switch (move(op, state, raw)) {
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
    const int raw = code_of(overlapped_of(op));
    if (raw == ERROR_OPERATION_ABORTED && op.why == reason::none && !is_write(op.what) &&
        overlapped_of(op).InternalHigh == 0 && !op.spent) {
        op.spent = true;  // nobody here asked for that: once more (R17)
        return start_transfer(op, state);
    }
    return settle_step(op, raw) ? progress::done : start_transfer(op, state);
}

}  // namespace thole::detail
