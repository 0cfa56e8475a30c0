// SPDX-License-Identifier: BSL-1.0
// What the short way of submit.cpp leaves aside: refusals, verbs that are no transfers, who waits
// without a task. Apart, so that no compiler spreads it into that way.
#include <thole/with_deadline.hpp>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole::detail {

namespace {

errc error_of(reason why) noexcept {
    switch (why) {
    case reason::deadline:
        return errc::deadline_reached;
    case reason::closed:
        return errc::closed;
    case reason::none:
    case reason::cancelled:
        break;
    }
    return errc::cancelled;
}

}  // namespace

void settle_code(operation& op, const std::error_code& failed) noexcept {
    if (failed.category() == category()) {
        settle_own(op, static_cast<errc>(failed.value()));
    } else if (failed.category() == system_category()) {
        settle_error(op, failed.value());
    } else {
        settle_error(op, raw_of(static_cast<std::errc>(failed.value())));
    }
}

// Effects beat reasons: only the kernel's own word "aborted" turns into the recorded reason, and an
// abort that nobody asked for stays the kernel's error, never `cancelled` (R101, R103).
void loop_core::resolve_abort(operation& op) noexcept {
    op.aborted = false;
    if (op.why != reason::none) {
        settle_own(op, error_of(op.why));
        if (op.why == reason::deadline && op.by_default) {
            op.state->set(mark::expired);
        }
    }
}

bool loop_core::goes_on_waiting(operation& op) noexcept {
    if (op.aborted) {
        resolve_abort(op);
        return false;
    }
    return backs_off(op);
}

void loop_core::cancel_in_line(operation& op) noexcept {
    op.starved ? cancel_starved(op) : cancel_paused(op);
}

// ---- Starting.

void loop_core::arm_apart(operation& op) noexcept {
    make_room();
    wheel.arm(op, op.due);
}

bool loop_core::has_passed(std::int64_t word) const noexcept {
    constexpr std::int64_t over = within(std::chrono::nanoseconds(0)).word();
    return word < 0 && (word == over || -word <= clock().time_since_epoch().count());
}

bool is_over(const loop_core& core, deadline until) noexcept {
    return core.has_passed(until.word());
}

// R102: what is late starts nothing and consumes nothing; a late sleep has had its effect.
bool loop_core::is_late(operation& op) noexcept {
    if (!has_passed(op.due)) {
        return false;
    }
    if (op.what != verb::sleep) {
        settle_own(op, errc::deadline_reached);
    }
    return true;
}

// What any verb may be refused for: the loop, or the time. True: it has finished.
bool loop_core::refuses(operation& op) noexcept {
    if (!fit()) {
        settle_code(op, usable());
    } else if (!is_late(op)) {
        return false;
    }
    op.at = stage::finished;
    return true;
}

// ---- What no backend has a part in.

bool loop_core::start_local(local_operation& op) noexcept {
    if (op.methods().start(op)) {
        return true;
    }
    locals.push(op);
    op.at = stage::submitted;
    if (!op.methods().composed) {
        ++pending;
    }
    if (op.due != 0) {
        arm(op);
    }
    return false;
}

void loop_core::cancel_local(local_operation& op) noexcept {
    if (op.methods().cancel(op)) {
        settle_aborted(op, 0);
        finish_local(op);
    }
}

void loop_core::finish_local(local_operation& op) noexcept {
    locals.remove(op);
    if (op.methods().composed) {
        ++pending;  // finished() counts it off
    }
    finished(op);
}

// Asks the backend; the operation must be ready for that.
bool loop_core::submit(operation& op) noexcept {
    if (!network->submit(op) || (op.native_error && backs_off(op))) {
        becomes_pending(op);
        return false;
    }
    op.at = stage::finished;
    return true;
}

bool loop_core::submit_rest(operation& op, std::ptrdiff_t offered) noexcept {
    loop_core& core = *op.state->core;
    if (!core.network->submit_rest(op, offered) || (op.native_error && core.backs_off(op))) {
        core.becomes_pending(op);
        return false;
    }
    op.at = stage::finished;
    return true;
}

bool loop_core::start_transfer(operation& op) noexcept {
    const operation_queue& queue = is_write(op.what) ? op.state->writing : op.state->reading;
    op.at = stage::finished;
    if (!queue.empty()) {
        settle_own(op, errc::operation_in_progress);
        return true;
    }
    if (total_length(op) == 0) {  // R105: no call, no end of stream
        return true;
    }
    if (op.state->times != 0 && op.due == 0 && !is_write(op.what)) {
        op.state->clear(mark::expired);
    }
    return submit(op);
}

bool loop_core::start(operation& op) noexcept {
    assert(op.at == stage::idle);
    if (refuses(op)) {
        return true;
    }
    op.at = stage::finished;
    if (op.what == verb::none || (op.what == verb::connect && !prepare_connect(op))) {
        return true;
    }
    if (is_local(op.what)) {
        return start_local(static_cast<local_operation&>(op));
    }
    if (op.state == nullptr) {
        settle_own(op, errc::closed);
        return true;
    }
    return is_transfer(op.what) ? start_transfer(op) : submit(op);
}

// ---- Who waits, and how it is told.

loop_core* loop_core::of(operation& op) noexcept {
    if (op.state != nullptr) {
        return op.state->core;
    }
    if (op.what == verb::connect) {
        return static_cast<tcp::connect_op&>(op).on_;
    }
    if (!is_local(op.what)) {
        return nullptr;
    }
    auto& local = static_cast<local_operation&>(op);
    if (local.core == nullptr) {
        local.core = current_loop();  // an event has no loop of its own
    }
    return local.core;
}

// A coroutine of a foreign type, a cancelled task, a spent budget, no transfer, a handle without a
// loop, another loop's. Who waits is resumed by its own loop, whatever loop the operation is of.
bool begin_awaited(operation& op, promise_base* by) noexcept {
    loop_core* its = loop_core::of(op);
    loop_core* core = by != nullptr ? by->core : its != nullptr ? its : current_loop();
    bool done = true;
    if (by != nullptr && by->cancelled != reason::none && op.what != verb::close_gracefully) {
        // R102: a cancelled task starts nothing, but for its farewell.
        settle_own(op, error_of(by->cancelled));
    } else if (its == nullptr) {
        settle_own(op, errc::closed);
    } else if (its != core) {
        const std::error_code refused = its->usable();
        settle_code(op, refused ? refused : make_error_code(std::errc::operation_not_permitted));
    } else {
        done = core->start(op);
    }
    if (done && core != nullptr && core->budget == 0 && core->fit()) {
        op.at = stage::finished;
        core->ready.push(op);
        done = false;
    }
    if (done) {
        if (core != nullptr && core->budget > 0) {
            --core->budget;
        }
        op.at = stage::dispatched;
    } else if (by != nullptr) {
        by->awaited = &op;
        by->kind = promise_base::awaits::operation;
    }
    return !done;
}

void begin_callback(operation& op) noexcept {
    loop_core* core = loop_core::of(op);
    if (core == nullptr) {
        settle_own(op, errc::closed);
        op.at = stage::finished;
        core = current_loop();
        (core != nullptr ? core->ready : loopless()).push(op);
    } else if (core->start(op)) {
        (core->network != nullptr ? core->ready : core->refusals).push(op);
    }
}

}  // namespace thole::detail
