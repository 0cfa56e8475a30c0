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

void operation::cancel() noexcept {
    if (core != nullptr) {
        core->cancel(*this, detail::reason::cancelled);
    }
}

std::error_code operation::failure() const noexcept {
    if (own_error) {
        return static_cast<errc>(error);
    }
    return {error, system_category()};
}

namespace detail {

void refuse_restart() noexcept { misuse("an operation was started again before it had finished"); }

void refuse_destruction() noexcept { misuse("an operation was destroyed before it had finished"); }

// ---- Starting. The transfers' way is short: it is what a program does all day; what is not on it
// stands in unusual.cpp.

namespace {

// A transfer on an open handle of a loop.
bool is_usual(const operation& op) noexcept {
    return op.state != nullptr && is_transfer(op.what) && op.state->core != nullptr;
}

}  // namespace

// True: it has finished already.
inline bool loop_core::start_transfer(operation& op, const socket_state& state) noexcept {
    assert(op.at == stage::idle);
    if ((!fit() || op.due < 0) && refuses(op)) {
        return true;
    }
    if (is_write(op.what)) {
        if (!state.writing.empty()) {
            return refuse_second(op);
        }
    } else if (!state.reading.empty()) {
        return refuse_second(op);
    }
    if ((op.length == 0 || op.vectored) && is_empty(op)) {  // R105: no call, no end of stream
        op.at = stage::finished;
        return true;
    }
    return submit(op, state);
}

bool loop_core::start(operation& op) noexcept {
    return is_usual(op) ? start_transfer(op, *op.state) : start_unusual(op);
}

// ---- Ending.

void loop_core::cancel(operation& op, reason why) noexcept {
    if (op.at != stage::submitted || op.why != reason::none) {
        return;  // the first reason wins, and the kernel was asked already
    }
    op.why = why;
    if (op.armed()) {
        wheel.disarm(op);
    }
    if (is_local(op.what)) {
        cancel_local(static_cast<local_operation&>(op));
    } else if (op.starved) {
        cancel_starved(op);
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

// ---- Who waits, and how it is told.

bool begin_awaited(operation& op, promise_base* by) noexcept {
    if (by == nullptr || by->cancelled != reason::none || by->core->budget == 0 || !is_usual(op) ||
        op.state->core != by->core) {
        return begin_awaited_unusual(op, by);
    }
    loop_core& core = *by->core;
    op.core = &core;
    if (core.start_transfer(op, *op.state)) {
        --core.budget;
        op.at = stage::dispatched;
        return false;
    }
    by->awaited = &op;
    by->kind = promise_base::awaits::operation;
    return true;
}

void begin_callback(operation& op) noexcept {
    if (!is_usual(op)) {
        begin_callback_unusual(op);
        return;
    }
    loop_core& core = *op.state->core;
    op.core = &core;
    if (core.start_transfer(op, *op.state)) {
        core.ready.push(op);
    }
}

}  // namespace detail
}  // namespace thole
