// SPDX-License-Identifier: BSL-1.0
#include "win/options.hpp"

#include <algorithm>
#include <iterator>

namespace thole::detail {
namespace {

struct native_option {
    int level;
    int name;
    int unit;  // how many of ours are one of theirs
};

// Windows 10 has them all, the headers of mingw-w64 do not.
constexpr int keep_idle = 3;
constexpr int max_rt = 5;
constexpr int keep_count = 16;
constexpr int keep_interval = 17;

// In the order of socket_option.
constexpr native_option options[] = {
    {IPPROTO_IPV6, IPV6_V6ONLY, 1}, {SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1},  // R48
    {IPPROTO_TCP, TCP_NODELAY, 1},  {SOL_SOCKET, SO_KEEPALIVE, 1},
    {IPPROTO_TCP, keep_idle, 1},    {IPPROTO_TCP, keep_interval, 1},
    {IPPROTO_TCP, keep_count, 1},   {SOL_SOCKET, SO_SNDBUF, 1},
    {SOL_SOCKET, SO_RCVBUF, 1},     {IPPROTO_TCP, max_rt, 1000},  // theirs are seconds
};
static_assert(std::size(options) == option_count);

const native_option& row_of(socket_option which) noexcept {
    return options[static_cast<std::size_t>(which)];
}

// An option that is not there is no matter of the value.
int without_option(int raw) noexcept { return raw == WSAENOPROTOOPT ? WSAEOPNOTSUPP : raw; }

// The one way that older systems have, which takes both numbers together: ours, or the system's own
// of two hours and a second.
int set_keep_alive_values(SOCKET socket, const tcp::keep_alive_options& how) noexcept {
    constexpr std::chrono::seconds usual_idle{7200};
    constexpr std::chrono::seconds usual_interval{1};
    constexpr std::chrono::seconds most{0xffff'ffff / 1000};
    const auto milliseconds = [=](std::chrono::seconds asked, std::chrono::seconds usual) {
        const std::chrono::seconds taken = std::min(asked.count() != 0 ? asked : usual, most);
        return static_cast<ULONG>(taken.count() * 1000);
    };
    tcp_keepalive values{};
    values.onoff = 1;
    values.keepalivetime = milliseconds(how.idle, usual_idle);
    values.keepaliveinterval = milliseconds(how.interval, usual_interval);
    DWORD given = 0;
    const int failed = sys::WSAIoctl(socket, SIO_KEEPALIVE_VALS, &values, sizeof values, nullptr, 0,
                                     &given, nullptr, nullptr);
    return failed == 0 ? 0 : sys::WSAGetLastError();
}

}  // namespace

int set_native(SOCKET socket, int level, int name, int value) noexcept {
    const int failed =
        sys::setsockopt(socket, level, name, reinterpret_cast<const char*>(&value), sizeof value);
    return failed == 0 ? 0 : sys::WSAGetLastError();
}

int set_option(SOCKET socket, socket_option which, int value) noexcept {
    const native_option& row = row_of(which);
    if (which == socket_option::user_timeout && value == 0) {
        return WSAEINVAL;  // nobody says what it would mean
    }
    const int theirs = value / row.unit + (value % row.unit != 0 ? 1 : 0);
    return without_option(set_native(socket, row.level, row.name, theirs));
}

int get_option(SOCKET socket, socket_option which, int& value) noexcept {
    const native_option& row = row_of(which);
    int theirs = 0;  // Wine fills one byte of a switch
    int length = sizeof theirs;
    if (sys::getsockopt(socket, row.level, row.name, reinterpret_cast<char*>(&theirs), &length) !=
        0) {
        return without_option(sys::WSAGetLastError());
    }
    value = is_switch(which) ? (theirs != 0 ? 1 : 0) : theirs * row.unit;
    return 0;
}

int set_keep_alive(SOCKET socket, const tcp::keep_alive_options& how) noexcept {
    const struct {
        socket_option which;
        int value;
    } numbers[] = {
        {socket_option::keep_alive_idle, static_cast<int>(how.idle.count())},
        {socket_option::keep_alive_interval, static_cast<int>(how.interval.count())},
        {socket_option::keep_alive_count, how.count},
    };
    bool together = false;
    for (const auto& number : numbers) {
        if (how.on && number.value != 0) {
            const int failed = set_option(socket, number.which, number.value);
            together = together || failed == WSAEOPNOTSUPP;
            if (failed != 0 && failed != WSAEOPNOTSUPP) {
                return failed;
            }
        }
    }
    return together ? set_keep_alive_values(socket, how)
                    : set_option(socket, socket_option::keep_alive, how.on ? 1 : 0);
}

int get_keep_alive(SOCKET socket, tcp::keep_alive_options& how) noexcept {
    int on = 0;
    int idle = 0;
    int interval = 0;
    if (const int failed = get_option(socket, socket_option::keep_alive, on)) {
        return failed;
    }
    // Older systems cannot be asked for the numbers.
    if (get_option(socket, socket_option::keep_alive_idle, idle) != 0 ||
        get_option(socket, socket_option::keep_alive_interval, interval) != 0 ||
        get_option(socket, socket_option::keep_alive_count, how.count) != 0) {
        idle = interval = how.count = 0;
    }
    how.on = on != 0;
    how.idle = std::chrono::seconds(idle);
    how.interval = std::chrono::seconds(interval);
    return 0;
}

int set_inherited(SOCKET socket, const tcp::listen_options& asked) noexcept {
    return set_inherited(asked, [socket](socket_option which, int value) noexcept {
        return set_option(socket, which, value);
    });
}

}  // namespace thole::detail
