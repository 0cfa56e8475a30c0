// SPDX-License-Identifier: BSL-1.0
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <initializer_list>
#include <sstream>

#include "load.hpp"

namespace bench {

void settle_down(const std::string& cores, place where) {
    if (cores == "free") {
        return;
    }
    pin(cores == "same" || where == place::child ? 0 : 1);
    if (cores == "same") {
        const sched_param none{};
        sched_setscheduler(0, SCHED_BATCH, &none);
    }
}

process::process(const arguments& a, const std::string& workload,
                 std::initializer_list<std::pair<const char*, std::string>> words) {
    std::vector<std::string> line;
    std::istringstream wrap(a.text("wrap", ""));
    for (std::string word; wrap >> word;) {
        line.push_back(word);
    }
    wrapped_ = !line.empty();
    line.insert(line.end(), {a.text("peer", ""), workload});
    for (const auto& [key, value] : words) {
        line.push_back(std::string(key) + "=" + value);
    }
    for (const auto& [key, value] : a.words) {
        if (key.rfind("s.", 0) == 0) {
            line.push_back(key.substr(2) + "=" + value);
        }
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        die("pipe");
    }
    const std::string cores = a.text("cores", "split");
    pid_ = fork();
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        settle_down(cores, place::child);
        std::vector<char*> argv;
        for (std::string& word : line) {
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        execvp(argv[0], argv.data());
        die("exec peer");
    }
    close(ends[1]);
    output_ = fdopen(ends[0], "r");
    clock_getcpuclockid(pid_, &clock_);
    settle_down(cores, place::here);
}

process::~process() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    std::fclose(output_);
}

long process::field(const char* file, const char* key) const {
    return proc_field("/proc/" + std::to_string(pid_) + "/" + file, key);
}

std::string process::line() {
    char text[4096];
    return std::fgets(text, sizeof text, output_) != nullptr ? text : "";
}

bool process::finish() {
    for (int i = 0; i < (wrapped_ ? 20'000 : 3000); ++i) {
        if (waitpid(pid_, &status_, WNOHANG) == pid_) {
            pid_ = 0;
            return status_ == 0;
        }
        usleep(i < 100 ? 100 : 1000);
    }
    std::fprintf(stderr, "the peer did not end; ending it\n");
    return false;
}

server::server(const arguments& a, const std::string& kind, long closes, long chunk)
    : process(a, "serve",
              {{"kind", kind},
               {"chunk", std::to_string(chunk)},
               {"exit_after", std::to_string(closes + 1)}}),
      port_(std::atoi(line().c_str())) {
    if (port_ == 0) {
        static_cast<void>(process::finish());
        std::fprintf(stderr, "the server said no port\n");
        // What it lacks it says by its exit code.
        std::exit(WIFEXITED(status()) && WEXITSTATUS(status()) == 3 ? 3 : 1);
    }
    first_ = dial(port_, 1, false);
    usleep(5000);
}

bool server::finish() {
    close(first_);
    return process::finish();
}

void server_watch::stop(result& r, std::uint64_t ops) const {
    const std::uint64_t cpu = server_.cpu() - cpu_;
    own_.stop(r, ops);
    r.extra.back().first = "load_cpu_ns_per_op";
    r.extra.emplace_back("cpu_ns_per_op", static_cast<double>(cpu) / static_cast<double>(ops));
    r.extra.emplace_back("cpu_share", static_cast<double>(cpu) / 1e9 / r.seconds);
    r.max_rss_kb = server_.field("status", "VmHWM:");
}

int dial(int port, int host, bool non_blocking) {
    const int type = SOCK_STREAM | SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0);
    const int fd = socket(AF_INET, type, 0);
    const sockaddr_in a = loopback(port, host);
    if (fd < 0) {
        die("socket");
    }
    reset_on_close(fd);
    if (::connect(fd, generic(a), sizeof a) != 0 && errno != EINPROGRESS) {
        die("connect");
    }
    return fd;
}

void watch(int poller, int fd, std::uint64_t number, std::uint32_t events) {
    epoll_event e{};
    e.events = events;
    e.data.u64 = number;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) != 0) {
        die("epoll_ctl");
    }
}

}  // namespace bench
