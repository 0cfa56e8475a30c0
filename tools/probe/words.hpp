// SPDX-License-Identifier: BSL-1.0
// The vocabulary of the probe: outcomes, what was asked, what was found. No I/O.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <thole/thole.hpp>

namespace probe {

/// Stable words: they are the tool's interface, in text and in JSON.
enum class outcome {
    open,
    refused,
    reset,
    timeout,
    host_unreachable,
    net_unreachable,
    local_error,
    canceled,
    closed_early,
    dns_not_found,
    dns_temporary,
    dns_failed,
};
[[nodiscard]] std::string_view word(outcome of) noexcept;
[[nodiscard]] outcome outcome_of(const std::error_code& error) noexcept;

/// The process's exit codes, stable as well.
enum exit_code : int {
    all_open = 0,
    mixed = 1,
    usage = 2,
    all_unresolved = 3,
    all_refused = 4,
    all_timeout = 5,
    all_unreachable = 6,
    local = 7,
    ended_early = 8,
};

struct target {
    std::string input;      ///< as it was typed
    thole::endpoint where;  ///< empty for a name
    std::string host;       ///< without brackets
    int port = 0;
};

struct limits {
    std::chrono::nanoseconds timeout = std::chrono::seconds(3);
    std::optional<std::chrono::nanoseconds> hold;  ///< stay connected so long, listening
};

/// Where the probe was when it ended.
enum class phase { loop, resolve, connect, receive };
[[nodiscard]] std::string_view word(phase of) noexcept;

struct finding {
    target of;
    limits asked;
    outcome result = outcome::local_error;
    std::error_code error;  ///< none when open
    phase ended = phase::loop;
    std::optional<thole::endpoint> local;
    std::optional<thole::endpoint> remote;
    std::optional<double> dns_ms;      ///< of a name alone
    std::optional<double> connect_ms;  ///< of the attempt that succeeded and those before it
    std::optional<double> total_ms;
    std::optional<double> first_byte_ms;        ///< from the start
    std::size_t addresses = 0;                  ///< of the name
    std::vector<thole::tcp::attempt> attempts;  ///< those that failed
};

/// One finding of the demo, and what had to come.
struct demonstration {
    finding found;
    std::string peer;
    outcome expected = outcome::open;

    [[nodiscard]] bool as_expected() const noexcept { return found.result == expected; }
};

[[nodiscard]] exit_code verdict(std::span<const finding> all) noexcept;
[[nodiscard]] exit_code verdict(std::span<const demonstration> all) noexcept;

/// Why it ended so: a short phrase for the person who reads the line.
[[nodiscard]] std::string cause(const finding& of);
/// The same, but with advice, and empty where the outcome says it all.
[[nodiscard]] std::string hint(const finding& of);
/// The system's words without line ends.
[[nodiscard]] std::string message(const std::error_code& error);
/// `500 ms`, `1.5 s`, `2 min`.
[[nodiscard]] std::string human(std::chrono::nanoseconds time);

/// A value, or one line that says what is wrong with the text.
template <class T>
struct reading {
    T value{};
    std::string wrong;
};
[[nodiscard]] reading<target> read_target(const std::string& text);
/// `250ms`, `3s`, `1.5s`, `2m`, `1h`: more than nothing, and at most a thousand hours.
[[nodiscard]] reading<std::chrono::nanoseconds> read_duration(std::string_view text);

}  // namespace probe
