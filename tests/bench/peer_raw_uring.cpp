// SPDX-License-Identifier: BSL-1.0
// pingpong, connect, post: both ends, or the client, in this process.
#include "mailbox.hpp"
#include "peer_raw_uring.hpp"
#include "wheel.hpp"

namespace bench::raw_uring {

void pingpong(const arguments& a, result& r) {
    const long n = a.number("n", 200'000);
    std::vector<char> buffer(static_cast<std::size_t>(a.number("size", 64)), 'x');
    const auto size = static_cast<long>(buffer.size());
    tcp_pair pair;
    ring on(64, 256);
    io_uring_sqe* s = on.entry();  // the two become direct descriptors 0 and 1
    on.sparse_files(2);
    io_uring_prep_files_update(s, pair.fd, 2, 0);
    on.submit_and_wait();
    on.completions([](tag, int updated, unsigned) {
        if (updated != 2) {
            die("files_update");
        }
    });
    on.provide_buffers(16, buffer.size());
    on.receive_all(0);
    on.receive_all(1);
    const auto say = [&](std::uint32_t end) {
        s = on.entry();
        io_uring_prep_send(s, static_cast<int>(end), buffer.data(), buffer.size(),
                           MSG_NOSIGNAL | MSG_WAITALL);
        s->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
        s->user_data = tag::pack(kind::answer, end);
    };
    latencies taken;
    taken.all.reserve(static_cast<std::size_t>(n));
    long got[2] = {0, 0}, done = 0;
    const stopwatch watch;
    std::uint64_t begun = now_ns();
    say(0);
    while (done < n) {
        on.publish_buffers();
        on.submit_and_wait();
        on.completions([&](tag t, int count, unsigned flags) {
            if (t.what != kind::receive || count <= 0) {
                return;
            }
            on.give_back(flags >> IORING_CQE_BUFFER_SHIFT);
            if ((flags & IORING_CQE_F_MORE) == 0) {
                on.receive_all(t.fd);
            }
            if ((got[t.fd] += count) < size) {
                return;
            }
            got[t.fd] = 0;
            if (t.fd == 0) {
                const std::uint64_t now = now_ns();
                taken.add(now - begun);
                begun = now;
                if (++done >= n) {
                    return;
                }
            }
            say(t.fd);
        });
    }
    watch.stop(r, static_cast<std::uint64_t>(n));
    r.set(taken);
}

namespace {

// A deadline in user space: a linked timeout of the kernel measured 10 % dearer.
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
        while (done_ < n_) {
            ring_.submit_and_wait(wheel_.next_ms());
            const std::uint64_t now = now_ns();
            ring_.completions([&](tag t, int error, unsigned) {
                if (t.what == kind::connect) {
                    end(attempts_[t.fd], error, now);
                }
            });
            wheel_.advance(now / 1'000'000, [&](wheel_timer& t) {
                io_uring_sqe* s = ring_.entry();
                const auto number = static_cast<attempt&>(t).number;
                io_uring_prep_cancel64(s, tag::pack(kind::connect, number), 0);
                s->user_data = tag::pack(kind::close, 0);
            });
        }
        ring_.submit();
        watch.stop(r, static_cast<std::uint64_t>(n_));
        r.extra.emplace_back("failed", static_cast<double>(failed_));
        r.set(taken_);
    }

private:
    struct attempt : wheel_timer {
        int fd = -1;
        std::uint32_t number = 0;
        std::uint64_t begun = 0;
        sockaddr_in to{};
    };
    void begin(attempt& one) {
        one.begun = now_ns();
        one.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        one.number = static_cast<std::uint32_t>(&one - attempts_.data());
        one.to = loopback(port_, 1 + static_cast<int>(begun_++ % 16));
        reset_on_close(one.fd);
        io_uring_sqe* s = ring_.entry();
        io_uring_prep_connect(s, one.fd, generic(one.to), sizeof one.to);
        s->user_data = tag::pack(kind::connect, one.number);
        wheel_.arm(one, one.begun / 1'000'000 + deadline_ + 1);
    }
    void end(attempt& one, int error, std::uint64_t now) {
        wheel_.cancel(one);
        failed_ += error != 0 && error != -ECONNRESET ? 1 : 0;
        io_uring_sqe* s = ring_.entry();
        io_uring_prep_close(s, one.fd);
        s->flags |= IOSQE_CQE_SKIP_SUCCESS;
        s->user_data = tag::pack(kind::close, 0);
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
    ring ring_{2048, 8192};
    wheel wheel_{now_ns() / 1'000'000};
    latencies taken_;
    long begun_ = 0, done_ = 0, failed_ = 0;
};

// Woken through the ring, from a small ring of each posting thread.
class sleeper {
public:
    void sleep() {
        ring_.submit_and_wait();
        ring_.completions([](tag, int, unsigned) {});
    }
    void wake() const {
        static thread_local ring own(8, 16);
        io_uring_sqe* s = own.entry();
        io_uring_prep_msg_ring(s, ring_.fd(), 0, tag::pack(kind::message, 0), 0);
        s->flags |= IOSQE_CQE_SKIP_SUCCESS;
        own.submit();
    }

private:
    ring ring_{64, 256};
};

}  // namespace

void connect(const arguments& a, result& r) { connects(a).run(r); }

void post(const arguments& a, result& r) {
    const std::string mode = a.text("mode", "single");
    r.workload = "post_" + mode;
    if (mode == "single") {
        lacks("raw_uring", "post mode=single: no kernel in it, see raw_epoll");
    }
    sleeper sleeps;
    post_to_inbox(sleeps, a, r);
}

}  // namespace bench::raw_uring

int main(int count, char** words) {
    using namespace bench::raw_uring;
    return bench::peer_main(count, words,
                            {"raw_uring", &serve, &pingpong, &connect, nullptr, &post});
}
