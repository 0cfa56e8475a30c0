// SPDX-License-Identifier: BSL-1.0
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <memory>

namespace net = boost::asio;
using net::ip::tcp;

struct session : std::enable_shared_from_this<session> {
    tcp::socket socket;
    char buffer[1024];

    explicit session(tcp::socket s) : socket(std::move(s)) {}
    void read() {
        socket.async_read_some(net::buffer(buffer),
                               [self = shared_from_this()](auto error, size_t n) {
                                   if (!error) {
                                       net::async_write(self->socket, net::buffer(self->buffer, n),
                                                        [self](auto unsent, size_t) {
                                                            if (!unsent) {
                                                                self->read();
                                                            }
                                                        });
                                   }
                               });
    }
};

void accept(tcp::acceptor& door) {
    door.async_accept([&](auto error, tcp::socket socket) {
        if (!error) {
            std::make_shared<session>(std::move(socket))->read();
        }
        accept(door);
    });
}

int main() {
    net::io_context on(1);
    tcp::acceptor door(on, {net::ip::address_v4::loopback(), 0});
    accept(door);
    on.run();
}
