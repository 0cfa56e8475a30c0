// SPDX-License-Identifier: BSL-1.0
#include "win/extension.hpp"

#include "win/handle.hpp"

namespace thole::detail {
namespace {

template <class Function>
int fetch(SOCKET handle, GUID id, Function& function) noexcept {
    DWORD given = 0;
    const int failed = sys::WSAIoctl(handle, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id,
                                     &function, sizeof function, &given, nullptr, nullptr);
    return failed == 0 ? 0 : sys::WSAGetLastError();
}

}  // namespace

int learn(extension& provider, SOCKET handle) noexcept {
    if (provider.known) {
        return 0;
    }
    if (const int raw = fetch(handle, WSAID_ACCEPTEX, provider.accept_ex)) {
        return raw;
    }
    if (const int raw = fetch(handle, WSAID_CONNECTEX, provider.connect_ex)) {
        return raw;
    }
    if (const int raw =
            fetch(handle, WSAID_GETACCEPTEXSOCKADDRS, provider.get_accept_ex_sockaddrs)) {
        return raw;
    }
    provider.kernel_handles = is_kernel_handle(handle);
    provider.known = true;
    return 0;
}

}  // namespace thole::detail
