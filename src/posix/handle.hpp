// SPDX-License-Identifier: BSL-1.0
// A socket's handle: made, asked, closed.
#pragma once

#include <system_error>

#include <thole/error.hpp>

#include "core/backend.hpp"
#include "posix/sys.hpp"

namespace thole::detail {

[[nodiscard]] inline std::error_code system_error(int raw) noexcept {
    return {raw, system_category()};
}

// -1 on failure, with errno.
[[nodiscard]] int open_handle(socket_kind kind, bool blocking) noexcept;
// Never retried: the number is free again whatever close() says (R68).
void close_handle(int fd) noexcept;
// The close that follows is a reset on the wire.
int reset_on_close(int fd) noexcept;
// What the socket's pending error is; reading clears it (R59).
[[nodiscard]] int pending_error(int fd) noexcept;

// Our end, and the peer's: 0 or the system's code.
[[nodiscard]] int local_name(int fd, endpoint& name) noexcept;
[[nodiscard]] int peer_name(int fd, endpoint& name) noexcept;

// The connection's own word: no more of ours follows, and no reset has ended it.
[[nodiscard]] bool has_sent_fin(int fd) noexcept;

// Everything of `control` that concerns the handle alone: 0 or the system's code.
[[nodiscard]] int control_handle(int fd, control_request& request) noexcept;

// Whether calls on it may wait.
[[nodiscard]] int set_blocking(int fd, bool blocking) noexcept;

// The tables of this network's loose sockets: of those that were accepted non-blocking and
// blocking, and of those that were adopted, which are non-blocking.
extern const native_methods socket_methods;
extern const native_methods blocking_methods;
extern const native_methods adopted_methods;
[[nodiscard]] inline bool is_blocking(const loose_socket& loose) noexcept {
    return loose.methods == &blocking_methods;
}
[[nodiscard]] inline bool is_ours(const loose_socket& loose) noexcept {
    return loose.methods == &socket_methods || loose.methods == &adopted_methods ||
           is_blocking(loose);
}

// From the first call on, a child that is forked off counts (R78).
void watch_forks() noexcept;

}  // namespace thole::detail
