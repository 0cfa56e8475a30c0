// SPDX-License-Identifier: BSL-1.0
#include "posix/reactor.hpp"

#include <algorithm>

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
            ready(*states()[static_cast<std::size_t>(fd)].state, events | event::unsure, finished);
        }
    }
    return {};
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
