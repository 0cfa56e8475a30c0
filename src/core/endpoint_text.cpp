// SPDX-License-Identifier: BSL-1.0
// Addresses as text: RFC 4291 §2.2 in, RFC 5952 out. Apart from endpoint.cpp, since strings are
// much code and most programs print no address.
#include <thole/endpoint.hpp>

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/mapped.hpp"

namespace thole {

namespace {

// A decimal number without sign, blanks or a needless zero in front; all of `text`.
template <class Number>
std::optional<Number> decimal(std::string_view text, std::uint32_t most) noexcept {
    if (text.empty() || text.size() > 10 || (text.size() > 1 && text.front() == '0') ||
        text.front() == '-') {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc{} || end != text.data() + text.size() || value > most) {
        return std::nullopt;
    }
    return static_cast<Number>(value);
}

std::optional<endpoint::ipv4_bytes> parse_ipv4(std::string_view text) noexcept {
    endpoint::ipv4_bytes bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const bool last = i + 1 == bytes.size();
        const std::size_t dot = text.find('.');
        if ((dot == std::string_view::npos) != last) {
            return std::nullopt;
        }
        const auto part = decimal<std::uint8_t>(text.substr(0, dot), 255);
        if (!part) {
            return std::nullopt;
        }
        bytes[i] = *part;
        text.remove_prefix(last ? text.size() : dot + 1);
    }
    return bytes;
}

// The groups of one side of "::"; false when malformed. `used` counts bytes.
bool parse_groups(std::string_view text, bool tail, endpoint::ipv6_bytes& bytes,
                  std::size_t& used) noexcept {
    while (!text.empty()) {
        const std::size_t colon = text.find(':');
        const std::string_view group = text.substr(0, colon);
        if (group.find('.') != std::string_view::npos) {  // an IPv4 address may end it
            const auto ipv4 = parse_ipv4(group);
            if (!ipv4 || !tail || colon != std::string_view::npos || used + 4 > bytes.size()) {
                return false;
            }
            std::copy(ipv4->begin(), ipv4->end(),
                      bytes.begin() + static_cast<std::ptrdiff_t>(used));
            used += 4;
            return true;
        }
        std::uint16_t value = 0;
        const auto [end, failed] =
            std::from_chars(group.data(), group.data() + group.size(), value, 16);
        if (group.empty() || group.size() > 4 || failed != std::errc{} ||
            end != group.data() + group.size() || used + 2 > bytes.size()) {
            return false;
        }
        bytes[used++] = static_cast<std::uint8_t>(value >> 8);
        bytes[used++] = static_cast<std::uint8_t>(value & 0xff);
        if (colon == std::string_view::npos) {
            return true;
        }
        text.remove_prefix(colon + 1);
        if (text.empty()) {
            return false;
        }
    }
    return true;
}

std::optional<endpoint::ipv6_bytes> parse_ipv6(std::string_view text) noexcept {
    const std::size_t gap = text.find("::");
    endpoint::ipv6_bytes head{};
    std::size_t head_used = 0;
    if (gap == std::string_view::npos) {
        if (!parse_groups(text, true, head, head_used) || head_used != head.size()) {
            return std::nullopt;
        }
        return head;
    }
    endpoint::ipv6_bytes rest{};
    std::size_t rest_used = 0;
    if (!parse_groups(text.substr(0, gap), false, head, head_used) ||
        !parse_groups(text.substr(gap + 2), true, rest, rest_used) ||
        head_used + rest_used > head.size() - 2) {
        return std::nullopt;
    }
    std::copy_n(rest.begin(), rest_used, head.end() - static_cast<std::ptrdiff_t>(rest_used));
    return head;
}

unsigned group_at(const endpoint::ipv6_bytes& bytes, std::size_t i) noexcept {
    return (static_cast<unsigned>(bytes[2 * i]) << 8) | bytes[2 * i + 1];
}

void append_hex(std::string& text, unsigned value) {
    char digits[8];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
    text.append(digits, end);
}

std::string ipv4_text(const std::uint8_t* bytes) {
    std::string text;
    for (int i = 0; i < 4; ++i) {
        if (i != 0) {
            text += '.';
        }
        text += std::to_string(bytes[i]);
    }
    return text;
}

// RFC 5952 §4: the first of the longest runs of two or more zero groups becomes "::".
std::string ipv6_text(const endpoint::ipv6_bytes& bytes) {
    if (detail::is_mapped(bytes)) {
        return "::ffff:" + ipv4_text(bytes.data() + 12);
    }
    std::size_t best = 8;
    std::size_t best_length = 1;
    for (std::size_t i = 0; i < 8;) {
        std::size_t end = i;
        while (end < 8 && group_at(bytes, end) == 0) {
            ++end;
        }
        if (end - i > best_length) {
            best = i;
            best_length = end - i;
        }
        i = std::max(end, i + 1);
    }
    std::string text;
    for (std::size_t i = 0; i < 8; ++i) {
        if (i == best) {
            text += "::";
            i += best_length - 1;
            continue;
        }
        if (!text.empty() && text.back() != ':') {
            text += ':';
        }
        append_hex(text, group_at(bytes, i));
    }
    return text;
}

}  // namespace

result<endpoint> endpoint::parse(std::string_view text) {
    const auto malformed = unexpected(std::errc::invalid_argument);
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return malformed;
    }
    const auto port = decimal<std::uint16_t>(text.substr(colon + 1), 65535);
    std::string_view host = text.substr(0, colon);
    if (!port) {
        return malformed;
    }
    if (host.size() < 2 || host.front() != '[' || host.back() != ']') {
        const auto ipv4 = parse_ipv4(host);
        return ipv4 ? result<endpoint>(endpoint(*ipv4, *port)) : malformed;
    }
    host = host.substr(1, host.size() - 2);
    std::uint32_t scope = 0;
    if (const std::size_t percent = host.find('%'); percent != std::string_view::npos) {
        const auto zone = decimal<std::uint32_t>(host.substr(percent + 1), 0xffffffffU);
        if (!zone) {
            return malformed;
        }
        scope = *zone;
        host = host.substr(0, percent);
    }
    const auto ipv6 = parse_ipv6(host);
    return ipv6 ? result<endpoint>(endpoint(*ipv6, *port, scope)) : malformed;
}

std::string endpoint::to_string() const {
    if (family_ == address_family::none) {
        return "none";
    }
    if (family_ == address_family::ipv4) {
        return ipv4_text(bytes_.data()) + ':' + std::to_string(port_);
    }
    std::string text = '[' + ipv6_text(bytes_);
    if (scope_ != 0) {
        text += '%' + std::to_string(scope_);
    }
    return text + "]:" + std::to_string(port_);
}

}  // namespace thole
