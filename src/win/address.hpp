// SPDX-License-Identifier: BSL-1.0
// An endpoint in the system's form, and back.
#pragma once

#include <thole/endpoint.hpp>

#include "win/sys.hpp"

namespace thole::detail {

// Room for every address that an endpoint can hold, and no more: a standing accept has two.
union native_address {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

// Gives the length in use; 0 for an empty endpoint.
[[nodiscard]] int to_native(const endpoint& from, native_address& to) noexcept;
// Empty for a family that is not IP.
[[nodiscard]] endpoint from_native(const native_address& from) noexcept;

// Our end, and the peer's; 0 or the system's code.
[[nodiscard]] int local_name(SOCKET socket, endpoint& name) noexcept;
[[nodiscard]] int peer_name(SOCKET socket, endpoint& name) noexcept;

}  // namespace thole::detail
