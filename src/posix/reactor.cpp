// SPDX-License-Identifier: BSL-1.0
#include "posix/reactor.hpp"

#include <cstdlib>
#include <new>

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

bool state_table::cover(int number) noexcept {
    const auto fd = static_cast<std::size_t>(number);
    if (fd >= size_) {
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
    }
    return true;
}

bool state_table::put(reactor_state& state) noexcept {
    if (!cover(state.fd)) {
        return false;
    }
    entries_[state.fd] = {&state, 0, 0};
    return true;
}

// ---- Sockets.

reactor::~reactor() {
    bury();
    while (spare_ != nullptr) {
        socket_state* state = spare_;
        spare_ = state->next;
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

inline reactor_state* reactor::make_state() noexcept {
    if (spare_ == nullptr) [[unlikely]] {
        return new (std::nothrow) reactor_state;
    }
    auto* spare = static_cast<reactor_state*>(spare_);
    spare_ = spare->next;
    --spares_;
    return new (spare) reactor_state;  // its members need no end
}

// It has no socket (any more).
inline void reactor::forget(reactor_state& state) noexcept {
    state.fd = -1;
    state.next = closed_;
    closed_ = &state;
}

native_state* reactor::take(int fd, socket_kind kind, int& failed) noexcept {
    failed = fd < limit_ ? ENOMEM : EMFILE;  // R73
    reactor_state* state = fd < limit_ ? make_state() : nullptr;
    if (state != nullptr) {
        state->core = &core();
        state->kind = kind;
        state->clear(mark::asks | mark::submitted);
        state->fd = fd;
        if (states_.put(*state)) {
            failed = 0;
            return state;
        }
        forget(*state);
    }
    return nullptr;
}

// As the others do it, in few steps.
native_state* reactor::welcome(int fd, socket_kind kind, int& failed) noexcept {
    auto* state = static_cast<reactor_state*>(reactor::take(fd, kind, failed));
    if (state == nullptr) {
        return nullptr;
    }
    failed = watch(*state);
    if (failed != 0) [[unlikely]] {
        states_.remove(fd);
        forget(*state);
        return nullptr;
    }
    states_[static_cast<std::size_t>(fd)].since = steps();
    return state;
}

inline std::uint32_t reactor::steps() noexcept {
    if (steps_ == 0) {
        steps_ = steps_now();
    }
    return steps_;
}

int reactor::attach(native_state& state) noexcept {
    return watch(static_cast<reactor_state&>(state));
}

int reactor::detach(native_state& state) noexcept {
    unwatch(static_cast<reactor_state&>(state));
    states_.remove(state.fd);
    return 0;
}

std::uint32_t& reactor::since(const native_state& state) noexcept {
    return states_[static_cast<std::size_t>(state.fd)].since;
}

void reactor::close(socket_state* socket) {
    auto* state = static_cast<reactor_state*>(socket);
    if (state->fd >= 0) {
        states_.remove(state->fd);
        // No deregistration before: the last descriptor's end does it, and where it was not the
        // last the generation tells (R67).
        close_handle(state->fd);
        state->fd = -1;
    }
    if (state->core != nullptr) {  // else it is the handle's
        forget(*state);
    }
}

void reactor::bury() noexcept {
    constexpr unsigned most_spares = 256;  // 14 KiB
    steps_ = 0;
    while (closed_ != nullptr) {
        socket_state* state = closed_;
        closed_ = state->next;
        if (spares_ == most_spares) {
            delete state;
            continue;
        }
        state->next = spare_;
        spare_ = state;
        ++spares_;
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
    if (op.what == verb::connect) {
        return begin_connect(op, state) == progress::done || wait_for(state.writing, op);
    }
    if (is_write(op.what)) {
        state.clear(mark::submitted);
        return finish_write(op, state) == progress::done || wait_for(state.writing, op);
    }
    const progress at = is_accept(op.what) ? start_accept(op, state) : start_read(op, state);
    return at == progress::done || wait_for(state.reading, op);
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
    if (const int failed = watch(state)) {
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
