// SPDX-License-Identifier: BSL-1.0
#include <thole/listener.hpp>

#include "core/handles.hpp"

namespace thole::tcp {

accept_detached_op::~accept_detached_op() {
    if (accepted.methods != nullptr) {
        accepted.methods->close(accepted.native);  // nobody took it
    }
}

result<detached_socket> accept_detached_op::take() noexcept {
    if (const std::error_code failed = outcome()) {
        return unexpected(failed);
    }
    return detached_socket(std::exchange(accepted, {}));
}

result<listener> listener::open(loop& on, const endpoint& where, listen_options options) noexcept {
    constexpr int most_at_first = 64;
    constexpr int most = 1024;
    if (!where || options.backlog < 0 || options.send_buffer < 0 || options.receive_buffer < 0 ||
        options.standing_accepts < 1 || options.standing_accepts > most_at_first ||
        options.most_standing_accepts < options.standing_accepts ||
        options.most_standing_accepts > most) {
        return unexpected(std::errc::invalid_argument);
    }
    std::error_code failed;
    listener made;
    made.state_ = on.core()->open({detail::socket_role::listener, where.family()}, failed);
    if (!failed) {
        detail::control_request asked{detail::request::listen, where, 0, options};
        failed = detail::loop_core::control(made.state_, asked);
    }
    if (failed) {
        return unexpected(failed);
    }
    made.state_->as_listener()->when_exhausted = options.when_exhausted;
    return made;
}

void listener::cancel() noexcept { detail::cancel_queue(state_, &detail::socket_state::reading); }

void listener::close() noexcept { detail::close_state(state_); }

result<endpoint> listener::local() const noexcept {
    return detail::name_of(state_, detail::request::local_name);
}

listener_counters listener::counters() const noexcept {
    detail::listener_half* half = state_ != nullptr ? state_->as_listener() : nullptr;
    if (half == nullptr) {
        return {};
    }
    listener_counters counts = half->counts;
    counts.parked = half->inbound.size();
    return counts;
}

}  // namespace thole::tcp
