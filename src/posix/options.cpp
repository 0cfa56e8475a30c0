// SPDX-License-Identifier: BSL-1.0
#include "posix/options.hpp"

#include <iterator>

namespace thole::detail {
namespace {

struct native_option {
    int level;
    int name;
    int unit;  // how many of ours are one of theirs
};

constexpr int nowhere = -1;

// In the order of socket_option.
constexpr native_option options[] = {
    {IPPROTO_IPV6, IPV6_V6ONLY, 1},     {SOL_SOCKET, SO_REUSEADDR, 1},
    {IPPROTO_TCP, TCP_NODELAY, 1},      {SOL_SOCKET, SO_KEEPALIVE, 1},
    {IPPROTO_TCP, TCP_KEEPIDLE, 1},     {IPPROTO_TCP, TCP_KEEPINTVL, 1},
    {IPPROTO_TCP, TCP_KEEPCNT, 1},      {SOL_SOCKET, SO_SNDBUF, 1},
    {SOL_SOCKET, SO_RCVBUF, 1},
#if defined(TCP_USER_TIMEOUT)
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 1},
#else
    {nowhere, 0, 1},
#endif
};
static_assert(std::size(options) == option_count);

const native_option& row_of(socket_option which) noexcept {
    return options[static_cast<std::size_t>(which)];
}

// An option that is not there is no matter of the value.
int without_option(int raw) noexcept { return raw == ENOPROTOOPT ? EOPNOTSUPP : raw; }

}  // namespace

int set_native(int fd, int level, int name, int value) noexcept {
    return sys::setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : errno;
}

int set_option(int fd, socket_option which, int value) noexcept {
    const native_option& row = row_of(which);
    if (row.level == nowhere) {
        return EOPNOTSUPP;
    }
    const int theirs = value / row.unit + (value % row.unit != 0 ? 1 : 0);
    return without_option(set_native(fd, row.level, row.name, theirs));
}

int get_option(int fd, socket_option which, int& value) noexcept {
    const native_option& row = row_of(which);
    if (row.level == nowhere) {
        return EOPNOTSUPP;
    }
    int theirs = 0;
    socklen_t length = sizeof theirs;
    if (sys::getsockopt(fd, row.level, row.name, &theirs, &length) != 0) {
        return without_option(errno);
    }
    value = is_switch(which) ? (theirs != 0 ? 1 : 0) : theirs * row.unit;
    return 0;
}

int set_keep_alive(int fd, const tcp::keep_alive_options& how) noexcept {
    const struct {
        socket_option which;
        int value;
    } numbers[] = {
        {socket_option::keep_alive_idle, static_cast<int>(how.idle.count())},
        {socket_option::keep_alive_interval, static_cast<int>(how.interval.count())},
        {socket_option::keep_alive_count, how.count},
    };
    for (const auto& number : numbers) {
        if (how.on && number.value != 0) {
            if (const int failed = set_option(fd, number.which, number.value)) {
                return failed;
            }
        }
    }
    return set_option(fd, socket_option::keep_alive, how.on ? 1 : 0);
}

int get_keep_alive(int fd, tcp::keep_alive_options& how) noexcept {
    int on = 0;
    int idle = 0;
    int interval = 0;
    if (const int failed = get_option(fd, socket_option::keep_alive, on)) {
        return failed;
    }
    if (const int failed = get_option(fd, socket_option::keep_alive_idle, idle)) {
        return failed;
    }
    if (const int failed = get_option(fd, socket_option::keep_alive_interval, interval)) {
        return failed;
    }
    how.on = on != 0;
    how.idle = std::chrono::seconds(idle);
    how.interval = std::chrono::seconds(interval);
    return get_option(fd, socket_option::keep_alive_count, how.count);
}

int set_inherited(int fd, const tcp::listen_options& asked) noexcept {
    return set_inherited(asked, [fd](socket_option which, int value) noexcept {
        return set_option(fd, which, value);
    });
}

}  // namespace thole::detail
