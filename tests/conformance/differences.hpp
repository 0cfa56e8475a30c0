// SPDX-License-Identifier: BSL-1.0
// The intended differences: the table in differences.md, read at run time, and what it makes of a
// trace of Boost.Asio's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace thole::conformance {

using trace = std::vector<std::string>;

// A row of the table. `ours` and `theirs` are lines of a trace, as many of one as of the other.
// Their first word, client or server, says which side plays them: a row counts where that side is
// thole's.
struct difference {
    std::string scenario;
    std::string platform;  // posix, windows, all
    trace ours;
    trace theirs;
    std::string reason;

    [[nodiscard]] std::string text() const;
};

// Reads the table. What is wrong with the table itself is appended to `problems`.
[[nodiscard]] std::vector<difference> read_differences(std::string_view markdown,
                                                       std::vector<std::string>& problems);

// Which sides of a scenario thole plays.
struct pairing {
    std::string_view name;
    bool client_is_thole;
    bool server_is_thole;
};

// Compares what was played with what Boost.Asio played with itself, changed as the rows say. What
// is wrong comes back, a line each: a difference without a row, and a row that is none.
[[nodiscard]] std::vector<std::string> compare(std::string_view scenario, const pairing& who,
                                               std::string_view platform, trace reference,
                                               const trace& played,
                                               const std::vector<difference>& rows);

}  // namespace thole::conformance
