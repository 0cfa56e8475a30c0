// SPDX-License-Identifier: BSL-1.0
// pingpong, connect, timers, post: both ends, or the client, in this process.
#include "peer_libuv.hpp"

#include <deque>

#include "locked_queue.hpp"
#include "timers.hpp"

namespace bench::with_libuv {
namespace {

struct ball;
struct end_point {
    uv_tcp_t socket;
    ball* of;
    std::size_t got;
};
struct ball {
    end_point ends[2];
    std::vector<char> buffer;
    long n, done;
    std::uint64_t begun;
    latencies taken;
};

void say(end_point& e) {
    uv_buf_t all = uv_buf_init(e.of->buffer.data(), static_cast<unsigned>(e.of->buffer.size()));
    if (uv_try_write(stream(e.socket), &all, 1) != static_cast<int>(all.len)) {
        die("uv_try_write");
    }
}
void hear(uv_stream_t* from, ssize_t n, const uv_buf_t* /*unused*/) {
    end_point& e = *static_cast<end_point*>(from->data);
    ball& b = *e.of;
    if (n <= 0 || (e.got += static_cast<std::size_t>(n)) < b.buffer.size()) {
        return;
    }
    e.got = 0;
    if (&e == &b.ends[0]) {
        const std::uint64_t now = now_ns();
        b.taken.add(now - b.begun);
        b.begun = now;
        if (++b.done == b.n) {
            uv_close(handle(b.ends[0].socket), nullptr);
            uv_close(handle(b.ends[1].socket), nullptr);
            return;
        }
    }
    say(e);
}
void hand_out(uv_handle_t* h, std::size_t /*unused*/, uv_buf_t* buffer) {
    std::vector<char>& all = static_cast<end_point*>(h->data)->of->buffer;
    *buffer = uv_buf_init(all.data(), static_cast<unsigned>(all.size()));
}

struct connects {
    uv_loop_t loop;
    int port;
    long n, begun, failed;
    std::uint64_t deadline;
    latencies taken;
};

class attempt {
public:
    void begin_first(connects& of) {
        of_ = &of;
        uv_timer_init(&of.loop, &timer_);
        timer_.data = this;
        begin();
    }

private:
    void begin() {
        if (of_->begun == of_->n) {
            uv_close(handle(timer_), nullptr);
            return;
        }
        begun_ = now_ns();
        uv_tcp_init_ex(&of_->loop, &socket_, AF_INET);
        socket_.data = this;
        request_.data = this;
        uv_os_fd_t fd = -1;
        uv_fileno(handle(socket_), &fd);
        reset_on_close(fd);
        const sockaddr_in to = loopback(of_->port, 1 + static_cast<int>(of_->begun++ % 16));
        uv_timer_start(
            &timer_, [](uv_timer_t* t) { static_cast<attempt*>(t->data)->end(UV_ETIMEDOUT); },
            of_->deadline, 0);
        const int error =
            uv_tcp_connect(&request_, &socket_, generic(to), [](uv_connect_t* c, int status) {
                if (status != UV_ECANCELED) {
                    static_cast<attempt*>(c->data)->end(status);
                }
            });
        check(error, "uv_tcp_connect");
    }
    void end(int status) {
        of_->failed += status != 0 && status != UV_ECONNRESET ? 1 : 0;
        uv_timer_stop(&timer_);
        uv_close(handle(socket_), [](uv_handle_t* h) { static_cast<attempt*>(h->data)->begin(); });
        of_->taken.add(now_ns() - begun_);
    }

    connects* of_ = nullptr;
    uv_tcp_t socket_{};
    uv_timer_t timer_{};
    uv_connect_t request_{};
    std::uint64_t begun_ = 0;
};

class loop_timers {
public:
    explicit loop_timers(std::size_t n) {
        uv_loop_init(&loop_);
        for (std::size_t i = 0; i < n; ++i) {
            one& t = all_.emplace_back();
            uv_timer_init(&loop_, &t.timer);
            t.timer.data = this;
        }
        uv_update_time(&loop_);
        base_ = uv_now(&loop_);
    }
    void arm(std::size_t i, std::uint32_t ms) {
        all_[i].due = base_ + ms;
        uv_timer_start(&all_[i].timer, on_due, all_[i].due - uv_now(&loop_), 0);
    }
    void rearm(std::size_t i, std::uint32_t ms) { arm(i, ms); }
    void cancel(std::size_t i) { uv_timer_stop(&all_[i].timer); }
    void settle() {}
    void run() { uv_run(&loop_, UV_RUN_DEFAULT); }

    long fired = 0, early = 0;

private:
    struct one {
        uv_timer_t timer;
        std::uint64_t due;
    };
    static void on_due(uv_timer_t* t) {
        auto& self = *static_cast<loop_timers*>(t->data);
        ++self.fired;
        // libuv counts in milliseconds of CLOCK_MONOTONIC.
        self.early += now_ns() / 1'000'000 < reinterpret_cast<one*>(t)->due ? 1 : 0;
    }

    uv_loop_t loop_{};
    std::deque<one> all_;
    std::uint64_t base_ = 0;
};

class posting_loop {
public:
    posting_loop() {
        uv_loop_init(&loop_);
        uv_async_init(&loop_, &async_,
                      [](uv_async_t* a) { static_cast<locked_queue*>(a->data)->run_all(); });
    }
    void wake() { uv_async_send(&async_); }
    template <class Done>
    void run(locked_queue& queue, Done&& done) {
        async_.data = &queue;
        while (!done()) {
            uv_run(&loop_, UV_RUN_ONCE);
        }
    }

private:
    uv_loop_t loop_{};
    uv_async_t async_{};
};

}  // namespace

void pingpong(const arguments& a, result& r) {
    uv_loop_t loop;
    uv_loop_init(&loop);
    ball b{};
    b.n = a.number("n", 200'000);
    b.buffer.assign(static_cast<std::size_t>(a.number("size", 64)), 'x');
    b.taken.all.reserve(static_cast<std::size_t>(b.n));
    const tcp_pair pair;
    for (std::size_t i = 0; i < 2; ++i) {
        end_point& e = b.ends[i];
        never_block(pair.fd[i]);
        e.of = &b;
        uv_tcp_init(&loop, &e.socket);
        e.socket.data = &e;
        check(uv_tcp_open(&e.socket, pair.fd[i]), "uv_tcp_open");
        uv_read_start(stream(e.socket), hand_out, hear);
    }
    const stopwatch watch;
    b.begun = now_ns();
    say(b.ends[0]);
    uv_run(&loop, UV_RUN_DEFAULT);
    watch.stop(r, static_cast<std::uint64_t>(b.n));
    r.set(b.taken);
}

void connect(const arguments& a, result& r) {
    connects all{};
    all.port = static_cast<int>(a.number("port", 0));
    all.n = a.number("n", 100'000);
    all.deadline = static_cast<std::uint64_t>(a.number("deadline_ms", 1000));
    all.taken.all.reserve(static_cast<std::size_t>(all.n));
    uv_loop_init(&all.loop);
    std::deque<attempt> attempts(static_cast<std::size_t>(std::min(all.n, a.number("conc", 256))));
    const stopwatch watch;
    for (attempt& one : attempts) {
        one.begin_first(all);
    }
    uv_run(&all.loop, UV_RUN_DEFAULT);
    watch.stop(r, static_cast<std::uint64_t>(all.begun));
    r.extra.emplace_back("failed", static_cast<double>(all.failed));
    r.set(all.taken);
}

void timers(const arguments& a, result& r) { time_timers<loop_timers>(a, r); }

void post(const arguments& a, result& r) {
    const std::string mode = a.text("mode", "single");
    r.workload = "post_" + mode;
    if (mode == "single") {
        lacks("libuv", "post mode=single");
    }
    posting_loop loop;
    post_to_queue(loop, a, r);
}

}  // namespace bench::with_libuv

int main(int count, char** words) {
    using namespace bench::with_libuv;
    return bench::peer_main(count, words, {"libuv", &serve, &pingpong, &connect, &timers, &post});
}
