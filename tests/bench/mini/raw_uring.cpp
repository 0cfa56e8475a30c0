// SPDX-License-Identifier: BSL-1.0
#include <liburing.h>
#include <netinet/in.h>

struct connection {
    int fd;
    bool writing;
    char buffer[1024];
};

int main() {
    const int door = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in where{AF_INET, htons(0), {htonl(INADDR_LOOPBACK)}, {}};
    bind(door, reinterpret_cast<const sockaddr*>(&where), sizeof where);
    listen(door, 128);
    io_uring ring;
    io_uring_queue_init(256, &ring, 0);
    io_uring_sqe* s = io_uring_get_sqe(&ring);
    io_uring_prep_multishot_accept(s, door, nullptr, nullptr, 0);
    io_uring_sqe_set_data(s, nullptr);
    for (;;) {
        io_uring_submit_and_wait(&ring, 1);
        io_uring_cqe* done;
        while (io_uring_peek_cqe(&ring, &done) == 0) {
            auto* c = static_cast<connection*>(io_uring_cqe_get_data(done));
            int n = done->res;
            io_uring_cqe_seen(&ring, done);
            if (c == nullptr) {
                c = new connection{n, true, {}};
                n = 1;
            }
            if (n <= 0) {
                close(c->fd);
                delete c;
                continue;
            }
            c->writing = !c->writing;
            s = io_uring_get_sqe(&ring);
            if (c->writing) {
                io_uring_prep_send(s, c->fd, c->buffer, static_cast<size_t>(n), MSG_NOSIGNAL);
            } else {
                io_uring_prep_recv(s, c->fd, c->buffer, sizeof c->buffer, 0);
            }
            io_uring_sqe_set_data(s, c);
        }
    }
}
