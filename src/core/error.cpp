// SPDX-License-Identifier: BSL-1.0
#include <thole/error.hpp>

#include <array>
#include <cstdio>
#include <exception>

#include "core/error_table.hpp"

namespace thole {

namespace {

struct own_row {
    errc code;
    std::string_view symbol;
    const char* words;
    std::errc equal;  // {}: std has no such meaning
};

constexpr own_row own_table[] = {
    {errc::end_of_stream, "end_of_stream", "the peer finished sending", {}},
    {errc::cancelled, "cancelled", "cancelled on this side", std::errc::operation_canceled},
    {errc::deadline_reached, "deadline_reached", "the deadline came first", std::errc::timed_out},
    {errc::closed, "closed", "the handle is closed", std::errc::bad_file_descriptor},
    {errc::limit_reached, "limit_reached", "a limit of this side was reached", {}},
    {errc::operation_in_progress, "operation_in_progress",
     "an operation of this kind is pending already", std::errc::operation_in_progress},
    {errc::name_not_found, "name_not_found", "the name does not exist", {}},
    {errc::name_lookup_failed, "name_lookup_failed", "the name could not be looked up", {}},
    {errc::name_lookup_unavailable, "name_lookup_unavailable", "no name server answered", {}},
    {errc::service_not_found, "service_not_found", "no port has this name", {}},
};

const own_row* find_own(int code) noexcept {
    for (const own_row& row : own_table) {
        if (static_cast<int>(row.code) == code) {
            return &row;
        }
    }
    return nullptr;
}

const detail::error_row* find_raw(int code) noexcept {
    for (const detail::error_row& row : detail::error_table()) {
        if (row.raw == code) {
            return &row;
        }
    }
    return nullptr;
}

class own_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "thole"; }
    [[nodiscard]] std::string message(int code) const override {
        if (const own_row* row = find_own(code)) {
            return row->words;
        }
        char text[32];  // not std::to_string: every program carries what this function uses
        static_cast<void>(std::snprintf(text, sizeof text, "unknown error %d", code));
        return text;
    }
    [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
        const own_row* row = find_own(code);
        if (row != nullptr && row->equal != std::errc{}) {
            return row->equal;
        }
        return {code, *this};
    }
};

class raw_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "system"; }
    [[nodiscard]] std::string message(int code) const override {
        return detail::system_message(code);
    }
    [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
        const detail::error_row* row = find_raw(code);
        if (row != nullptr) {
            return row->meaning;
        }
        return {code, *this};
    }
    [[nodiscard]] bool equivalent(int code,
                                  const std::error_condition& condition) const noexcept override {
        const detail::error_row* row = find_raw(code);
        return default_error_condition(code) == condition ||
               (row != nullptr && std::error_condition(row->also) == condition);
    }
};

}  // namespace

const std::error_category& category() noexcept {
    static const own_category instance;
    return instance;
}

const std::error_category& system_category() noexcept {
    static const raw_category instance;
    return instance;
}

std::string_view symbol(const std::error_code& error) noexcept {
    if (error.category() == category()) {
        const own_row* row = find_own(error.value());
        return row != nullptr ? row->symbol : std::string_view{};
    }
    if (error.category() == system_category()) {
        const detail::error_row* row = find_raw(error.value());
        return row != nullptr ? detail::symbol_of(*row) : std::string_view{};
    }
    return {};
}

namespace detail {

int raw_of(std::errc meaning) noexcept {
    for (const error_row& row : error_table()) {
        if (row.meaning == meaning) {
            return row.raw;
        }
    }
    return static_cast<int>(meaning);
}

void throw_error(const std::error_code& error) {
#if defined(__cpp_exceptions)
    throw std::system_error(error);
#else
    std::fprintf(stderr, "thole: result without a value: %s\n", error.message().c_str());
    std::terminate();
#endif
}

}  // namespace detail
}  // namespace thole
