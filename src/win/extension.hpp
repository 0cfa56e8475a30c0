// SPDX-License-Identifier: BSL-1.0
// The functions that a socket's provider has beyond Winsock's own, fetched and never linked.
#pragma once

#include "win/sys.hpp"

namespace thole::detail {

// One a provider, that is one an address family (R16), kept by the backend.
struct extension {
    LPFN_ACCEPTEX accept_ex = nullptr;
    LPFN_CONNECTEX connect_ex = nullptr;
    LPFN_GETACCEPTEXSOCKADDRS get_accept_ex_sockaddrs = nullptr;
    bool kernel_handles = false;  // R7
    bool known = false;
};

// Asks `handle`'s provider, the first time only; gives 0 or the system's code.
[[nodiscard]] int learn(extension& provider, SOCKET handle) noexcept;

}  // namespace thole::detail
