// SPDX-License-Identifier: BSL-1.0
#include "win/iocp.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"
#include "win/handle.hpp"
#include "win/verbs.hpp"

namespace thole::detail {
namespace {

constexpr ULONG batch = 128;
constexpr DWORD look_milliseconds = look_pace / std::chrono::milliseconds(1);
constexpr std::int64_t second = 1'000'000'000;

HANDLE as_handle(SOCKET socket) noexcept { return reinterpret_cast<HANDLE>(socket); }

iocp_state& state_of(const operation& op) noexcept { return static_cast<iocp_state&>(*op.state); }

// Nothing in the kernel speaks of it any more.
bool is_idle(const iocp_state& state) noexcept {
    return state.reading.empty() && state.writing.empty() &&
           (state.kind.role == socket_role::stream ||
            static_cast<const listener_state&>(state).posted == 0);
}

void CALLBACK wake_only(ULONG_PTR) {}

}  // namespace

iocp::~iocp() {
    if (const HANDLE sleeper = sleeper_.load()) {
        sys::CloseHandle(sleeper);
    }
    if (port_ != nullptr) {
        sys::CloseHandle(port_);
    }
}

int iocp::open_port() noexcept {
    if (const int failed = start_winsock()) {
        return failed;
    }
    LARGE_INTEGER frequency;
    sys::QueryPerformanceFrequency(&frequency);
    frequency_ = frequency.QuadPart;
    port_ = sys::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1);
    return port_ != nullptr ? 0 : static_cast<int>(sys::GetLastError());
}

// ---- Sockets

int iocp::attach(iocp_state& state) noexcept {
    extension& provider = providers_[state.kind.family == address_family::ipv6 ? 1 : 0];
    if (const int failed = learn(provider, state.socket)) {
        return failed;
    }
    state.provider = &provider;
    const bool stream = state.kind.role == socket_role::stream;
    const key about = stream ? key::operation : key::standing_accept;
    if (sys::CreateIoCompletionPort(as_handle(state.socket), port_, static_cast<ULONG_PTR>(about),
                                    0) == nullptr) {
        return static_cast<int>(sys::GetLastError());
    }
    if (stream && provider.kernel_handles) {
        constexpr UCHAR modes =
            FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
        state.skips =
            sys::SetFileCompletionNotificationModes(as_handle(state.socket), modes) != FALSE;
    }
    return 0;
}

// The handle stays the caller's when it fails.
iocp_state* iocp::take(SOCKET socket, socket_kind kind, int& failed) noexcept {
    iocp_state* state = nullptr;
    if (kind.role == socket_role::listener) {
        state = new (std::nothrow) listener_state;
    } else {
        state = new (std::nothrow) iocp_state;
    }
    if (state == nullptr) {
        failed = ERROR_NOT_ENOUGH_MEMORY;
    } else {
        state->kind = kind;
        state->socket = socket;
        failed = attach(*state);
    }
    if (failed != 0) {
        delete state;
        return nullptr;
    }
    return state;
}

socket_state* iocp::open(socket_kind kind, std::error_code& error) {
    const SOCKET socket = open_handle(kind);
    int failed = 0;
    if (socket == INVALID_SOCKET) {
        failed = sys::WSAGetLastError();
    }
    iocp_state* state = failed == 0 ? take(socket, kind, failed) : nullptr;
    if (state == nullptr && socket != INVALID_SOCKET) {
        close_handle(socket);
    }
    error = system_error(failed);
    return state;
}

socket_state* iocp::adopt(const loose_socket& loose, std::error_code& error) {
    if (!is_ours(loose)) {
        loose.methods->close(loose.native);
        error = system_error(WSAEINVAL);
        return nullptr;
    }
    endpoint local = loose.local;
    if (!local) {
        static_cast<void>(socket_methods.local(loose.native, local));
    }
    int failed = 0;
    iocp_state* state =
        take(static_cast<SOCKET>(loose.native), {socket_role::stream, local.family()}, failed);
    if (state != nullptr) {
        state->bound = true;
    } else {
        loose.methods->close(loose.native);  // an accepted one with a reset: nobody ever used it
    }
    error = system_error(failed);
    return state;
}

std::error_code iocp::control(socket_state& state, control_request& request) {
    auto& on = static_cast<iocp_state&>(state);
    if (request.what == request::release) {
        return system_error(release(on, request));
    }
    int failed = control_handle(on.socket, request);
    if (failed == 0 && request.what == request::bind) {
        on.bound = true;
    }
    if (failed == 0 && request.what == request::listen) {
        auto& listener = static_cast<listener_state&>(on);
        listener.options = request.listening;
        failed = open_inbound(listener);
    }
    return system_error(failed);
}

int iocp::release(iocp_state& state, control_request& asked) noexcept {
    if (const int failed = leave_port(state.socket)) {
        return failed;
    }
    // Never before: the socket was non-blocking only if somebody peeked.
    static_cast<void>(set_blocking(state.socket, asked.value != 0));
    asked.native = static_cast<std::uintptr_t>(state.socket);
    state.socket = INVALID_SOCKET;
    return 0;
}

// Frees a closed state of which nothing is left in the kernel.
void iocp::release_idle(iocp_state& state) noexcept {
    if (!state.closed || !is_idle(state)) {
        return;
    }
    if (state.socket != INVALID_SOCKET) {
        close_handle(state.socket);
    }
    --held_;
    dispose(&state);
}

void iocp::close(socket_state* state, farewell how) {
    auto& closing = static_cast<iocp_state&>(*state);
    if (how == farewell::reset && closing.socket != INVALID_SOCKET) {
        static_cast<void>(reset_on_close(closing.socket));
    }
    closing.closed = true;
    ++held_;
    if (closing.kind.role == socket_role::listener) {
        unlist(static_cast<listener_state&>(closing));
        close_inbound(static_cast<listener_state&>(closing));
        // At once, so that the next client is refused: unlike a send, an accept never outlives its
        // socket.
        close_handle(closing.socket);
        closing.socket = INVALID_SOCKET;
    }
    release_idle(closing);
}

// ---- Operations

bool iocp::submit(operation& op) {
    iocp_state& state = state_of(op);
    progress came = progress::done;
    if (op.what == verb::connect) {
        came = start_connect(op, state);
    } else if (is_accept(op.what)) {
        auto& listener = static_cast<listener_state&>(state);
        came = start_accept(op, listener);
        if (is_short(listener)) {
            restock_later(listener);
        }
    } else {
        came = start_transfer(op, state);
    }
    if (came == progress::done) {
        return true;
    }
    queue_of(op).push(op);
    if (came == progress::in_line && op.what == verb::closed) {
        look_later(op);
    }
    return false;
}

bool iocp::cancel(operation& op) {
    // No standing request is touched, so no client is lost.
    if (is_accept(op.what) || looks_no_more(op)) {
        queue_of(op).remove(op);
        settle_aborted(op, ERROR_OPERATION_ABORTED);
        return true;
    }
    // What this gives decides nothing: the packet does (R2).
    sys::CancelIoEx(as_handle(state_of(op).socket), &overlapped_of(op));
    return false;
}

// ---- Waiting

void iocp::dequeued(const OVERLAPPED_ENTRY& packet, completions& finished) {
    switch (static_cast<key>(packet.lpCompletionKey)) {
    case key::wake:
        woken_.store(false);
        return;
    case key::standing_accept: {
        auto& slot = *reinterpret_cast<standing_accept*>(packet.lpOverlapped);
        listener_state& state = *slot.owner;
        finish_standing(slot, finished);
        state.not_before = time_point::min();
        restock_later(state);
        release_idle(state);
        return;
    }
    case key::operation:
        break;
    }
    operation& op = operation_of(*packet.lpOverlapped);
    iocp_state& state = state_of(op);
    const progress came =
        op.what == verb::connect ? finish_connect(op, state) : finish_transfer(op, state);
    if (came == progress::done) {
        queue_of(op).remove(op);
        finished.push(op);
        release_idle(state);
    } else if (came == progress::in_line && op.what == verb::closed) {
        look_later(op);
    }
}

// ---- An end behind unread bytes, of which no packet tells. The only operation of its direction
// needs no `prev`.

void iocp::look_later(operation& op) noexcept { op.prev = std::exchange(looking_, &op); }

bool iocp::looks_no_more(operation& op) noexcept {
    operation** link = &looking_;
    while (*link != nullptr && *link != &op) {
        link = &(*link)->prev;
    }
    if (*link == nullptr) {
        return false;
    }
    *link = op.prev;
    return true;
}

void iocp::look_again(completions& finished) {
    for (operation** link = &looking_; *link != nullptr;) {
        operation& op = **link;
        if (!has_ended(state_of(op))) {
            link = &op.prev;
            continue;
        }
        *link = op.prev;
        queue_of(op).remove(op);
        settle_done(op);
        finished.push(op);
    }
}

std::error_code iocp::wait(time_point until, completions& finished) {
    sleep_here();
    if (listed_ != nullptr) {
        until = std::min(until, restock_listed(finished));
    }
    DWORD time = milliseconds_until(until);
    if (looking_ != nullptr) {
        look_again(finished);
        time = std::min(time, looking_ != nullptr ? look_milliseconds : 0);
    }
    if (unposted_.exchange(false)) {
        woken_.store(false);
        time = 0;
    }
    OVERLAPPED_ENTRY packets[batch];
    ULONG count = 0;
    if (!sys::GetQueuedCompletionStatusEx(port_, packets, batch, &count, time, TRUE)) {
        const DWORD failed = sys::GetLastError();
        const bool early = failed == WAIT_TIMEOUT || failed == WAIT_IO_COMPLETION;
        return early ? std::error_code() : system_error(static_cast<int>(failed));
    }
    for (ULONG i = 0; i < count; ++i) {
        dequeued(packets[i], finished);
    }
    if (listed_ != nullptr) {
        static_cast<void>(restock_listed(finished));
    }
    return {};
}

// A wake that cannot be posted goes to this thread instead (R13).
void iocp::sleep_here() noexcept {
    const DWORD id = sys::GetCurrentThreadId();
    if (id == sleeper_id_) {
        return;
    }
    HANDLE self = nullptr;
    const HANDLE process = sys::GetCurrentProcess();
    if (sys::DuplicateHandle(process, sys::GetCurrentThread(), process, &self, THREAD_SET_CONTEXT,
                             FALSE, 0)) {
        sleeper_id_ = id;
        if (const HANDLE earlier = sleeper_.exchange(self)) {
            sys::CloseHandle(earlier);
        }
    }
}

void iocp::wake() noexcept {
    if (woken_.exchange(true)) {
        return;
    }
    if (sys::PostQueuedCompletionStatus(port_, 0, static_cast<ULONG_PTR>(key::wake), nullptr)) {
        return;
    }
    unposted_.store(true);  // before the thread is looked for: it looks after it has told its name
    if (const HANDLE sleeper = sleeper_.load()) {
        sys::QueueUserAPC(&wake_only, sleeper, 0);
    }
}

// Rounded up, and never the number that means "for ever" (R19).
DWORD iocp::milliseconds_until(time_point until) const noexcept {
    constexpr std::int64_t millisecond = 1'000'000;
    if (until == time_point::max()) {
        return INFINITE;
    }
    if (until == time_point::min()) {
        return 0;
    }
    const std::int64_t left = until.time_since_epoch().count() - now().time_since_epoch().count();
    if (left <= 0) {
        return 0;
    }
    const std::int64_t time = (left - 1) / millisecond + 1;
    return time < std::int64_t{INFINITE} ? static_cast<DWORD>(time) : INFINITE - 1;
}

time_point iocp::now() const noexcept {
    LARGE_INTEGER count;
    sys::QueryPerformanceCounter(&count);
    const std::int64_t seconds = count.QuadPart / frequency_;
    const std::int64_t rest = count.QuadPart % frequency_;
    return time_point(std::chrono::nanoseconds(seconds * second + rest * second / frequency_));
}

// ---- Choosing

backend_kind default_backend() noexcept { return backend_kind::iocp; }

backend_kind basic_backend() noexcept { return backend_kind::iocp; }

backend_choice make_basic_backend(loop_core&) {
    std::unique_ptr<iocp> made(new (std::nothrow) iocp);
    if (const int failed = made != nullptr ? made->open_port() : ERROR_NOT_ENOUGH_MEMORY) {
        return refused("the completion port could not be made", failed);
    }
    return {std::move(made), {}, "the completion port of Windows"};
}

}  // namespace thole::detail
