// SPDX-License-Identifier: BSL-1.0
#include <thole/endpoint.hpp>

#include "core/mapped.hpp"

namespace thole {

endpoint endpoint::loopback(address_family family, std::uint16_t port) noexcept {
    if (family == address_family::ipv4) {
        return {ipv4_bytes{127, 0, 0, 1}, port};
    }
    ipv6_bytes bytes{};
    bytes.back() = 1;
    return {bytes, port};
}

endpoint endpoint::any(address_family family, std::uint16_t port) noexcept {
    if (family == address_family::ipv4) {
        return {ipv4_bytes{}, port};
    }
    return {ipv6_bytes{}, port};
}

bool endpoint::is_loopback() const noexcept {
    if (family_ == address_family::ipv4) {
        return bytes_[0] == 127;
    }
    return family_ == address_family::ipv6 && (bytes_ == loopback(address_family::ipv6, 0).bytes_ ||
                                               (detail::is_mapped(bytes_) && bytes_[12] == 127));
}

}  // namespace thole
