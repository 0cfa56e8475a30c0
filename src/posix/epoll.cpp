// SPDX-License-Identifier: BSL-1.0
#include "posix/reactor.hpp"

#include <limits>
#include <utility>

#include "posix/handle.hpp"
#include "posix/verbs.hpp"

namespace thole::detail {
namespace {

static_assert(event::readable == EPOLLIN && event::writable == EPOLLOUT &&
              event::urgent == EPOLLPRI && event::error == EPOLLERR && event::hang_up == EPOLLHUP &&
              event::peer_done == EPOLLRDHUP);

constexpr int batch = 256;
constexpr std::uint32_t everything = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;

// What an event brings back: an entry of the table, and what that must say for the socket to be the
// one that was registered (R66, R67). 0 is an empty entry's generation; the waker's is no other's,
// and its entry stays empty.
constexpr std::uint64_t note_of(int fd, std::uint32_t generation) noexcept {
    return (std::uint64_t{static_cast<std::uint32_t>(fd)} << 32) | generation;
}

class epoll_reactor final : public reactor {
public:
    explicit epoll_reactor(loop_core& core) noexcept
        : reactor(core, std::numeric_limits<int>::max()) {}
    ~epoll_reactor() override {
        for (const int fd : {outside_, set_}) {
            if (fd >= 0) {
                close_handle(fd);
            }
        }
    }

    [[nodiscard]] int start() noexcept;
    std::error_code wait(time_point until, completions& finished) override;
    std::error_code waitable(std::uintptr_t& handle) override;

private:
    int watch(int fd, std::uint32_t generation) noexcept override;
    void unwatch(reactor_state& state) noexcept override;
    void tell_again(reactor_state& state) noexcept override;
    [[nodiscard]] int show_set() noexcept;
    [[nodiscard]] int watch_waker() noexcept;
    [[nodiscard]] int apply(int what, int fd, std::uint32_t interest,
                            std::uint32_t generation) noexcept;
    [[nodiscard]] int ask(epoll_event* events, time_point until) noexcept;
    void rebuild() noexcept;
    [[nodiscard]] bool register_all() noexcept;  // false: some socket would be deaf

    int set_ = -1;
    int outside_ = -1;      // a set of one, the other: it stays when that is made anew
    unsigned orphans_ = 0;  // events of sockets that are closed
#if defined(THOLE_HAVE_EPOLL_PWAIT2)
    bool precise_ = true;  // the kernel has epoll_pwait2
#endif
};

int epoll_reactor::start() noexcept {
    if (const int failed = open_waker()) {
        return failed;
    }
    set_ = sys::epoll_create1(EPOLL_CLOEXEC);
    if (set_ < 0) {
        return errno;
    }
    // Edge-triggered: each write wakes once, and none is ever read back (R119).
    return watch_waker();
}

int epoll_reactor::watch_waker() noexcept {
    return apply(EPOLL_CTL_ADD, waker(), EPOLLIN | EPOLLET, waker_generation);
}

int epoll_reactor::apply(int what, int fd, std::uint32_t interest,
                         std::uint32_t generation) noexcept {
    epoll_event asked{};
    asked.events = interest;
    asked.data.u64 = note_of(fd, generation);
    return sys::epoll_ctl(set_, what, fd, &asked) == 0 ? 0 : errno;
}

// Once for the socket's life, for both directions.
int epoll_reactor::watch(int fd, std::uint32_t generation) noexcept {
    return apply(EPOLL_CTL_ADD, fd, everything, generation);
}

void epoll_reactor::unwatch(reactor_state& state) noexcept {
    static_cast<void>(apply(EPOLL_CTL_DEL, state.fd, 0, 0));
}

void epoll_reactor::tell_again(reactor_state& state) noexcept {
    const std::uint32_t generation = states()[static_cast<std::size_t>(state.fd)].generation;
    static_cast<void>(apply(EPOLL_CTL_MOD, state.fd, everything, generation));
}

int epoll_reactor::ask(epoll_event* events, time_point until) noexcept {
    if (until == time_point::max()) {
        return sys::epoll_wait(set_, events, batch, -1);
    }
    const std::int64_t left = until == time_point::min() ? 0 : nanoseconds_until(until);
    if (left == 0) {
        return sys::epoll_wait(set_, events, batch, 0);
    }
#if defined(THOLE_HAVE_EPOLL_PWAIT2)
    if (precise_) {
        const timespec time{static_cast<time_t>(left / 1'000'000'000),
                            static_cast<long>(left % 1'000'000'000)};
        const int n = sys::epoll_pwait2(set_, events, batch, &time, nullptr);
        if (n >= 0 || errno != ENOSYS) {
            return n;
        }
        precise_ = false;
    }
#endif
    constexpr std::int64_t most = std::numeric_limits<int>::max();
    const std::int64_t ceiled = (left - 1) / 1'000'000 + 1;  // R131
    return sys::epoll_wait(set_, events, batch, static_cast<int>(ceiled < most ? ceiled : most));
}

std::error_code epoll_reactor::wait(time_point until, completions& finished) {
    begin_batch();
    epoll_event events[batch];
    const int n = ask(events, until);
    if (n < 0) {
        return system_error(errno == EINTR ? 0 : errno);
    }
    for (int i = 0; i < n; ++i) {
        const std::uint64_t note = events[i].data.u64;
        const auto generation = static_cast<std::uint32_t>(note);
        const state_table::entry& known = states()[note >> 32];
        if (known.generation == generation) {
            ready(*known.state, events[i].events, finished);
        } else if (generation != waker_generation) {
            ++orphans_;
        }
    }
    if (orphans_ > 1) {
        rebuild();
    }
    return {};
}

int epoll_reactor::show_set() noexcept {
    epoll_event asked{};
    asked.events = EPOLLIN;
    return sys::epoll_ctl(outside_, EPOLL_CTL_ADD, set_, &asked) == 0 ? 0 : errno;
}

std::error_code epoll_reactor::waitable(std::uintptr_t& handle) {
    if (outside_ < 0) {
        outside_ = sys::epoll_create1(EPOLL_CLOEXEC);
        const int failed = outside_ < 0 ? errno : show_set();
        if (failed != 0) {
            if (outside_ >= 0) {
                close_handle(std::exchange(outside_, -1));
            }
            return system_error(failed);
        }
    }
    handle = static_cast<std::uintptr_t>(outside_);
    return {};
}

// R67: a socket that we closed lives on in another process, and so does its registration, which
// nothing can remove. A new set has none of it; what is ready is told again.
void epoll_reactor::rebuild() noexcept {
    const int made = sys::epoll_create1(EPOLL_CLOEXEC);
    if (made < 0) {
        return;  // the next orphan asks again
    }
    const int old = std::exchange(set_, made);
    if (!register_all() || (outside_ >= 0 && show_set() != 0)) {
        set_ = old;
        close_handle(made);
        return;
    }
    orphans_ = 0;
    close_handle(old);
}

bool epoll_reactor::register_all() noexcept {
    bool all = watch_waker() == 0;
    for (std::size_t fd = 0; fd < states().size() && all; ++fd) {
        const state_table::entry& known = states()[fd];
        if (known.state != nullptr && known.generation != 0) {
            all = apply(EPOLL_CTL_ADD, known.state->fd, everything, known.generation) == 0;
        }
    }
    return all;
}

}  // namespace

backend_choice epoll_backend(loop_core& core) {
    auto made = std::make_unique<epoll_reactor>(core);
    if (const int failed = made->start()) {
        return refused("epoll", failed);
    }
    return {std::move(made), {}, {}};
}

}  // namespace thole::detail
