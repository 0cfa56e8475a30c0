// SPDX-License-Identifier: BSL-1.0
#include "words.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace probe {
namespace {

// The kinds of failure that have an exit code of their own.
exit_code code_of(outcome result) noexcept {
    switch (result) {
    case outcome::open:
        return all_open;
    case outcome::refused:
    case outcome::reset:
        return all_refused;
    case outcome::timeout:
        return all_timeout;
    case outcome::host_unreachable:
    case outcome::net_unreachable:
        return all_unreachable;
    case outcome::dns_not_found:
    case outcome::dns_temporary:
    case outcome::dns_failed:
        return all_unresolved;
    case outcome::local_error:
        return local;
    case outcome::closed_early:
        return ended_early;
    case outcome::canceled:
        break;
    }
    return mixed;
}

std::string with_symbol(const std::error_code& error) {
    const std::string_view name = thole::symbol(error);
    return name.empty() ? message(error) : fmt::format("{} ({})", message(error), name);
}

std::string held(const finding& of) {
    const double connected = *of.connect_ms + of.dns_ms.value_or(0);
    return fmt::format("{:.1f} ms after connecting", *of.total_ms - connected);
}

bool by_our_deadline(const finding& of) { return of.error == thole::errc::deadline_reached; }

}  // namespace

std::string_view word(outcome of) noexcept {
    switch (of) {
    case outcome::open:
        return "open";
    case outcome::refused:
        return "refused";
    case outcome::reset:
        return "reset";
    case outcome::timeout:
        return "timeout";
    case outcome::host_unreachable:
        return "host-unreachable";
    case outcome::net_unreachable:
        return "net-unreachable";
    case outcome::local_error:
        return "local-error";
    case outcome::canceled:
        return "canceled";
    case outcome::closed_early:
        return "closed-early";
    case outcome::dns_not_found:
        return "dns-not-found";
    case outcome::dns_temporary:
        return "dns-temporary";
    case outcome::dns_failed:
        return "dns-failed";
    }
    return "local-error";
}

std::string_view word(phase of) noexcept {
    switch (of) {
    case phase::loop:
        return "loop";
    case phase::resolve:
        return "resolve";
    case phase::connect:
        return "connect";
    case phase::receive:
        return "receive";
    }
    return "loop";
}

outcome outcome_of(const std::error_code& error) noexcept {
    if (!error) return outcome::open;
    if (error == thole::errc::end_of_stream) return outcome::closed_early;
    if (error == thole::errc::cancelled) return outcome::canceled;
    if (error == std::errc::timed_out) return outcome::timeout;  // ours and the kernel's
    if (error == std::errc::connection_refused) return outcome::refused;
    if (error == std::errc::connection_reset || error == std::errc::connection_aborted) {
        return outcome::reset;
    }
    if (error == std::errc::host_unreachable) return outcome::host_unreachable;
    if (error == std::errc::network_unreachable || error == std::errc::network_down) {
        return outcome::net_unreachable;
    }
    if (error == thole::errc::name_not_found) return outcome::dns_not_found;
    if (error == thole::errc::name_lookup_unavailable) return outcome::dns_temporary;
    if (error == thole::errc::name_lookup_failed) return outcome::dns_failed;
    return outcome::local_error;
}

exit_code verdict(std::span<const finding> all) noexcept {
    if (all.empty()) return local;
    const exit_code first = code_of(all.front().result);
    const bool alike = std::ranges::all_of(
        all, [first](const finding& each) { return code_of(each.result) == first; });
    return alike ? first : mixed;
}

exit_code verdict(std::span<const demonstration> all) noexcept {
    const bool fine = std::ranges::all_of(all, &demonstration::as_expected);
    return !all.empty() && fine ? all_open : mixed;
}

std::string cause(const finding& of) {
    switch (of.result) {
    case outcome::open:
        if (of.first_byte_ms) return fmt::format("first byte after {:.1f} ms", *of.first_byte_ms);
        return of.asked.hold ? "connected, and quiet for " + human(*of.asked.hold)
                             : std::string("the connection was made");
    case outcome::timeout:
        return by_our_deadline(of)
                   ? fmt::format("the deadline of {} came first", human(of.asked.timeout))
                   : with_symbol(of.error);
    case outcome::reset:
        return of.connect_ms ? with_symbol(of.error) + ", " + held(of) : with_symbol(of.error);
    case outcome::closed_early:
        return "the peer finished, " + held(of);
    default:
        return with_symbol(of.error);
    }
}

std::string hint(const finding& of) {
    switch (of.result) {
    case outcome::open:
        return of.asked.hold ? cause(of) : std::string();
    case outcome::refused:
        return fmt::format("host is up; nothing listens on {}", of.of.port);
    case outcome::dns_not_found:
        return "no address for " + of.of.host;
    case outcome::dns_temporary:
        return "no name server answered; try again later";
    case outcome::timeout:
        if (by_our_deadline(of) && of.ended == phase::resolve) {
            return fmt::format("no answer from a name server in {}", human(of.asked.timeout));
        }
        return by_our_deadline(of) && !of.connect_ms
                   ? fmt::format("no answer in {}; filtered or down?", human(of.asked.timeout))
                   : cause(of);
    case outcome::reset:
        return of.connect_ms ? "connected, then reset, " + held(of) : cause(of);
    case outcome::closed_early:
        return "connected, then closed by the peer, " + held(of);
    default:
        return cause(of);
    }
}

std::string message(const std::error_code& error) {
    std::string text = error.message();
    std::ranges::replace_if(
        text, [](char c) { return c == '\r' || c == '\n'; }, ' ');
    while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
    return text;
}

std::string human(std::chrono::nanoseconds time) {
    const double ms = std::chrono::duration<double, std::milli>(time).count();
    if (ms < 1000) return fmt::format("{:g} ms", ms);
    if (ms < 120'000) return fmt::format("{:g} s", ms / 1000);
    return fmt::format("{:g} min", ms / 60'000);
}

}  // namespace probe
