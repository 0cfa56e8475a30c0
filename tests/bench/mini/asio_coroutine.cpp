// SPDX-License-Identifier: BSL-1.0
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace net = boost::asio;
using net::ip::tcp;

net::awaitable<void> echo(tcp::socket socket) {
    char buffer[1024];
    for (;;) {
        const size_t n = co_await socket.async_read_some(net::buffer(buffer), net::use_awaitable);
        co_await net::async_write(socket, net::buffer(buffer, n), net::use_awaitable);
    }
}

net::awaitable<void> serve(tcp::acceptor& door) {
    for (;;) {
        tcp::socket socket = co_await door.async_accept(net::use_awaitable);
        net::co_spawn(door.get_executor(), echo(std::move(socket)), net::detached);
    }
}

int main() {
    net::io_context on(1);
    tcp::acceptor door(on, {net::ip::address_v4::loopback(), 0});
    net::co_spawn(on, serve(door), net::detached);
    on.run();
}
