// SPDX-License-Identifier: BSL-1.0
// rules.md §8 as data. The rows stand in the same order in src/win/error.cpp.
#include "core/error_table.hpp"

#include <cstring>

#include "posix/platform.hpp"

namespace thole::detail {
namespace {

using enum std::errc;

constexpr named_row rows[] = {
    // An abort that nobody asked for is never a cancel (R79, R103).
    {ECANCELED, io_error, io_error, "ECANCELED"},
    {ECONNRESET, connection_reset, connection_reset, "ECONNRESET"},
    {ENETRESET, connection_reset, network_reset, "ENETRESET"},
    // The local stack gave up: of the family of resets (R106).
    {ECONNABORTED, connection_aborted, connection_reset, "ECONNABORTED"},
    {ECONNREFUSED, connection_refused, connection_refused, "ECONNREFUSED"},
    {EPIPE, broken_pipe, broken_pipe, "EPIPE"},
    {ESHUTDOWN, broken_pipe, broken_pipe, "ESHUTDOWN"},
    {ENOTCONN, not_connected, not_connected, "ENOTCONN"},
    {ETIMEDOUT, timed_out, timed_out, "ETIMEDOUT"},
    {ENETUNREACH, network_unreachable, network_unreachable, "ENETUNREACH"},
    {ENETDOWN, network_down, network_unreachable, "ENETDOWN"},
    {EHOSTUNREACH, host_unreachable, host_unreachable, "EHOSTUNREACH"},
    {EHOSTDOWN, host_unreachable, host_unreachable, "EHOSTDOWN"},
    {EMSGSIZE, message_size, message_size, "EMSGSIZE"},
    {ENOBUFS, no_buffer_space, no_buffer_space, "ENOBUFS"},
    // A user's limit of epoll registrations.
    {ENOSPC, no_buffer_space, no_space_on_device, "ENOSPC"},
    {ENOMEM, not_enough_memory, not_enough_memory, "ENOMEM"},
    {EMFILE, too_many_files_open, too_many_files_open, "EMFILE"},
    {ENFILE, too_many_files_open_in_system, too_many_files_open, "ENFILE"},
    {EADDRINUSE, address_in_use, address_in_use, "EADDRINUSE"},
    {EADDRNOTAVAIL, address_not_available, address_not_available, "EADDRNOTAVAIL"},
    {EAFNOSUPPORT, address_family_not_supported, address_family_not_supported, "EAFNOSUPPORT"},
    {EACCES, permission_denied, permission_denied, "EACCES"},
    {EPERM, operation_not_permitted, permission_denied, "EPERM"},
    {EINVAL, invalid_argument, invalid_argument, "EINVAL"},
    {EFAULT, bad_address, bad_address, "EFAULT"},
    {EBADF, bad_file_descriptor, bad_file_descriptor, "EBADF"},
    {ENOTSOCK, not_a_socket, bad_file_descriptor, "ENOTSOCK"},
    {EISCONN, already_connected, already_connected, "EISCONN"},
    {EALREADY, connection_already_in_progress, connection_already_in_progress, "EALREADY"},
    {EINPROGRESS, operation_in_progress, operation_in_progress, "EINPROGRESS"},
    {EAGAIN, operation_would_block, resource_unavailable_try_again, "EAGAIN"},
    {EDEADLK, resource_deadlock_would_occur, resource_deadlock_would_occur, "EDEADLK"},
    {EINTR, interrupted, interrupted, "EINTR"},
    {EOPNOTSUPP, operation_not_supported, not_supported, "EOPNOTSUPP"},
    {EPROTONOSUPPORT, protocol_not_supported, protocol_not_supported, "EPROTONOSUPPORT"},
    {ENOPROTOOPT, no_protocol_option, no_protocol_option, "ENOPROTOOPT"},
    {ENOSYS, function_not_supported, not_supported, "ENOSYS"},
    {EPROTO, protocol_error, protocol_error, "EPROTO"},
    {EIO, io_error, io_error, "EIO"},
};
constexpr auto codes = without_names(rows);

// strerror_r comes in two forms, by the C library.
[[maybe_unused]] const char* words(const char* given, const char*) noexcept { return given; }
[[maybe_unused]] const char* words(int failed, const char* filled) noexcept {
    return failed == 0 ? filled : "Unknown error";
}

}  // namespace

std::span<const error_row> error_table() noexcept { return codes; }

std::string_view symbol_of(const error_row& row) noexcept {
    return rows[&row - codes.data()].symbol;
}

std::string system_message(int raw) {
    char text[256] = {};
    return words(::strerror_r(raw, text, sizeof text), text);
}

int decode(verb what, int raw) noexcept {
    // No local port is left (R76): Linux says one or the other, and older kernels EAGAIN.
    if (what == verb::connect && (raw == EADDRINUSE || raw == EAGAIN)) {
        return EADDRNOTAVAIL;
    }
    return raw;
}

}  // namespace thole::detail
