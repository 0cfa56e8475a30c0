// SPDX-License-Identifier: BSL-1.0
// The life of an operation: start, cancel, finish.
#include <cassert>
#include <cstdio>
#include <exception>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole {

namespace {

[[noreturn]] void misuse(const char* what) noexcept {
    std::fprintf(stderr, "thole: %s\n", what);
    std::terminate();
}

}  // namespace

operation::~operation() {
    if (at == detail::stage::submitted || at == detail::stage::finished) {
        misuse("an operation was destroyed before it had finished");
    }
}

void operation::cancel() noexcept {
    if (core != nullptr) {
        core->cancel(*this, detail::reason::cancelled);
    }
}

void operation::reset(verb asked, detail::loop_core* on, detail::socket_state* with,
                      deadline until) noexcept {
    if (at == detail::stage::submitted || at == detail::stage::finished) {
        misuse("an operation was started again before it had finished");
    }
    core = with != nullptr ? with->core : on;
    state = with;
    due = until.count();
    count = 0;
    error = 0;
    what = asked;
    at = detail::stage::idle;
    why = detail::reason::none;
    limit = until.kind();
    own_error = false;
    aborted = false;
    spent = false;
}

std::error_code operation::outcome() const noexcept {
    if (error == 0) {
        return {};
    }
    if (own_error) {
        return static_cast<errc>(error);
    }
    return {error, system_category()};
}

namespace detail {

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

// Effects beat reasons: only the kernel's own word "aborted" turns into the recorded reason, and an
// abort that nobody asked for stays the kernel's error, never `cancelled` (R101, R103).
void resolve(operation& op) noexcept {
    if (!op.aborted || op.why == reason::none) {
        return;
    }
    settle_own(op, error_of(op.why));
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

bool loop_core::start_transfer(operation& op) noexcept {
    if (op.state == nullptr) {
        settle_own(op, errc::closed);
        return true;
    }
    if (is_write(op.what) || is_read(op.what)) {
        if (!(is_write(op.what) ? op.state->writing : op.state->reading).empty()) {
            settle_own(op, errc::operation_in_progress);
            return true;
        }
        if (total_length(op) == 0) {  // R105: no system call, no end of stream
            settle_done(op);
            return true;
        }
    }
    return network->submit(op);
}

bool loop_core::start(operation& op) noexcept {
    assert(op.at == stage::idle);
    op.at = stage::finished;
    if (const std::error_code refused = usable()) {
        settle_code(op, refused);
        return true;
    }
    const std::int64_t limit = op.due;
    op.due = 0;
    const bool late = op.limit == deadline::form::relative ? limit <= 0
                      : op.limit == deadline::form::absolute &&
                            limit <= clock().time_since_epoch().count();
    if (late && op.what == verb::sleep) {
        settle_done(op);
        return true;
    }
    if (late) {  // R102: nothing is started, nothing consumed
        settle_own(op, errc::deadline_reached);
        return true;
    }
    if (op.what == verb::sleep) {
        sleeping.push(op);
    } else if (op.what == verb::none) {
        return true;
    } else if (op.what == verb::connect && !prepare_connect(op)) {
        return true;
    } else if (start_transfer(op)) {
        return true;
    }
    op.at = stage::submitted;
    ++pending;
    if (op.limit == deadline::form::relative) {
        wheel.arm_after(op, limit);
    } else if (op.limit == deadline::form::absolute) {
        wheel.arm_at(op, limit);
    }
    return false;
}

void loop_core::cancel(operation& op, reason why) noexcept {
    if (op.at != stage::submitted || op.why != reason::none) {
        return;  // the first reason wins, and the kernel was asked already
    }
    op.why = why;
    if (op.armed()) {
        wheel.disarm(op);
    }
    if (op.what == verb::sleep) {
        settle_aborted(op, 0);
        finished(op);
    } else if (network->cancel(op)) {
        finished(op);
    }
}

void loop_core::cancel_all(operation_queue& queue, reason why) noexcept {
    for (operation* op = queue.front(); op != nullptr;) {
        operation* following = queue.after(*op);
        cancel(*op, why);
        op = following;
    }
}

void loop_core::finished(operation& op) noexcept {
    assert(op.at == stage::submitted);
    if (op.what == verb::sleep) {
        sleeping.remove(op);
    }
    if (op.armed()) {  // when it finishes, not when it is dispatched, or it expires for ever
        wheel.disarm(op);
    }
    resolve(op);
    op.at = stage::finished;
    --pending;
    ready.push(op);
}

void completions::push(operation& op) noexcept {
    ++count_;
    core_.finished(op);
}

void deliver(socket_state& listener, inbound_queue& inbound, const loose_socket& arrived,
             completions& done) {
    operation* waiting = listener.reading.front();
    if (waiting == nullptr) {
        inbound.park(arrived);
        return;
    }
    listener.reading.remove(*waiting);
    static_cast<tcp::accept_op*>(waiting)->accepted = arrived;
    settle_done(*waiting);
    done.push(*waiting);
}

bool begin_awaited(operation& op, promise_base* by) noexcept {
    // Who waits is resumed by its own loop, whatever loop the operation is of.
    loop_core* core = by != nullptr ? by->core : op.core != nullptr ? op.core : current_loop();
    bool done = true;
    if (by != nullptr && by->cancelled != reason::none) {  // R102: a cancelled task starts nothing
        settle_own(op, error_of(by->cancelled));
    } else if (op.core == nullptr) {
        settle_own(op, errc::closed);
    } else if (op.core != core) {  // another loop's, or one that cannot be used
        const std::error_code refused = op.core->usable();
        settle_code(op, refused ? refused : make_error_code(std::errc::operation_not_permitted));
    } else {
        done = core->start(op);
    }
    if (done) {
        if (core == nullptr || core->budget > 0 || core->usable()) {
            if (core != nullptr && core->budget > 0) {
                --core->budget;
            }
            op.at = stage::dispatched;
            return false;
        }
        op.at = stage::finished;
        core->ready.push(op);
    }
    if (by != nullptr) {
        by->awaited = &op;
        by->kind = promise_base::awaits::operation;
    }
    return true;
}

void begin_callback(operation& op) noexcept {
    if (op.core != nullptr) {
        if (op.core->start(op)) {
            op.core->ready.push(op);
        }
        return;
    }
    settle_own(op, errc::closed);
    op.at = stage::finished;
    loop_core* core = current_loop();
    (core != nullptr ? core->ready : loopless()).push(op);
}

}  // namespace detail
}  // namespace thole
