// SPDX-License-Identifier: BSL-1.0
// The http example with the sockets of Boost.Asio: the same requests and files (examples/http), the
// same buffers, the same deadlines; what differs is the runtime.
#include <boost/asio.hpp>
#include <boost/asio/experimental/as_tuple.hpp>

#include <chrono>
#include <cstdio>
#include <span>
#include <string>

#include "http/request.hpp"
#include "http/site.hpp"

namespace {

namespace net = boost::asio;
using net::awaitable;
using net::ip::tcp;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr auto awaited = net::experimental::as_tuple(net::use_awaitable);
constexpr auto idle = 30s;

// Ends the connection when `due` has passed. It asks when the old time is over, which is cheaper
// than to set the timer for each operation.
awaitable<void> watch(tcp::socket& client, net::steady_timer& timer, clock_type::time_point& due) {
    while (client.is_open() && due > clock_type::now()) {
        timer.expires_at(due);
        co_await timer.async_wait(awaited);
    }
    boost::system::error_code ignored;
    client.close(ignored);
}

awaitable<bool> send(tcp::socket& to, http::answer& reply, std::span<std::byte> buffer,
                     clock_type::time_point& due) {
    while (const std::size_t n = reply.fill(buffer)) {
        due = clock_type::now() + idle;
        const auto [error, sent] =
            co_await net::async_write(to, net::buffer(buffer.data(), n), awaited);
        if (error) {
            co_return false;
        }
    }
    co_return !reply.broken() && reply.keep_alive();
}

awaitable<void> read_requests(http::site& files, tcp::socket& client, clock_type::time_point& due) {
    http::request_reader requests;
    std::byte buffer[16384];
    for (bool more = true; more;) {
        const auto step = requests.next();
        if (step == http::request_reader::step::more) {
            due = clock_type::now() + idle;
            const std::span<std::byte> space = requests.space();
            const auto [error, n] =
                co_await client.async_read_some(net::buffer(space.data(), space.size()), awaited);
            if (error) {
                co_return;
            }
            requests.took(n);
            continue;
        }
        http::answer reply = step == http::request_reader::step::request
                                 ? files.reply(requests.get())
                                 : files.refuse(requests.status());
        more = co_await send(client, reply, buffer, due);
    }
}

struct session {
    explicit session(tcp::socket from) : client(std::move(from)), timer(client.get_executor()) {}

    tcp::socket client;
    net::steady_timer timer;
    clock_type::time_point due = clock_type::now() + idle;
};

awaitable<void> converse(http::site& files, std::shared_ptr<session> own) {
    co_await read_requests(files, own->client, own->due);
    boost::system::error_code ignored;
    own->client.close(ignored);
    own->timer.cancel();
}

awaitable<void> guard(std::shared_ptr<session> own) {
    co_await watch(own->client, own->timer, own->due);
}

awaitable<void> serve(net::io_context& on, tcp::acceptor& door, http::site& files) {
    for (;;) {
        auto [error, client] = co_await door.async_accept(awaited);
        if (error) {
            continue;
        }
        boost::system::error_code unset;
        client.set_option(tcp::no_delay(true), unset);
        const auto own = std::make_shared<session>(std::move(client));
        net::co_spawn(on, guard(own), net::detached);
        net::co_spawn(on, converse(files, own), net::detached);
    }
}

}  // namespace

// --root DIR: it chooses a port, and says it as the example does.
int main(int count, char** words) {
    if (count != 3 || std::string(words[1]) != "--root") {
        std::fprintf(stderr, "usage: http_asio --root DIR\n");
        return 2;
    }
    http::site files(words[2]);
    net::io_context on(1);
    tcp::acceptor door(on, tcp::endpoint(net::ip::address_v4::loopback(), 0));
    std::printf("listening on 127.0.0.1:%u (asio)\n", unsigned{door.local_endpoint().port()});
    std::fflush(stdout);
    net::co_spawn(on, serve(on, door, files), net::detached);
    on.run();
}
