// SPDX-License-Identifier: BSL-1.0
#include "posix/native_backend.hpp"

#include <utility>

#include "core/loop_core.hpp"
#include "posix/handle.hpp"
#include "posix/outcome.hpp"
#include "posix/reactor.hpp"
#include "posix/sys.hpp"

namespace thole::detail {
namespace {

// Steps of 2^26 ns (67 ms) in 32 bits last nine years.
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

std::uint32_t coarse_steps() noexcept {
    return static_cast<std::uint32_t>(coarse_now() >> step_shift);
}

}  // namespace

native_backend::~native_backend() {
    for (const int fd : {waker_, reserve_}) {
        if (fd >= 0) {
            close_handle(fd);
        }
    }
}

int native_backend::open_waker() noexcept {
    watch_forks();
    waker_ = sys::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return waker_ < 0 ? errno : 0;
}

// ---- Sockets.

socket_state* native_backend::open(socket_kind kind, std::error_code& error) {
    const int fd = open_handle(kind, sockets_ == mode::blocking);
    int failed = 0;
    native_state* state = fd < 0 ? nullptr : take(fd, kind, failed);
    if (state == nullptr) [[unlikely]] {
        failed = fd < 0 ? errno : failed;
        if (fd >= 0) {
            close_handle(fd);
        }
        error = system_error(failed);
    }
    return state;
}

socket_state* native_backend::adopt(const loose_socket& loose, std::error_code& error) {
    const auto fd = static_cast<int>(loose.native);
    const bool wait = sockets_ == mode::blocking;
    int failed = is_ours(loose) ? 0 : EINVAL;
    if (failed == 0 && is_blocking(loose) != wait) {  // it comes from a loop of the other kind
        failed = set_blocking(fd, wait);
    }
    if (failed == 0) {
        const socket_kind kind{socket_role::stream, loose.peer.family()};
        if (native_state* state = welcome(fd, kind, failed)) {
            return state;
        }
    }
    loose.methods->close(loose.native);  // an accepted one with a reset: nobody ever used it
    error = system_error(failed);
    return nullptr;
}

native_state* native_backend::welcome(int fd, socket_kind kind, int& failed) noexcept {
    native_state* state = take(fd, kind, failed);
    if (state == nullptr) {
        return nullptr;
    }
    failed = attach(*state);
    if (failed != 0) {
        static_cast<void>(detach(*state));
        state->fd = -1;
        close(state, farewell::usual);
        return nullptr;
    }
    note_connected(*state);
    return state;
}

std::error_code native_backend::control(socket_state& socket, control_request& asked) {
    auto& state = static_cast<native_state&>(socket);
    if (asked.what == request::connected_for) {
        return system_error(connected_for(state, asked.time));
    }
    if (asked.what == request::release) {
        return system_error(release(state, asked));
    }
    if (asked.what == request::keep_reserve) {
        return system_error(keep_reserve());
    }
    int failed = control_handle(state.fd, asked);
    if (failed == 0 && asked.what == request::listen &&
        asked.listening.when_exhausted == tcp::exhaustion_policy::shed) {
        failed = keep_reserve();
    }
    if (failed == 0 && asked.what == request::shutdown_write) {
        state.kind.fin_sent = true;
    }
    // A FIN counts there as one byte. A reset makes the system forget it, and what we took over may
    // have sent it before: each of both may know what the other does not.
    if (failed == 0 && asked.what == request::unacknowledged && asked.value > 0 &&
        (state.kind.fin_sent || has_sent_fin(state.fd))) {
        --asked.value;
    }
    if (failed == 0 && asked.what == request::bind) {
        asked.address.port() != 0 ? state.set(mark::bound) : state.clear(mark::bound);
    }
    if (failed == 0 && asked.what == request::listen) {
        failed = listening(state);
    }
    return system_error(failed);
}

int native_backend::release(native_state& state, control_request& asked) noexcept {
    if (state.fd < 0) {
        return EBADF;
    }
    const bool wait = asked.value != 0;
    const bool waits = sockets_ == mode::blocking;
    if (const int failed = wait != waits ? set_blocking(state.fd, wait) : 0) {
        return failed;
    }
    if (const int failed = detach(state)) {
        return failed;
    }
    asked.native = static_cast<std::uintptr_t>(state.fd);
    state.fd = -1;
    return 0;
}

// ---- What is lacking.

int native_backend::keep_reserve() noexcept {
    if (reserve_ < 0) {
        reserve_ = sys::eventfd(0, EFD_CLOEXEC);  // any kind does
    }
    return reserve_ < 0 ? errno : 0;
}

void native_backend::shed(const native_state& state, listener_half& door, int raw) noexcept {
    const bool lacking = raw == EMFILE || raw == ENFILE;
    if (!lacking || door.when_exhausted != tcp::exhaustion_policy::shed || keep_reserve() != 0) {
        return;
    }
    const bool waits = sockets_ == mode::blocking;
    if (waits && set_blocking(state.fd, false) != 0) {
        return;
    }
    close_handle(std::exchange(reserve_, -1));
    door.counts.shed += reset_waiting(state.fd);
    static_cast<void>(keep_reserve());  // else when it asks again: another thread may have taken it
    if (waits) {
        static_cast<void>(set_blocking(state.fd, true));
    }
}

// ---- Time.

void native_backend::wake() noexcept {
    const std::uint64_t one = 1;
    // EAGAIN: it is full of signals, so the loop is awake (R119).
    while (sys::write(waker_, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

time_point native_backend::now() const noexcept {
    timespec time{};
    static_cast<void>(sys::clock_gettime(CLOCK_MONOTONIC, &time));
    return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

std::int64_t native_backend::nanoseconds_until(time_point until) const noexcept {
    const time_point at = now();
    return until > at ? (until - at).count() : 0;
}

std::uint32_t native_backend::steps_now() noexcept {
    const std::uint32_t steps = coarse_steps();
    return steps != 0 ? steps : 1;
}

int native_backend::connected_for(const native_state& state,
                                  std::chrono::milliseconds& time) noexcept {
    const std::uint32_t first = state.fd >= 0 ? since(state) : 0;
    if (first == 0) {
        return ENOTCONN;
    }
    const std::chrono::nanoseconds passed{std::int64_t{coarse_steps() - first} << step_shift};
    time = std::chrono::duration_cast<std::chrono::milliseconds>(passed);
    return 0;
}

// ---- Choosing.

#if defined(THOLE_HAVE_EPOLL)
constexpr backend_kind basic = backend_kind::epoll;
constexpr auto make_basic = epoll_backend;
#else
constexpr backend_kind basic = backend_kind::select;
constexpr auto make_basic = select_backend;
#endif

backend_kind basic_backend() noexcept { return basic; }

backend_choice make_basic_backend(loop_core& core) { return make_basic(core); }

// Before it is another one, loop() has to link that too.
constinit backend_kind preferred_backend = basic;

backend_kind default_backend() noexcept { return preferred_backend; }

}  // namespace thole::detail
