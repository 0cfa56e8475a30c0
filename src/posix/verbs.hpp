// SPDX-License-Identifier: BSL-1.0
// The verbs of the readiness kind of kernel: a pair of functions each. Any that waits may set
// state.again.
#pragma once

#include <cstdint>

#include "core/backend.hpp"
#include "posix/reactor.hpp"

namespace thole::detail {

// To be registered with the poller if it goes on, and only then (R53).
[[nodiscard]] progress start_connect(operation& op, reactor_state& state) noexcept;
[[nodiscard]] progress finish_connect(operation& op, reactor_state& state,
                                      std::uint32_t events) noexcept;

[[nodiscard]] progress start_accept(operation& op, reactor_state& state) noexcept;
[[nodiscard]] progress finish_accept(operation& op, reactor_state& state) noexcept;

// read and read_exactly. The system is asked only where there may be something.
[[nodiscard]] progress finish_read(operation& op, reactor_state& state) noexcept;
[[nodiscard]] inline progress start_read(operation& op, reactor_state& state) noexcept {
    return state.readable ? finish_read(op, state) : progress::wait_readable;
}

// write and write_some. There is nearly always room, so the system is asked at once.
[[nodiscard]] progress start_write(operation& op, reactor_state& state) noexcept;
[[nodiscard]] progress finish_write(operation& op, reactor_state& state) noexcept;

}  // namespace thole::detail
