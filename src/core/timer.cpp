// SPDX-License-Identifier: BSL-1.0
// Lone timers and sleeping.
#include <thole/timer.hpp>

#include <utility>

#include "core/loop_core.hpp"

namespace thole {

timer::timer(loop& on, function run, void* context) noexcept
    : core_(on.core()), run_(run), context_(context) {}

timer::timer(function run, void* context) noexcept : core_(nullptr), run_(run), context_(context) {}

timer::~timer() { disarm(); }

std::error_code timer::arm(deadline until) noexcept { return core_->arm(*this, until); }

void timer::disarm() noexcept {
    if (armed()) {
        core_->disarm(*this);
    }
}

namespace {

// Its time is its deadline, which the wheel keeps.
constexpr detail::local_methods sleeping{
    .start = [](local_operation&) { return false; },
    .cancel = [](local_operation&) { return true; },
};

}  // namespace

sleep_op::sleep_op() noexcept : local_operation(sleeping) {}

sleep_op::sleep_op(deadline until) noexcept : sleep_op() { reset(verb::sleep, nullptr, until); }

void sleep_op::prepare(loop& on, deadline until) noexcept { reset(verb::sleep, on.core(), until); }

result<void> sleep_op::take() noexcept { return done(); }

namespace detail {

std::error_code loop_core::arm(timer& lone, deadline until) noexcept {
    const std::int64_t word = until.word();
    if (word == 0 || !fit() || wheel.full() || lone.due == expired_mark) [[unlikely]] {
        return arm_unusual(lone, until);
    }
    if (lone.armed()) {
        wheel.arm_again(lone, word);
    } else {
        ++pending;
        wheel.arm(lone, word, 1);
    }
    return error;  // none
}

std::error_code loop_core::arm_unusual(timer& lone, deadline until) noexcept {
    make_room();
    if (until == never || !fit()) {
        disarm(lone);
        return usable();
    }
    if (lone.due == expired_mark) {
        disarm(lone);
    }
    return arm(lone, until);
}

void loop_core::disarm(timer& lone) noexcept {
    if (!lone.armed()) {
        return;
    }
    --pending;
    if (lone.due == expired_mark) {
        timer_list::unlink(lone);  // it waited for its call
        lone.due = 0;
    } else {
        wheel.disarm(lone);
    }
}

void loop_core::call(timer_node& expired_one) {
    auto& lone = static_cast<timer&>(expired_one);
    --pending;
    lone.due = 0;
    lone.run_(lone.context_);
}

}  // namespace detail
}  // namespace thole
