// SPDX-License-Identifier: BSL-1.0
// Plain sockets of 127.0.0.0/8, for the raw peers and the load generator.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <string>

#include "bench.hpp"

namespace bench {

// 127.0.0.1 and its neighbours, so that many connections do not run out of local ports.
inline sockaddr_in loopback(int port, int host = 1) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<std::uint16_t>(port));
    a.sin_addr.s_addr = htonl(0x7f000000U + static_cast<std::uint32_t>(host));
    return a;
}
inline const sockaddr* generic(const sockaddr_in& a) {
    return reinterpret_cast<const sockaddr*>(&a);
}

// close() then resets the connection, and no TIME_WAIT is left behind.
inline void reset_on_close(int fd, bool on = true) {
    const linger value{on ? 1 : 0, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value);
}
inline void no_delay(int fd) {
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}
inline void never_block(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

inline int port_of(int fd) {
    sockaddr_in a{};
    socklen_t length = sizeof a;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&a), &length) != 0) {
        die("getsockname");
    }
    return ntohs(a.sin_port);
}

// -1 when the port is taken; port 0 takes any free one. All of 127.0.0.0/8 reaches it.
inline int try_listen(int port, bool non_blocking) {
    const int type = SOCK_STREAM | SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0);
    const int fd = socket(AF_INET, type, 0);
    sockaddr_in a = loopback(port);
    a.sin_addr.s_addr = htonl(INADDR_ANY);
    if (fd < 0) {
        die("socket");
    }
    if (bind(fd, generic(a), sizeof a) != 0 || ::listen(fd, 4096) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}
inline int listen_anywhere(bool non_blocking) {
    const int fd = try_listen(0, non_blocking);
    if (fd < 0) {
        die("listen");
    }
    return fd;
}
// For a server: listens on any free port and says which.
inline int listen_and_announce(bool non_blocking) {
    const int fd = listen_anywhere(non_blocking);
    announce(port_of(fd));
    return fd;
}

// A connected pair (blocking sockets), for the workloads with both ends in one process.
struct tcp_pair {
    int fd[2];

    tcp_pair() {
        const int door = listen_anywhere(false);
        const sockaddr_in a = loopback(port_of(door));
        fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(fd[0], generic(a), sizeof a) != 0) {
            die("connect");
        }
        fd[1] = accept4(door, nullptr, nullptr, SOCK_CLOEXEC);
        close(door);
        no_delay(fd[0]);
        no_delay(fd[1]);
    }
};

}  // namespace bench
