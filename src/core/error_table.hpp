// SPDX-License-Identifier: BSL-1.0
// What the kernel's codes mean: one table a platform, rows in the same order on both.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <thole/operation.hpp>

namespace thole::detail {

struct error_row {
    int raw;
    std::errc meaning;  // what default_error_condition() gives
    std::errc also;     // equal to this one too (the same as `meaning` where there is none)
};
// As it is written down. The names are apart in the program: few ask for them.
struct named_row {
    int raw;
    std::errc meaning;
    std::errc also;
    std::string_view symbol;  // "ECONNREFUSED"
};
template <std::size_t N>
[[nodiscard]] constexpr std::array<error_row, N> without_names(const named_row (&rows)[N]) {
    std::array<error_row, N> codes{};
    for (std::size_t i = 0; i < N; ++i) {
        codes[i] = {rows[i].raw, rows[i].meaning, rows[i].also};
    }
    return codes;
}

// src/posix/error.cpp, src/win/error.cpp: rules.md §8 as data.
[[nodiscard]] std::span<const error_row> error_table() noexcept;
// Of a row of that table.
[[nodiscard]] std::string_view symbol_of(const error_row& row) noexcept;
// The system's words, in UTF-8, without a line break or a full stop at the end.
[[nodiscard]] std::string system_message(int raw);
// The code to report for this verb: the raw one, or, where the verb gives a code another meaning
// (no port left shows as EADDRINUSE in a connect), the raw code of that meaning. Called once, where
// an operation is settled (R104).
[[nodiscard]] int decode(verb what, int raw) noexcept;

// The raw code of a meaning, for errors that we find ourselves (src/core/error.cpp).
[[nodiscard]] int raw_of(std::errc meaning) noexcept;

}  // namespace thole::detail
