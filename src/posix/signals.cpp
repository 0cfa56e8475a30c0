// SPDX-License-Identifier: BSL-1.0
#include "core/signals.hpp"

#include "core/error_table.hpp"
#include "posix/handle.hpp"
#include "posix/sys.hpp"

namespace thole::detail {
namespace {

struct row {
    signal_kind kind;
    int number;
};
constexpr row rows[] = {
    {signal_kind::interrupt, SIGINT}, {signal_kind::terminate, SIGTERM},
    {signal_kind::hangup, SIGHUP},    {signal_kind::user1, SIGUSR1},
    {signal_kind::user2, SIGUSR2},
};
constexpr std::size_t row_count = sizeof rows / sizeof rows[0];

struct sigaction before[row_count];  // what was done with it

// R130: nothing but what signal_came() does, and errno as it was. One that no set of this process
// wants is done with as before: this may be a child, whose sets are its parent's.
extern "C" void handle_signal(int number) {
    const int kept = errno;
    for (std::size_t i = 0; i < row_count; ++i) {
        if (rows[i].number == number && !signal_came(rows[i].kind)) {
            static_cast<void>(sys::sigaction(number, &before[i], nullptr));
            static_cast<void>(sys::raise(number));
        }
    }
    errno = kept;
}

bool is_ours(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == &handle_signal;
}

// Its place; `row_count`: none here.
std::size_t place_of(signal_kind which) noexcept {
    std::size_t i = 0;
    while (i < row_count && rows[i].kind != which) {
        ++i;
    }
    return i;
}

}  // namespace

std::error_code watch_signal(signal_kind which) noexcept {
    const std::size_t place = place_of(which);
    if (place == row_count) {
        return system_error(EOPNOTSUPP);
    }
    watch_forks();
    struct sigaction action {};
    action.sa_handler = &handle_signal;
    action.sa_flags = SA_RESTART;
    static_cast<void>(sigemptyset(&action.sa_mask));
    struct sigaction old {};
    if (sys::sigaction(rows[place].number, &action, &old) != 0) {
        return system_error(errno);
    }
    if (!is_ours(old)) {
        before[place] = old;
    }
    return {};
}

// Unless somebody else has taken it over meanwhile.
void unwatch_signal(signal_kind which) noexcept {
    const std::size_t place = place_of(which);
    struct sigaction now {};
    if (sys::sigaction(rows[place].number, nullptr, &now) == 0 && is_ours(now)) {
        static_cast<void>(sys::sigaction(rows[place].number, &before[place], nullptr));
    }
}

}  // namespace thole::detail
