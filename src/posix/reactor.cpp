// SPDX-License-Identifier: BSL-1.0
#include "posix/reactor.hpp"

#include <algorithm>
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

THOLE_APART void close_with_reset(int fd) noexcept {
    static_cast<void>(reset_on_close(fd));
    close_handle(fd);
}

}  // namespace

// ---- The table.

state_table::~state_table() { std::free(entries_); }

int state_table::grow(std::size_t fd) noexcept {
    const bool full = fd >= most_;  // R73
    if (full && crowded()) {
        return EMFILE;
    }
    const bool last = fd + last_numbers >= most_;
    const std::size_t size = last ? most_ : std::min(fd + fd / 8 + 16, most_ - last_numbers);
    auto* grown = static_cast<entry*>(std::realloc(entries_, size * sizeof(entry)));
    if (grown == nullptr) {
        return ENOMEM;
    }
    for (std::size_t i = size_; i < size; ++i) {
        grown[i] = {};
    }
    entries_ = grown;
    size_ = size;
    for (std::size_t i = 0; last && i < size_; ++i) {
        if (reactor_state* state = entries_[i].state;
            state != nullptr && state->kind.role == socket_role::listener) {
            state->clear(mark::asks);
        }
    }
    return full ? EMFILE : 0;
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
    return states_.cover(waker());
}

native_state* reactor::take(int fd, socket_kind kind, int& failed) noexcept {
    reactor_state* state = kind.role == socket_role::listener ? make_listener(fd, kind, failed)
                                                              : make(fd, kind, failed);
    if (state != nullptr) {
        entry_of(*state) = {state, 0, 0};
    }
    return state;
}

reactor_state* reactor::make_listener(int fd, socket_kind kind, int& failed) noexcept {
    failed = states_.cover(fd);
    reactor_state* state = failed == 0 ? new (std::nothrow) reactor_listener : nullptr;
    if (state == nullptr) {
        failed = failed != 0 ? failed : ENOMEM;
        return nullptr;
    }
    state->core = &core();
    state->begin(kind, fd);
    return state;
}

int reactor::attach(native_state& state) noexcept {
    const std::uint32_t generation = next_generation();
    const int failed = watch(state.fd, generation);
    entry_of(state).generation = failed == 0 ? generation : 0;
    return failed;
}

int reactor::detach(native_state& state) noexcept {
    unwatch(static_cast<reactor_state&>(state));
    states_.remove(state.fd);
    return 0;
}

std::uint32_t& reactor::since(const native_state& state) noexcept { return entry_of(state).since; }

// No deregistration before: the last descriptor's end does it, and where it was not the last the
// generation tells (R67).
void reactor::close(socket_state* socket, farewell how) {
    auto* state = static_cast<reactor_state*>(socket);
    const int fd = state->fd;
    if (fd < 0 || state->core == nullptr || !keeps(*state)) [[unlikely]] {
        close_apart(*state, how);
        return;
    }
    states_.remove(fd);
    if (how == farewell::reset) {
        close_with_reset(fd);
    } else {
        static_cast<void>(sys::close(fd));  // R68
    }
}

void reactor::close_apart(reactor_state& state, farewell how) noexcept {
    if (const int fd = std::exchange(state.fd, -1); fd >= 0) {
        states_.remove(fd);
        how == farewell::reset ? close_with_reset(fd) : close_handle(fd);
    }
    if (state.core != nullptr) {  // else it is the handle's
        discard(state);
    }
}

// ---- Operations.

bool reactor::submit(operation& op) {
    reactor_state& state = state_of(op);
    if (is_accept(op.what)) {
        return submit_accept(op, static_cast<reactor_listener&>(state));
    }
    if (op.what == verb::connect) {
        return submit_connect(op, state);
    }
    return submit_transfer(op, state);
}

bool reactor::submit_transfer(operation& op, reactor_state& state) {
    if (is_write(op.what)) {
        state.clear(mark::submitted);
        return finish_write(op, state) == progress::done || wait_for(op);
    }
    return start_read(op, state) == progress::done || wait_for(op);
}

// There is nearly always room, so the system is asked at once.
std::ptrdiff_t reactor::send_now(socket_state& socket, const void* bytes, std::size_t length) {
    return sys::send(static_cast<reactor_state&>(socket).fd, bytes, length, MSG_NOSIGNAL);  // R72
}

bool reactor::submit_rest(operation& op, std::ptrdiff_t offered) {
    reactor_state& state = state_of(op);
    return write_rest(op, state, offered) == progress::done || wait_for(op);
}

bool reactor::wait_for(operation& op) noexcept {
    reactor_state& state = state_of(op);
    const bool writes = uses_writing(op.what);
    (writes ? state.writing : state.reading).push(op);
    state.set(writes ? mark::submitted : mark::reader);
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
    if (!state.writing.empty() && (events & (over | event::writable)) != 0 &&
        !state.writing.front()->paused) {
        operation& op = *state.writing.front();
        if (op.what == verb::connect) {
            serve_connect(op, state, events, finished);
        } else {
            serve_write(state, finished);
        }
    }
    if ((events & (over | event::peer_done | event::readable)) != 0) {
        state.set(mark::asks);
        if (!state.reading.empty() && !state.reading.front()->paused) {
            serve_read(state, finished);
        }
    }
}

void reactor::serve_read(reactor_state& state, completions& finished) {
    operation& op = *state.reading.front();
    if (is_accept(op.what)) {
        serve_accepts(static_cast<reactor_listener&>(state), finished);
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
        finished.push(op);
    }
}

void reactor::serve_write(reactor_state& state, completions& finished) {
    operation& op = *state.writing.front();
    if (finish_write(op, state) != progress::done) {
        pause(state);
        return;
    }
    leave(op, state);
    finished.push(op);
}

void reactor::fail(reactor_state& state, int raw, completions& finished) {
    for (operation_queue* queue : {&state.reading, &state.writing}) {
        while (operation* op = queue->front()) {
            leave(*op, state);
            core().leave_line(*op);
            settle_error(*op, decode(op->what, raw));
            finished.push(*op);
        }
    }
}

}  // namespace thole::detail
