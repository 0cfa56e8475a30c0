// SPDX-License-Identifier: BSL-1.0
/// \file
/// Connecting.
#pragma once

#include <chrono>
#include <type_traits>
#include <utility>

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/endpoint.hpp>
#include <thole/loop.hpp>
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
    void prepare(loop& on, const endpoint& target, const connect_options& options = {},
                 deadline until = {}) noexcept {
        made_.close();
        reset(verb::connect, nullptr, until);
        on_ = on.core();
        target_ = target;
        options_ = options;
        length = 0;
        connected = false;
    }
    [[nodiscard]] result<socket> take() noexcept {
        state = nullptr;
        if (error != 0) [[unlikely]] {
            made_.close();
            return unexpected(failure());
        }
        return std::move(made_);
    }

    /// Where it connects to.
    [[nodiscard]] const endpoint& target() const noexcept { return target_; }

    bool connected = false;  ///< the backend's: what is left to do is sending

protected:
    /// What take() gives, also where it was made and the sending failed.
    [[nodiscard]] socket take_made() noexcept {
        state = nullptr;
        return std::move(made_);
    }

private:
    friend struct detail::loop_core;
    detail::loop_core* on_ = nullptr;
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

/// A connection, and what became of the data that went with it.
struct connection {
    tcp::socket socket;  ///< connected
    transfer sent;       ///< how much of the data the system took, and what ended that early
};

/// The operation behind tcp::connect_with_data().
class connect_with_data_op : public connect_op {
public:
    using result_type = result<connection>;
    connect_with_data_op() noexcept = default;
    connect_with_data_op(loop& on, const endpoint& target, const_bytes data,
                         const connect_options& options, deadline until) noexcept {
        prepare(on, target, data, options, until);
    }
    THOLE_API void prepare(loop& on, const endpoint& target, const_bytes data,
                           const connect_options& options = {}, deadline until = {}) noexcept;
    [[nodiscard]] THOLE_API result<connection> take() noexcept;
};

/// As connect(), and sends `data` as early as the system can: with the SYN where it knows the
/// server for that (TCP Fast Open, RFC 7413, Linux with net.ipv4.tcp_fastopen), with ConnectEx on
/// Windows (16 KiB of it), else, or the rest, right after the handshake. The peer reads it once,
/// whichever way it went; but with Fast Open a server may see the data of an attempt that this side
/// gave up, so let it be a request that may be repeated (RFC 7413 §6.1).
///
/// It finishes when the connection is made and all of the data is taken, or cannot be. A connection
/// that was made is the result whatever became of the data: `sent` tells how many bytes the system
/// took and what ended that early, the deadline and a cancel among it. An error means that there is
/// no connection, and nothing was sent. The errors are those of connect(), those of `sent` those of
/// socket::write(). The data stays the caller's, untouched at its place until the end.
[[nodiscard]] inline awaitable<connect_with_data_op>
connect_with_data(loop& on, const endpoint& target, const_bytes data, connect_options options = {},
                  deadline until = never) noexcept {
    return awaitable<connect_with_data_op>(on, target, data, options, until);
}
/// The same without options.
[[nodiscard]] inline awaitable<connect_with_data_op>
connect_with_data(loop& on, const endpoint& target, const_bytes data, deadline until) noexcept {
    return awaitable<connect_with_data_op>(on, target, data, connect_options{}, until);
}

}  // namespace thole::tcp
