// SPDX-License-Identifier: BSL-1.0
// Requests over many connections, and what an idle one costs.
#include <sys/epoll.h>

#include "load.hpp"

namespace bench {
namespace {

void echo_one_byte(int fd) {
    char byte = 'x';
    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1) {
        die("echo of one byte");
    }
}

// Accepts are in order: after each answer all earlier ones are in, and no backlog overflows.
std::vector<int> dial_many(int port, std::size_t count) {
    std::vector<int> all;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(dial(port, 1 + static_cast<int>(i % 8), false));
        if (i % 256 == 255 || i + 1 == count) {
            echo_one_byte(all.back());
        }
    }
    return all;
}

// closed: each connection sends its next request when it has its answer; burst: `active` of them
// send, then all wait, so that the server's batch has a fixed size; then the next ones.
class echo_clients {
public:
    echo_clients(int port, std::size_t count, std::size_t size, bool burst, std::size_t active)
        : size_(size), burst_(burst), active_(active), bytes_(std::max<std::size_t>(size, 65536)) {
        for (const int fd : dial_many(port, count)) {
            no_delay(fd);
            never_block(fd);
            watch(poll_, fd, all_.size(), EPOLLIN);
            all_.push_back({fd, 0, 0});
        }
    }
    ~echo_clients() {
        for (const connection& c : all_) {
            close(c.fd);
        }
        close(poll_);
    }
    echo_clients(const echo_clients&) = delete;
    echo_clients& operator=(const echo_clients&) = delete;

    void run(long requests) {
        sent_ = done_ = 0;
        target_ = requests;
        taken.all.clear();
        taken.all.reserve(static_cast<std::size_t>(requests));
        send_all();
        std::vector<epoll_event> events(512);
        while (done_ < target_) {
            const int n = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
            for (int i = 0; i < n; ++i) {
                receive(all_[events[static_cast<std::size_t>(i)].data.u64]);
            }
            if (burst_ && done_ == sent_) {
                send_all();
            }
        }
    }

    latencies taken;

private:
    struct connection {
        int fd = -1;
        std::size_t got = 0;
        std::uint64_t begun = 0;
    };
    void request(connection& c) {
        c.begun = now_ns();
        c.got = 0;
        ++sent_;
        if (send(c.fd, bytes_.data(), size_, MSG_NOSIGNAL) != static_cast<ssize_t>(size_)) {
            die("send");
        }
    }
    void send_all() {
        for (std::size_t i = 0; i < active_ && sent_ < target_; ++i) {
            request(all_[next_]);
            next_ = next_ + 1 == all_.size() ? 0 : next_ + 1;
        }
    }
    void receive(connection& c) {
        const ssize_t n = recv(c.fd, bytes_.data(), bytes_.size(), 0);
        if (n <= 0) {
            if (n < 0 && errno == EAGAIN) {
                return;
            }
            die("recv");
        }
        c.got += static_cast<std::size_t>(n);
        if (c.got < size_) {
            return;
        }
        taken.add(now_ns() - c.begun);
        ++done_;
        if (!burst_ && sent_ < target_) {
            request(c);
        }
    }

    int poll_ = epoll_create1(EPOLL_CLOEXEC);
    std::size_t size_;
    bool burst_;
    std::size_t active_, next_ = 0;
    std::vector<connection> all_;
    std::vector<char> bytes_;
    long sent_ = 0, done_ = 0, target_ = 0;
};

}  // namespace

// conns=64 n=500000 size=64 chunk=1024 mode=closed|burst active= (in a burst: all by default)
bool load_echo(const arguments& a, result& r) {
    const long conns = a.number("conns", 64);
    const long n = a.number("n", 500'000);
    server s(a, "echo", conns, a.number("chunk", 1024));
    {
        echo_clients clients(s.port(), static_cast<std::size_t>(conns),
                             static_cast<std::size_t>(a.number("size", 64)),
                             a.text("mode", "closed") == "burst",
                             static_cast<std::size_t>(a.number("active", conns)));
        if (const long warm = a.number("warm", n / 10); warm > 0) {
            clients.run(warm);
        }
        const server_watch used(s);
        clients.run(n);
        used.stop(r, static_cast<std::uint64_t>(n));
        r.set(clients.taken);
        r.extra.emplace_back("conns", static_cast<double>(conns));
    }
    return s.finish();
}

// conns=10000 chunk=1024: memory of the peer's process, before and after they came.
bool load_idle(const arguments& a, result& r) {
    const long conns = a.number("conns", 10'000);
    server s(a, "echo", conns, a.number("chunk", 1024));
    echo_one_byte(s.first());
    const auto memory = [&] { return static_cast<double>(s.field("smaps_rollup", "Anonymous:")); };
    const double before = memory();
    const long resident = s.field("status", "VmRSS:");
    const server_watch used(s);
    const std::vector<int> all = dial_many(s.port(), static_cast<std::size_t>(conns));
    used.stop(r, static_cast<std::uint64_t>(conns));
    usleep(50'000);
    r.extra.emplace_back("bytes_per_conn", (memory() - before) * 1024 / static_cast<double>(conns));
    r.extra.emplace_back("base_rss_kb", static_cast<double>(resident));
    for (const int fd : all) {
        close(fd);
    }
    return s.finish();
}

}  // namespace bench
