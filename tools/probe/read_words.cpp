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

// An address has no letters but a to f, and a name is not only digits and dots.
bool looks_like_a_name(std::string_view host) {
    return host.find(':') == std::string_view::npos && host.find('[') == std::string_view::npos &&
           !host.empty() && !only(host, number);
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
    if (looks_like_a_name(host)) {
        return fmt::format("{}: names come with a later version; give a number, "
                           "as 192.0.2.1:443 or [2001:db8::1]:443",
                           shown);
    }
    if (colon == std::string::npos || in_brackets || colon + 1 == text.size()) {
        return fmt::format("{}: no port; write it after a colon, as 192.0.2.1:443", shown);
    }
    const std::string_view port = std::string_view(text).substr(colon + 1);
    if (thole::endpoint::parse(std::string(host) + ":1")) {
        return fmt::format("{}: {} is not a port; ports are 1 to 65535", shown, quoted(port));
    }
    return fmt::format("{}: not an address and a port, as 192.0.2.1:443 or [2001:db8::1]:443",
                       shown);
}

}  // namespace

reading<target> read_target(const std::string& text) {
    const thole::result<thole::endpoint> where = thole::endpoint::parse(text);
    if (!where) return {{}, why_no_target(text)};
    if (where->port() == 0) {
        return {
            {},
            fmt::format("{}: nothing can listen on port 0; ports are 1 to 65535", quoted(text))};
    }
    return {{text, *where}, {}};
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
