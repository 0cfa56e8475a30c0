// SPDX-License-Identifier: BSL-1.0
// Connections that come and go: to a server, from a peer that connects; and one that streams.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <fstream>

#include "load.hpp"

namespace bench {
namespace {

// Each connects, sends a byte, has it back, and closes with a reset; the next one takes its place.
// The server has closed or is about to: no end of such a connection is left in TIME_WAIT.
class accept_clients {
public:
    accept_clients(int port, std::size_t at_once) : port_(port), all_(at_once) {}

    void run(long count) {
        begun_ = done_ = 0;
        target_ = count;
        taken.all.clear();
        taken.all.reserve(static_cast<std::size_t>(count));
        for (std::size_t i = 0; i < all_.size() && begun_ < target_; ++i) {
            open(i);
        }
        epoll_event events[256];
        while (done_ < target_) {
            const int n = epoll_wait(poll_, events, 256, -1);
            for (int i = 0; i < n; ++i) {
                go_on(static_cast<std::size_t>(events[i].data.u64));
            }
        }
    }

    latencies taken;

private:
    struct connection {
        int fd = -1;
        bool sent = false;
        std::uint64_t begun = 0;
    };
    void open(std::size_t i) {
        const std::uint64_t now = now_ns();
        all_[i] = {dial(port_, 1 + static_cast<int>(begun_++ % 16), true), false, now};
        watch(poll_, all_[i].fd, i, EPOLLOUT);
    }
    void go_on(std::size_t i) {
        connection& c = all_[i];
        char byte = 'x';
        if (!c.sent) {
            if (send(c.fd, &byte, 1, MSG_NOSIGNAL) != 1) {
                die("accept: send");
            }
            c.sent = true;
            epoll_event e{};
            e.events = EPOLLIN;
            e.data.u64 = i;
            epoll_ctl(poll_, EPOLL_CTL_MOD, c.fd, &e);
            return;
        }
        if (recv(c.fd, &byte, 1, 0) != 1) {
            die("accept: recv");
        }
        close(c.fd);
        taken.add(now_ns() - c.begun);
        ++done_;
        if (begun_ < target_) {
            open(i);
        }
    }

    int poll_ = epoll_create1(EPOLL_CLOEXEC);
    int port_;
    std::vector<connection> all_;
    long begun_ = 0, done_ = 0, target_ = 0;
};

// Below the range from which the system takes ports by itself.
int listen_below_ephemeral() {
    int lowest = 32768;
    std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> lowest;
    for (int tries = 0, port = lowest - 1 - getpid() % 4096; tries < 4096; ++tries, --port) {
        if (port <= 1024) {
            port = lowest - 1;
        }
        const int fd = try_listen(port, true);
        if (fd >= 0) {
            return fd;
        }
    }
    die("no port below the ephemeral ones");
}

// A forked child that accepts, so that nothing of it is in the peer's counts. It closes what it
// has long after the peer has: a reset that overtakes the connect's event would cost a call.
class acceptor {
public:
    explicit acceptor(bool ephemeral, const std::string& cores)
        : door_(ephemeral ? listen_anywhere(true) : listen_below_ephemeral()),
          port(port_of(door_)) {
        reset_on_close(door_);  // what it accepts inherits that
        pid_ = fork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            settle_down(cores, place::here);
            accept_all();
        }
        close(door_);
    }
    ~acceptor() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    acceptor(const acceptor&) = delete;
    acceptor& operator=(const acceptor&) = delete;

private:
    [[noreturn]] void accept_all() const {
        std::vector<int> held(4096, -1);
        pollfd readable{door_, POLLIN, 0};
        for (std::size_t at = 0;;) {
            poll(&readable, 1, -1);
            for (int fd; (fd = accept4(door_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
                close(std::exchange(held[at], fd));
                at = at + 1 == held.size() ? 0 : at + 1;
            }
        }
    }

    int door_;
    pid_t pid_ = 0;

public:
    const int port;
};

}  // namespace

// conns=64 (at once) n=100000
bool load_accept(const arguments& a, result& r) {
    const long n = a.number("n", 100'000), warm = a.number("warm", n / 10);
    server s(a, "once", n + warm, a.number("chunk", 1024));
    accept_clients clients(s.port(), static_cast<std::size_t>(a.number("conns", 64)));
    if (warm > 0) {
        clients.run(warm);
    }
    const server_watch used(s);
    clients.run(n);
    used.stop(r, static_cast<std::uint64_t>(n));
    r.set(clients.taken);
    return s.finish();
}

// dir=in (the peer receives) | out, chunk=65536 bytes=2000000000
bool load_stream(const arguments& a, result& r) {
    const bool in = a.text("dir", "in") == "in";
    const long chunk = a.number("chunk", 65536);
    const auto bytes = static_cast<std::uint64_t>(a.number("bytes", 2'000'000'000) / chunk * chunk);
    server s(a, in ? "sink" : "source", 1, chunk);
    const int fd = dial(s.port(), 1, false);
    reset_on_close(fd, false);
    std::vector<char> buffer(in ? static_cast<std::size_t>(chunk) : 262'144, 'x');
    const server_watch used(s);
    std::uint64_t left = bytes;
    const auto moved = [&](ssize_t count) {
        if (count <= 0) {
            die("stream");
        }
        left -= static_cast<std::uint64_t>(count);
    };
    if (in) {
        while (left != 0) {
            const auto most = std::min<std::uint64_t>(left, buffer.size());
            moved(send(fd, buffer.data(), static_cast<std::size_t>(most), MSG_NOSIGNAL));
        }
        shutdown(fd, SHUT_WR);
        if (recv(fd, buffer.data(), 1, 0) != 0) {
            die("the sink did not close");
        }
    } else {
        if (send(fd, &bytes, sizeof bytes, MSG_NOSIGNAL) != sizeof bytes) {
            die("send");
        }
        while (left != 0) {
            moved(recv(fd, buffer.data(), buffer.size(), 0));
        }
    }
    used.stop(r, bytes / static_cast<std::uint64_t>(chunk));
    const double gb = static_cast<double>(bytes) / 1e9;
    const double each = static_cast<double>(r.ops) / gb / 1e9;
    const double cpu = std::find_if(r.extra.begin(), r.extra.end(), [](const auto& field) {
                           return field.first == "cpu_ns_per_op";
                       })->second;
    r.extra.emplace_back("gb_per_s", gb / r.seconds);
    r.extra.emplace_back("cpu_s_per_gb", cpu * each);
    close(fd);
    return s.finish();
}

// n=100000 conc=256 deadline_ms=1000 target=fixed|ephemeral: what kind of port is connected to;
// on an ephemeral one of this machine a connect may meet itself, and one call more finds out.
int load_connect(const arguments& a) {
    const acceptor to(a.text("target", "fixed") == "ephemeral", a.text("cores", "split"));
    process p(a, "connect",
              {{"port", std::to_string(to.port)},
               {"n", std::to_string(a.number("n", 100'000))},
               {"conc", std::to_string(a.number("conc", 256))},
               {"name", a.text("name", "")},
               {"deadline_ms", std::to_string(a.number("deadline_ms", 1000))}});
    const std::string line = p.line();
    const bool well = p.finish() && !line.empty();
    std::fputs(line.c_str(), stdout);
    return well ? 0 : WIFEXITED(p.status()) && WEXITSTATUS(p.status()) == 3 ? 3 : 1;
}

}  // namespace bench
