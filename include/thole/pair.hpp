// SPDX-License-Identifier: BSL-1.0
/// \file
/// Two sockets that are connected with each other.
#pragma once

#include <thole/deadline.hpp>
#include <thole/loop.hpp>
#include <thole/result.hpp>
#include <thole/socket.hpp>
#include <thole/task.hpp>

namespace thole::tcp {

/// What pair() gives.
struct socket_pair {
    socket first;   ///< the one that connected
    socket second;  ///< the accepted one
};

/// Two TCP sockets of `on`, connected with each other over this machine's loopback address (IPv4),
/// for tests and for what talks to itself. Each has seen the other's name: a stranger that connects
/// to the port in between is sent away, and never becomes an end of the pair.
///
/// Errors: those of listener::open(), connect() and listener::accept(); connection_aborted if
/// nobody but strangers came. The port it listened on is free again when this ends. `until` is one
/// budget over all of it.
[[nodiscard]] THOLE_API task<result<socket_pair>> pair(loop& on, deadline until = never);

}  // namespace thole::tcp
