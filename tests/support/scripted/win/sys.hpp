// SPDX-License-Identifier: BSL-1.0
// In the place of src/win/sys.hpp: the same names, each through the script. The extension functions
// that WSAIoctl gives are the script's as well.
#pragma once

#include <cstring>
#include <cwchar>

#include "script.hpp"
#include "win/platform.hpp"

namespace thole::sys {

struct last_error {
    static int get() noexcept { return static_cast<int>(::GetLastError()); }
    static void set(int error) noexcept { ::SetLastError(static_cast<DWORD>(error)); }
};

inline std::vector<unsigned char> bytes_at(const void* from, std::size_t length) {
    const auto* first = static_cast<const unsigned char*>(from);
    return from != nullptr ? std::vector(first, first + length) : std::vector<unsigned char>();
}
template <class System>
auto perform(script::call asked, System&& system) {
    return script::perform<last_error>(std::move(asked), system);
}
inline script::call of(std::string_view name, std::intptr_t handle = -1) {
    script::call asked;
    asked.name = name;
    asked.handle = handle;
    return asked;
}
inline script::call of(std::string_view name, SOCKET socket) {
    return of(name, static_cast<std::intptr_t>(socket));
}
inline script::call of(std::string_view name, HANDLE handle) {
    return of(name, reinterpret_cast<std::intptr_t>(handle));
}

// ---- Winsock.

inline int bind(SOCKET socket, const sockaddr* to, int length) {
    script::call asked = of("bind", socket);
    asked.value = bytes_at(to, static_cast<std::size_t>(length));
    return perform(std::move(asked), [&](script::call&) { return ::bind(socket, to, length); });
}
inline int closesocket(SOCKET socket) {
    return perform(of("closesocket", socket), [&](script::call&) { return ::closesocket(socket); });
}
inline int getpeername(SOCKET socket, sockaddr* name, int* length) {
    return perform(of("getpeername", socket),
                   [&](script::call&) { return ::getpeername(socket, name, length); });
}
inline int getsockname(SOCKET socket, sockaddr* name, int* length) {
    return perform(of("getsockname", socket),
                   [&](script::call&) { return ::getsockname(socket, name, length); });
}
inline int getsockopt(SOCKET socket, int level, int option, char* value, int* length) {
    script::call asked = of("getsockopt", socket);
    asked.level = level;
    asked.option = option;
    asked.out = value;
    return perform(std::move(asked), [&](script::call&) {
        return ::getsockopt(socket, level, option, value, length);
    });
}
inline int listen(SOCKET socket, int backlog) {
    return perform(of("listen", socket), [&](script::call&) { return ::listen(socket, backlog); });
}
inline int setsockopt(SOCKET socket, int level, int option, const char* value, int length) {
    script::call asked = of("setsockopt", socket);
    asked.level = level;
    asked.option = option;
    asked.value = bytes_at(value, static_cast<std::size_t>(length));
    return perform(std::move(asked), [&](script::call&) {
        return ::setsockopt(socket, level, option, value, length);
    });
}
inline int shutdown(SOCKET socket, int how) {
    return perform(of("shutdown", socket), [&](script::call&) { return ::shutdown(socket, how); });
}
// The pieces of a transfer, for a system that takes at most so many bytes of them.
class cut_pieces {
public:
    cut_pieces(const WSABUF* pieces, DWORD count) : pieces_(pieces, pieces + count) {}
    [[nodiscard]] std::size_t length() const {
        std::size_t sum = 0;
        for (const WSABUF& piece : pieces_) {
            sum += piece.len;
        }
        return sum;
    }
    WSABUF* first(std::size_t most) {
        for (WSABUF& piece : pieces_) {
            piece.len = piece.len < most ? piece.len : static_cast<ULONG>(most);
            most -= piece.len;
        }
        return pieces_.data();
    }

private:
    std::vector<WSABUF> pieces_;
};
inline int WSARecv(SOCKET socket, WSABUF* pieces, DWORD count, DWORD* moved, DWORD* flags,
                   OVERLAPPED* overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    cut_pieces cut(pieces, count);
    script::call asked = of("WSARecv", socket);
    asked.out = overlapped;
    asked.most = cut.length();
    return perform(std::move(asked), [&](script::call& met) {
        return ::WSARecv(socket, cut.first(met.most), count, moved, flags, overlapped, routine);
    });
}
inline int WSASend(SOCKET socket, WSABUF* pieces, DWORD count, DWORD* moved, DWORD flags,
                   OVERLAPPED* overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    cut_pieces cut(pieces, count);
    script::call asked = of("WSASend", socket);
    asked.out = overlapped;
    asked.most = cut.length();
    return perform(std::move(asked), [&](script::call& met) {
        return ::WSASend(socket, cut.first(met.most), count, moved, flags, overlapped, routine);
    });
}
inline SOCKET WSASocketW(int family, int type, int protocol, WSAPROTOCOL_INFOW* info, GROUP group,
                         DWORD flags) {
    script::call asked = of("WSASocketW");
    asked.option = family;
    asked.code = flags;
    return perform(std::move(asked), [&](script::call&) {
        return ::WSASocketW(family, type, protocol, info, group, flags);
    });
}
using ::ioctlsocket;
using ::WSAPoll;
using ::WSAGetLastError;
using ::WSASetLastError;
using ::WSAStartup;

// ---- Names of hosts. `value` is the host and the service, each with its NUL, in UTF-16; `out` is
// where the list goes.

inline int GetAddrInfoW(const wchar_t* host, const wchar_t* service, const ADDRINFOW* hints,
                        ADDRINFOW** found) {
    script::call asked = of("GetAddrInfoW");
    asked.option = hints->ai_flags;
    for (const wchar_t* text : {host, service}) {
        const wchar_t* words = text != nullptr ? text : L"";
        const auto bytes = bytes_at(words, (std::wcslen(words) + 1) * sizeof(wchar_t));
        asked.value.insert(asked.value.end(), bytes.begin(), bytes.end());
    }
    asked.out = found;
    return perform(std::move(asked),
                   [&](script::call&) { return ::GetAddrInfoW(host, service, hints, found); });
}
inline void FreeAddrInfoW(ADDRINFOW* list) {
    script::call asked = of("FreeAddrInfoW");
    asked.out = list;
    perform(std::move(asked), [&](script::call&) {
        ::FreeAddrInfoW(list);
        return 0;
    });
}

// ---- The extension functions.

inline LPFN_ACCEPTEX real_accept_ex = nullptr;
inline LPFN_CONNECTEX real_connect_ex = nullptr;

inline BOOL PASCAL scripted_accept_ex(SOCKET listener, SOCKET accepted, PVOID names, DWORD data,
                                      DWORD local, DWORD remote, DWORD* moved,
                                      OVERLAPPED* overlapped) {
    script::call asked = of("AcceptEx", listener);
    asked.code = accepted;
    asked.level = static_cast<int>(local);
    asked.option = static_cast<int>(remote);
    asked.most = data;
    asked.out = overlapped;
    return perform(std::move(asked), [&](script::call&) {
        return real_accept_ex(listener, accepted, names, data, local, remote, moved, overlapped);
    });
}
inline BOOL PASCAL scripted_connect_ex(SOCKET socket, const sockaddr* to, int length, PVOID data,
                                       DWORD size, DWORD* moved, OVERLAPPED* overlapped) {
    script::call asked = of("ConnectEx", socket);
    asked.value = bytes_at(to, static_cast<std::size_t>(length));
    asked.most = size;
    asked.out = overlapped;
    return perform(std::move(asked), [&](script::call&) {
        return real_connect_ex(socket, to, length, data, size, moved, overlapped);
    });
}

template <class Function>
bool shadow(const std::vector<unsigned char>& asked, const GUID& id, void* out, Function& real,
            Function ours) {
    if (asked.size() != sizeof id || std::memcmp(asked.data(), &id, sizeof id) != 0) {
        return false;
    }
    real = *static_cast<Function*>(out);
    *static_cast<Function*>(out) = ours;
    return true;
}

inline int WSAIoctl(SOCKET socket, DWORD code, void* in, DWORD in_size, void* out, DWORD out_size,
                    DWORD* moved, OVERLAPPED* overlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    script::call asked = of("WSAIoctl", socket);
    asked.code = code;
    asked.value = bytes_at(in, in_size);
    const std::vector<unsigned char> id = asked.value;
    const int failed = perform(std::move(asked), [&](script::call&) {
        return ::WSAIoctl(socket, code, in, in_size, out, out_size, moved, overlapped, routine);
    });
    if (failed == 0 && code == SIO_GET_EXTENSION_FUNCTION_POINTER) {
        const GUID accept_id = WSAID_ACCEPTEX;
        const GUID connect_id = WSAID_CONNECTEX;
        shadow(id, accept_id, out, real_accept_ex, &scripted_accept_ex);
        shadow(id, connect_id, out, real_connect_ex, &scripted_connect_ex);
    }
    return failed;
}

// ---- The port.

inline BOOL CancelIoEx(HANDLE handle, OVERLAPPED* overlapped) {
    script::call asked = of("CancelIoEx", handle);
    asked.out = overlapped;
    return perform(std::move(asked),
                   [&](script::call&) { return ::CancelIoEx(handle, overlapped); });
}
// `code` is the address of the count.
inline BOOL GetQueuedCompletionStatusEx(HANDLE port, OVERLAPPED_ENTRY* packets, ULONG most,
                                        ULONG* count, DWORD time, BOOL alertable) {
    script::call asked = of("GetQueuedCompletionStatusEx", port);
    asked.out = packets;
    asked.most = most;
    asked.code = reinterpret_cast<std::uintptr_t>(count);
    return perform(std::move(asked), [&](script::call&) {
        return ::GetQueuedCompletionStatusEx(port, packets, most, count, time, alertable);
    });
}
inline BOOL PostQueuedCompletionStatus(HANDLE port, DWORD moved, ULONG_PTR key,
                                       OVERLAPPED* overlapped) {
    return perform(of("PostQueuedCompletionStatus", port), [&](script::call&) {
        return ::PostQueuedCompletionStatus(port, moved, key, overlapped);
    });
}
inline BOOL SetFileCompletionNotificationModes(HANDLE handle, UCHAR modes) {
    script::call asked = of("SetFileCompletionNotificationModes", handle);
    asked.code = modes;
    return perform(std::move(asked), [&](script::call&) {
        return ::SetFileCompletionNotificationModes(handle, modes);
    });
}
inline HANDLE CreateIoCompletionPort(HANDLE handle, HANDLE port, ULONG_PTR key, DWORD threads) {
    script::call asked = of("CreateIoCompletionPort", handle);
    asked.code = key;
    return perform(std::move(asked), [&](script::call&) {
        return ::CreateIoCompletionPort(handle, port, key, threads);
    });
}
inline BOOL CloseHandle(HANDLE handle) {
    return perform(of("CloseHandle", handle), [&](script::call&) { return ::CloseHandle(handle); });
}
using ::GetLastError;

// ---- The console. `out` is the handler.

inline BOOL SetConsoleCtrlHandler(PHANDLER_ROUTINE handler, BOOL add) {
    script::call asked = of("SetConsoleCtrlHandler");
    asked.out = reinterpret_cast<void*>(handler);
    asked.option = add;
    return perform(std::move(asked),
                   [&](script::call&) { return ::SetConsoleCtrlHandler(handler, add); });
}
inline void Sleep(DWORD time) {
    script::call asked = of("Sleep");
    asked.code = time;
    perform(std::move(asked), [&](script::call&) {
        ::Sleep(time);
        return 0;
    });
}

// ---- Threads, time, words.

inline FARPROC GetProcAddress(HMODULE module, const char* name) {
    script::call asked = of("GetProcAddress");
    asked.value = bytes_at(name, std::strlen(name));
    return perform(std::move(asked), [&](script::call&) { return ::GetProcAddress(module, name); });
}
using ::DuplicateHandle;
using ::FormatMessageW;
using ::GetCurrentProcess;
using ::GetCurrentThread;
using ::GetCurrentThreadId;
using ::GetEnvironmentVariableW;
using ::GetModuleHandleExW;
using ::GetModuleHandleW;
using ::MultiByteToWideChar;
using ::QueryPerformanceCounter;
using ::QueryPerformanceFrequency;
using ::QueueUserAPC;
using ::SetHandleInformation;
using ::WideCharToMultiByte;

}  // namespace thole::sys
