// SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"

#include <winsock2.h>
#include <ws2tcpip.h>

#include <string>
#include <system_error>

namespace probe {
namespace {

constexpr std::uintptr_t none = INVALID_SOCKET;

void checked(int value, const char* call) {
    if (value == SOCKET_ERROR) {
        throw std::system_error(::WSAGetLastError(), std::system_category(),
                                std::string("the demo's ") + call);
    }
}

std::uintptr_t make_socket() {
    const SOCKET made = ::WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, nullptr, 0,
                                     WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    checked(made == INVALID_SOCKET ? SOCKET_ERROR : 0, "socket");
    u_long yes = 1;
    ::ioctlsocket(made, static_cast<long>(FIONBIO), &yes);
    return made;
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

void drop(std::uintptr_t& socket) noexcept {
    if (socket != none) ::closesocket(socket);
    socket = none;
}

// With it the system answers no SYN before accept() is called. Wine does not know it.
bool answers_only_on_accept(SOCKET door) {
    const BOOL yes = TRUE;
    return ::setsockopt(door, SOL_SOCKET, SO_CONDITIONAL_ACCEPT,
                        reinterpret_cast<const char*>(&yes), sizeof yes) == 0;
}

}  // namespace

peer::peer(kind of) : door_(none), taken_(none) {
    WSADATA unused;
    if (const int failed = ::WSAStartup(MAKEWORD(2, 2), &unused); failed != 0) {
        throw std::system_error(failed, std::system_category(), "the demo's WSAStartup");
    }
    try {
        open(of);
    } catch (...) {
        close();
        throw;
    }
}

peer::~peer() { close(); }

void peer::open(kind of) {
    door_ = make_socket();
    sockaddr_in address = loopback(0);
    int size = sizeof address;
    auto* where = reinterpret_cast<sockaddr*>(&address);
    checked(::bind(door_, where, size), "bind");
    checked(::getsockname(door_, where, &size), "getsockname");
    port_ = ntohs(address.sin_port);
    if (of == kind::bound) return;
    const bool never = of == kind::silent && answers_only_on_accept(door_);
    checked(::listen(door_, of == kind::silent ? 1 : 16), "listen");
    if (of == kind::silent && !never) fill();
}

// How many connects fit into the backlog differs, so it goes on until one has to wait.
void peer::fill() {
    const sockaddr_in address = loopback(port_);
    for (int i = 0; i < 256; ++i) {
        fillers_.push_back(make_socket());
        const SOCKET filler = fillers_.back();
        if (::connect(filler, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
            continue;
        }
        checked(::WSAGetLastError() == WSAEWOULDBLOCK ? 0 : SOCKET_ERROR, "connect");
        WSAPOLLFD waits{filler, POLLWRNORM, 0};
        const int ready = ::WSAPoll(&waits, 1, 100);
        checked(ready, "WSAPoll");
        if (ready == 0) return;
    }
    throw std::system_error(std::make_error_code(std::errc::not_supported),
                            "the demo's silent peer: its backlog never fills");
}

bool peer::take() {
    const SOCKET client = ::accept(door_, nullptr, nullptr);
    if (client == INVALID_SOCKET) {
        const int why = ::WSAGetLastError();
        checked(why == WSAEWOULDBLOCK || why == WSAECONNRESET ? 0 : SOCKET_ERROR, "accept");
        return false;
    }
    drop(taken_);
    taken_ = client;
    return true;
}

void peer::reset() {
    const linger at_once{1, 0};
    if (taken_ != none) {
        checked(::setsockopt(taken_, SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&at_once),
                             sizeof at_once),
                "SO_LINGER");
    }
    drop(taken_);
}

void peer::close() noexcept {
    drop(taken_);
    for (std::uintptr_t& filler : fillers_) drop(filler);
    drop(door_);
    ::WSACleanup();
}

std::string_view code_family() noexcept { return "winsock"; }

}  // namespace probe
