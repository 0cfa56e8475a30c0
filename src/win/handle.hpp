// SPDX-License-Identifier: BSL-1.0
// A socket's handle: made, asked, closed.
#pragma once

#include <string>
#include <system_error>

#include <thole/error.hpp>

#include "core/backend.hpp"
#include "win/sys.hpp"

namespace thole::detail {

[[nodiscard]] inline std::error_code system_error(int raw) noexcept {
    return {raw, system_category()};
}

// INVALID_SOCKET on failure, with WSAGetLastError().
[[nodiscard]] SOCKET open_handle(socket_kind kind) noexcept;
// Nothing may be pending: Wine lets a send outlive its socket (rules.md R24, R45).
void close_handle(SOCKET socket) noexcept;
// The close that follows is a reset on the wire.
int reset_on_close(SOCKET socket) noexcept;
// Whether its provider gives out handles of the kernel: others do not keep skip mode (R7).
[[nodiscard]] bool is_kernel_handle(SOCKET socket) noexcept;

// In whole seconds, as the system counts.
[[nodiscard]] int connected_for(SOCKET socket, std::chrono::milliseconds& time) noexcept;

// Everything of `control` that concerns the handle alone: 0 or the system's code.
[[nodiscard]] int control_handle(SOCKET socket, control_request& request) noexcept;

// Whether calls on it that are not overlapped may wait.
[[nodiscard]] int set_blocking(SOCKET socket, bool blocking) noexcept;
// Ends its bond with a port, which else lasts for life (R15).
[[nodiscard]] int leave_port(SOCKET socket) noexcept;

// The table of this network's loose sockets, and of those that were adopted.
extern const native_methods socket_methods;
extern const native_methods adopted_methods;
[[nodiscard]] inline bool is_ours(const loose_socket& loose) noexcept {
    return loose.methods == &socket_methods || loose.methods == &adopted_methods;
}

// Once, and never cleaned up (R21); 0 or the system's code.
[[nodiscard]] int start_winsock() noexcept;

// In error.cpp: the code for what the kernel wrote into an OVERLAPPED (R11), 0 for success; and
// the system's text in UTF-8.
[[nodiscard]] int code_of(const OVERLAPPED& finished) noexcept;
[[nodiscard]] std::string utf8(const wchar_t* text, std::size_t length);

}  // namespace thole::detail
