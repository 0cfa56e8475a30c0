// SPDX-License-Identifier: BSL-1.0
// Between an endpoint and the system's own form of an address.
#pragma once

#include <cstring>

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

[[nodiscard]] constexpr int native_family(address_family family) noexcept {
    return family == address_family::ipv6 ? AF_INET6 : AF_INET;
}
[[nodiscard]] inline native_address to_native(const endpoint& from) noexcept {
    native_address to;
    if (from.family() == address_family::ipv4) {
        to.v4.sin_family = AF_INET;
        to.v4.sin_port = htons(from.port());
        std::memcpy(&to.v4.sin_addr, from.bytes().data(), sizeof to.v4.sin_addr);
        to.length = sizeof to.v4;
    } else if (from.family() == address_family::ipv6) {
        to.v6.sin6_family = AF_INET6;
        to.v6.sin6_port = htons(from.port());
        to.v6.sin6_scope_id = from.scope();
        std::memcpy(&to.v6.sin6_addr, from.bytes().data(), sizeof to.v6.sin6_addr);
        to.length = sizeof to.v6;
    }
    return to;
}
// An empty endpoint for what is neither IPv4 nor IPv6.
[[nodiscard]] endpoint from_native(const sockaddr* from, socklen_t length) noexcept;

}  // namespace thole::detail
