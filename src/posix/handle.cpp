// SPDX-License-Identifier: BSL-1.0
#include "posix/handle.hpp"

#include <cstdlib>
#include <limits>

#include "core/backends.hpp"
#include "core/loop_core.hpp"
#include "posix/address.hpp"
#include "posix/options.hpp"

namespace thole::detail {
namespace {

int bind_handle(int fd, const endpoint& where) noexcept {
    const native_address address = to_native(where);
    return sys::bind(fd, &address.any, address.length) == 0 ? 0 : errno;
}

int bind_stream(int fd, const endpoint& where) noexcept {
#if defined(IP_BIND_ADDRESS_NO_PORT)
    if (where.port() == 0) {
        // The port is chosen by connect(), which knows the whole pair (R76). Only a help.
        static_cast<void>(set_native(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
    }
#endif
    return bind_handle(fd, where);
}

int share_port(int fd) noexcept {
#if defined(SO_REUSEPORT)
    return set_native(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#else
    static_cast<void>(fd);
    return EOPNOTSUPP;
#endif
}

int listen_handle(int fd, const endpoint& where, const tcp::listen_options& options) noexcept {
    if (where.family() == address_family::ipv6) {
        const int only = options.dual_stack ? 0 : 1;  // R49
        if (const int failed = set_option(fd, socket_option::v6_only, only)) {
            return failed;
        }
    }
    if (options.reuse_address) {
        if (const int failed = set_option(fd, socket_option::reuse_address, 1)) {
            return failed;
        }
    }
    if (options.reuse_port) {
        if (const int failed = share_port(fd)) {
            return failed;
        }
    }
    if (const int failed = set_inherited(fd, options)) {
        return failed;
    }
    if (const int failed = bind_handle(fd, where)) {
        return failed;
    }
    // The system cuts this down to its own limit.
    const int backlog = options.backlog > 0 ? options.backlog : std::numeric_limits<int>::max();
    return sys::listen(fd, backlog) == 0 ? 0 : errno;
}

int fd_of(std::uintptr_t native) noexcept { return static_cast<int>(native); }

void close_loose(std::uintptr_t native) noexcept {
    if (fork_count == 0) {  // in a child the socket may be the parent's too
        static_cast<void>(reset_on_close(fd_of(native)));
    }
    close_handle(fd_of(native));
}
// It had a life before: what it was given to send is still sent.
void close_adopted(std::uintptr_t native) noexcept { close_handle(fd_of(native)); }
std::error_code local_of_loose(std::uintptr_t native, endpoint& name) noexcept {
    return system_error(local_name(fd_of(native), name));
}
std::error_code peer_of_loose(std::uintptr_t native, endpoint& name) noexcept {
    return system_error(peer_name(fd_of(native), name));
}

// R110: with a positive time close() would block.
void forget_linger(int fd) noexcept {
    linger given{};
    socklen_t length = sizeof given;
    if (sys::getsockopt(fd, SOL_SOCKET, SO_LINGER, &given, &length) == 0 && given.l_onoff != 0 &&
        given.l_linger != 0) {
        const linger none{};
        static_cast<void>(sys::setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none));
    }
}

// RFC 9293 §3.3.2, as the system numbers them; 0 or a code.
int state_of_connection(int fd, int& state) noexcept {
    tcp_info told{};
    socklen_t length = sizeof told;
    if (sys::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &told, &length) != 0) {
        return errno;
    }
    state = told.tcpi_state;
    return 0;
}

int fin_arrived(int fd, int& arrived) noexcept {
    int state = 0;
    const int failed = state_of_connection(fd, state);
    arrived = failed == 0 && state == TCP_FIN_WAIT2 ? 1 : 0;
    return failed;
}

void forked() { ++fork_count; }

}  // namespace

const native_methods socket_methods{close_loose, local_of_loose, peer_of_loose};
const native_methods blocking_methods{close_loose, local_of_loose, peer_of_loose};
const native_methods adopted_methods{close_adopted, local_of_loose, peer_of_loose};

int open_handle(socket_kind kind, bool blocking) noexcept {
    const int family = native_family(kind.family);
    // R52: all flags at once, or a fork in another thread gets a copy.
    const int type = SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK);
    const int fd = sys::socket(family, type, IPPROTO_TCP);
    if (fd >= 0 && family == AF_INET6 && kind.role == socket_role::stream) {
        if (const int failed = set_option(fd, socket_option::v6_only, 0)) {  // R49
            close_handle(fd);
            errno = failed;
            return -1;
        }
    }
    return fd;
}

void close_handle(int fd) noexcept { static_cast<void>(sys::close(fd)); }

int reset_on_close(int fd) noexcept {
    const linger at_once{1, 0};  // never a positive time: close() would block (R110)
    return sys::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0 ? 0 : errno;
}

int pending_error(int fd) noexcept {
    int raw = 0;
    socklen_t length = sizeof raw;
    return sys::getsockopt(fd, SOL_SOCKET, SO_ERROR, &raw, &length) == 0 ? raw : errno;
}

int local_name(int fd, endpoint& name) noexcept {
    native_address address;
    address.length = sizeof address.v6;
    if (sys::getsockname(fd, &address.any, &address.length) != 0) {
        return errno;
    }
    name = from_native(&address.any, address.length);
    return 0;
}

int peer_name(int fd, endpoint& name) noexcept {
    native_address address;
    address.length = sizeof address.v6;
    if (sys::getpeername(fd, &address.any, &address.length) != 0) {
        return errno;
    }
    name = from_native(&address.any, address.length);
    return 0;
}

bool has_sent_fin(int fd) noexcept {
    int state = 0;
    static_cast<void>(state_of_connection(fd, state));
    return state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING ||
           state == TCP_LAST_ACK || state == TCP_TIME_WAIT;
}

int control_handle(int fd, control_request& asked) noexcept {
    switch (asked.what) {
    case request::bind:
        return bind_stream(fd, asked.address);
    case request::listen:
        return listen_handle(fd, asked.address, asked.listening);
    case request::local_name:
        return local_name(fd, asked.address);
    case request::peer_name:
        return peer_name(fd, asked.address);
    case request::shutdown_write:
        return sys::shutdown(fd, SHUT_WR) == 0 ? 0 : errno;
    case request::set_option:
        return set_option(fd, asked.option, asked.value);
    case request::get_option:
        return get_option(fd, asked.option, asked.value);
    case request::set_keep_alive:
        return set_keep_alive(fd, asked.keep_alive);
    case request::get_keep_alive:
        return get_keep_alive(fd, asked.keep_alive);
    case request::connected_for:  // the backend knows, and does
    case request::release:
    case request::keep_reserve:
        break;
    case request::unacknowledged:
        return sys::ioctl(fd, SIOCOUTQ, &asked.value) == 0 ? 0 : errno;
    case request::fin_arrived:
        return fin_arrived(fd, asked.value);
    }
    return EINVAL;
}

int set_blocking(int fd, bool blocking) noexcept {
    const int flags = sys::fcntl(fd, F_GETFL);
    const int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    return flags >= 0 && (wanted == flags || sys::fcntl(fd, F_SETFL, wanted) == 0) ? 0 : errno;
}

std::error_code adopt_native(std::uintptr_t native, loose_socket& taken) noexcept {
    constexpr auto most = static_cast<std::uintptr_t>(std::numeric_limits<int>::max());
    const int fd = native <= most ? fd_of(native) : -1;
    int type = 0;
    socklen_t length = sizeof type;
    if (sys::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) {
        return system_error(errno);
    }
    if (type != SOCK_STREAM) {
        return system_error(EINVAL);
    }
    loose_socket found{native, &adopted_methods, {}, {}};
    if (const int failed = local_name(fd, found.local)) {
        return system_error(failed);
    }
    if (!found.local) {
        return system_error(EAFNOSUPPORT);
    }
    if (const int failed = peer_name(fd, found.peer)) {
        return system_error(failed);
    }
    if (const int failed = set_blocking(fd, false)) {
        return system_error(failed);
    }
    static_cast<void>(sys::fcntl(fd, F_SETFD, FD_CLOEXEC));
    forget_linger(fd);
    taken = found;
    return {};
}

void watch_forks() noexcept {
    static const int registered = sys::pthread_atfork(nullptr, nullptr, &forked);
    static_cast<void>(registered);
}

std::string environment_variable(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

}  // namespace thole::detail
