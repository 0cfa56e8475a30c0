// SPDX-License-Identifier: BSL-1.0
#include "posix/address.hpp"

#include <cstring>

namespace thole::detail {

endpoint from_native(const sockaddr* from, socklen_t length) noexcept {
    if (from->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
        sockaddr_in name;
        std::memcpy(&name, from, sizeof name);
        endpoint::ipv4_bytes bytes;
        std::memcpy(bytes.data(), &name.sin_addr, bytes.size());
        return {bytes, ntohs(name.sin_port)};
    }
    if (from->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
        sockaddr_in6 name;
        std::memcpy(&name, from, sizeof name);
        endpoint::ipv6_bytes bytes;
        std::memcpy(bytes.data(), &name.sin6_addr, bytes.size());
        return {bytes, ntohs(name.sin6_port), name.sin6_scope_id};
    }
    return {};
}

}  // namespace thole::detail
