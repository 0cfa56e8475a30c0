// SPDX-License-Identifier: BSL-1.0
// Between an endpoint and the system's own form of an address.
#pragma once

#include <thole/endpoint.hpp>

#include "posix/platform.hpp"

namespace thole::detail {

// A name as the system takes and gives it: room for what an endpoint can hold, and no more.
struct native_address {
    union {
        sockaddr any;
        sockaddr_in v4;
        sockaddr_in6 v6{};
    };
    socklen_t length = 0;
};

[[nodiscard]] int native_family(address_family family) noexcept;
[[nodiscard]] native_address to_native(const endpoint& from) noexcept;
// An empty endpoint for what is neither IPv4 nor IPv6.
[[nodiscard]] endpoint from_native(const sockaddr* from, socklen_t length) noexcept;

}  // namespace thole::detail
