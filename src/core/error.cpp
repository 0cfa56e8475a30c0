// SPDX-License-Identifier: BSL-1.0
#include <thole/error.hpp>

#include <array>
#include <cstdio>
#include <exception>

#include <thole/endpoint.hpp>
#include <thole/operation.hpp>

#include "core/error_table.hpp"

namespace thole {

namespace {

struct own_row {
    errc code;
    std::string_view symbol;
    const char* words;
    std::errc equal;  // {}: std has no such meaning
};

constexpr std::array<own_row, 10> own_table{{
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
}};

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
        const own_row* row = find_own(code);
        return row != nullptr ? row->words : "unknown error " + std::to_string(code);
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
        return row != nullptr ? row->symbol : std::string_view{};
    }
    return {};
}

std::string describe(std::string_view operation, const endpoint& where,
                     const std::error_code& error) {
    std::string line(operation);
    if (where) {
        line += operation.starts_with(to_string(verb::connect)) ? " to " : " on ";
        line += where.to_string();
    }
    line += ": ";
    line += error.message();
    const std::string_view name = symbol(error);
    line += " (";
    line += name.empty() ? std::to_string(error.value()) : std::string(name);
    line += ')';
    return line;
}

std::string_view to_string(verb what) noexcept {
    switch (what) {
    case verb::none:
        return "post";
    case verb::sleep:
        return "sleep";
    case verb::wait:
        return "wait";
    case verb::push:
        return "push";
    case verb::pop:
        return "pop";
    case verb::resolve:
        return "resolve";
    case verb::connect_by_list:
        return "connect by list";
    case verb::connect_by_name:
        return "connect by name";
    case verb::connect:
        return "connect";
    case verb::accept:
    case verb::accept_detached:
        return "accept";
    case verb::wait_readable:
        return "wait readable";
    case verb::peek:
        return "peek";
    case verb::receive:
        return "receive";
    case verb::read:
        return "read";
    case verb::read_exactly:
        return "read exactly";
    case verb::write:
        return "write";
    case verb::write_some:
        return "write some";
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
