// SPDX-License-Identifier: BSL-1.0
/// \file
/// Connecting.
#pragma once

#include <chrono>
#include <type_traits>

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/endpoint.hpp>
#include <thole/operation.hpp>
#include <thole/result.hpp>
#include <thole/socket.hpp>

namespace thole::tcp {

/// What connect() may be given besides the target.
struct connect_options {
    endpoint local{};        ///< the address to come from; empty: the system chooses
    bool no_delay = false;   ///< TCP_NODELAY from the start
    int send_buffer = 0;     ///< SO_SNDBUF, in bytes; 0: the system's. See socket::send_buffer()
    int receive_buffer = 0;  ///< SO_RCVBUF, in bytes; 0: the system's
    /// TCP_USER_TIMEOUT, which bounds the connecting too; 0: the system's. The deadline rules where
    /// it is the shorter one.
    std::chrono::milliseconds user_timeout{0};
};
static_assert(std::is_trivially_copyable_v<connect_options>);

/// The operation behind tcp::connect().
class connect_op : public operation {
public:
    using result_type = result<socket>;
    connect_op() noexcept = default;
    connect_op(loop& on, const endpoint& target, const connect_options& options,
               deadline until) noexcept {
        prepare(on, target, options, until);
    }
    THOLE_API void prepare(loop& on, const endpoint& target, const connect_options& options = {},
                           deadline until = {}) noexcept;
    [[nodiscard]] THOLE_API result<socket> take() noexcept;

    /// Where it connects to.
    [[nodiscard]] const endpoint& target() const noexcept { return target_; }

private:
    friend struct detail::loop_core;
    endpoint target_;
    connect_options options_;
    socket made_;
};

/// Connects to `target` from a socket made for this attempt alone. Gives the connected socket. The
/// unspecified address (0.0.0.0, ::) means this machine's loopback on every platform. A failed,
/// cancelled or late attempt leaves nothing open; a connection that was made is the result, also
/// when the deadline or a cancel came meanwhile.
///
/// Errors: connection_refused (also for a connection to itself, RFC 9293 §3.5), timed_out (the
/// kernel gave up), errc::deadline_reached, errc::cancelled, network_unreachable, host_unreachable,
/// connection_reset, address_not_available (also: no local port left), address_in_use and
/// permission_denied for `options.local`, invalid_argument (an empty target, port 0, families that
/// do not match, a negative option), operation_not_supported (an option that the system does not
/// have), too_many_files_open, and what loop::error() gives.
[[nodiscard]] inline awaitable<connect_op> connect(loop& on, const endpoint& target,
                                                   connect_options options = {},
                                                   deadline until = never) noexcept {
    return awaitable<connect_op>(on, target, options, until);
}
/// The same without options.
[[nodiscard]] inline awaitable<connect_op> connect(loop& on, const endpoint& target,
                                                   deadline until) noexcept {
    return awaitable<connect_op>(on, target, connect_options{}, until);
}

}  // namespace thole::tcp
