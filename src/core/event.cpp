// SPDX-License-Identifier: BSL-1.0
// What waits inside the loop: for an event, for room or an item in a queue.
#include <thole/event.hpp>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole {
namespace detail {

bool waiting_operation::leave(local_operation& op) noexcept {
    auto& waiting = static_cast<waiting_operation&>(op);
    waiting.in_->remove(waiting);
    return true;
}

bool wait_list::enter(waiting_operation& op) noexcept {
    if (first_ != nullptr && first_->core != op.core) {
        settle_error(op, raw_of(std::errc::operation_not_permitted));
        return false;
    }
    op.in_ = this;
    op.later_ = nullptr;
    op.earlier_ = last_;
    (last_ != nullptr ? last_->later_ : first_) = &op;
    last_ = &op;
    return true;
}

void wait_list::remove(waiting_operation& op) noexcept {
    (op.earlier_ != nullptr ? op.earlier_->later_ : first_) = op.later_;
    (op.later_ != nullptr ? op.later_->earlier_ : last_) = op.earlier_;
}

void wait_list::finish(waiting_operation& op) noexcept {
    remove(op);
    op.core->finish_local(op);
}

void wait_list::close() noexcept {
    while (waiting_operation* op = first_) {
        op->end_with(errc::closed);
        finish(*op);
    }
}

}  // namespace detail

constexpr detail::local_methods wait_op::how{&start, &waiting_operation::leave};

wait_op::wait_op() noexcept : waiting_operation(how) {}

bool wait_op::start(local_operation& op) noexcept {
    auto& self = static_cast<wait_op&>(op);
    return self.on_->set_ || !self.on_->waiting_.enter(self);
}

result<void> wait_op::take() noexcept { return done(); }

void event::set() noexcept {
    set_ = true;
    while (!waiting_.empty()) {
        waiting_.finish(*waiting_.front());
    }
}

}  // namespace thole
