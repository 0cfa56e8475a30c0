// SPDX-License-Identifier: BSL-1.0
/// \file
/// An address and a port.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <thole/export.hpp>
#include <thole/result.hpp>

namespace thole {

/// Which kind of address an endpoint holds.
enum class address_family : std::uint8_t { none, ipv4, ipv6 };

/// An IP address, its scope (IPv6) and a port: a value without any type of the system in it.
/// A default one is empty (`family() == address_family::none`) and stands for "not given".
class endpoint {
public:
    using ipv4_bytes = std::array<std::uint8_t, 4>;   ///< in network order
    using ipv6_bytes = std::array<std::uint8_t, 16>;  ///< in network order

    constexpr endpoint() noexcept = default;
    /// An IPv4 address and a port.
    constexpr endpoint(const ipv4_bytes& address, std::uint16_t port) noexcept
        : port_(port), family_(address_family::ipv4) {
        for (std::size_t i = 0; i < address.size(); ++i) {
            bytes_[i] = address[i];
        }
    }
    /// An IPv6 address, a port, and the interface's number where the address needs one.
    constexpr endpoint(const ipv6_bytes& address, std::uint16_t port,
                       std::uint32_t scope = 0) noexcept
        : bytes_(address), scope_(scope), port_(port), family_(address_family::ipv6) {}

    /// Reads `1.2.3.4:80`, `[2001:db8::1]:80` or `[fe80::1%3]:80` (RFC 4291 §2.2, RFC 5952 §6,
    /// RFC 4007 §11 with a numeric zone). Port 0 is read. Anything else, a name among it, gives
    /// std::errc::invalid_argument. Any thread.
    [[nodiscard]] THOLE_API static result<endpoint> parse(std::string_view text);

    /// 127.0.0.1 or ::1.
    [[nodiscard]] THOLE_API static endpoint loopback(address_family family,
                                                     std::uint16_t port) noexcept;
    /// 0.0.0.0 or ::, every address of this machine. Connecting to it means the loopback address.
    [[nodiscard]] THOLE_API static endpoint any(address_family family, std::uint16_t port) noexcept;

    /// `none` when empty.
    [[nodiscard]] constexpr address_family family() const noexcept { return family_; }
    /// In the order of this machine.
    [[nodiscard]] constexpr std::uint16_t port() const noexcept { return port_; }
    /// IPv6: the interface's number, or 0.
    [[nodiscard]] constexpr std::uint32_t scope() const noexcept { return scope_; }
    /// In network order; an IPv4 address is in the first four.
    [[nodiscard]] constexpr const ipv6_bytes& bytes() const noexcept { return bytes_; }
    [[nodiscard]] constexpr explicit operator bool() const noexcept {
        return family_ != address_family::none;
    }

    [[nodiscard]] THOLE_API bool is_loopback() const noexcept;  ///< 127/8, ::1, or mapped 127/8
    /// 0.0.0.0 or ::
    [[nodiscard]] constexpr bool is_unspecified() const noexcept {
        // Most addresses are told apart by their first byte.
        return bytes_[0] == 0 && family_ != address_family::none && bytes_ == ipv6_bytes{};
    }
    /// The same address with another port.
    [[nodiscard]] constexpr endpoint with_port(std::uint16_t port) const noexcept {
        endpoint other = *this;
        other.port_ = port;
        return other;
    }

    /// `1.2.3.4:80`, or `[2001:db8::1%3]:80` in the form of RFC 5952; `none` when empty.
    [[nodiscard]] THOLE_API std::string to_string() const;

    friend constexpr bool operator==(const endpoint&, const endpoint&) noexcept = default;
    friend constexpr auto operator<=>(const endpoint&, const endpoint&) noexcept = default;

private:
    ipv6_bytes bytes_{};
    std::uint32_t scope_ = 0;
    std::uint16_t port_ = 0;
    address_family family_ = address_family::none;
};

}  // namespace thole
