// SPDX-License-Identifier: BSL-1.0
/// \file
/// The errors that thole can give: the kernel's own codes, and the few endings that are ours.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

#include <thole/export.hpp>

namespace thole {

class endpoint;

/// Endings that no kernel reports. Each equals the `std::errc` of its meaning where there is one:
/// `cancelled == std::errc::operation_canceled`, `deadline_reached == std::errc::timed_out`,
/// `closed == std::errc::bad_file_descriptor`,
/// `operation_in_progress == std::errc::operation_in_progress`.
enum class errc : int {
    end_of_stream = 1,        ///< the peer finished sending, and everything was read
    cancelled,                ///< somebody on this side asked for the end
    deadline_reached,         ///< this operation's own deadline came first
    closed,                   ///< the handle was closed, moved from, or never open
    limit_reached,            ///< a bound that was set on this side
    operation_in_progress,    ///< one of this kind is pending on that socket already
    name_not_found,           ///< the name does not exist, or has no address
    name_lookup_failed,       ///< the name could not be looked up, and trying again will not help
    name_lookup_unavailable,  ///< the name could not be looked up now: no server answered
    service_not_found,        ///< the name of the port is not known
};

/// The category of thole::errc.
[[nodiscard]] THOLE_API const std::error_category& category() noexcept;

/// The category of the kernel's codes: `value()` is the raw one (errno, or a Windows code), the
/// message is the system's, and every code that thole can emit equals the `std::errc` of its
/// meaning on every platform.
[[nodiscard]] THOLE_API const std::error_category& system_category() noexcept;

/// Lets an errc become a std::error_code by itself.
[[nodiscard]] inline std::error_code make_error_code(errc code) noexcept {
    return {static_cast<int>(code), category()};
}

/// The symbolic name of a code ("ECONNREFUSED", "WSAECONNREFUSED", "deadline_reached"), or an
/// empty string where there is none.
[[nodiscard]] THOLE_API std::string_view symbol(const std::error_code& error) noexcept;

/// One line for a person: the operation, the endpoint, the system's words and the code's name, as
/// in `connect to 127.0.0.1:1: Connection refused (ECONNREFUSED)`.
[[nodiscard]] THOLE_API std::string describe(std::string_view operation, const endpoint& where,
                                             const std::error_code& error);

}  // namespace thole

/// \cond
template <>
struct std::is_error_code_enum<thole::errc> : std::true_type {};
/// \endcond
