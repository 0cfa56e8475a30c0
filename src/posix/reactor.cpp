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

operation_queue& queue_of(const operation& op) noexcept {
    return uses_writing(op.what) ? op.state->writing : op.state->reading;
}

constexpr int step_shift = 26;

// The clock as the kernel last wrote it down, some milliseconds ago: cheap enough for each accept.
std::int64_t coarse_now() noexcept {
    timespec time{};
#if defined(CLOCK_MONOTONIC_COARSE)
    static_cast<void>(sys::clock_gettime(CLOCK_MONOTONIC_COARSE, &time));
#else
    static_cast<void>(sys::clock_gettime(CLOCK_MONOTONIC, &time));
#endif
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

// ---- The table.

state_table::~state_table() { std::free(entries_); }

bool state_table::put(reactor_state& state) noexcept {
    const auto fd = static_cast<std::size_t>(state.fd);
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
    entries_[fd] = {&state, 0, 0};
    return true;
}

// ---- Sockets.

reactor::~reactor() {
    bury();
    if (waker_ >= 0) {
        close_handle(waker_);
    }
}

int reactor::open_waker() noexcept {
    watch_forks();
    waker_ = sys::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (waker_ < 0) {
        return errno;
    }
    return waker_ < limit_ ? 0 : EMFILE;
}

// The handle stays the caller's when it fails.
reactor_state* reactor::take(int fd, socket_kind kind, int& failed) noexcept {
    failed = fd < limit_ ? ENOMEM : EMFILE;  // R73
    reactor_state* state = fd < limit_ ? new (std::nothrow) reactor_state : nullptr;
    if (state != nullptr) {
        state->core = &core_;
        state->kind = kind;
        state->fd = fd;
        if (states_.put(*state)) {
            failed = 0;
            return state;
        }
        delete state;
    }
    return nullptr;
}

socket_state* reactor::open(socket_kind kind, std::error_code& error) {
    const int fd = open_handle(kind);
    int failed = errno;
    reactor_state* state = fd < 0 ? nullptr : take(fd, kind, failed);
    if (state == nullptr) {
        if (fd >= 0) {
            close_handle(fd);
        }
        error = system_error(failed);
    }
    return state;
}

socket_state* reactor::adopt(const loose_socket& loose, std::error_code& error) {
    if (!is_ours(loose)) {
        loose.methods->close(loose.native);
        error = system_error(EINVAL);
        return nullptr;
    }
    const socket_kind kind{socket_role::stream, loose.peer.family()};
    int failed = 0;
    reactor_state* state = take(static_cast<int>(loose.native), kind, failed);
    if (state != nullptr) {
        failed = watch(*state);
        if (failed == 0) {
            note_connected(*state);
            return state;
        }
        states_.remove(state->fd);
        state->fd = -1;
        close(state);
    }
    loose.methods->close(loose.native);  // an accepted one with a reset: nobody ever used it
    error = system_error(failed);
    return nullptr;
}

std::error_code reactor::control(socket_state& socket, control_request& asked) {
    auto& state = static_cast<reactor_state&>(socket);
    if (asked.what == request::connected_for) {
        return system_error(connected_for(state, asked.time));
    }
    if (asked.what == request::release) {
        return system_error(release(state, asked));
    }
    int failed = control_handle(state.fd, asked);
    if (failed == 0 && asked.what == request::listen) {
        failed = watch(state);
    } else if (failed == 0 && asked.what == request::bind) {
        state.bound = asked.address.port() != 0;
    }
    return system_error(failed);
}

int reactor::release(reactor_state& state, control_request& asked) noexcept {
    if (state.fd < 0) {
        return EBADF;
    }
    if (const int failed = asked.value != 0 ? set_blocking(state.fd, true) : 0) {
        return failed;
    }
    unwatch(state);
    states_.remove(state.fd);
    asked.native = static_cast<std::uintptr_t>(state.fd);
    state.fd = -1;
    return 0;
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
    if (state->core != nullptr) {
        state->next = closed_;
        closed_ = state;
    }
}

void reactor::bury() noexcept {
    while (closed_ != nullptr) {
        socket_state* state = closed_;
        closed_ = state->next;
        dispose(state);
    }
}

// ---- Operations.

// An operation waits for the poller.
inline void reactor::pause(reactor_state& state) noexcept {
    if (state.again) {
        state.again = false;
        tell_again(state);
    }
}

bool reactor::submit(operation& op) {
    reactor_state& state = state_of(op);
    if (is_write(op.what)) {
        return submit_write(op, state);
    }
    if (is_transfer(op.what) && !state.readable) {
        state.reading.push_alone(op);
        return false;
    }
    return submit_unusual(op, state);
}

bool reactor::submit_write(operation& op, reactor_state& state) {
    return start_write(op, state) == progress::done || wait_for(state.writing, op);
}

bool reactor::wait_for(operation_queue& queue, operation& op) noexcept {
    queue.push(op);
    pause(state_of(op));
    return false;
}

bool reactor::submit_unusual(operation& op, reactor_state& state) {
    if (op.what == verb::connect) {
        return begin_connect(op, state) == progress::done || wait_for(state.writing, op);
    }
    const progress at = is_accept(op.what) ? start_accept(op, state) : finish_read(op, state);
    return at == progress::done || wait_for(state.reading, op);
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
        note_connected(state);
    }
    return at;
}

progress reactor::go_on_connecting(operation& op, reactor_state& state, std::uint32_t events) {
    const bool& connected = static_cast<tcp::connect_op&>(op).connected;
    const bool before = connected;
    const progress at = finish_connect(op, state, events);
    if (connected && !before) {
        note_connected(state);
    }
    return at;
}

bool reactor::cancel(operation& op) {
    queue_of(op).remove(op);
    settle_aborted(op, ECANCELED);
    return true;
}

// R60: what the poller says wakes the operations; what the system call says is their outcome.
void reactor::ready_unusual(reactor_state& state, std::uint32_t events, completions& finished) {
    constexpr std::uint32_t over = event::error | event::hang_up;
    if ((events & (over | event::peer_done | event::urgent)) != 0) {
        state.wary = true;
    }
    if (!state.writing.empty() && (events & (over | event::writable)) != 0) {
        serve_write(state, events, finished);
    }
    if ((events & (over | event::peer_done | event::readable)) != 0) {
        state.readable = true;
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
        state.reading.remove(op);
        finished.push(op);
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
    state.writing.remove(op);
    finished.push(op);
}

void reactor::serve_accepts(reactor_state& state, completions& finished) {
    while (operation* op = state.reading.front()) {
        if (finish_accept(*op, state) != progress::done) {
            pause(state);
            return;
        }
        state.reading.remove(*op);
        finished.push(*op);
    }
}

void reactor::fail(reactor_state& state, int raw, completions& finished) {
    for (operation_queue* queue : {&state.reading, &state.writing}) {
        while (operation* op = queue->front()) {
            queue->remove(*op);
            settle_error(*op, decode(op->what, raw));
            finished.push(*op);
        }
    }
}

// ---- Time.

void reactor::wake() noexcept {
    const std::uint64_t one = 1;
    // EAGAIN: it is full of signals, so the loop is awake (R119).
    while (sys::write(waker_, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

time_point reactor::now() const noexcept {
    timespec time{};
    static_cast<void>(sys::clock_gettime(CLOCK_MONOTONIC, &time));
    return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

// Steps of 2^26 ns (67 ms) in 32 bits last nine years, and fit into what the table left unused.
void reactor::note_connected(const reactor_state& state) noexcept {
    const auto steps = static_cast<std::uint32_t>(coarse_now() >> step_shift);
    states_[static_cast<std::size_t>(state.fd)].since = steps != 0 ? steps : 1;
}

int reactor::connected_for(const reactor_state& state, std::chrono::milliseconds& time) noexcept {
    const std::uint32_t since =
        state.fd >= 0 ? states_[static_cast<std::size_t>(state.fd)].since : 0;
    if (since == 0) {
        return ENOTCONN;
    }
    const auto steps = static_cast<std::uint32_t>(coarse_now() >> step_shift) - since;
    const std::chrono::nanoseconds passed{std::int64_t{steps} << step_shift};
    time = std::chrono::duration_cast<std::chrono::milliseconds>(passed);
    return 0;
}

std::int64_t reactor::nanoseconds_until(time_point until) const noexcept {
    const time_point at = now();
    return until > at ? (until - at).count() : 0;
}

// ---- Which there are.

backend_choice platform_backend(backend_kind kind, loop_core& core) {
    switch (kind) {
    case backend_kind::automatic:
        return platform_backend(default_backend(), core);
    case backend_kind::epoll:
#if defined(THOLE_HAVE_EPOLL)
        return epoll_backend(core);
#else
        return {nullptr, system_error(EOPNOTSUPP), "epoll exists on Linux only"};
#endif
    case backend_kind::select:
        return select_backend(core);
    case backend_kind::io_uring:
        return {nullptr, system_error(EOPNOTSUPP), "io_uring is not part of this build"};
    case backend_kind::iocp:
        return {nullptr, system_error(EOPNOTSUPP), "IOCP exists on Windows only"};
    case backend_kind::sim:
        break;
    }
    return {nullptr, system_error(EINVAL), "no backend of this platform"};
}

backend_kind default_backend() noexcept {
#if defined(THOLE_HAVE_EPOLL)
    return backend_kind::epoll;
#else
    return backend_kind::select;
#endif
}

}  // namespace thole::detail
