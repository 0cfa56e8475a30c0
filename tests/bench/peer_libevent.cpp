// SPDX-License-Identifier: BSL-1.0
// pingpong, connect, timers, post: both ends, or the client, in this process.
#include "peer_libevent.hpp"

#include <deque>

#include "locked_queue.hpp"
#include "timers.hpp"

namespace bench::with_libevent {
namespace {

class ball {
public:
    ball(std::size_t size, long n) : buffer_(size, 'x'), n_(n) {
        taken.all.reserve(static_cast<std::size_t>(n));
        for (std::size_t i = 0; i < 2; ++i) {
            never_block(pair_.fd[i]);
            event_assign(&ends_[i], base_, pair_.fd[i], EV_READ | EV_PERSIST, hear, this);
            event_add(&ends_[i], nullptr);
        }
    }
    void run() {
        begun_ = now_ns();
        say(pair_.fd[0]);
        event_base_dispatch(base_);
    }

    latencies taken;

private:
    void say(int fd) {
        if (send(fd, buffer_.data(), buffer_.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(buffer_.size())) {
            die("send");
        }
    }
    static void hear(int fd, short /*unused*/, void* to) {
        ball& self = *static_cast<ball*>(to);
        const bool near = fd == self.pair_.fd[0];
        const ssize_t n = recv(fd, self.buffer_.data(), self.buffer_.size(), 0);
        std::size_t& got = self.got_[near ? 0 : 1];
        if (n <= 0 || (got += static_cast<std::size_t>(n)) < self.buffer_.size()) {
            return;
        }
        got = 0;
        if (near) {
            const std::uint64_t now = now_ns();
            self.taken.add(now - self.begun_);
            self.begun_ = now;
            if (++self.done_ == self.n_) {
                event_base_loopbreak(self.base_);
                return;
            }
        }
        self.say(fd);
    }

    std::vector<char> buffer_;
    long n_, done_ = 0;
    std::uint64_t begun_ = 0;
    std::size_t got_[2] = {0, 0};
    tcp_pair pair_;
    event_base* base_ = make_base(EVENT_BASE_FLAG_NOLOCK);
    event ends_[2]{};
};

struct connects {
    int port;
    long n;
    timeval deadline;
    latencies taken{};
    event_base* base = make_base(EVENT_BASE_FLAG_NOLOCK);
    const timeval* limit = event_base_init_common_timeout(base, &deadline);
    long begun = 0, failed = 0;
};

class attempt {
public:
    explicit attempt(connects& of) : of_(of) {}
    void begin() {
        if (of_.begun == of_.n) {
            return;
        }
        begun_ = now_ns();
        fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const sockaddr_in to = loopback(of_.port, 1 + static_cast<int>(of_.begun++ % 16));
        reset_on_close(fd_);
        if (::connect(fd_, generic(to), sizeof to) != 0 && errno != EINPROGRESS) {
            die("connect");
        }
        event_assign(&event_, of_.base, fd_, EV_WRITE, on_event, this);
        event_add(&event_, of_.limit);
    }

private:
    static void on_event(int /*unused*/, short what, void* self) {
        static_cast<attempt*>(self)->end((what & EV_TIMEOUT) != 0);
    }
    void end(bool late) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
        of_.failed += late || (error != 0 && error != ECONNRESET) ? 1 : 0;
        close(fd_);
        of_.taken.add(now_ns() - begun_);
        begin();
    }

    connects& of_;
    event event_{};
    int fd_ = -1;
    std::uint64_t begun_ = 0;
};

class event_timers {
public:
    explicit event_timers(std::size_t n) : all_(n) {
        for (one& t : all_) {
            evtimer_assign(&t.timer, base_, on_due, &t);
            t.owner = this;
        }
    }
    void arm(std::size_t i, std::uint32_t ms) {
        one& t = all_[i];
        t.due = begun_ + ms * std::uint64_t{1'000'000};
        // Durations count from the base's now.
        const std::uint64_t now = now_ns();
        const timeval left{static_cast<long>((t.due - now) / 1'000'000'000),
                           static_cast<long>((t.due - now) % 1'000'000'000 / 1000 + 1)};
        event_add(&t.timer, &left);
    }
    void rearm(std::size_t i, std::uint32_t ms) { arm(i, ms); }
    void cancel(std::size_t i) { event_del(&all_[i].timer); }
    void settle() {}
    void run() { event_base_dispatch(base_); }

    long fired = 0, early = 0;

private:
    struct one {
        event timer;
        event_timers* owner;
        std::uint64_t due;
    };
    static void on_due(int /*unused*/, short /*unused*/, void* to) {
        const one& t = *static_cast<one*>(to);
        ++t.owner->fired;
        t.owner->early += now_ns() < t.due ? 1 : 0;
    }

    event_base* base_ = make_base(EVENT_BASE_FLAG_NOLOCK);
    std::vector<one> all_;
    std::uint64_t begun_ = now_ns();
};

class posting_loop {
public:
    posting_loop() {
        evthread_use_pthreads();
        base_ = make_base(0);
        event_assign(&posted_, base_, -1, EV_PERSIST, on_posted, this);
        event_add(&posted_, nullptr);
    }
    void wake() { event_active(&posted_, EV_READ, 0); }
    template <class Done>
    void run(locked_queue& queue, Done&& done) {
        queue_ = &queue;
        while (!done()) {
            event_base_loop(base_, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
        }
    }

private:
    static void on_posted(int /*unused*/, short /*unused*/, void* self) {
        static_cast<posting_loop*>(self)->queue_->run_all();
    }

    event_base* base_ = nullptr;
    event posted_{};
    locked_queue* queue_ = nullptr;
};

}  // namespace

void pingpong(const arguments& a, result& r) {
    const long n = a.number("n", 200'000);
    ball one(static_cast<std::size_t>(a.number("size", 64)), n);
    const stopwatch watch;
    one.run();
    watch.stop(r, static_cast<std::uint64_t>(n));
    r.set(one.taken);
}

void connect(const arguments& a, result& r) {
    connects all{static_cast<int>(a.number("port", 0)), a.number("n", 100'000),
                 time_of(a.number("deadline_ms", 1000))};
    all.taken.all.reserve(static_cast<std::size_t>(all.n));
    std::deque<attempt> attempts;
    const stopwatch watch;
    for (long i = 0; i < std::min(all.n, a.number("conc", 256)); ++i) {
        attempts.emplace_back(all).begin();
    }
    event_base_dispatch(all.base);
    watch.stop(r, static_cast<std::uint64_t>(all.n));
    r.extra.emplace_back("failed", static_cast<double>(all.failed));
    r.set(all.taken);
}

void timers(const arguments& a, result& r) { time_timers<event_timers>(a, r); }

void post(const arguments& a, result& r) {
    const std::string mode = a.text("mode", "single");
    r.workload = "post_" + mode;
    if (mode == "single") {
        lacks("libevent", "post mode=single");
    }
    posting_loop loop;
    post_to_queue(loop, a, r);
}

}  // namespace bench::with_libevent

int main(int count, char** words) {
    using namespace bench::with_libevent;
    return bench::peer_main(count, words,
                            {"libevent", &serve, &pingpong, &connect, &timers, &post});
}
