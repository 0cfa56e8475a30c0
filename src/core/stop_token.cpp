// SPDX-License-Identifier: BSL-1.0
// A stop_token's request on its way to the loop.
#include <thole/stop_token.hpp>

#include "core/loop_core.hpp"

namespace thole::detail {

namespace {

void arrive(runnable& self, turn how) {
    auto& letter = static_cast<stop_letter&>(self);
    if (letter.to == nullptr) {
        release_frame(&letter, sizeof letter);
        return;
    }
    letter.posted = false;  // the task holds it
    if (how == turn::run) {
        cancel_task(*letter.to, reason::cancelled);
    }
}

}  // namespace

stop_letter* write_letter(promise_base& to) {
    auto* letter = ::new (allocate_frame(sizeof(stop_letter))) stop_letter;
    letter->act = &arrive;
    letter->to = &to;
    letter->core = to.core;
    return letter;
}

void post_letter(stop_letter& letter) noexcept {
    letter.posted = true;
    letter.core->enqueue(letter);
}

void drop_letter(stop_letter* letter) noexcept {
    if (letter == nullptr) {
        return;
    }
    letter->to = nullptr;
    if (!letter->posted) {
        release_frame(letter, sizeof *letter);
    }
}

}  // namespace thole::detail
