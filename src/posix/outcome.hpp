// SPDX-License-Identifier: BSL-1.0
// What the kinds of kernel share of a verb: how its end is told. Each stands in the verb's file.
#pragma once

#include "core/backend.hpp"
#include "posix/native_backend.hpp"

namespace thole::detail {

// ---- accept.cpp

// R70: what concerns one client, or nobody.
[[nodiscard]] bool is_of_one_client(int raw) noexcept;

// Takes who waits at a listener, as long as none is to be waited for, and resets them. Gives how
// many they were.
[[nodiscard]] unsigned reset_waiting(int door) noexcept;

// ---- connect.cpp

// R75: a connection to itself, where our port happened to be the target's; that is nobody's
// service. Its close is a reset then.
[[nodiscard]] bool is_to_itself(const native_state& state, const endpoint& target) noexcept;
// There is no connection: what went with the SYN reached nobody.
void settle_refused(operation& op, int raw) noexcept;
// R77: what was given to send goes with the SYN (RFC 7413) where the system knows a cookie for
// that. EINPROGRESS: it has begun, and may have taken some of it; EOPNOTSUPP: the system does not
// do this, and nothing has begun; else why there can be no connection.
[[nodiscard]] int begin_fast_open(operation& op, int fd, const endpoint& target) noexcept;
// What a pending error of a socket that is connecting means; false: that it is not connected.
[[nodiscard]] bool is_made_in_spite_of(int raw, native_state& state) noexcept;

// ---- transfer.cpp

// Pieces a system call, on our stack or in our memory.
inline constexpr std::size_t most_pieces = 64;
[[nodiscard]] bool is_complete(const operation& op) noexcept;
// The connection's end is told once, to whoever asks first: it is kept for the other direction.
bool keeps_end(native_state& state, int raw) noexcept;
// It failed; or no more will come.
void settle_failed(operation& op, native_state& state, int raw) noexcept;
void settle_ended(operation& op, const native_state& state) noexcept;

}  // namespace thole::detail
