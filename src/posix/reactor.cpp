// SPDX-License-Identifier: BSL-1.0
#include "posix/reactor.hpp"

#include <cstdlib>
#include <utility>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"
#include "posix/handle.hpp"
#include "posix/verbs.hpp"

namespace thole::detail {
namespace {

reactor_state& state_of(const operation& op) noexcept {
    return static_cast<reactor_state&>(*op.state);
}

}  // namespace

// ---- The table.

state_table::~state_table() { std::free(entries_); }

bool state_table::grow(std::size_t fd) noexcept {
    const std::size_t size = fd + fd / 2 + 16;
    auto* grown = static_cast<entry*>(std::realloc(entries_, size * sizeof(entry)));
    if (grown == nullptr) {
        return false;
    }
    for (std::size_t i = size_; i < size; ++i) {
        grown[i] = {};
    }
    entries_ = grown;
    size_ = size;
    return true;
}

// ---- Sockets.

reactor::~reactor() {
    while (spare_ != nullptr) {
        reactor_state* state = spare_;
        spare_ = static_cast<reactor_state*>(state->next);
        delete state;
    }
}

int reactor::open_waker() noexcept {
    if (const int failed = native_backend::open_waker()) {
        return failed;
    }
    if (waker() >= limit_) {
        return EMFILE;
    }
    return states_.cover(waker()) ? 0 : ENOMEM;
}

native_state* reactor::take(int fd, socket_kind kind, int& failed) noexcept {
    return make(fd, kind, failed);
}

int reactor::attach(native_state& state) noexcept { return watch(state.fd, entry_of(state)); }

int reactor::detach(native_state& state) noexcept {
    unwatch(static_cast<reactor_state&>(state));
    states_.remove(state.fd);
    return 0;
}

std::uint32_t& reactor::since(const native_state& state) noexcept { return entry_of(state).since; }

void reactor::close(socket_state* socket) {
    auto* state = static_cast<reactor_state*>(socket);
    if (state->fd >= 0) {
        states_.remove(state->fd);
        // No deregistration before: the last descriptor's end does it, and where it was not the
        // last the generation tells (R67).
        static_cast<void>(sys::close(std::exchange(state->fd, -1)));  // R68
    }
    if (state->core != nullptr) {  // else it is the handle's
        discard(*state);
    }
}

// ---- Operations.

// An operation waits for the poller.
inline void reactor::pause(reactor_state& state) noexcept {
    if (state.has(mark::again)) {
        state.clear(mark::again);
        tell_again(state);
    }
}

bool reactor::submit(operation& op) {
    reactor_state& state = state_of(op);
    if (is_accept(op.what)) {
        return start_accept(op, state) == progress::done || wait_for(state.reading, op);
    }
    if (op.what == verb::connect) {
        return begin_connect(op, state) == progress::done || wait_for(state.writing, op);
    }
    return submit_transfer(op, state);
}

bool reactor::submit_transfer(operation& op, reactor_state& state) {
    if (is_write(op.what)) {
        state.clear(mark::submitted);
        return finish_write(op, state) == progress::done || wait_for(state.writing, op);
    }
    return start_read(op, state) == progress::done || wait_for(state.reading, op);
}

// There is nearly always room, so the system is asked at once.
std::ptrdiff_t reactor::send_now(socket_state& socket, const void* bytes, std::size_t length) {
    return sys::send(static_cast<reactor_state&>(socket).fd, bytes, length, MSG_NOSIGNAL);  // R72
}

bool reactor::submit_rest(operation& op, std::ptrdiff_t offered) {
    reactor_state& state = state_of(op);
    return write_rest(op, state, offered) == progress::done || wait_for(state.writing, op);
}

bool reactor::wait_for(operation_queue& queue, operation& op) noexcept {
    reactor_state& state = state_of(op);
    queue.push(op);
    state.set(uses_writing(op.what) ? mark::submitted : mark::reader);
    pause(state);
    return false;
}

void reactor::leave(operation& op, reactor_state& state) noexcept {
    operation_queue& queue = queue_of(op);
    queue.remove(op);
    if (queue.empty()) {
        state.clear(&queue == &state.writing ? mark::submitted : mark::plain | mark::reader);
    }
}

progress reactor::begin_connect(operation& op, reactor_state& state) {
    bool& connected = static_cast<tcp::connect_op&>(op).connected;
    const progress at = start_connect(op, state);
    if (at == progress::done && !connected) {
        return at;
    }
    if (const int failed = attach(state)) {
        connected = false;
        settle_error(op, decode(op.what, failed));
        return progress::done;
    }
    if (connected) {
        since(state) = steps();
    }
    return at;
}

progress reactor::go_on_connecting(operation& op, reactor_state& state, std::uint32_t events) {
    const bool& connected = static_cast<tcp::connect_op&>(op).connected;
    const bool before = connected;
    const progress at = finish_connect(op, state, events);
    if (connected && !before) {
        since(state) = steps();
    }
    return at;
}

bool reactor::cancel(operation& op) {
    leave(op, state_of(op));
    settle_aborted(op, ECANCELED);
    return true;
}

// R60: what the poller says wakes the operations; what the system call says is their outcome.
void reactor::ready_unusual(reactor_state& state, std::uint32_t events, completions& finished) {
    constexpr std::uint32_t over = event::error | event::hang_up;
    if ((events & (over | event::peer_done | event::urgent)) != 0) {
        state.set(mark::wary);
    }
    if (!state.writing.empty() && (events & (over | event::writable)) != 0) {
        serve_write(state, events, finished);
    }
    if ((events & (over | event::peer_done | event::readable)) != 0) {
        state.set(mark::asks);
        if (!state.reading.empty()) {
            serve_read(state, finished);
        }
    }
}

void reactor::serve_read(reactor_state& state, completions& finished) {
    operation& op = *state.reading.front();
    if (is_accept(op.what)) {
        serve_accepts(state, finished);
    } else if (finish_read(op, state) == progress::done) {
        leave(op, state);
        finished.push(op);
    }
}

// A read or a receive whose first step was not the usual one: it filled its buffer, or met the end,
// an error, or nothing.
void reactor::read_to_the_end(operation& op, std::ptrdiff_t first, completions& finished) {
    reactor_state& state = state_of(op);
    state.set(mark::asks);
    if (read_rest(op, state, first) == progress::done) {
        state.reading.remove_alone();
        state.clear(mark::receive);
        finished.push_done(op);
    }
}

void reactor::serve_write(reactor_state& state, std::uint32_t events, completions& finished) {
    operation& op = *state.writing.front();
    const progress at =
        op.what == verb::connect ? go_on_connecting(op, state, events) : finish_write(op, state);
    if (at != progress::done) {
        pause(state);
        return;
    }
    leave(op, state);
    finished.push(op);
}

// R71: as many as wait, up to a bound; what is left is told again.
void reactor::serve_accepts(reactor_state& state, completions& finished) {
    constexpr int most = 64;
    for (int served = 0; operation* op = state.reading.front(); ++served) {
        if (served == most) {
            state.set(mark::again);
        }
        if (served == most || finish_accept(*op, state) != progress::done) {
            pause(state);
            return;
        }
        leave(*op, state);
        finished.push(*op);
    }
}

void reactor::fail(reactor_state& state, int raw, completions& finished) {
    for (operation_queue* queue : {&state.reading, &state.writing}) {
        while (operation* op = queue->front()) {
            leave(*op, state);
            if (op->starved) {
                core().lent->leave_line(*op);
            }
            settle_error(*op, decode(op->what, raw));
            finished.push(*op);
        }
    }
}

}  // namespace thole::detail
