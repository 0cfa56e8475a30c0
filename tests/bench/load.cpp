// SPDX-License-Identifier: BSL-1.0
// The load generator common to all peers: hand-written epoll, one thread. It starts the peer's
// server as its own child, so that it can read that process's CPU clock and memory from outside.
//   load echo peer=./peer_x conns=64 n=500000 size=64 mode=closed|burst cores=split|same|free
//   wrap="strace -c -f -o FILE" (or valgrind …) puts words before the server's command line;
//   s.key=value goes to the server as key=value.
#include <sys/epoll.h>

#include <sstream>

#include "bench.hpp"

namespace {

using bench::arguments;
using bench::die;

void batch_on_core_0() {
    bench::pin(0);
    const sched_param none{};
    sched_setscheduler(0, SCHED_BATCH, &none);
}

class server {
public:
    server(const arguments& a, const std::string& kind, long closes) : port_(bench::free_port()) {
        std::vector<std::string> line;
        std::istringstream wrap(a.text("wrap", ""));
        for (std::string word; wrap >> word;) {
            line.push_back(word);
        }
        wrapped_ = !line.empty();
        line.insert(line.end(), {a.text("peer", ""), "serve", "port=" + std::to_string(port_),
                                 "kind=" + kind, "chunk=" + std::to_string(a.number("chunk", 1024)),
                                 "exit_after=" + std::to_string(closes + 1)});
        for (const auto& [key, value] : a.words) {
            if (key.rfind("s.", 0) == 0) {
                line.push_back(key.substr(2) + "=" + value);
            }
        }
        start(line, a.text("cores", "split"));
        connect_probe();
        clock_getcpuclockid(pid_, &clock_);
        usleep(50'000);
    }

    [[nodiscard]] int port() const { return port_; }
    [[nodiscard]] std::uint64_t cpu() const { return wrapped_ ? 0 : bench::read_clock(clock_); }
    [[nodiscard]] long field(const char* file, const char* key) const {
        const std::string path = "/proc/" + std::to_string(pid_) + "/" + file;
        char text[256];
        long value = 0;
        if (FILE* f = std::fopen(path.c_str(), "r")) {
            while (std::fgets(text, sizeof text, f) != nullptr) {
                if (std::strncmp(text, key, std::strlen(key)) == 0) {
                    value = std::atol(text + std::strlen(key));
                    break;
                }
            }
            std::fclose(f);
        }
        return value;
    }
    // True: it ended by itself, and well.
    bool finish() const {
        close(probe_);
        int status = 0;
        for (int i = 0; i < (wrapped_ ? 2000 : 300); ++i) {
            if (waitpid(pid_, &status, WNOHANG) == pid_) {
                return status == 0;
            }
            usleep(10'000);
        }
        std::fprintf(stderr, "server did not exit; ending it\n");
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        return false;
    }

private:
    void start(std::vector<std::string>& line, const std::string& cores) {
        pid_ = fork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (cores == "same") {
                batch_on_core_0();
            } else if (cores == "split") {
                bench::pin(0);
            }
            std::vector<char*> words;
            for (std::string& word : line) {
                words.push_back(word.data());
            }
            words.push_back(nullptr);
            execvp(words[0], words.data());
            die("exec server");
        }
        if (cores == "same") {
            batch_on_core_0();
        } else if (cores == "split") {
            bench::pin(1);
        }
    }
    void connect_probe() {
        for (int i = 0; i < 3000; ++i) {
            probe_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            const sockaddr_in a = bench::loopback(port_);
            if (connect(probe_, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0) {
                return;
            }
            close(probe_);
            if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
                std::fprintf(stderr, "server exited early\n");
                std::exit(1);
            }
            usleep(10'000);
        }
        die("server never listened");
    }

    pid_t pid_ = 0;
    int port_;
    int probe_ = -1;
    clockid_t clock_ = 0;
    bool wrapped_ = false;
};

int dial(int port, int host) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in a = bench::loopback(port, host);
    const linger reset{1, 0};  // no TIME_WAIT is left behind
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0) {
        die("connect");
    }
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

// Requests over many connections. closed: each sends its next one when it has its answer;
// burst: all send, then all wait, so that the server's batch has a fixed size.
class echo_clients {
public:
    echo_clients(int port, std::size_t conns, std::size_t size, bool burst)
        : size_(size), burst_(burst), conns_(conns), bytes_(std::max<std::size_t>(size, 65536)) {
        for (std::size_t i = 0; i < conns; ++i) {
            conns_[i].fd = dial(port, 1 + static_cast<int>(i % 8));
            epoll_event e{};
            e.events = EPOLLIN;
            e.data.u64 = i;
            if (epoll_ctl(poll_, EPOLL_CTL_ADD, conns_[i].fd, &e) != 0) {
                die("epoll_ctl");
            }
        }
    }
    ~echo_clients() {
        for (const connection& c : conns_) {
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
        send_all();
        std::vector<epoll_event> events(512);
        while (done_ < target_) {
            const int n = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
            for (int i = 0; i < n; ++i) {
                receive(conns_[events[static_cast<std::size_t>(i)].data.u64]);
            }
            if (burst_ && done_ == sent_) {
                send_all();
            }
        }
    }

    bench::latencies taken;

private:
    struct connection {
        int fd = -1;
        std::size_t got = 0;
        std::uint64_t begun = 0;
    };
    void fire(connection& c) {
        c.begun = bench::now_ns();
        c.got = 0;
        ++sent_;
        if (send(c.fd, bytes_.data(), size_, MSG_NOSIGNAL) != static_cast<ssize_t>(size_)) {
            die("send");
        }
    }
    void send_all() {
        for (connection& c : conns_) {
            if (sent_ < target_) {
                fire(c);
            }
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
        taken.add(bench::now_ns() - c.begun);
        ++done_;
        if (!burst_ && sent_ < target_) {
            fire(c);
        }
    }

    int poll_ = epoll_create1(EPOLL_CLOEXEC);
    std::size_t size_;
    bool burst_;
    std::vector<connection> conns_;
    std::vector<char> bytes_;
    long sent_ = 0, done_ = 0, target_ = 0;
};

bool echo(const arguments& a, bench::result& r) {
    const long conns = a.number("conns", 64);
    const long n = a.number("n", 500'000);
    const server s(a, "echo", conns);
    {
        echo_clients clients(s.port(), static_cast<std::size_t>(conns),
                             static_cast<std::size_t>(a.number("size", 64)),
                             a.text("mode", "closed") == "burst");
        clients.run(a.number("warm", n / 10));
        const std::uint64_t c0 = s.cpu(), m0 = bench::cpu_ns(), t0 = bench::now_ns();
        clients.run(n);
        const std::uint64_t t1 = bench::now_ns(), c1 = s.cpu(), m1 = bench::cpu_ns();
        const auto each = static_cast<double>(n);
        const double share = static_cast<double>(c1 - c0) / static_cast<double>(t1 - t0);
        r.ops = static_cast<std::uint64_t>(n);
        r.seconds = static_cast<double>(t1 - t0) / 1e9;
        r.set(clients.taken);
        r.max_rss_kb = s.field("status", "VmHWM:");
        r.extra = {{"conns", static_cast<double>(conns)},
                   {"server_cpu_us_per_req", static_cast<double>(c1 - c0) / 1e3 / each},
                   {"server_cpu_share", share},
                   {"load_cpu_us_per_req", static_cast<double>(m1 - m0) / 1e3 / each}};
    }
    return s.finish();
}

}  // namespace

int main(int count, char** words) {
    signal(SIGPIPE, SIG_IGN);
    if (count < 2 || std::string(words[1]) != "echo") {
        std::fprintf(stderr, "usage: load echo peer=PROGRAM [key=value…]\n");
        return 2;
    }
    const arguments a(count, words, 2);
    bench::result r;
    r.workload = words[1];
    std::string name = a.text("peer", "");
    name = name.substr(name.find_last_of('/') + 1);
    r.peer = a.text("name", (name.rfind("peer_", 0) == 0 ? name.substr(5) : name).c_str());
    const bool well = echo(a, r);
    r.print();
    return well ? 0 : 1;
}
