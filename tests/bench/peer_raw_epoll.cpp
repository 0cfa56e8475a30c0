// SPDX-License-Identifier: BSL-1.0
// pingpong, connect, timers: both ends, or the client, in this process.
#include "peer_raw_epoll.hpp"
#include "timers.hpp"
#include "wheel.hpp"

namespace bench::raw_epoll {

void pingpong(const arguments& a, result& r) {
    const long n = a.number("n", 200'000);
    std::vector<char> buffer(static_cast<std::size_t>(a.number("size", 64)), 'x');
    const auto size = static_cast<ssize_t>(buffer.size());
    const tcp_pair pair;
    const int poller = make_poller();
    for (int i = 0; i < 2; ++i) {
        never_block(pair.fd[i]);
        add(poller, pair.fd[i], EPOLLIN | EPOLLET, static_cast<std::uint64_t>(i));
    }
    const auto say = [&](std::size_t end) {
        if (send(pair.fd[end], buffer.data(), buffer.size(), MSG_NOSIGNAL) != size) {
            die("send");
        }
    };
    latencies taken;
    taken.all.reserve(static_cast<std::size_t>(n));
    epoll_event events[8];
    ssize_t got[2] = {0, 0};
    const stopwatch watch;
    std::uint64_t begun = now_ns();
    say(0);
    for (long done = 0; done < n;) {
        const int ready = epoll_wait(poller, events, 8, -1);
        for (int i = 0; i < ready; ++i) {
            const auto end = static_cast<std::size_t>(events[i].data.u64);
            const ssize_t count = recv(pair.fd[end], buffer.data(), buffer.size(), 0);
            if (count <= 0 || (got[end] += count) < size) {
                continue;
            }
            got[end] = 0;
            if (end == 0) {
                const std::uint64_t now = now_ns();
                taken.add(now - begun);
                begun = now;
                if (++done == n) {
                    break;
                }
            }
            say(end);
        }
    }
    watch.stop(r, static_cast<std::uint64_t>(n));
    r.set(taken);
}

namespace {

class connects {
public:
    explicit connects(const arguments& a)
        : port_(static_cast<int>(a.number("port", 0))), n_(a.number("n", 100'000)),
          deadline_(static_cast<std::uint64_t>(a.number("deadline_ms", 1000))),
          attempts_(static_cast<std::size_t>(std::min(n_, a.number("conc", 256)))) {
        taken_.all.reserve(static_cast<std::size_t>(n_));
    }
    void run(result& r) {
        const stopwatch watch;
        for (attempt& one : attempts_) {
            begin(one);
        }
        epoll_event events[batch];
        while (done_ < n_) {
            const int ready = epoll_wait(poller_, events, batch, wheel_.next_ms());
            const std::uint64_t now = now_ns();
            for (int i = 0; i < ready; ++i) {
                attempt& one = attempts_[static_cast<std::size_t>(events[i].data.u64)];
                end(one, (events[i].events & EPOLLERR) != 0 && broken(one), now);
            }
            wheel_.advance(now / 1'000'000,
                           [&](wheel_timer& t) { end(static_cast<attempt&>(t), true, now); });
        }
        watch.stop(r, static_cast<std::uint64_t>(n_));
        r.extra.emplace_back("failed", static_cast<double>(failed_));
        r.set(taken_);
    }

private:
    struct attempt : wheel_timer {
        int fd = -1;
        std::uint64_t begun = 0;
    };
    void begin(attempt& one) {
        one.begun = now_ns();
        one.fd = dial();
        const auto number = static_cast<std::uint64_t>(&one - attempts_.data());
        add(poller_, one.fd, EPOLLOUT | EPOLLET, number);
        wheel_.arm(one, one.begun / 1'000'000 + deadline_ + 1);
    }
    int dial() {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const sockaddr_in to = loopback(port_, 1 + static_cast<int>(begun_++ % 16));
        reset_on_close(fd);
        if (::connect(fd, generic(to), sizeof to) != 0 && errno != EINPROGRESS) {
            die("connect");
        }
        return fd;
    }
    static bool broken(const attempt& one) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(one.fd, SOL_SOCKET, SO_ERROR, &error, &length);
        return error != 0 && error != ECONNRESET;  // the acceptor resets what it has
    }
    void end(attempt& one, bool failed, std::uint64_t now) {
        wheel_.cancel(one);
        close(one.fd);
        failed_ += failed ? 1 : 0;
        taken_.add(now - one.begun);
        ++done_;
        if (begun_ < n_) {
            begin(one);
        }
    }

    int port_;
    long n_;
    std::uint64_t deadline_;
    std::vector<attempt> attempts_;
    int poller_ = make_poller();
    wheel wheel_{now_ms()};
    latencies taken_;
    long begun_ = 0, done_ = 0, failed_ = 0;
};

class wheel_timers {
public:
    explicit wheel_timers(std::size_t n) : all_(n) {}

    void arm(std::size_t i, std::uint32_t ms) { wheel_.arm(all_[i], base_ + ms); }
    void rearm(std::size_t i, std::uint32_t ms) {
        cancel(i);
        arm(i, ms);
    }
    void cancel(std::size_t i) { wheel_.cancel(all_[i]); }
    void settle() {}
    void run() {
        epoll_event events[4];
        while (wheel_.count() != 0) {
            epoll_wait(poller_, events, 4, wheel_.next_ms());
            const std::uint64_t now = now_ms();
            wheel_.advance(now, [&](const wheel_timer& t) {
                ++fired;
                early += t.due > now ? 1 : 0;
            });
        }
    }

    long fired = 0, early = 0;

private:
    std::vector<wheel_timer> all_;
    int poller_ = make_poller();
    std::uint64_t base_ = now_ms() + 1;  // a tick that has begun is not a whole one
    wheel wheel_{base_ - 1};
};

}  // namespace

void connect(const arguments& a, result& r) { connects(a).run(r); }
void timers(const arguments& a, result& r) { time_timers<wheel_timers>(a, r); }

}  // namespace bench::raw_epoll

int main(int count, char** words) {
    using namespace bench::raw_epoll;
    return bench::peer_main(count, words,
                            {"raw_epoll", &serve, &pingpong, &connect, &timers, &post});
}
