// SPDX-License-Identifier: BSL-1.0
// What the handles of TCP share: each is a pointer to a state, and outlives its loop if it must.
#pragma once

#include <utility>

#include <thole/result.hpp>

#include "core/loop_core.hpp"

namespace thole::detail {

inline void close_state(socket_state*& handle, farewell how = farewell::usual) noexcept {
    if (socket_state* state = std::exchange(handle, nullptr)) {
        close(*state, how);
    }
}

inline void cancel_queue(socket_state* state, operation_queue socket_state::*queue) noexcept {
    if (state != nullptr && state->core != nullptr) {
        state->core->cancel_all(state->*queue, reason::cancelled);
    }
}

// A request whose answer is that it was done.
[[nodiscard]] inline result<void> apply(socket_state* state, control_request asked) noexcept {
    if (const std::error_code failed = loop_core::control(state, asked)) {
        return unexpected(failed);
    }
    return {};
}
// One that is answered with an address.
[[nodiscard]] inline result<endpoint> name_of(socket_state* state, request what) noexcept {
    control_request asked{what};
    if (const std::error_code failed = loop_core::control(state, asked)) {
        return unexpected(failed);
    }
    return asked.address;
}
// One that sets an option.
[[nodiscard]] inline result<void> set(socket_state* state, socket_option which,
                                      int value) noexcept {
    control_request asked{request::set_option};
    asked.option = which;
    asked.value = value;
    return apply(state, asked);
}
// One that asks for an option.
[[nodiscard]] inline result<int> get(socket_state* state, socket_option which) noexcept {
    control_request asked{request::get_option};
    asked.option = which;
    if (const std::error_code failed = loop_core::control(state, asked)) {
        return unexpected(failed);
    }
    return asked.value;
}

}  // namespace thole::detail
