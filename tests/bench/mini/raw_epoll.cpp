// SPDX-License-Identifier: BSL-1.0
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int main() {
    const int door = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0);
    const sockaddr_in where{AF_INET, htons(0), {htonl(INADDR_LOOPBACK)}, {}};
    bind(door, reinterpret_cast<const sockaddr*>(&where), sizeof where);
    listen(door, 128);
    epoll_event one{EPOLLIN, {.fd = door}}, ready[64];
    epoll_ctl(poller, EPOLL_CTL_ADD, door, &one);
    char buffer[1024];
    for (;;) {
        const int count = epoll_wait(poller, ready, 64, -1);
        for (int i = 0; i < count; ++i) {
            const int fd = ready[i].data.fd;
            if (fd == door) {
                one.data.fd = accept4(door, nullptr, nullptr, SOCK_NONBLOCK);
                epoll_ctl(poller, EPOLL_CTL_ADD, one.data.fd, &one);
                continue;
            }
            const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
            if (n <= 0 || send(fd, buffer, static_cast<size_t>(n), MSG_NOSIGNAL) != n) {
                close(fd);
            }
        }
    }
}
