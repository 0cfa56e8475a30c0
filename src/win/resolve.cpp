// SPDX-License-Identifier: BSL-1.0
#include <cstring>

#include "core/resolver.hpp"
#include "win/address.hpp"
#include "win/handle.hpp"

namespace thole::detail {
namespace {

// GetAddrInfoW. What a name server or a file said is told apart from what this machine lacks.
std::error_code code_of(int said) noexcept {
    switch (said) {
    case WSAHOST_NOT_FOUND:
    case WSANO_DATA:
        return errc::name_not_found;
    case WSATRY_AGAIN:
        return errc::name_lookup_unavailable;
    case WSATYPE_NOT_FOUND:
        return errc::service_not_found;
    case WSA_NOT_ENOUGH_MEMORY:
        return system_error(ERROR_NOT_ENOUGH_MEMORY);
    case WSANO_RECOVERY:
        return errc::name_lookup_failed;
    default:
        return system_error(said);
    }
}

// False: it is not UTF-8.
bool widen(const char* text, wchar_t* wide, int room) noexcept {
    return sys::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, room) > 0;
}

endpoint address_of(const ADDRINFOW& found) noexcept {
    native_address address{};
    if (found.ai_addr == nullptr || found.ai_addrlen > sizeof address) {
        return {};
    }
    std::memcpy(&address, found.ai_addr, found.ai_addrlen);
    return from_native(address);
}

}  // namespace

void look_up(lookup& question) noexcept {
    wchar_t host[sizeof question.host];
    wchar_t service[sizeof question.service];
    if (!widen(question.host, host, sizeof question.host) ||
        !widen(question.service, service, sizeof question.service)) {
        question.failed = system_error(WSAEINVAL);
        return;
    }
    ADDRINFOW hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_protocol = IPPROTO_TCP;
    hints.ai_flags = question.numeric ? AI_NUMERICHOST : 0;
    ADDRINFOW* list = nullptr;
    const int said = sys::GetAddrInfoW(host[0] != L'\0' ? host : nullptr,
                                       service[0] != L'\0' ? service : nullptr, &hints, &list);
    if (said != 0) {
        question.failed = code_of(said);
        return;
    }
    std::size_t count = 0;
    for (const ADDRINFOW* each = list; each != nullptr; each = each->ai_next) {
        ++count;
    }
    if (!question.found.reserve(count)) {
        question.failed = system_error(ERROR_NOT_ENOUGH_MEMORY);
    }
    for (const ADDRINFOW* each = list; each != nullptr; each = each->ai_next) {
        add_found(question, address_of(*each));
    }
    sys::FreeAddrInfoW(list);
}

// R22.
void keep_loaded() noexcept {
    HMODULE module = nullptr;
    static_cast<void>(sys::GetModuleHandleExW(
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
        reinterpret_cast<LPCWSTR>(reinterpret_cast<const void*>(&keep_loaded)), &module));
}

}  // namespace thole::detail
