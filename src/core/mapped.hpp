// SPDX-License-Identifier: BSL-1.0
// IPv4 addresses within IPv6: ::ffff:0:0/96 (RFC 4291 §2.5.5.2).
#pragma once

#include <algorithm>

#include <thole/endpoint.hpp>

namespace thole::detail {

[[nodiscard]] inline bool is_mapped(const endpoint::ipv6_bytes& bytes) noexcept {
    return std::all_of(bytes.begin(), bytes.begin() + 10, [](auto b) { return b == 0; }) &&
           bytes[10] == 0xff && bytes[11] == 0xff;
}

}  // namespace thole::detail
