// SPDX-License-Identifier: BSL-1.0
// What a person typed, read into values; what is wrong is said in one line.
#include "words.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace probe {
namespace {

constexpr std::string_view number = "0123456789.";

bool only(std::string_view text, std::string_view letters) {
    return !text.empty() && text.find_first_not_of(letters) == std::string_view::npos;
}

// Control characters would break the promise of one line, or worse, drive the terminal.
std::string quoted(std::string_view text) {
    std::string out(text.substr(0, 120));
    std::ranges::replace_if(
        out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return "'" + out + "'";
}

// Of letters, digits, hyphens, underscores and dots, or in another script. The last part of a name
// begins with no digit: the top of the system of names has none such (RFC 1123 §2.1).
bool is_name(std::string_view host) {
    constexpr std::string_view signs = "-_.";
    const auto fits = [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               signs.find(c) != std::string_view::npos || static_cast<unsigned char>(c) >= 0x80;
    };
    const std::string_view name = host.substr(0, host.size() - (host.ends_with('.') ? 1 : 0));
    const std::size_t dot = name.rfind('.');
    const std::string_view last = name.substr(dot == std::string_view::npos ? 0 : dot + 1);
    return !last.empty() && name.size() <= 253 && number.find(last.front()) == number.npos &&
           std::ranges::all_of(name, fits);
}

// [fe80::1%eth0]: its zone is the system's to know.
bool has_named_zone(std::string_view host) {
    const std::size_t zone = host.find('%');
    return host.starts_with('[') && host.ends_with(']') && zone != std::string_view::npos &&
           zone + 2 < host.size() &&
           thole::endpoint::parse(std::string(host.substr(0, zone)) + "]:1");
}

bool is_address(std::string_view host) {
    return static_cast<bool>(thole::endpoint::parse(std::string(host) + ":1"));
}

std::string why_no_target(const std::string& text) {
    const std::string shown = quoted(text);
    const std::size_t colon = text.rfind(':');
    const bool in_brackets = text.ends_with(']');
    const bool bare_ipv6 = !text.starts_with('[') && text.find(':') != colon;
    if (bare_ipv6) {
        return fmt::format("{}: an IPv6 address stands in brackets, as [2001:db8::1]:443", shown);
    }
    const std::string_view host = std::string_view(text).substr(0, colon);
    if (colon == std::string::npos || in_brackets || colon + 1 == text.size()) {
        return fmt::format("{}: no port; write it after a colon, as example.net:443 or "
                           "192.0.2.1:443",
                           shown);
    }
    const std::string_view port = std::string_view(text).substr(colon + 1);
    if (is_address(host) || is_name(host) || has_named_zone(host)) {
        return fmt::format("{}: {} is not a port; ports are 1 to 65535", shown, quoted(port));
    }
    return fmt::format("{}: not an address or a name and a port, as 192.0.2.1:443, "
                       "[2001:db8::1]:443 or example.net:443",
                       shown);
}

std::string_view without_brackets(std::string_view host) {
    return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
}

// What stands before and after the last colon, where both can be right.
bool split(const std::string& text, std::string_view& host, int& port) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) return false;
    host = std::string_view(text).substr(0, colon);
    const auto read = thole::endpoint::parse("0.0.0.0" + text.substr(colon));  // 0 to 65535
    if (!read || !(is_address(host) || is_name(host) || has_named_zone(host))) return false;
    port = read->port();
    return true;
}

}  // namespace

reading<target> read_target(const std::string& text) {
    std::string_view host;
    int port = 0;
    if (!split(text, host, port)) return {{}, why_no_target(text)};
    if (port == 0) {
        return {
            {},
            fmt::format("{}: nothing can listen on port 0; ports are 1 to 65535", quoted(text))};
    }
    const auto where = thole::endpoint::parse(text);
    return {{text, where.value_or(thole::endpoint{}), std::string(without_brackets(host)), port},
            {}};
}

reading<std::chrono::nanoseconds> read_duration(std::string_view text) {
    struct unit {
        std::string_view name;
        double seconds;
    };
    static constexpr unit units[] = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
    if (only(text, number)) {
        return {
            {},
            fmt::format("{}: a duration needs its unit; did you mean {}s?", quoted(text), text)};
    }
    const std::size_t end = std::min(text.find_first_not_of(number), text.size());
    double count = 0;
    const auto read = std::from_chars(text.data(), text.data() + end, count);
    const auto* found = std::ranges::find(units, text.substr(end), &unit::name);
    if (read.ec != std::errc() || read.ptr != text.data() + end || found == std::end(units)) {
        return {{}, fmt::format("{}: not a duration; write 250ms, 3s, 1.5s or 2m", quoted(text))};
    }
    const double seconds = count * found->seconds;
    if (seconds > 3'600'000) {
        return {{}, fmt::format("{}: too long; a thousand hours are the most", quoted(text))};
    }
    const std::chrono::nanoseconds time(static_cast<std::chrono::nanoseconds::rep>(seconds * 1e9));
    if (time.count() <= 0) {
        return {{}, fmt::format("{}: a duration is more than nothing", quoted(text))};
    }
    return {time, {}};
}

}  // namespace probe
