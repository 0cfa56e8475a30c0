// SPDX-License-Identifier: BSL-1.0
#include "win/handle.hpp"

#include <iterator>

#include "core/backends.hpp"
#include "win/address.hpp"
#include "win/options.hpp"

namespace thole::detail {
namespace {

int bind_handle(SOCKET socket, const endpoint& where) noexcept {
    native_address address;
    const int length = to_native(where, address);
    if (length == 0) {
        return WSAEINVAL;
    }
    return sys::bind(socket, &address.any, length) == 0 ? 0 : sys::WSAGetLastError();
}

// A number above 200 is only heard in this negative form.
int native_backlog(int asked) noexcept {
    constexpr int plain = 200;
    constexpr int most = 65535;
    if (asked <= 0) {
        return SOMAXCONN;
    }
    return asked <= plain ? asked : -(asked < most ? asked : most);
}

int listen_handle(SOCKET socket, const endpoint& where,
                  const tcp::listen_options& options) noexcept {
    if (options.reuse_port) {
        return WSAEOPNOTSUPP;
    }
    if (where.family() == address_family::ipv6) {
        const int only = options.dual_stack ? 0 : 1;  // R49
        if (const int failed = set_option(socket, socket_option::v6_only, only)) {
            return failed;
        }
    }
    // R48: this SO_REUSEADDR would let another program take the port over.
    if (const int failed = set_option(socket, socket_option::reuse_address, 1)) {
        return failed;
    }
    if (const int failed = set_inherited(socket, options)) {
        return failed;
    }
    if (const int failed = bind_handle(socket, where)) {
        return failed;
    }
    return sys::listen(socket, native_backlog(options.backlog)) == 0 ? 0 : sys::WSAGetLastError();
}

SOCKET socket_of(std::uintptr_t native) noexcept { return static_cast<SOCKET>(native); }

void close_loose(std::uintptr_t native) noexcept {
    static_cast<void>(reset_on_close(socket_of(native)));
    close_handle(socket_of(native));
}
// It had a life before: what it was given to send is still sent.
void close_adopted(std::uintptr_t native) noexcept { close_handle(socket_of(native)); }
std::error_code local_of_loose(std::uintptr_t native, endpoint& name) noexcept {
    return system_error(local_name(socket_of(native), name));
}
std::error_code peer_of_loose(std::uintptr_t native, endpoint& name) noexcept {
    return system_error(peer_name(socket_of(native), name));
}

// R110: with a positive time closesocket() would block.
void forget_linger(SOCKET socket) noexcept {
    linger given{};
    int length = sizeof given;
    if (sys::getsockopt(socket, SOL_SOCKET, SO_LINGER, reinterpret_cast<char*>(&given), &length) ==
            0 &&
        given.l_onoff != 0 && given.l_linger != 0) {
        const linger none{};
        static_cast<void>(sys::setsockopt(socket, SOL_SOCKET, SO_LINGER,
                                          reinterpret_cast<const char*>(&none), sizeof none));
    }
}

}  // namespace

const native_methods socket_methods{close_loose, local_of_loose, peer_of_loose};
const native_methods adopted_methods{close_adopted, local_of_loose, peer_of_loose};

SOCKET open_handle(socket_kind kind) noexcept {
    const int family = kind.family == address_family::ipv6 ? AF_INET6 : AF_INET;
    // R23: not inherited from the start, or a process made in another thread gets a copy.
    const SOCKET socket = sys::WSASocketW(family, SOCK_STREAM, IPPROTO_TCP, nullptr, 0,
                                          WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (socket != INVALID_SOCKET && family == AF_INET6 && kind.role == socket_role::stream) {
        if (const int failed = set_option(socket, socket_option::v6_only, 0)) {  // R49
            close_handle(socket);
            sys::WSASetLastError(failed);
            return INVALID_SOCKET;
        }
    }
    return socket;
}

void close_handle(SOCKET socket) noexcept { static_cast<void>(sys::closesocket(socket)); }

int reset_on_close(SOCKET socket) noexcept {
    const linger at_once{1, 0};  // never a positive time: closesocket() would block (R110)
    const int failed = sys::setsockopt(socket, SOL_SOCKET, SO_LINGER,
                                       reinterpret_cast<const char*>(&at_once), sizeof at_once);
    return failed == 0 ? 0 : sys::WSAGetLastError();
}

bool is_kernel_handle(SOCKET socket) noexcept {
    WSAPROTOCOL_INFOW about{};
    int length = sizeof about;
    return sys::getsockopt(socket, SOL_SOCKET, SO_PROTOCOL_INFOW, reinterpret_cast<char*>(&about),
                           &length) == 0 &&
           (about.dwServiceFlags1 & XP1_IFS_HANDLES) != 0;
}

int connected_for(SOCKET socket, std::chrono::milliseconds& time) noexcept {
    constexpr DWORD not_connected = 0xffff'ffff;
    DWORD seconds = 0;
    int length = sizeof seconds;
    if (sys::getsockopt(socket, SOL_SOCKET, SO_CONNECT_TIME, reinterpret_cast<char*>(&seconds),
                        &length) != 0) {
        return sys::WSAGetLastError();
    }
    time = std::chrono::seconds(seconds);
    return seconds != not_connected ? 0 : WSAENOTCONN;
}

int control_handle(SOCKET socket, control_request& asked) noexcept {
    switch (asked.what) {
    case request::bind:
        return bind_handle(socket, asked.address);
    case request::listen:
        return listen_handle(socket, asked.address, asked.listening);
    case request::local_name:
        return local_name(socket, asked.address);
    case request::peer_name:
        return peer_name(socket, asked.address);
    case request::shutdown_write:
        return sys::shutdown(socket, SD_SEND) == 0 ? 0 : sys::WSAGetLastError();
    case request::set_option:
        return set_option(socket, asked.option, asked.value);
    case request::get_option:
        return get_option(socket, asked.option, asked.value);
    case request::set_keep_alive:
        return set_keep_alive(socket, asked.keep_alive);
    case request::get_keep_alive:
        return get_keep_alive(socket, asked.keep_alive);
    case request::connected_for:
        return connected_for(socket, asked.time);
    case request::release:  // the port does that
        break;
    case request::unacknowledged:  // the system does not tell
    case request::fin_arrived:
    case request::keep_reserve:  // nobody is shed
        return WSAEOPNOTSUPP;
    }
    return WSAEINVAL;
}

int set_blocking(SOCKET socket, bool blocking) noexcept {
    u_long nonblocking = blocking ? 0 : 1;
    return sys::ioctlsocket(socket, static_cast<long>(FIONBIO), &nonblocking) == 0
               ? 0
               : sys::WSAGetLastError();
}

int leave_port(SOCKET socket) noexcept {
    constexpr int replace_completion = 61;  // FileReplaceCompletionInformation, Windows 8.1
    using set_information = LONG(WINAPI*)(HANDLE, void*, void*, ULONG, int);
    struct {
        HANDLE port;
        void* key;
    } none{};
    ULONG_PTR status[2] = {};
    const HMODULE ntdll = sys::GetModuleHandleW(L"ntdll.dll");
    const FARPROC found =
        ntdll != nullptr ? sys::GetProcAddress(ntdll, "NtSetInformationFile") : nullptr;
    const auto set = reinterpret_cast<set_information>(reinterpret_cast<void*>(found));
    const bool left = set != nullptr && set(reinterpret_cast<HANDLE>(socket), status, &none,
                                            sizeof none, replace_completion) == 0;
    return left ? 0 : WSAEOPNOTSUPP;
}

std::error_code adopt_native(std::uintptr_t native, loose_socket& taken) noexcept {
    if (const int failed = start_winsock()) {
        return system_error(failed);
    }
    const SOCKET socket = socket_of(native);
    int type = 0;
    int length = sizeof type;
    if (sys::getsockopt(socket, SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &length) !=
        0) {
        return system_error(sys::WSAGetLastError());
    }
    if (type != SOCK_STREAM) {
        return system_error(WSAEINVAL);
    }
    loose_socket found{native, &adopted_methods, {}, {}};
    if (peer_name(socket, found.peer) != 0) {  // also where it is not even bound
        return system_error(WSAENOTCONN);
    }
    if (const int failed = local_name(socket, found.local)) {
        return system_error(failed);
    }
    if (!found.local) {
        return system_error(WSAEAFNOSUPPORT);
    }
    static_cast<void>(
        sys::SetHandleInformation(reinterpret_cast<HANDLE>(socket), HANDLE_FLAG_INHERIT, 0));
    forget_linger(socket);
    taken = found;
    return {};
}

int start_winsock() noexcept {
    static const int failed = [] {
        WSADATA about{};
        return sys::WSAStartup(MAKEWORD(2, 2), &about);
    }();
    return failed;
}

std::string environment_variable(const char* name) {
    wchar_t wide[64] = {};
    for (std::size_t i = 0; name[i] != '\0' && i + 1 < std::size(wide); ++i) {
        wide[i] = static_cast<unsigned char>(name[i]);  // our names are ASCII
    }
    wchar_t value[256];
    const DWORD length =
        sys::GetEnvironmentVariableW(wide, value, static_cast<DWORD>(std::size(value)));
    return length < std::size(value) ? utf8(value, length) : std::string();
}

}  // namespace thole::detail
