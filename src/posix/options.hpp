// SPDX-License-Identifier: BSL-1.0
// A socket's options. All give 0 or the system's code.
#pragma once

#include "core/backend.hpp"
#include "posix/sys.hpp"

namespace thole::detail {

// By the system's own name.
[[nodiscard]] int set_native(int fd, int level, int name, int value) noexcept;
// By ours. What the system does not have is EOPNOTSUPP.
[[nodiscard]] int set_option(int fd, socket_option which, int value) noexcept;
[[nodiscard]] int get_option(int fd, socket_option which, int& value) noexcept;

[[nodiscard]] int set_keep_alive(int fd, const tcp::keep_alive_options& how) noexcept;
[[nodiscard]] int get_keep_alive(int fd, tcp::keep_alive_options& how) noexcept;

// What a listener hands on to the connections that it accepts.
[[nodiscard]] int set_inherited(int fd, const tcp::listen_options& options) noexcept;

}  // namespace thole::detail
