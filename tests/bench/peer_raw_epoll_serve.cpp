// SPDX-License-Identifier: BSL-1.0
#include "peer_raw_epoll.hpp"
#include "wheel.hpp"

namespace bench::raw_epoll {
namespace {

struct connection {
    char* out;  // only while a send is unfinished
    std::uint32_t sent, length;
    std::uint64_t remain;  // source: bytes still to send
};

class server {
public:
    explicit server(const arguments& a)
        : chunk_(static_cast<std::size_t>(a.number("chunk", 1024))),
          sink_(a.text("kind", "echo") == "sink"), source_(a.text("kind", "echo") == "source"),
          once_(a.text("kind", "echo") == "once"), exit_after_(a.number("exit_after", 0)),
          deadline_(static_cast<std::uint64_t>(a.number("deadline_ms", 0))),
          spin_(static_cast<std::uint64_t>(a.number("spin", 0)) * 1000), buffer_(chunk_, 'y') {
        rlimit limit{};
        getrlimit(RLIMIT_NOFILE, &limit);
        // Pages that are never touched cost nothing, and what stands here never moves.
        all_ = static_cast<connection*>(std::calloc(limit.rlim_cur, sizeof *all_));
        limits_ = static_cast<wheel_timer*>(std::calloc(limit.rlim_cur, sizeof *limits_));
        add(poller_, door_, EPOLLIN, static_cast<std::uint64_t>(door_));
    }
    void run() {
        epoll_event events[batch];
        while (exit_after_ == 0 || closed_ < exit_after_) {
            const int ready = wait(events);
            if (deadline_ != 0) {
                now_ = now_ms();
            }
            for (int i = 0; i < ready; ++i) {
                on_event(static_cast<int>(events[i].data.u64), events[i].events);
            }
            if (deadline_ != 0) {
                wheel_.advance(now_, [&](wheel_timer& t) { on_limit(t); });
            }
        }
    }

private:
    int wait(epoll_event* events) {
        const int until = deadline_ != 0 ? wheel_.next_ms() : -1;
        if (spin_ == 0) {
            return epoll_wait(poller_, events, batch, until);
        }
        int ready = epoll_wait(poller_, events, batch, 0);
        for (const std::uint64_t begun = now_ns(); ready == 0 && now_ns() - begun < spin_;) {
            ready = epoll_wait(poller_, events, batch, 0);
        }
        return ready != 0 ? ready : epoll_wait(poller_, events, batch, until);
    }
    void on_event(int fd, std::uint32_t events) {
        connection& c = all_[fd];
        if (fd == door_) {
            accept_all();
        } else if ((events & EPOLLERR) != 0) {
            drop(fd);
        } else if ((events & EPOLLOUT) != 0 && c.remain != 0) {
            pour(fd);
        } else if ((events & EPOLLOUT) != 0 && c.length != 0) {
            send_rest(fd);
        } else if ((events & (EPOLLIN | EPOLLRDHUP)) != 0) {
            read(fd, (events & EPOLLRDHUP) != 0);
        }
    }
    void accept_all() {
        for (int i = 0; i < 64; ++i) {
            const int fd = accept4(door_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) {
                return;
            }
            add(poller_, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                static_cast<std::uint64_t>(fd));
            if (deadline_ != 0) {
                wheel_.arm(limits_[fd], now_ + deadline_ + 1);
            }
        }
    }
    // A deadline that moves to later is one word; the wheel learns of it when the old one is due.
    void begin_operation(int fd) {
        if (deadline_ != 0) {
            limits_[fd].due = now_ + deadline_ + 1;
        }
    }
    void on_limit(wheel_timer& t) {
        if (t.due > now_) {
            wheel_.arm(t, t.due);
        } else {
            drop(static_cast<int>(&t - limits_));
        }
    }
    void drop(int fd) {
        std::free(all_[fd].out);
        all_[fd] = {};
        if (deadline_ != 0) {
            wheel_.cancel(limits_[fd]);
        }
        close(fd);
        ++closed_;
    }
    void pour(int fd) {
        connection& c = all_[fd];
        while (c.remain != 0) {
            const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(c.remain, chunk_));
            begin_operation(fd);
            const ssize_t n = send(fd, buffer_.data(), most, MSG_NOSIGNAL);
            if (n < 0 && errno == EAGAIN) {
                return;
            }
            if (n < 0) {
                break;
            }
            c.remain -= static_cast<std::uint64_t>(n);
        }
        drop(fd);
    }
    // False: the connection is gone, or has something left to send.
    bool answer(int fd, std::size_t length) {
        begin_operation(fd);
        const ssize_t n = send(fd, buffer_.data(), length, MSG_NOSIGNAL);
        if (n == static_cast<ssize_t>(length)) {
            return true;
        }
        if (n < 0 && errno != EAGAIN) {
            drop(fd);
            return false;
        }
        const std::size_t sent = n < 0 ? 0 : static_cast<std::size_t>(n);
        connection& c = all_[fd];
        c.out = static_cast<char*>(std::malloc(length - sent));
        std::memcpy(c.out, buffer_.data() + sent, length - sent);
        c.sent = 0;
        c.length = static_cast<std::uint32_t>(length - sent);
        return false;
    }
    void send_rest(int fd) {
        connection& c = all_[fd];
        const ssize_t n = send(fd, c.out + c.sent, c.length, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) {
                drop(fd);
            }
            return;
        }
        c.sent += static_cast<std::uint32_t>(n);
        c.length -= static_cast<std::uint32_t>(n);
        if (c.length == 0 && once_) {
            drop(fd);
        } else if (c.length == 0) {
            std::free(c.out);
            c.out = nullptr;
            read(fd, true);
        }
    }
    // A short read means that the socket is drained, unless the event said that more came.
    void read(int fd, bool hung_up) {
        for (;;) {
            if (all_[fd].length != 0) {
                return;  // first the rest of the answer
            }
            begin_operation(fd);
            const ssize_t n = recv(fd, buffer_.data(), chunk_, 0);
            if (n <= 0) {
                if (n == 0 || errno != EAGAIN) {
                    drop(fd);
                }
                return;
            }
            if (source_) {
                std::memcpy(&all_[fd].remain, buffer_.data(), sizeof all_[fd].remain);
                pour(fd);
                return;
            }
            if (!sink_ && !answer(fd, static_cast<std::size_t>(n))) {
                return;
            }
            if (once_) {
                drop(fd);
                return;
            }
            if (static_cast<std::size_t>(n) < chunk_ && !hung_up) {
                return;
            }
        }
    }

    std::size_t chunk_;
    bool sink_, source_, once_;
    long exit_after_, closed_ = 0;
    std::uint64_t deadline_, spin_, now_ = now_ms();
    std::vector<char> buffer_;
    connection* all_;
    wheel_timer* limits_;
    int poller_ = make_poller();
    int door_ = listen_and_announce(true);
    wheel wheel_{now_};
};

}  // namespace

void serve(const arguments& a, result& /*unused*/) { server(a).run(); }

}  // namespace bench::raw_epoll
