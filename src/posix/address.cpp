// SPDX-License-Identifier: BSL-1.0
#include "posix/address.hpp"

#include <cstring>

namespace thole::detail {

int native_family(address_family family) noexcept {
    return family == address_family::ipv6 ? AF_INET6 : AF_INET;
}

native_address to_native(const endpoint& from) noexcept {
    native_address to;
    if (from.family() == address_family::ipv4) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(from.port());
        std::memcpy(&name.sin_addr, from.bytes().data(), sizeof name.sin_addr);
        to.v4 = name;
        to.length = sizeof name;
    } else if (from.family() == address_family::ipv6) {
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_port = htons(from.port());
        name.sin6_scope_id = from.scope();
        std::memcpy(&name.sin6_addr, from.bytes().data(), sizeof name.sin6_addr);
        to.v6 = name;
        to.length = sizeof name;
    }
    return to;
}

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
