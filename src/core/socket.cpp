// SPDX-License-Identifier: BSL-1.0
#include <thole/socket.hpp>

#include "core/handles.hpp"

namespace thole::tcp {

result<void> socket::shutdown_write() noexcept {
    if (state_ != nullptr && !state_->writing.empty()) {  // R112: it must not overtake the bytes
        return unexpected(errc::operation_in_progress);
    }
    return detail::apply(state_, {detail::request::shutdown_write});
}

void socket::abort() noexcept { detail::close_state(state_, detail::farewell::reset); }

result<native_handle> socket::release(bool blocking) noexcept {
    if (state_ != nullptr && !(state_->reading.empty() && state_->writing.empty())) {
        return unexpected(errc::operation_in_progress);
    }
    detail::control_request asked{detail::request::release, {}, blocking ? 1 : 0};
    if (const std::error_code failed = detail::loop_core::control(state_, asked)) {
        return unexpected(failed);
    }
    detail::close_state(state_);
    return asked.native;
}

void socket::cancel() noexcept {
    cancel_read();
    cancel_write();
}

void socket::cancel_read() noexcept {
    detail::cancel_queue(state_, &detail::socket_state::reading);
}

void socket::cancel_write() noexcept {
    detail::cancel_queue(state_, &detail::socket_state::writing);
}

result<endpoint> socket::local() const noexcept {
    return detail::name_of(state_, detail::request::local_name);
}

result<endpoint> socket::peer() const noexcept {
    return detail::name_of(state_, detail::request::peer_name);
}

result<std::chrono::milliseconds> socket::connected_for() const noexcept {
    detail::control_request asked{detail::request::connected_for};
    if (const std::error_code failed = detail::loop_core::control(state_, asked)) {
        return unexpected(failed);
    }
    return asked.time;
}

}  // namespace thole::tcp
