// SPDX-License-Identifier: BSL-1.0
// Boost.Asio with coroutines: awaitable, co_spawn, as_tuple(use_awaitable).
#include <boost/asio/experimental/as_tuple.hpp>

#include "peer_asio.hpp"
#include "posts.hpp"

namespace bench::with_asio {
namespace {

using net::awaitable;
constexpr auto awaited = net::experimental::as_tuple(net::use_awaitable);

awaitable<void> pour(service& of, socket_type& socket, limit* until, std::uint64_t remain) {
    while (remain != 0) {
        if (until != nullptr) {
            until->begin();
        }
        const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(remain, of.chunk));
        const auto [error, n] =
            co_await net::async_write(socket, net::buffer(of.data.data(), most), awaited);
        if (error) {
            break;
        }
        remain -= n;
    }
}

awaitable<void> session(service& of, socket_type socket) {
    const std::unique_ptr<char[]> buffer(new char[of.chunk]);
    const std::shared_ptr<limit> until = make_limit(of, socket);
    for (;;) {
        if (until) {
            until->begin();
        }
        const auto [error, n] =
            co_await socket.async_read_some(net::buffer(buffer.get(), of.chunk), awaited);
        if (error) {
            break;
        }
        if (of.kind == serving::sink) {
            continue;
        }
        if (of.kind == serving::source) {
            std::uint64_t remain = 0;
            std::memcpy(&remain, buffer.get(), sizeof remain);
            co_await pour(of, socket, until.get(), remain);
            break;
        }
        if (until) {
            until->begin();
        }
        const auto [unsent, sent] =
            co_await net::async_write(socket, net::buffer(buffer.get(), n), awaited);
        if (unsent || of.kind == serving::once) {
            break;
        }
    }
    if (until) {
        until->end();
    }
    socket.close();
    of.gone();
}

awaitable<void> accept_all(service& of) {
    for (;;) {
        auto [error, socket] = co_await of.door.async_accept(awaited);
        if (!error) {
            net::co_spawn(of.on, session(of, std::move(socket)), net::detached);
        }
    }
}

awaitable<void> far_end(socket_type& socket, std::size_t size) {
    std::vector<char> buffer(size);
    for (;;) {
        const auto [error, n] = co_await net::async_read(socket, net::buffer(buffer), awaited);
        if (error) {
            co_return;
        }
        const auto [unsent, sent] = co_await net::async_write(socket, net::buffer(buffer), awaited);
        if (unsent) {
            co_return;
        }
    }
}

awaitable<void> near_end(socket_type& socket, socket_type& other, std::size_t size, long n,
                         latencies& taken) {
    std::vector<char> buffer(size, 'x');
    std::uint64_t begun = now_ns();
    for (long i = 0; i < n; ++i) {
        co_await net::async_write(socket, net::buffer(buffer), net::use_awaitable);
        co_await net::async_read(socket, net::buffer(buffer), net::use_awaitable);
        const std::uint64_t now = now_ns();
        taken.add(now - begun);
        begun = now;
    }
    socket.close();
    other.close();
}

awaitable<void> connect_in_turn(connects& of) {
    socket_type socket(of.on);
    timer_type timer(of.on);
    while (of.begun < of.n) {
        const std::uint64_t begun = now_ns();
        socket.open(tcp::v4());
        socket.set_option(net::socket_base::linger(true, 0));
        timer.expires_after(of.deadline);
        timer.async_wait([&socket](error_code error) {
            if (!error) {
                socket.close();
            }
        });
        const auto [error] = co_await socket.async_connect(of.next(), awaited);
        timer.cancel();
        socket.close();
        of.ended(error, begun);
    }
}

awaitable<void> count_one(long& sum) {
    ++sum;
    co_return;
}

}  // namespace

void serve(const arguments& a, result& /*unused*/) {
    net::io_context on(one_thread);
    service s(on, a);
    net::co_spawn(on, accept_all(s), net::detached);
    s.run();
}

void pingpong(const arguments& a, result& r) {
    net::io_context on(one_thread);
    const tcp_pair pair;
    const auto size = static_cast<std::size_t>(a.number("size", 64));
    const long n = a.number("n", 200'000);
    socket_type near(on, tcp::v4(), pair.fd[0]), far(on, tcp::v4(), pair.fd[1]);
    latencies taken;
    taken.all.reserve(static_cast<std::size_t>(n));
    const stopwatch watch;
    net::co_spawn(on, far_end(far, size), net::detached);
    net::co_spawn(on, near_end(near, far, size, n, taken), net::detached);
    on.run();
    watch.stop(r, static_cast<std::uint64_t>(n));
    r.set(taken);
}

void connect(const arguments& a, result& r) {
    net::io_context on(one_thread);
    connects all(on, a);
    const stopwatch watch;
    for (long i = 0; i < all.side_by_side; ++i) {
        net::co_spawn(on, connect_in_turn(all), net::detached);
    }
    on.run();
    watch.stop(r, static_cast<std::uint64_t>(all.done));
    all.report(r);
}

void spawn(const arguments& a, result& r) {
    net::io_context on(one_thread);
    measure_turns(
        a, r, [&](auto act) { net::post(on, act); },
        [&](long& sum) { net::co_spawn(on, count_one(sum), net::detached); }, [&] { on.run(); });
}

}  // namespace bench::with_asio

int main(int count, char** words) {
    using namespace bench::with_asio;
    return bench::peer_main(
        count, words, {"asio_coroutine", &serve, &pingpong, &connect, nullptr, nullptr, &spawn});
}
