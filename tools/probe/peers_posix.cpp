// SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace probe {
namespace {

constexpr std::uintptr_t none = UINTPTR_MAX;

int native(std::uintptr_t socket) { return static_cast<int>(socket); }

int checked(int value, const char* call) {
    if (value < 0) {
        throw std::system_error(errno, std::generic_category(), std::string("the demo's ") + call);
    }
    return value;
}

std::uintptr_t make_socket() {
    const int made = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    ::fcntl(made, F_SETFD, FD_CLOEXEC);
    ::fcntl(made, F_SETFL, O_NONBLOCK);
    return static_cast<std::uintptr_t>(made);
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

void drop(std::uintptr_t& socket) noexcept {
    if (socket != none) ::close(native(socket));
    socket = none;
}

}  // namespace

peer::peer(kind of) : door_(none), taken_(none) {
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
    socklen_t size = sizeof address;
    auto* where = reinterpret_cast<sockaddr*>(&address);
    checked(::bind(native(door_), where, size), "bind");
    checked(::getsockname(native(door_), where, &size), "getsockname");
    port_ = ntohs(address.sin_port);
    if (of == kind::bound) return;
    checked(::listen(native(door_), of == kind::silent ? 0 : 16), "listen");
    if (of == kind::silent) fill();
}

// With the backlog full the system drops further SYNs without a word. How many fit differs, so
// it goes on until one has to wait.
void peer::fill() {
    const sockaddr_in address = loopback(port_);
    for (int i = 0; i < 256; ++i) {
        fillers_.push_back(make_socket());
        const int filler = native(fillers_.back());
        if (::connect(filler, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
            continue;
        }
        if (errno != EINPROGRESS) checked(-1, "connect");
        pollfd waits{filler, POLLOUT, 0};
        if (checked(::poll(&waits, 1, 20), "poll") == 0) return;
    }
    throw std::system_error(std::make_error_code(std::errc::not_supported),
                            "the demo's silent peer: its backlog never fills");
}

bool peer::take() {
    const int client = ::accept(native(door_), nullptr, nullptr);
    if (client < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED) {
            checked(client, "accept");
        }
        return false;
    }
    drop(taken_);
    taken_ = static_cast<std::uintptr_t>(client);
    return true;
}

void peer::reset() {
    const linger at_once{1, 0};
    if (taken_ != none) {
        checked(::setsockopt(native(taken_), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
                "SO_LINGER");
    }
    drop(taken_);
}

void peer::close() noexcept {
    drop(taken_);
    for (std::uintptr_t& filler : fillers_) drop(filler);
    drop(door_);
}

std::string_view code_family() noexcept { return "errno"; }

}  // namespace probe
