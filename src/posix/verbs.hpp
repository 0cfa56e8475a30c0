// SPDX-License-Identifier: BSL-1.0
// The verbs of the readiness kind of kernel: a pair of functions each.
#pragma once

#include <cstdint>

#include "core/backend.hpp"
#include "posix/reactor.hpp"

namespace thole::detail {

// To be registered with the poller if it goes on, and only then (R53).
[[nodiscard]] progress start_connect(operation& op, reactor_state& state) noexcept;
[[nodiscard]] progress finish_connect(operation& op, reactor_state& state,
                                      std::uint32_t events) noexcept;

// A listener that is left readable by wait_readable has to be looked at again soon.
[[nodiscard]] progress start_accept(operation& op, reactor_state& state) noexcept;
[[nodiscard]] progress finish_accept(operation& op, reactor_state& state) noexcept;

// read, read_exactly, write, write_some.
[[nodiscard]] progress start_transfer(operation& op, reactor_state& state) noexcept;
[[nodiscard]] progress finish_transfer(operation& op, reactor_state& state) noexcept;

}  // namespace thole::detail
