// SPDX-License-Identifier: BSL-1.0
#include "posix/reactor.hpp"

#include <algorithm>
#include <utility>

#include "core/loop_core.hpp"
#include "posix/handle.hpp"
#include "posix/verbs.hpp"

namespace thole::detail {
namespace {

class select_reactor final : public reactor {
public:
    explicit select_reactor(loop_core& core) noexcept : reactor(core, FD_SETSIZE) {}

    [[nodiscard]] int start() noexcept { return open_waker(); }
    std::error_code wait(time_point until, completions& finished) override;

private:
    // It looks at what is pending, each time.
    int watch(int, std::uint32_t) noexcept override { return 0; }
    void unwatch(reactor_state&) noexcept override {}
    void tell_again(reactor_state&) noexcept override {}

    // Nothing but looking tells of an end behind unread bytes: they make it readable all the time.
    [[nodiscard]] static bool must_look(const reactor_state& state) noexcept {
        const operation* op = state.reading.front();
        return op != nullptr && op->what == verb::closed && op->spent;
    }

    [[nodiscard]] int ask(fd_set& readable, fd_set& writable, time_point until) noexcept;
    [[nodiscard]] std::uint32_t seen(int fd, const fd_set& readable,
                                     const fd_set& writable) noexcept;
    void serve(reactor_state& state, std::uint32_t events, completions& finished);
    [[nodiscard]] bool has_number() noexcept;
    void serve_last(reactor_listener& door, completions& finished);
    void expel(completions& finished);

    int top_ = 0;  // the highest descriptor of the last question
    bool looks_ = false;
};

int select_reactor::ask(fd_set& readable, fd_set& writable, time_point until) noexcept {
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(waker(), &readable);
    top_ = waker();
    looks_ = false;
    const int size = static_cast<int>(std::min<std::size_t>(states().size(), FD_SETSIZE));
    for (int fd = 0; fd < size; ++fd) {
        const reactor_state* state = states()[static_cast<std::size_t>(fd)].state;
        if (state == nullptr || (state->reading.empty() && state->writing.empty())) {
            continue;
        }
        // What waits for a buffer, or for the system, must not wake us for what it cannot take.
        if (must_look(*state)) {
            looks_ = true;
        } else if (!state->reading.empty() && !state->reading.front()->starved &&
                   !state->reading.front()->paused) {
            FD_SET(fd, &readable);
        }
        if (!state->writing.empty() && !state->writing.front()->paused) {
            FD_SET(fd, &writable);
        }
        top_ = std::max(top_, fd);
    }
    if (until == time_point::max() && !looks_) {
        return sys::pselect(top_ + 1, &readable, &writable, nullptr, nullptr, nullptr);
    }
    std::int64_t left = until == time_point::min() ? 0 : nanoseconds_until(until);
    if (looks_) {
        left = std::min<std::int64_t>(left, look_pace.count());
    }
    const timespec time{static_cast<time_t>(left / 1'000'000'000),
                        static_cast<long>(left % 1'000'000'000)};
    return sys::pselect(top_ + 1, &readable, &writable, nullptr, &time, nullptr);
}

std::uint32_t select_reactor::seen(int fd, const fd_set& readable,
                                   const fd_set& writable) noexcept {
    const reactor_state* state = looks_ ? states()[static_cast<std::size_t>(fd)].state : nullptr;
    const bool look = state != nullptr && must_look(*state);
    return (FD_ISSET(fd, &readable) || look ? event::readable : 0U) |
           (FD_ISSET(fd, &writable) ? event::writable : 0U);
}

std::error_code select_reactor::wait(time_point until, completions& finished) {
    begin_batch();
    fd_set readable;
    fd_set writable;
    if (ask(readable, writable, until) < 0) {
        if (errno == EBADF) {
            expel(finished);
            return {};
        }
        return system_error(errno == EINTR ? 0 : errno);
    }
    if (FD_ISSET(waker(), &readable)) {
        std::uint64_t signals = 0;
        static_cast<void>(sys::read(waker(), &signals, sizeof signals));
    }
    const int top = top_;
    for (int fd = 0; fd <= top; ++fd) {
        const std::uint32_t events = seen(fd, readable, writable);
        if (events != 0 && fd != waker()) {
            serve(*states()[static_cast<std::size_t>(fd)].state, events | event::unsure, finished);
        }
    }
    return {};
}

void select_reactor::serve(reactor_state& state, std::uint32_t events, completions& finished) {
    if (state.kind.role == socket_role::listener && states().crowded()) {
        serve_last(static_cast<reactor_listener&>(state), finished);
    } else {
        ready(state, events, finished);
    }
}

// Whether what is opened now gets a number that can be waited for. The system gives the lowest.
bool select_reactor::has_number() noexcept {
    const int lowest = sys::fcntl(waker(), F_DUPFD_CLOEXEC, 0);
    if (lowest < 0) {
        return true;  // there is none at all, which the accept will find
    }
    close_handle(lowest);
    return states().holds(lowest);
}

// R69, R73: a client that was accepted with a number too high would be lost, and the next one too.
// So it is looked for a number first, and each accept is one that is started now.
void select_reactor::serve_last(reactor_listener& door, completions& finished) {
    constexpr int most = 64;
    operation* op = nullptr;
    for (int served = 0; served < most; ++served) {
        op = door.reading.front();
        if (op == nullptr || op->paused) {
            return;
        }
        operation_queue others = std::exchange(door.reading, {});
        others.remove(*op);
        bool over = true;
        if (op->what == verb::accept && !has_number()) {
            errno = EMFILE;
            over = accept_failed(*op, door) == progress::done;
        } else {
            door.set(mark::asks);
            over = submit(*op);
            door.clear(mark::asks);
        }
        door.reading.append(others);
        if (!over) {
            return;
        }
        finished.push(*op);
    }
}

// R74: somebody closed a descriptor behind our back. Only what waits on it fails, and its number,
// which may be a stranger's by now, is never used again.
void select_reactor::expel(completions& finished) {
    for (std::size_t fd = 0; fd < states().size(); ++fd) {
        reactor_state* state = states()[fd].state;
        if (state != nullptr && sys::fcntl(state->fd, F_GETFD) < 0 && errno == EBADF) {
            states().remove(state->fd);
            state->fd = -1;
            fail(*state, EBADF, finished);
        }
    }
}

}  // namespace

backend_choice select_backend(loop_core& core) {
    auto made = std::make_unique<select_reactor>(core);
    if (const int failed = made->start()) {
        return refused("select", failed);
    }
    return {std::move(made), {}, {}};
}

}  // namespace thole::detail
