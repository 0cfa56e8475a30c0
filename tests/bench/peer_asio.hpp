// SPDX-License-Identifier: BSL-1.0
// The distribution's Boost.Asio, as a careful user writes it. With BENCH_FAST, what makes it
// fastest: the io_context's own executor type, and no locks (for loops of one thread).
#pragma once

#include <boost/asio.hpp>

#include <memory>

#include "bench.hpp"
#include "network.hpp"

namespace bench::with_asio {

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;
using clock = std::chrono::steady_clock;

#ifdef BENCH_FAST
using executor = net::io_context::executor_type;
constexpr int one_thread = BOOST_ASIO_CONCURRENCY_HINT_UNSAFE;
constexpr const char* name = "asio_fast";
#else
using executor = net::any_io_executor;
constexpr int one_thread = 1;
constexpr const char* name = "asio";
#endif
using socket_type = net::basic_stream_socket<tcp, executor>;
using acceptor_type = net::basic_socket_acceptor<tcp, executor>;
using timer_type = net::basic_waitable_timer<clock, net::wait_traits<clock>, executor>;

enum class serving { echo, once, sink, source };

struct service {
    net::io_context& on;
    acceptor_type door;
    std::size_t chunk;
    long exit_after;
    std::chrono::milliseconds deadline;
    serving kind;
    std::vector<char> data;
    bool spin;
    long closed = 0;

    service(net::io_context& io, const arguments& a)
        : on(io), door(io, tcp::v4(), listen_and_announce(false)),
          chunk(static_cast<std::size_t>(a.number("chunk", 1024))),
          exit_after(a.number("exit_after", 0)), deadline(a.number("deadline_ms", 0)),
          kind(kind_of(a.text("kind", "echo"))), data(chunk, 'y'), spin(a.number("spin", 0) != 0) {}
    void gone() {
        if (++closed == exit_after) {
            on.stop();
        }
    }
    void run() const {
        if (!spin) {
            on.run();
        }
        while (!on.stopped()) {
            on.poll();
        }
    }

private:
    static serving kind_of(const std::string& word) {
        return word == "sink"     ? serving::sink
               : word == "source" ? serving::source
               : word == "once"   ? serving::once
                                  : serving::echo;
    }
};

// A connection's deadline: begin() moves it, the timer asks when the old one is due. That is
// cheaper than to move the timer at each operation, which posts a completion of the old wait.
class limit : public std::enable_shared_from_this<limit> {
public:
    limit(socket_type& of, std::chrono::milliseconds after)
        : socket_(of), timer_(of.get_executor()), after_(after) {}
    void begin() { due_ = clock::now() + after_; }
    void wait() {
        timer_.expires_at(due_);
        timer_.async_wait([self = shared_from_this()](error_code error) {
            if (error || self->over_) {
                return;
            }
            if (self->due_ > clock::now()) {
                self->wait();
            } else {
                self->socket_.close();
            }
        });
    }
    void end() {
        over_ = true;
        timer_.cancel();
    }

private:
    socket_type& socket_;
    timer_type timer_;
    std::chrono::milliseconds after_;
    clock::time_point due_{};
    bool over_ = false;
};

// What a connection of this service has: nothing, without deadlines.
inline std::shared_ptr<limit> make_limit(const service& of, socket_type& socket) {
    if (of.deadline.count() == 0) {
        return nullptr;
    }
    auto made = std::make_shared<limit>(socket, of.deadline);
    made->begin();
    made->wait();
    return made;
}

inline tcp::endpoint target(const arguments& a, long number) {
    return {net::ip::address_v4(0x7f000001U + static_cast<std::uint32_t>(number % 16)),
            static_cast<std::uint16_t>(a.number("port", 0))};
}

struct connects {
    net::io_context& on;
    long n, side_by_side;
    std::chrono::milliseconds deadline;
    std::vector<tcp::endpoint> targets;
    long begun = 0, done = 0, failed = 0;
    latencies taken{};

    connects(net::io_context& io, const arguments& a)
        : on(io), n(a.number("n", 100'000)), side_by_side(std::min(n, a.number("conc", 256))),
          deadline(a.number("deadline_ms", 1000)) {
        for (long i = 0; i < 16; ++i) {
            targets.push_back(target(a, i));
        }
        taken.all.reserve(static_cast<std::size_t>(n));
    }
    const tcp::endpoint& next() { return targets[static_cast<std::size_t>(begun++ % 16)]; }
    void ended(error_code error, std::uint64_t since) {
        failed += error && error != net::error::connection_reset ? 1 : 0;
        taken.add(now_ns() - since);
        ++done;
    }
    void report(result& r) {
        r.extra.emplace_back("failed", static_cast<double>(failed));
        r.set(taken);
    }
};

void serve(const arguments& a, result& r);
void pingpong(const arguments& a, result& r);
void connect(const arguments& a, result& r);
void timers(const arguments& a, result& r);
void post(const arguments& a, result& r);
void spawn(const arguments& a, result& r);

}  // namespace bench::with_asio
