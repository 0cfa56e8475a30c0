// SPDX-License-Identifier: BSL-1.0
// rules.md §8 as data. The rows stand in the same order in src/win/error.cpp.
#include "core/error_table.hpp"

#include <cstring>

#include "posix/platform.hpp"

namespace thole::detail {
namespace {

using std::errc;

constexpr error_row rows[] = {
    // An abort that nobody here asked for is an error of its own, never a cancel (R79).
    {ECANCELED, errc::io_error, errc::io_error, "ECANCELED"},
    {ECONNRESET, errc::connection_reset, errc::connection_reset, "ECONNRESET"},
    {ECONNABORTED, errc::connection_aborted, errc::connection_reset, "ECONNABORTED"},
    {ECONNREFUSED, errc::connection_refused, errc::connection_refused, "ECONNREFUSED"},
    {EPIPE, errc::broken_pipe, errc::broken_pipe, "EPIPE"},
    {ESHUTDOWN, errc::broken_pipe, errc::broken_pipe, "ESHUTDOWN"},
    {ENOTCONN, errc::not_connected, errc::not_connected, "ENOTCONN"},
    {ETIMEDOUT, errc::timed_out, errc::timed_out, "ETIMEDOUT"},
    {ENETUNREACH, errc::network_unreachable, errc::network_unreachable, "ENETUNREACH"},
    {EHOSTUNREACH, errc::host_unreachable, errc::host_unreachable, "EHOSTUNREACH"},
    {ENETDOWN, errc::network_down, errc::host_unreachable, "ENETDOWN"},
    {EHOSTDOWN, errc::host_unreachable, errc::host_unreachable, "EHOSTDOWN"},
    {EMSGSIZE, errc::message_size, errc::message_size, "EMSGSIZE"},
    {ENOBUFS, errc::no_buffer_space, errc::no_buffer_space, "ENOBUFS"},
    // The user's limit of epoll registrations.
    {ENOSPC, errc::no_buffer_space, errc::no_space_on_device, "ENOSPC"},
    {ENOMEM, errc::not_enough_memory, errc::not_enough_memory, "ENOMEM"},
    {EMFILE, errc::too_many_files_open, errc::too_many_files_open, "EMFILE"},
    {ENFILE, errc::too_many_files_open_in_system, errc::too_many_files_open, "ENFILE"},
    {EADDRINUSE, errc::address_in_use, errc::address_in_use, "EADDRINUSE"},
    {EADDRNOTAVAIL, errc::address_not_available, errc::address_not_available, "EADDRNOTAVAIL"},
    {EAFNOSUPPORT, errc::address_family_not_supported, errc::address_family_not_supported,
     "EAFNOSUPPORT"},
    {EACCES, errc::permission_denied, errc::permission_denied, "EACCES"},
    {EPERM, errc::operation_not_permitted, errc::permission_denied, "EPERM"},
    {EINVAL, errc::invalid_argument, errc::invalid_argument, "EINVAL"},
    {EBADF, errc::bad_file_descriptor, errc::bad_file_descriptor, "EBADF"},
    {ENOTSOCK, errc::not_a_socket, errc::not_a_socket, "ENOTSOCK"},
    {EISCONN, errc::already_connected, errc::already_connected, "EISCONN"},
    {EALREADY, errc::connection_already_in_progress, errc::connection_already_in_progress,
     "EALREADY"},
    {EAGAIN, errc::operation_would_block, errc::resource_unavailable_try_again, "EAGAIN"},
    {EINTR, errc::interrupted, errc::interrupted, "EINTR"},
    {EOPNOTSUPP, errc::operation_not_supported, errc::not_supported, "EOPNOTSUPP"},
    {ENOPROTOOPT, errc::no_protocol_option, errc::not_supported, "ENOPROTOOPT"},
    {ENOSYS, errc::function_not_supported, errc::not_supported, "ENOSYS"},
    {EPROTONOSUPPORT, errc::protocol_not_supported, errc::not_supported, "EPROTONOSUPPORT"},
    {EPROTO, errc::protocol_error, errc::protocol_error, "EPROTO"},
    {EFAULT, errc::bad_address, errc::bad_address, "EFAULT"},
    {EIO, errc::io_error, errc::io_error, "EIO"},
};

// strerror_r comes in two forms, by the C library.
[[maybe_unused]] const char* words(const char* given, const char*) noexcept { return given; }
[[maybe_unused]] const char* words(int failed, const char* filled) noexcept {
    return failed == 0 ? filled : "Unknown error";
}

} // namespace

std::span<const error_row> error_table() noexcept { return rows; }

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

} // namespace thole::detail
