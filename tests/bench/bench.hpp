// SPDX-License-Identifier: BSL-1.0
// What the peers and the load generator share: arguments, clocks, latencies, the one JSON line,
// plain socket helpers. A peer is one .cpp that fills a bench::peer with the workloads it has.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace bench {

[[noreturn]] inline void die(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

inline std::uint64_t read_clock(clockid_t which) {
    timespec t{};
    clock_gettime(which, &t);
    return std::uint64_t(t.tv_sec) * 1'000'000'000 + std::uint64_t(t.tv_nsec);
}
inline std::uint64_t now_ns() { return read_clock(CLOCK_MONOTONIC); }
inline std::uint64_t cpu_ns() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

// key=value words; a word without '=' counts as 1.
struct arguments {
    std::map<std::string, std::string> words;

    arguments(int count, char** given, int from) {
        for (int i = from; i < count; ++i) {
            const std::string word = given[i];
            const auto at = word.find('=');
            if (at == std::string::npos) {
                words[word] = "1";
            } else {
                words[word.substr(0, at)] = word.substr(at + 1);
            }
        }
    }
    [[nodiscard]] long number(const char* key, long otherwise) const {
        const auto found = words.find(key);
        return found == words.end() ? otherwise : std::atol(found->second.c_str());
    }
    [[nodiscard]] std::string text(const char* key, const char* otherwise) const {
        const auto found = words.find(key);
        return found == words.end() ? std::string(otherwise) : found->second;
    }
};

// Exact latencies in nanoseconds, capped at 4.29 s.
struct latencies {
    std::vector<std::uint32_t> all;

    void add(std::uint64_t ns) {
        all.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(ns, 0xffffffffU)));
    }
    [[nodiscard]] double us(double quantile) {
        if (all.empty()) {
            return 0;
        }
        const auto rank = static_cast<std::size_t>(quantile * static_cast<double>(all.size()));
        const auto at = all.begin() + static_cast<std::ptrdiff_t>(std::min(rank, all.size() - 1));
        std::nth_element(all.begin(), at, all.end());
        return *at / 1000.0;
    }
};

struct result {
    std::string peer, workload;
    std::uint64_t ops = 0;
    double seconds = 0, p50 = 0, p99 = 0, p999 = 0;
    long max_rss_kb = 0;
    std::vector<std::pair<std::string, double>> extra;

    void set(latencies& l) {
        p50 = l.us(.5);
        p99 = l.us(.99);
        p999 = l.us(.999);
    }
    void print() const {
        rusage own{};
        getrusage(RUSAGE_SELF, &own);
        const long rss = max_rss_kb != 0 ? max_rss_kb : own.ru_maxrss;
        const double rate = seconds > 0 ? static_cast<double>(ops) / seconds : 0.0;
        std::printf("{\"peer\":\"%s\",\"workload\":\"%s\",\"ops\":%llu,\"seconds\":%.6f,"
                    "\"ops_per_s\":%.1f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f,"
                    "\"max_rss_kb\":%ld,\"extra\":{",
                    peer.c_str(), workload.c_str(), static_cast<unsigned long long>(ops), seconds,
                    rate, p50, p99, p999, rss);
        for (std::size_t i = 0; i < extra.size(); ++i) {
            std::printf("%s\"%s\":%.4f", i != 0 ? "," : "", extra[i].first.c_str(),
                        extra[i].second);
        }
        std::printf("}}\n");
        std::fflush(stdout);
    }
};

inline void pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(core), &set);
    sched_setaffinity(0, sizeof set, &set);
}

// 127.0.0.1 and its neighbours, so that many connections do not run out of local ports.
inline sockaddr_in loopback(int port, int host = 1) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<std::uint16_t>(port));
    a.sin_addr.s_addr = htonl(0x7f000000U + static_cast<std::uint32_t>(host));
    return a;
}

// A port that nobody listens on now.
inline int free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a = loopback(0);
    socklen_t length = sizeof a;
    if (bind(fd, reinterpret_cast<sockaddr*>(&a), length) != 0 ||
        getsockname(fd, reinterpret_cast<sockaddr*>(&a), &length) != 0) {
        die("bind");
    }
    close(fd);
    return ntohs(a.sin_port);
}

using function = void (*)(const arguments&, result&);
struct peer {
    const char* name;
    function serve = nullptr;
};

// serve parameters: port, kind=echo, chunk (buffer bytes), exit_after (closed connections).
// `peer_x echo …` goes to the load generator beside it.
inline int peer_main(int count, char** words, const peer& p) {
    signal(SIGPIPE, SIG_IGN);
    const std::string workload = count > 1 ? words[1] : "";
    if (workload == "echo") {
        const std::string self = words[0];
        std::string load = self.substr(0, self.find_last_of('/') + 1) + "load";
        std::string by = "peer=" + self;
        std::vector<char*> line{load.data(), words[1], by.data()};
        line.insert(line.end(), words + 2, words + count);
        line.push_back(nullptr);
        execv(load.c_str(), line.data());
        die("exec load");
    }
    if (workload != "serve" || p.serve == nullptr) {
        std::fprintf(stderr, "usage: %s serve|echo [key=value…]\n", words[0]);
        return 2;
    }
    result r;
    p.serve(arguments(count, words, 2), r);
    return 0;
}

}  // namespace bench
