// SPDX-License-Identifier: BSL-1.0
#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

event_base* base;

void on_readable(int fd, short, void* self) {
    char buffer[1024];
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0 || send(fd, buffer, static_cast<size_t>(n), MSG_NOSIGNAL) != n) {
        event_free(*static_cast<event**>(self));
        delete static_cast<event**>(self);
        close(fd);
    }
}

void on_connection(int door, short, void*) {
    const int fd = accept4(door, nullptr, nullptr, SOCK_NONBLOCK);
    auto** self = new event*;
    *self = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, self);
    event_add(*self, nullptr);
}

int main() {
    const int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const sockaddr_in where{AF_INET, htons(0), {htonl(INADDR_LOOPBACK)}, {}};
    bind(door, reinterpret_cast<const sockaddr*>(&where), sizeof where);
    listen(door, 128);
    base = event_base_new();
    event_add(event_new(base, door, EV_READ | EV_PERSIST, on_connection, nullptr), nullptr);
    event_base_dispatch(base);
}
