// SPDX-License-Identifier: BSL-1.0
// The verbs of the overlapped kind of kernel: a pair of functions each.
#pragma once

#include <cstdint>

#include "core/backend.hpp"
#include "core/error_table.hpp"
#include "win/iocp.hpp"

namespace thole::detail {

// What came of a step. `done`: settled, and no packet will come. `in_kernel`: one will; finish is
// called then. `in_line`: none will; it waits for a buffer, and is submitted anew, or for an end
// that only looking tells of.
enum class progress : std::uint8_t { done, in_kernel, in_line };

[[nodiscard]] progress start_connect(operation& op, iocp_state& state) noexcept;
[[nodiscard]] progress finish_connect(operation& op, iocp_state& state) noexcept;

// Makes the inbound queue of a socket that listens now and posts its requests; 0 or a code.
[[nodiscard]] int open_inbound(listener_state& state) noexcept;
// An accept waits for the inbound queue; it has nothing in the kernel itself.
[[nodiscard]] progress start_accept(operation& op, listener_state& state) noexcept;
// One of the listener's requests has come back.
void finish_standing(standing_accept& slot, completions& finished);
// Fewer requests stand than the pool asks for.
[[nodiscard]] bool is_short(const listener_state& state) noexcept;
// After a batch, or after some were claimed: posts what is missing. False: it could not be done
// now, and where nothing stands at all, whoever waits is told why.
[[nodiscard]] bool restock(listener_state& state, completions& finished);
// Takes everything back; requests still come back after this.
void close_inbound(listener_state& state) noexcept;

// closed, wait_readable, peek, receive, read, read_exactly, write, write_some.
[[nodiscard]] progress start_transfer(operation& op, iocp_state& state) noexcept;
[[nodiscard]] progress finish_transfer(operation& op, iocp_state& state) noexcept;
// After news: whether that was the end of what the peer sends.
[[nodiscard]] bool has_ended(const iocp_state& state) noexcept;

// ---- An operation's OVERLAPPED.

static_assert(sizeof(native_storage) >= sizeof(OVERLAPPED));
static_assert(alignof(native_storage) >= alignof(OVERLAPPED));

[[nodiscard]] inline OVERLAPPED& overlapped_of(operation& op) noexcept {
    return *reinterpret_cast<OVERLAPPED*>(static_cast<native_storage&>(op).words);
}
[[nodiscard]] inline operation& operation_of(OVERLAPPED& overlapped) noexcept {
    return static_cast<operation&>(*reinterpret_cast<native_storage*>(&overlapped));
}

// ---- The three outcomes of an overlapped call, decided here for all of them (R5).

enum class call : std::uint8_t {
    finished,  // at once, and no packet will come
    pending,   // a packet will come, with success or not
    failed,    // no packet will come
};

[[nodiscard]] inline call outcome_of(int raw, bool skips) noexcept {
    if (raw == 0) {
        return skips ? call::finished : call::pending;
    }
    return raw == WSA_IO_PENDING ? call::pending : call::failed;
}

// A failure. "Aborted" is the kernel's word that it heard us; what a closed socket's operations end
// with has several names (R47).
[[nodiscard]] inline progress settle_failure(operation& op, int raw) noexcept {
    if (raw == ERROR_OPERATION_ABORTED || op.why == reason::closed) {
        settle_aborted(op, ERROR_OPERATION_ABORTED);
    } else {
        settle_error(op, decode(acts_as(op), raw));
    }
    return progress::done;
}

}  // namespace thole::detail
