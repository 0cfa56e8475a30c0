// SPDX-License-Identifier: BSL-1.0
/// \file
/// Two connected sockets.
#pragma once

#include <thole/deadline.hpp>
#include <thole/export.hpp>
#include <thole/result.hpp>
#include <thole/socket.hpp>
#include <thole/task.hpp>

namespace thole::tcp {

/// Both ends of one connection: what one writes, the other reads.
struct socket_pair {
    socket first;   ///< the one that connected
    socket second;  ///< the accepted one
};

/// A connection of `on` with itself over 127.0.0.1, for tests and for handing bytes between parts
/// of a program. Both ends are known to be each other's: whoever else connects to the port that it
/// takes for that is turned away. `until` bounds all of it.
///
///     auto both = on.block_on(tcp::pair(on));
///
/// Errors: those of listener::open(), connect() and accept().
[[nodiscard]] THOLE_API task<result<socket_pair>> pair(loop& on, deadline until = never);

}  // namespace thole::tcp
