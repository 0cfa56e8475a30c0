// SPDX-License-Identifier: BSL-1.0
// pingpong, connect, timers, post: both ends, or the client, in this process.
#include "peer_asio.hpp"

#include <deque>

#include "posts.hpp"
#include "timers.hpp"

namespace bench::with_asio {
namespace {

struct end_point {
    socket_type socket;
    std::vector<char> buffer;
};

class ball {
public:
    ball(net::io_context& on, const tcp_pair& pair, std::size_t size, long n)
        : ends_{{socket_type(on, tcp::v4(), pair.fd[0]), std::vector<char>(size)},
                {socket_type(on, tcp::v4(), pair.fd[1]), std::vector<char>(size)}},
          n_(n) {
        taken.all.reserve(static_cast<std::size_t>(n));
    }
    void begin() {
        begun_ = now_ns();
        read(1);
        write(0);
    }

    latencies taken;

private:
    void read(int end) {
        net::async_read(ends_[end].socket, net::buffer(ends_[end].buffer),
                        [this, end](error_code error, std::size_t /*unused*/) {
                            if (!error && (end == 1 || round())) {
                                write(end);
                            }
                        });
    }
    void write(int end) {
        net::async_write(ends_[end].socket, net::buffer(ends_[end].buffer),
                         [this, end](error_code error, std::size_t /*unused*/) {
                             if (!error) {
                                 read(end);
                             }
                         });
    }
    bool round() {
        const std::uint64_t now = now_ns();
        taken.add(now - begun_);
        begun_ = now;
        if (++done_ < n_) {
            return true;
        }
        ends_[0].socket.close();
        ends_[1].socket.close();
        return false;
    }

    end_point ends_[2];
    long n_, done_ = 0;
    std::uint64_t begun_ = 0;
};

class attempt {
public:
    explicit attempt(connects& of) : of_(of), socket_(of.on), timer_(of.on) {}
    void begin() {
        if (of_.begun == of_.n) {
            return;
        }
        begun_ = now_ns();
        socket_.open(tcp::v4());
        socket_.set_option(net::socket_base::linger(true, 0));
        timer_.expires_after(of_.deadline);
        timer_.async_wait([this](error_code error) {
            if (!error) {
                socket_.close();
            }
        });
        socket_.async_connect(of_.next(), [this](error_code error) {
            timer_.cancel();
            socket_.close();
            of_.ended(error, begun_);
            begin();
        });
    }

private:
    connects& of_;
    socket_type socket_;
    timer_type timer_;
    std::uint64_t begun_ = 0;
};

class waits {
public:
    explicit waits(std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) {
            all_.emplace_back(on_);
        }
    }
    void arm(std::size_t i, std::uint32_t ms) {
        all_[i].expires_at(base_ + std::chrono::milliseconds(ms));
        all_[i].async_wait([this, i](error_code error) {
            if (!error) {
                ++fired;
                early += clock::now() < all_[i].expiry() ? 1 : 0;
            }
        });
    }
    void rearm(std::size_t i, std::uint32_t ms) { arm(i, ms); }
    void cancel(std::size_t i) { all_[i].cancel(); }
    void settle() {
        on_.restart();
        on_.poll();
    }
    void run() {
        on_.restart();
        on_.run();
    }

    long fired = 0, early = 0;

private:
    net::io_context on_{one_thread};
    std::deque<timer_type> all_;
    clock::time_point base_ = clock::now();
};

void post_across(const arguments& a, result& r) {
    const post_plan plan(a);
    net::io_context on(1);  // it needs its locks here
    const auto guard = net::make_work_guard(on);
    long sum = 0;
    post_from_threads(
        plan, r,
        [&](std::size_t /*unused*/, long /*unused*/) {
            net::post(on, [&] {
                if (++sum == plan.total) {
                    on.stop();
                }
            });
        },
        [&] { on.run(); });
}

void post_lone(const arguments& a, result& r) {
    lone_posts posts(a);
    net::io_context on(1);
    const auto guard = net::make_work_guard(on);
    posts.measure(
        r,
        [&] {
            net::post(on, [&] {
                if (posts.arrived()) {
                    on.stop();
                }
            });
        },
        [&] { on.run(); });
}

}  // namespace

void pingpong(const arguments& a, result& r) {
    net::io_context on(one_thread);
    const long n = a.number("n", 200'000);
    ball one(on, tcp_pair(), static_cast<std::size_t>(a.number("size", 64)), n);
    const stopwatch watch;
    one.begin();
    on.run();
    watch.stop(r, static_cast<std::uint64_t>(n));
    r.set(one.taken);
}

void connect(const arguments& a, result& r) {
    net::io_context on(one_thread);
    connects all(on, a);
    std::deque<attempt> attempts;
    const stopwatch watch;
    for (long i = 0; i < all.side_by_side; ++i) {
        attempts.emplace_back(all).begin();
    }
    on.run();
    watch.stop(r, static_cast<std::uint64_t>(all.done));
    all.report(r);
}

void timers(const arguments& a, result& r) { time_timers<waits>(a, r); }

void post(const arguments& a, result& r) {
    const std::string mode = a.text("mode", "single");
    r.workload = "post_" + mode;
    if (mode == "lone") {
        post_lone(a, r);
    } else if (mode != "single") {
        post_across(a, r);
    } else {
        net::io_context on(one_thread);
        post_from_handlers(
            a, r, [&](auto act) { net::post(on, act); }, [&] { on.run(); });
    }
}

}  // namespace bench::with_asio

int main(int count, char** words) {
    using namespace bench::with_asio;
    return bench::peer_main(count, words, {name, &serve, &pingpong, &connect, &timers, &post});
}
