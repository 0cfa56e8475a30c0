// SPDX-License-Identifier: BSL-1.0
// The times that a socket gives to what is started without a deadline.
#include <thole/socket.hpp>

#include "core/handles.hpp"

namespace thole {

namespace detail {

// It is pending, and has no deadline of its own.
void loop_core::arm_by_default(operation& op) noexcept {
    const tcp::transfer_times given = times[op.state->times];
    const bool writes = uses_writing(op.what);
    op.due = (writes ? given.write : given.read).count();
    op.by_default = true;
    if (!writes) {
        op.state->clear(mark::expired);
    }
    if (op.due != 0) {
        arm(op);
    }
}

}  // namespace detail

namespace tcp {

result<void> socket::default_times(transfer_times asked) noexcept {
    if (asked.read.count() < 0 || asked.write.count() < 0) {
        return unexpected(std::errc::invalid_argument);
    }
    if (state_ == nullptr || state_->core == nullptr) {
        return unexpected(errc::closed);
    }
    detail::times_table& table = state_->core->times;
    std::uint8_t number = 0;
    if (asked != transfer_times{}) {
        if (!table.reserve()) {
            return unexpected(std::errc::not_enough_memory);
        }
        number = table.take(asked);
        if (number == 0) {
            return unexpected(errc::limit_reached);
        }
    }
    table.give_back(std::exchange(state_->times, number));
    number != 0 ? state_->set(detail::mark::timed) : state_->clear(detail::mark::timed);
    return {};
}

result<transfer_times> socket::default_times() const noexcept {
    if (state_ == nullptr || state_->core == nullptr) {
        return unexpected(errc::closed);
    }
    return state_->core->times[state_->times];
}

}  // namespace tcp
}  // namespace thole
