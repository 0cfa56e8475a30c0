// SPDX-License-Identifier: BSL-1.0
// The loop's open sockets, from opening to the end of the loop.
#include <utility>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole::detail {

void loop_core::retire() noexcept { forks = never_forked; }

std::error_code loop_core::usable() const noexcept {
    if (fit()) {
        return {};
    }
    if (error) {
        return error;
    }
    if (closing) {
        return errc::closed;
    }
    // R78: the parent's kernel objects are not the child's to use.
    return {raw_of(std::errc::operation_not_permitted), system_category()};
}

socket_state* loop_core::open(socket_kind kind, std::error_code& failed) noexcept {
    if (!fit()) [[unlikely]] {
        failed = usable();
        return nullptr;
    }
    socket_state* state = network->open(kind, failed);
    if (state != nullptr) {
        enlist(*state);
    }
    return state;
}

socket_state* loop_core::adopt(const loose_socket& loose, std::error_code& failed) noexcept {
    if (!fit()) [[unlikely]] {
        failed = usable();
        loose.methods->close(loose.native);
        return nullptr;
    }
    socket_state* state = network->adopt(loose, failed);
    if (state != nullptr) {
        enlist(*state);
    }
    return state;
}

void loop_core::give(operation& op, const loose_socket& arrived) noexcept {
    tcp::listener_counters& counts = op.state->as_listener()->counts;
    if (op.what == verb::accept_detached) {
        static_cast<tcp::accept_detached_op&>(op).accepted = arrived;
        settle_done(op);
        ++counts.accepted;
        return;
    }
    std::error_code failed;
    if (socket_state* made = network->adopt(arrived, failed)) {
        made->core = this;
        give(op, *made);
        ++counts.accepted;
    } else {
        settle_code(op, failed);
        ++counts.shed;
    }
}

std::error_code loop_core::control(socket_state* state, control_request& asked) noexcept {
    if (state == nullptr || state->core == nullptr) {
        return errc::closed;
    }
    loop_core& core = *state->core;
    if (!core.fit()) {
        return core.usable();
    }
    return core.network->control(*state, asked);
}

void close(socket_state& state, farewell how) noexcept {
    if (state.core != nullptr) [[likely]] {
        state.core->close(state, how);
    } else {
        delete &state;  // its loop is gone
    }
}

inline void loop_core::unlist(socket_state& state, farewell how) noexcept {
    unlink(state);
    network->close(&state, how);
}

void loop_core::close(socket_state& state, farewell how) noexcept {
    // Without these marks nothing stands in its queues.
    const bool busy = state.has(mark::timed | mark::receive | mark::submitted);
    assert(busy || (state.reading.empty() && state.writing.empty() && state.times == 0));
    // R78: in a child the connection is the parent's too.
    if (busy || (how == farewell::reset && !fit())) [[unlikely]] {
        close_busy(state, fit() ? how : farewell::usual);
    } else {
        unlist(state, how);
    }
}

void loop_core::close_busy(socket_state& state, farewell how) noexcept {
    cancel_all(state.reading, reason::closed);
    cancel_all(state.writing, reason::closed);
    times.give_back(state.times);
    unlist(state, how);
}

// Whatever is queued is given up, and what that gives up in turn queues.
void loop_core::discard_ready() noexcept {
    for (mail.drain(ready); runnable* item = ready.pop(); mail.drain(ready)) {
        item->act(*item, turn::discard);
    }
}

namespace {

// Waits for the kernel's word once more. A wait that failed is tried again, within reason: what is
// pending is memory that the kernel may still write to.
bool goes_on(backend& network, completions& done, int& failed_in_a_row) noexcept {
    constexpr int most = 1000;
    if (network.wait(time_point::max(), done)) {
        return ++failed_in_a_row < most;
    }
    failed_in_a_row = 0;
    return true;
}

}  // namespace

void loop_core::shut_down() noexcept {
    closing = true;
    retire();
    if (network == nullptr) {
        ready.append(refusals);
        discard_ready();
        destroy_tasks();
        return;
    }
    for (operation* op = locals.front(); op != nullptr;) {
        if (op->why == reason::none) {
            cancel(*op, reason::closed);
            op = locals.front();  // its steps may have been others of the list
        } else {
            op = locals.after(*op);
        }
    }
    for (socket_link* link = sockets.next; link != &sockets; link = link->next) {
        auto& state = static_cast<socket_state&>(*link);
        cancel_all(state.reading, reason::closed);
        cancel_all(state.writing, reason::closed);
    }
    while (wheel.take_any() != nullptr) {  // only lone timers are left in it
        --pending;
    }
    while (!expired.empty()) {
        expired.pop();
        --pending;
    }
    completions done(*this);
    int failed = 0;
    while (pending > 0 && goes_on(*network, done, failed)) {
    }
    discard_ready();
    destroy_tasks();
    discard_ready();
    while (sockets.next != &sockets) {  // handles that outlive the loop own the memory from here on
        auto* state = static_cast<socket_state*>(sockets.next);
        sockets.next = state->next;
        sockets.next->prev = &sockets;
        state->core = nullptr;
        state->set(mark::asks | mark::submitted);
        network->close(state, farewell::usual);
    }
    while (network->held() > 0 && goes_on(*network, done, failed)) {
    }
}

loop_core::~loop_core() { shut_down(); }

}  // namespace thole::detail
