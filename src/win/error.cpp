// SPDX-License-Identifier: BSL-1.0
// What the codes mean. Rows in the same order as in src/posix/error.cpp; where Win32 and Winsock
// both have a code for a meaning, Winsock's comes first.
#include <iterator>
#include <string>

#include "core/error_table.hpp"
#include "win/handle.hpp"

namespace thole::detail {
namespace {

using enum std::errc;

constexpr named_row rows[] = {
    // An abort that nobody asked for is never a cancel (R17, R103).
    {ERROR_OPERATION_ABORTED, io_error, io_error, "ERROR_OPERATION_ABORTED"},
    {WSAECONNRESET, connection_reset, connection_reset, "WSAECONNRESET"},
    {ERROR_NETNAME_DELETED, connection_reset, connection_reset, "ERROR_NETNAME_DELETED"},
    {WSAENETRESET, connection_reset, network_reset, "WSAENETRESET"},
    // The local stack gave up: of the family of resets (R106).
    {WSAECONNABORTED, connection_aborted, connection_reset, "WSAECONNABORTED"},
    {ERROR_CONNECTION_ABORTED, connection_aborted, connection_reset, "ERROR_CONNECTION_ABORTED"},
    {WSAECONNREFUSED, connection_refused, connection_refused, "WSAECONNREFUSED"},
    {ERROR_CONNECTION_REFUSED, connection_refused, connection_refused, "ERROR_CONNECTION_REFUSED"},
    {ERROR_PORT_UNREACHABLE, connection_refused, connection_refused, "ERROR_PORT_UNREACHABLE"},
    {WSAESHUTDOWN, broken_pipe, broken_pipe, "WSAESHUTDOWN"},
    {WSAEDISCON, broken_pipe, broken_pipe, "WSAEDISCON"},
    {ERROR_GRACEFUL_DISCONNECT, broken_pipe, broken_pipe, "ERROR_GRACEFUL_DISCONNECT"},
    {WSAENOTCONN, not_connected, not_connected, "WSAENOTCONN"},
    {ERROR_CONNECTION_INVALID, not_connected, not_connected, "ERROR_CONNECTION_INVALID"},
    {WSAETIMEDOUT, timed_out, timed_out, "WSAETIMEDOUT"},
    {ERROR_SEM_TIMEOUT, timed_out, timed_out, "ERROR_SEM_TIMEOUT"},
    {ERROR_TIMEOUT, timed_out, timed_out, "ERROR_TIMEOUT"},
    {WSAENETUNREACH, network_unreachable, network_unreachable, "WSAENETUNREACH"},
    {ERROR_NETWORK_UNREACHABLE, network_unreachable, network_unreachable,
     "ERROR_NETWORK_UNREACHABLE"},
    {WSAENETDOWN, network_down, network_unreachable, "WSAENETDOWN"},
    {WSAEHOSTUNREACH, host_unreachable, host_unreachable, "WSAEHOSTUNREACH"},
    {ERROR_HOST_UNREACHABLE, host_unreachable, host_unreachable, "ERROR_HOST_UNREACHABLE"},
    {WSAEHOSTDOWN, host_unreachable, host_unreachable, "WSAEHOSTDOWN"},
    {WSAEMSGSIZE, message_size, message_size, "WSAEMSGSIZE"},
    {ERROR_MORE_DATA, message_size, message_size, "ERROR_MORE_DATA"},
    {WSAENOBUFS, no_buffer_space, no_buffer_space, "WSAENOBUFS"},
    {ERROR_NO_SYSTEM_RESOURCES, no_buffer_space, no_buffer_space, "ERROR_NO_SYSTEM_RESOURCES"},
    {ERROR_NOT_ENOUGH_QUOTA, no_buffer_space, no_buffer_space, "ERROR_NOT_ENOUGH_QUOTA"},
    {ERROR_NOT_ENOUGH_MEMORY, not_enough_memory, not_enough_memory, "ERROR_NOT_ENOUGH_MEMORY"},
    {ERROR_OUTOFMEMORY, not_enough_memory, not_enough_memory, "ERROR_OUTOFMEMORY"},
    {ERROR_COMMITMENT_LIMIT, not_enough_memory, not_enough_memory, "ERROR_COMMITMENT_LIMIT"},
    {WSAEMFILE, too_many_files_open, too_many_files_open, "WSAEMFILE"},
    {ERROR_TOO_MANY_OPEN_FILES, too_many_files_open, too_many_files_open,
     "ERROR_TOO_MANY_OPEN_FILES"},
    {WSAEADDRINUSE, address_in_use, address_in_use, "WSAEADDRINUSE"},
    {WSAEADDRNOTAVAIL, address_not_available, address_not_available, "WSAEADDRNOTAVAIL"},
    {WSAEAFNOSUPPORT, address_family_not_supported, address_family_not_supported,
     "WSAEAFNOSUPPORT"},
    {WSAEACCES, permission_denied, permission_denied, "WSAEACCES"},
    {ERROR_ACCESS_DENIED, permission_denied, permission_denied, "ERROR_ACCESS_DENIED"},
    {ERROR_PRIVILEGE_NOT_HELD, operation_not_permitted, permission_denied,
     "ERROR_PRIVILEGE_NOT_HELD"},
    {WSAEINVAL, invalid_argument, invalid_argument, "WSAEINVAL"},
    {ERROR_INVALID_PARAMETER, invalid_argument, invalid_argument, "ERROR_INVALID_PARAMETER"},
    {WSAEFAULT, bad_address, bad_address, "WSAEFAULT"},
    {ERROR_INVALID_HANDLE, bad_file_descriptor, bad_file_descriptor, "ERROR_INVALID_HANDLE"},
    {WSAEBADF, bad_file_descriptor, bad_file_descriptor, "WSAEBADF"},
    {WSAENOTSOCK, not_a_socket, bad_file_descriptor, "WSAENOTSOCK"},
    {WSAEISCONN, already_connected, already_connected, "WSAEISCONN"},
    {WSAEALREADY, connection_already_in_progress, connection_already_in_progress, "WSAEALREADY"},
    {WSAEINPROGRESS, operation_in_progress, operation_in_progress, "WSAEINPROGRESS"},
    {WSAEWOULDBLOCK, operation_would_block, resource_unavailable_try_again, "WSAEWOULDBLOCK"},
    {ERROR_POSSIBLE_DEADLOCK, resource_deadlock_would_occur, resource_deadlock_would_occur,
     "ERROR_POSSIBLE_DEADLOCK"},
    {WSAEINTR, interrupted, interrupted, "WSAEINTR"},
    {WSAEOPNOTSUPP, operation_not_supported, not_supported, "WSAEOPNOTSUPP"},
    {ERROR_NOT_SUPPORTED, not_supported, not_supported, "ERROR_NOT_SUPPORTED"},
    {WSAEPROTONOSUPPORT, protocol_not_supported, protocol_not_supported, "WSAEPROTONOSUPPORT"},
    {WSAENOPROTOOPT, no_protocol_option, no_protocol_option, "WSAENOPROTOOPT"},
    {ERROR_GEN_FAILURE, io_error, io_error, "ERROR_GEN_FAILURE"},
};
constexpr auto codes = without_names(rows);

struct status_row {
    std::uint32_t status;
    int raw;
};

// What the kernel writes into an OVERLAPPED, and the code that a caller of Winsock knows for it.
constexpr status_row statuses[] = {
    {0xC0000120, ERROR_OPERATION_ABORTED},  // CANCELLED
    {0x8000000A, ERROR_OPERATION_ABORTED},  // HANDLES_CLOSED: Wine, closed under a receive
    {0xC0000240, ERROR_OPERATION_ABORTED},  // REQUEST_ABORTED
    {0xC000020D, WSAECONNRESET},            // CONNECTION_RESET
    {0xC000013C, WSAECONNRESET},            // REMOTE_DISCONNECT
    {0xC000013E, WSAECONNRESET},            // LINK_FAILED
    {0xC00000C9, ERROR_NETNAME_DELETED},    // NETWORK_NAME_DELETED
    {0xC0000241, WSAECONNABORTED},          // CONNECTION_ABORTED
    {0xC000013B, WSAECONNABORTED},          // LOCAL_DISCONNECT
    {0xC000020F, WSAECONNABORTED},          // TRANSACTION_ABORTED
    {0xC0000236, WSAECONNREFUSED},          // CONNECTION_REFUSED
    {0xC00000BC, WSAECONNREFUSED},          // REMOTE_NOT_LISTENING
    {0xC000023F, ERROR_PORT_UNREACHABLE},   // PORT_UNREACHABLE
    {0xC00000B0, WSAESHUTDOWN},             // PIPE_DISCONNECTED
    {0xC000020C, WSAEDISCON},               // CONNECTION_DISCONNECTED
    {0xC0000237, WSAEDISCON},               // GRACEFUL_DISCONNECT
    {0xC0000140, WSAENOTCONN},              // INVALID_CONNECTION
    {0xC000023A, WSAENOTCONN},              // CONNECTION_INVALID
    {0xC00000B5, WSAETIMEDOUT},             // IO_TIMEOUT
    {0xC000013F, WSAETIMEDOUT},             // LINK_TIMEOUT
    {0x00000102, WSAETIMEDOUT},             // TIMEOUT
    {0xC000023C, WSAENETUNREACH},           // NETWORK_UNREACHABLE
    {0xC000023E, WSAENETUNREACH},           // PROTOCOL_UNREACHABLE
    {0xC00000BE, WSAENETUNREACH},           // BAD_NETWORK_PATH
    {0xC00000BF, WSAENETDOWN},              // NETWORK_BUSY
    {0xC000023D, WSAEHOSTUNREACH},          // HOST_UNREACHABLE
    {0x80000005, WSAEMSGSIZE},              // BUFFER_OVERFLOW
    {0xC000009A, WSAENOBUFS},               // INSUFFICIENT_RESOURCES
    {0xC0000044, WSAENOBUFS},               // QUOTA_EXCEEDED
    {0xC00000A1, WSAENOBUFS},               // WORKING_SET_QUOTA
    {0xC000013D, WSAENOBUFS},               // REMOTE_RESOURCES
    {0xC0000017, ERROR_NOT_ENOUGH_MEMORY},  // NO_MEMORY
    {0xC000012D, ERROR_NOT_ENOUGH_MEMORY},  // COMMITMENT_LIMIT
    {0xC000011F, WSAEMFILE},                // TOO_MANY_OPENED_FILES
    {0xC000020A, WSAEADDRINUSE},            // ADDRESS_ALREADY_EXISTS
    {0xC000020E, WSAEADDRINUSE},            // TOO_MANY_ADDRESSES
    {0xC0000043, WSAEADDRINUSE},            // SHARING_VIOLATION
    {0xC0000141, WSAEADDRNOTAVAIL},         // INVALID_ADDRESS
    {0xC0000207, WSAEADDRNOTAVAIL},         // INVALID_ADDRESS_COMPONENT
    {0xC0000022, WSAEACCES},                // ACCESS_DENIED
    {0xC000000D, WSAEINVAL},                // INVALID_PARAMETER
    {0xC0000005, WSAEFAULT},                // ACCESS_VIOLATION
    {0xC0000008, ERROR_INVALID_HANDLE},     // INVALID_HANDLE
    {0xC0000024, WSAENOTSOCK},              // OBJECT_TYPE_MISMATCH
    {0xC000023B, WSAEISCONN},               // CONNECTION_ACTIVE
    {0xC00000BB, WSAEOPNOTSUPP},            // NOT_SUPPORTED
};

struct words_row {
    int raw;
    const char* words;
};

// For where the system has no words for Winsock's codes, as Wine has not.
constexpr words_row own_words[] = {
    {WSAENETRESET, "Connection dropped on network reset"},
    {WSAECONNABORTED, "Connection aborted"},
    {WSAESHUTDOWN, "Sending was shut down"},
    {WSAEDISCON, "The peer shut down"},
    {WSAENOTCONN, "Not connected"},
    {WSAETIMEDOUT, "Connection timed out"},
    {WSAENETUNREACH, "Network unreachable"},
    {WSAENETDOWN, "Network down"},
    {WSAEHOSTUNREACH, "Host unreachable"},
    {WSAEHOSTDOWN, "Host down"},
    {WSAEMSGSIZE, "Message too long"},
    {WSAENOBUFS, "No buffer space"},
    {WSAEADDRINUSE, "Address already in use"},
    {WSAEADDRNOTAVAIL, "Address not available"},
    {WSAEAFNOSUPPORT, "Address family not supported"},
    {WSAENOTSOCK, "Not a socket"},
    {WSAEISCONN, "Already connected"},
    {WSAEALREADY, "Connection already in progress"},
    {WSAEINPROGRESS, "Operation in progress"},
    {WSAEWOULDBLOCK, "Operation would block"},
    {WSAEOPNOTSUPP, "Operation not supported"},
    {WSAEPROTONOSUPPORT, "Protocol not supported"},
    {WSAENOPROTOOPT, "Option not supported"},
};

std::string words_of(int raw) {
    for (const words_row& row : own_words) {
        if (row.raw == raw) {
            return row.words;
        }
    }
    return "system error " + std::to_string(raw);
}

}  // namespace

std::span<const error_row> error_table() noexcept { return codes; }

std::string_view symbol_of(const error_row& row) noexcept {
    return rows[&row - codes.data()].symbol;
}

std::string system_message(int raw) {
    wchar_t words[512];
    constexpr DWORD how =
        FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK;
    DWORD length = sys::FormatMessageW(how, nullptr, static_cast<DWORD>(raw), 0, words,
                                       static_cast<DWORD>(std::size(words)), nullptr);
    while (length > 0 && (words[length - 1] <= L' ' || words[length - 1] == L'.')) {
        --length;
    }
    return length > 0 ? utf8(words, length) : words_of(raw);
}

int decode(verb what, int raw) noexcept {
    switch (what) {
    case verb::connect:  // no local port is left (R28)
        return raw == WSAEADDRINUSE || raw == WSAENOBUFS ? WSAEADDRNOTAVAIL : raw;
    case verb::closed:
    case verb::wait_readable:
    case verb::peek:
    case verb::receive:
    case verb::read:
    case verb::read_exactly:
    case verb::write:
    case verb::write_some:
        return raw == WSAECONNREFUSED || raw == ERROR_CONNECTION_REFUSED ? WSAECONNRESET : raw;
    case verb::none:
    case verb::sleep:
    case verb::wait:
    case verb::push:
    case verb::pop:
    case verb::resolve:
    case verb::next_signal:
    case verb::connect_by_list:
    case verb::connect_by_name:
    case verb::close_gracefully:
    case verb::accept_first_data:
    case verb::accept:
    case verb::accept_detached:
        break;
    }
    return raw;
}

std::string utf8(const wchar_t* text, std::size_t length) {
    const int units = static_cast<int>(length);
    const int size =
        sys::WideCharToMultiByte(CP_UTF8, 0, text, units, nullptr, 0, nullptr, nullptr);
    std::string result(static_cast<std::size_t>(size > 0 ? size : 0), '\0');
    sys::WideCharToMultiByte(CP_UTF8, 0, text, units, result.data(), size, nullptr, nullptr);
    return result;
}

int code_of(const OVERLAPPED& finished) noexcept {
    const auto status = static_cast<std::uint32_t>(finished.Internal);
    if (status == 0) {
        return 0;
    }
    for (const status_row& row : statuses) {
        if (row.status == status) {
            return row.raw;
        }
    }
    using translate = ULONG(WINAPI*)(LONG);
    if (const HMODULE ntdll = sys::GetModuleHandleW(L"ntdll.dll")) {
        const FARPROC found = sys::GetProcAddress(ntdll, "RtlNtStatusToDosError");
        if (const auto to_code = reinterpret_cast<translate>(reinterpret_cast<void*>(found))) {
            return static_cast<int>(to_code(static_cast<LONG>(status)));
        }
    }
    return ERROR_GEN_FAILURE;
}

}  // namespace thole::detail
