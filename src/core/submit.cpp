// SPDX-License-Identifier: BSL-1.0
// The life of an operation: start, cancel, finish.
#include <cassert>
#include <cstdio>
#include <exception>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole {

void operation::cancel() noexcept {
    if (!pending()) {
        return;
    }
    if (detail::loop_core* core = detail::loop_core::of(*this)) {
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

void misuse(const char* what) noexcept {
    std::fprintf(stderr, "thole: %s\n", what);
    std::terminate();
}

void refuse_restart() noexcept { misuse("an operation was started again before it had finished"); }

void refuse_destruction() noexcept { misuse("an operation was destroyed before it had finished"); }

// ---- Starting. The short way is that of one buffer read or written: what a program does all day.
// What is not on it goes to unusual.cpp.

namespace {

// The loop of a transfer of one buffer that nothing speaks against: none of these marks, of which a
// state without a loop has one.
loop_core* usual_loop(const operation& op, std::uint8_t none_of) noexcept {
    const socket_state* state = op.state;
    if (state == nullptr || state->has(none_of) || !state->core->fit() || op.length == 0) {
        return nullptr;
    }
    return state->core;
}

// That of an accept without a deadline.
loop_core* accepting_loop(const operation& op) noexcept {
    loop_core* core = op.state != nullptr && op.due == 0 ? op.state->core : nullptr;
    return core != nullptr && core->fit() ? core : nullptr;
}

constexpr std::uint8_t not_to_await = mark::asks | mark::timed | mark::plain | mark::reader;

}  // namespace

inline void loop_core::stand(operation& op, std::uint8_t as) noexcept {
    assert(op.at == stage::idle);
    op.state->set(as);
    op.state->reading.push_alone(op);
    op.at = stage::submitted;
    ++pending;
}

// True: it has finished already. It does not use `this` after the call, which is cheaper than a
// register kept over it.
inline bool loop_core::offer(operation& op) noexcept {
    assert(op.at == stage::idle);
    const std::ptrdiff_t taken = offering(*op.state, op.buffer, op.length);
    if (static_cast<std::size_t>(taken) != op.length) [[unlikely]] {
        return submit_rest(op, taken);
    }
    op.count = op.length;
    settle_done(op);
    op.at = stage::finished;
    return true;
}

template <bool Writing>
inline bool loop_core::hand_over(operation& op) noexcept {
    socket_state* state = op.state;
    if (state == nullptr || state->core == nullptr) {
        return false;
    }
    const loop_core& core = *state->core;
    const backend::hand_function take = Writing ? core.taking_write : core.taking_read;
    const operation_queue& queue = Writing ? state->writing : state->reading;
    assert(op.at == stage::idle);
    return take != nullptr && core.fit() && op.due >= 0 && op.length != 0 && queue.empty() &&
           take(op);
}

namespace {

// Stands there as well where its socket has default times, which is what a server gives it.
THOLE_APART bool await_timed(operation& op, promise_base& by) noexcept {
    loop_core* core = usual_loop(op, not_to_await & ~mark::timed);
    if (core == nullptr || op.due < 0 || core != by.core || by.cancelled != reason::none) {
        return begin_awaited(op, &by);
    }
    core->stand(op, op.what == verb::receive ? mark::receive : mark::plain);
    by.awaited = &op;
    by.kind = promise_base::awaits::operation;
    core->stays(op);
    return true;
}

// Each by itself, so that what the core does alone keeps no register for this.
template <bool Writing>
THOLE_APART void callback_by_network(operation& op) noexcept {
    if (!loop_core::hand_over<Writing>(op)) {
        begin_callback(op);
    }
}

template <bool Writing>
THOLE_APART bool await_by_network(operation& op, promise_base& by) noexcept {
    if (by.cancelled != reason::none || op.state == nullptr || op.state->core != by.core ||
        !loop_core::hand_over<Writing>(op)) {
        return Writing ? begin_awaited(op, &by) : await_timed(op, by);
    }
    by.awaited = &op;
    by.kind = promise_base::awaits::operation;
    return true;
}

template <std::uint8_t As>
void callback_reading(operation& op) noexcept {
    loop_core* core = usual_loop(op, not_to_await);
    if (core != nullptr && op.due == 0) {
        core->stand(op, As);
    } else if (core != nullptr && op.due > 0) {
        core->stand(op, As);
        core->arm(op);
    } else {
        callback_by_network<false>(op);  // also for a point of time, which may have passed
    }
}

// Whether what a task awaits may be started here, and the task go on at once if that has finished.
bool goes_on_at_once(const loop_core* core, const promise_base& by) noexcept {
    return core != nullptr && core == by.core && by.cancelled == reason::none && core->budget != 0;
}

template <bool (loop_core::*Start)(operation&) noexcept>
bool await_unless_done(loop_core& core, operation& op, promise_base& by) noexcept {
    if ((core.*Start)(op)) {
        --core.budget;
        op.at = stage::dispatched;
        return false;
    }
    by.awaited = &op;
    by.kind = promise_base::awaits::operation;
    return true;
}

template <std::uint8_t As>
bool await_reading(operation& op, promise_base& by) noexcept {
    loop_core* core = usual_loop(op, not_to_await);
    if (core == nullptr || op.due < 0 || core != by.core || by.cancelled != reason::none) {
        return await_by_network<false>(op, by);
    }
    core->stand(op, As);
    by.awaited = &op;
    by.kind = promise_base::awaits::operation;
    if (op.due != 0) {
        core->arm(op);
    }
    return true;
}

}  // namespace

void begin_callback_read(operation& op) noexcept { callback_reading<mark::plain>(op); }

void begin_callback_receive(operation& op) noexcept { callback_reading<mark::receive>(op); }

void begin_callback_write(operation& op) noexcept {
    loop_core* core = usual_loop(op, mark::submitted);
    if (core == nullptr || op.due < 0) {
        callback_by_network<true>(op);
        return;
    }
    if (core->offer(op)) {
        op.state->core->ready.push(op);
    }
}

bool begin_awaited_read(operation& op, promise_base& by) noexcept {
    return await_reading<mark::plain>(op, by);
}

bool begin_awaited_receive(operation& op, promise_base& by) noexcept {
    return await_reading<mark::receive>(op, by);
}

bool begin_awaited_write(operation& op, promise_base& by) noexcept {
    loop_core* core = usual_loop(op, mark::submitted);
    if (op.due < 0 || !goes_on_at_once(core, by)) {
        return await_by_network<true>(op, by);
    }
    return await_unless_done<&loop_core::offer>(*core, op, by);
}

// An accept without a deadline, for which most listeners have a client at once or none.
inline bool loop_core::accept(operation& op) noexcept {
    assert(op.at == stage::idle);
    if (!network->submit(op) || (op.native_error && backs_off(op))) {
        op.at = stage::submitted;
        ++pending;
        return false;
    }
    op.at = stage::finished;
    return true;
}

void begin_callback_accept(operation& op) noexcept {
    loop_core* core = accepting_loop(op);
    if (core == nullptr) {
        begin_callback(op);
    } else if (core->accept(op)) {
        core->ready.push(op);
    }
}

bool begin_awaited_accept(operation& op, promise_base& by) noexcept {
    loop_core* core = accepting_loop(op);
    if (!goes_on_at_once(core, by)) {
        return begin_awaited(op, &by);
    }
    return await_unless_done<&loop_core::accept>(*core, op, by);
}

// That of a connect which no time can have overtaken.
loop_core* loop_core::connecting(const operation& op) noexcept {
    loop_core* core = static_cast<const tcp::connect_op&>(op).on_;
    return core->fit() && op.due >= 0 ? core : nullptr;
}

inline bool loop_core::connect(operation& op) noexcept {
    assert(op.at == stage::idle);
    op.at = stage::finished;
    if (!prepare_connect(op) || network->submit(op)) {
        return true;
    }
    becomes_pending(op);
    return false;
}

void begin_callback_connect(operation& op) noexcept {
    loop_core* core = loop_core::connecting(op);
    if (core == nullptr) {
        begin_callback(op);
    } else if (core->connect(op)) {
        core->ready.push(op);
    }
}

bool begin_awaited_connect(operation& op, promise_base& by) noexcept {
    loop_core* core = loop_core::connecting(op);
    if (!goes_on_at_once(core, by)) {
        return begin_awaited(op, &by);
    }
    return await_unless_done<&loop_core::connect>(*core, op, by);
}

// ---- Ending.

void loop_core::cancel(operation& op, reason why) noexcept {
    if (op.at != stage::submitted || op.why != reason::none) {
        return;  // the first reason wins, and the kernel was asked already
    }
    op.why = why;
    if (op.armed()) {
        wheel.disarm(op);
        op.by_default = false;  // that time has not come
    }
    if (is_local(op.what)) {
        cancel_local(static_cast<local_operation&>(op));
    } else if (op.starved || op.paused) {
        cancel_in_line(op);
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
    if (waiting->paused) [[unlikely]] {
        listener.core->resume(*waiting);
    }
    listener.reading.remove(*waiting);
    listener.core->give(*waiting, arrived);
    done.push(*waiting);
}

}  // namespace detail
}  // namespace thole
