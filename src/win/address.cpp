// SPDX-License-Identifier: BSL-1.0
#include "win/address.hpp"

#include <cstring>

namespace thole::detail {
namespace {

// Between the host's order and the network's; every Windows is little-endian.
std::uint16_t swapped(std::uint16_t port) noexcept {
    return static_cast<std::uint16_t>((port << 8) | (port >> 8));
}

}  // namespace

int to_native(const endpoint& from, native_address& to) noexcept {
    switch (from.family()) {
    case address_family::ipv4:
        to.v4 = sockaddr_in{};
        to.v4.sin_family = AF_INET;
        to.v4.sin_port = swapped(from.port());
        std::memcpy(&to.v4.sin_addr, from.bytes().data(), sizeof to.v4.sin_addr);
        return sizeof to.v4;
    case address_family::ipv6:
        to.v6 = sockaddr_in6{};
        to.v6.sin6_family = AF_INET6;
        to.v6.sin6_port = swapped(from.port());
        to.v6.sin6_scope_id = from.scope();
        std::memcpy(&to.v6.sin6_addr, from.bytes().data(), sizeof to.v6.sin6_addr);
        return sizeof to.v6;
    case address_family::none:
        break;
    }
    to.any = sockaddr{};
    return 0;
}

endpoint from_native(const native_address& from) noexcept {
    if (from.any.sa_family == AF_INET) {
        endpoint::ipv4_bytes bytes;
        std::memcpy(bytes.data(), &from.v4.sin_addr, bytes.size());
        return {bytes, swapped(from.v4.sin_port)};
    }
    if (from.any.sa_family == AF_INET6) {
        endpoint::ipv6_bytes bytes;
        std::memcpy(bytes.data(), &from.v6.sin6_addr, bytes.size());
        return {bytes, swapped(from.v6.sin6_port),
                static_cast<std::uint32_t>(from.v6.sin6_scope_id)};
    }
    return {};
}

int local_name(SOCKET socket, endpoint& name) noexcept {
    native_address address{};
    int length = sizeof address;
    if (sys::getsockname(socket, &address.any, &length) != 0) {
        return sys::WSAGetLastError();
    }
    name = from_native(address);
    return 0;
}

int peer_name(SOCKET socket, endpoint& name) noexcept {
    native_address address{};
    int length = sizeof address;
    if (sys::getpeername(socket, &address.any, &length) != 0) {
        return sys::WSAGetLastError();
    }
    name = from_native(address);
    return 0;
}

}  // namespace thole::detail
