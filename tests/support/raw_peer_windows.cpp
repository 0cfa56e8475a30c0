// SPDX-License-Identifier: BSL-1.0
#include "support/raw_peer.hpp"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace thole::test::raw {
namespace {

struct address {
    sockaddr_storage bytes{};
    int length = sizeof(sockaddr_storage);

    sockaddr* get() { return reinterpret_cast<sockaddr*>(&bytes); }
};

address to_native(const endpoint& from) {
    address to;
    if (from.family() == address_family::ipv4) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&to.bytes);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(from.port());
        std::memcpy(&v4->sin_addr, from.bytes().data(), 4);
        to.length = sizeof(sockaddr_in);
    } else {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&to.bytes);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(from.port());
        v6->sin6_scope_id = from.scope();
        std::memcpy(&v6->sin6_addr, from.bytes().data(), 16);
        to.length = sizeof(sockaddr_in6);
    }
    return to;
}

endpoint from_native(const address& from) {
    if (from.bytes.ss_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&from.bytes);
        endpoint::ipv4_bytes bytes;
        std::memcpy(bytes.data(), &v4->sin_addr, 4);
        return {bytes, ntohs(v4->sin_port)};
    }
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&from.bytes);
    endpoint::ipv6_bytes bytes;
    std::memcpy(bytes.data(), &v6->sin6_addr, 16);
    return {bytes, ntohs(v6->sin6_port), v6->sin6_scope_id};
}

[[noreturn]] void refuse(const char* call) {
    throw std::runtime_error(std::string("raw peer: ") + call + ": " +
                             std::to_string(::WSAGetLastError()));
}

// The tests do not count on the library's own WSAStartup.
void start_winsock() {
    static const int started = [] {
        WSADATA data;
        return ::WSAStartup(MAKEWORD(2, 2), &data);
    }();
    if (started != 0) {
        throw std::runtime_error("raw peer: WSAStartup");
    }
}

SOCKET fd_of(std::uintptr_t native) { return static_cast<SOCKET>(native); }

std::uintptr_t make(address_family family) {
    start_winsock();
    const int domain = family == address_family::ipv6 ? AF_INET6 : AF_INET;
    const SOCKET made = ::WSASocketW(domain, SOCK_STREAM, IPPROTO_TCP, nullptr, 0,
                                     WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (made == INVALID_SOCKET) {
        refuse("WSASocketW");
    }
    return static_cast<std::uintptr_t>(made);
}

void limit_waiting(SOCKET native) {
    const DWORD limit = 10'000;
    const auto* bytes = reinterpret_cast<const char*>(&limit);
    ::setsockopt(native, SOL_SOCKET, SO_RCVTIMEO, bytes, sizeof(limit));
    ::setsockopt(native, SOL_SOCKET, SO_SNDTIMEO, bytes, sizeof(limit));
}

}  // namespace

socket socket::connect(const endpoint& target) {
    socket made(make(target.family()));
    limit_waiting(fd_of(made.native_));
    address to = to_native(target);
    if (::connect(fd_of(made.native_), to.get(), to.length) != 0) {
        refuse("connect");
    }
    return made;
}

socket socket::bind(address_family family, int backlog) {
    socket made(make(family));
    limit_waiting(fd_of(made.native_));
    address to = to_native(endpoint::loopback(family, 0));
    if (::bind(fd_of(made.native_), to.get(), to.length) != 0) {
        refuse("bind");
    }
    if (backlog >= 0 && ::listen(fd_of(made.native_), backlog) != 0) {
        refuse("listen");
    }
    return made;
}

socket socket::datagram() {
    start_winsock();
    const SOCKET native = ::socket(AF_INET, SOCK_DGRAM, 0);
    if (native == INVALID_SOCKET) {
        refuse("socket");
    }
    socket made(static_cast<std::uintptr_t>(native));
    address to = to_native(endpoint::loopback(address_family::ipv4, 0));
    if (::bind(native, to.get(), to.length) != 0) {
        refuse("bind");
    }
    return made;
}

socket socket::accept() {
    const SOCKET made = ::accept(fd_of(native_), nullptr, nullptr);
    if (made == INVALID_SOCKET) {
        refuse("accept");
    }
    limit_waiting(made);
    return socket(static_cast<std::uintptr_t>(made));
}

void socket::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const int sent = ::send(fd_of(native_), bytes.data(), static_cast<int>(bytes.size()), 0);
        if (sent < 0) {
            refuse("send");
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

reception socket::receive(std::size_t at_most) {
    reception got;
    got.bytes.resize(at_most);
    const int count = ::recv(fd_of(native_), got.bytes.data(), static_cast<int>(at_most), 0);
    got.bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    if (count > 0) {
        got.how = ending::bytes;
    } else if (count == 0) {
        got.how = ending::end_of_stream;
    } else if (::WSAGetLastError() == WSAECONNRESET) {
        got.how = ending::reset;
    } else if (::WSAGetLastError() != WSAETIMEDOUT) {
        refuse("recv");
    }
    return got;
}

reception socket::receive_all(std::size_t count) {
    reception all;
    do {
        reception more = receive(count - all.bytes.size());
        all.bytes += more.bytes;
        all.how = more.how;
    } while (all.how == ending::bytes && all.bytes.size() < count);
    return all;
}

void socket::finish() {
    if (::shutdown(fd_of(native_), SD_SEND) != 0) {
        refuse("shutdown");
    }
}

void socket::reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_of(native_), SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&at_once),
                 sizeof(at_once));
    close();
}

void socket::close() noexcept {
    if (native_ != none) {
        ::closesocket(fd_of(std::exchange(native_, none)));
    }
}

void socket::set_linger(int seconds) {
    const linger asked{1, static_cast<u_short>(seconds)};
    if (::setsockopt(fd_of(native_), SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&asked),
                     sizeof(asked)) != 0) {
        refuse("setsockopt");
    }
}

bool socket::lingers() const {
    linger told{};
    int length = sizeof(told);
    if (::getsockopt(fd_of(native_), SOL_SOCKET, SO_LINGER, reinterpret_cast<char*>(&told),
                     &length) != 0) {
        refuse("getsockopt");
    }
    return told.l_onoff != 0;
}

bool is_blocking(std::uintptr_t) { throw std::runtime_error("raw peer: cannot be asked"); }

socket local_stream(socket&) { throw std::runtime_error("raw peer: no socketpair"); }

bool readable_within(std::uintptr_t, std::chrono::nanoseconds) {
    throw std::runtime_error("raw peer: nothing to wait on");
}

endpoint socket::local() const {
    address name;
    if (::getsockname(fd_of(native_), name.get(), &name.length) != 0) {
        refuse("getsockname");
    }
    return from_native(name);
}

// Under Wine listen(1) holds two connections that nobody accepts; the others wait. Windows resets
// instead (cases.md 6.2): there the scenarios that need this peer prove nothing yet.
silent_port::silent_port() : door_(socket::bind(address_family::ipv4, 1)) {
    address to = to_native(door_.local());
    for (int i = 0; i < 6; ++i) {
        const std::uintptr_t native = make(address_family::ipv4);
        waiting_.emplace_back(native);
        u_long on = 1;
        ::ioctlsocket(fd_of(native), static_cast<long>(FIONBIO), &on);
        if (::connect(fd_of(native), to.get(), to.length) != 0 &&
            ::WSAGetLastError() != WSAEWOULDBLOCK) {
            refuse("connect");
        }
    }
}

bool has_ipv6() {
    try {
        (void)socket::bind(address_family::ipv6, -1);
        return true;
    } catch (const std::runtime_error&) {
        return false;
    }
}

std::size_t open_handles() {
    DWORD count = 0;
    ::GetProcessHandleCount(::GetCurrentProcess(), &count);
    return count;
}

std::size_t lift_handle_limit(std::size_t wanted) { return wanted; }

held_descriptors::held_descriptors(int) {}
held_descriptors::~held_descriptors() = default;

std::size_t limit_handles(std::size_t) { return 0; }

no_descriptors::no_descriptors() = default;
no_descriptors::~no_descriptors() = default;
void no_descriptors::give(std::size_t /*count*/) {}

void set_environment(const char* name, const char* value) {
    ::_putenv_s(name, value != nullptr ? value : "");
    ::SetEnvironmentVariableA(name, value);
}

bool is_windows() noexcept { return true; }

int in_forked_child(int (*)(void*), void*) { return -1; }

void become(char** /*command*/) noexcept {}

bool forbid_io_uring() noexcept { return false; }

}  // namespace thole::test::raw
