// SPDX-License-Identifier: BSL-1.0
#include "core/signals.hpp"

#include "core/error_table.hpp"
#include "win/handle.hpp"
#include "win/sys.hpp"

namespace thole::detail {
namespace {

unsigned watched = 0;  // kinds

// On a thread of the system's own. After the events that end the program, that waits for this
// function's return, or for some seconds: the program's own end comes first.
BOOL WINAPI handle_event(DWORD event) {
    switch (event) {
    case CTRL_C_EVENT:
        return signal_came(signal_kind::interrupt) ? TRUE : FALSE;
    case CTRL_BREAK_EVENT:
        return signal_came(signal_kind::control_break) ? TRUE : FALSE;
    default:
        if (!signal_came(signal_kind::terminate)) {
            return FALSE;
        }
        sys::Sleep(INFINITE);
        return TRUE;
    }
}

bool is_here(signal_kind which) noexcept {
    return which == signal_kind::interrupt || which == signal_kind::terminate ||
           which == signal_kind::control_break;
}

}  // namespace

std::error_code watch_signal(signal_kind which) noexcept {
    if (!is_here(which)) {
        return system_error(WSAEOPNOTSUPP);
    }
    if (watched == 0 && sys::SetConsoleCtrlHandler(&handle_event, TRUE) == FALSE) {
        return system_error(static_cast<int>(sys::GetLastError()));
    }
    ++watched;
    return {};
}

void unwatch_signal(signal_kind) noexcept {
    if (--watched == 0) {
        static_cast<void>(sys::SetConsoleCtrlHandler(&handle_event, FALSE));
    }
}

}  // namespace thole::detail
