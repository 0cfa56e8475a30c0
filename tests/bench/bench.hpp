// SPDX-License-Identifier: BSL-1.0
// What the peers and the load generator share: arguments, clocks, latencies, the one JSON line.
// A peer fills a bench::peer with the workloads it has; README.md says what each one is.
#pragma once

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
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
            words.insert_or_assign(word.substr(0, at), at == std::string::npos
                                                           ? std::string(1, '1')
                                                           : word.substr(at + 1));
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

// As many descriptors as this user may have.
inline void raise_descriptors() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

// What a server says once it listens: the load generator reads it from the server's output.
inline void announce(int port) {
    std::printf("%d\n", port);
    std::fflush(stdout);
}

// The number behind `key` in a file of /proc, or 0.
inline long proc_field(const std::string& path, const char* key) {
    char text[256];
    long value = 0;
    if (FILE* file = std::fopen(path.c_str(), "r")) {
        while (std::fgets(text, sizeof text, file) != nullptr) {
            if (std::strncmp(text, key, std::strlen(key)) == 0) {
                value = std::atol(text + std::strlen(key));
                break;
            }
        }
        std::fclose(file);
    }
    return value;
}
inline double own_memory() {
    return 1024.0 * static_cast<double>(proc_field("/proc/self/smaps_rollup", "Anonymous:"));
}

// From its making to stop(): wall time, and this process's CPU time an operation.
class stopwatch {
public:
    void stop(result& r, std::uint64_t ops) const {
        const std::uint64_t cpu = cpu_ns() - cpu_;
        r.seconds = static_cast<double>(now_ns() - wall_) / 1e9;
        r.ops = ops;
        r.extra.emplace_back("cpu_ns_per_op", static_cast<double>(cpu) / static_cast<double>(ops));
    }

private:
    std::uint64_t wall_ = now_ns(), cpu_ = cpu_ns();
};

using function = void (*)(const arguments&, result&);
// A workload that a peer lacks stays empty. serve goes on until exit_after connections are closed;
// connect is given the port of somebody who accepts.
struct peer {
    const char* name;
    function serve = nullptr;
    function pingpong = nullptr;
    function connect = nullptr;
    function timers = nullptr;
    function post = nullptr;
    function spawn = nullptr;
};

inline function find_workload(const peer& p, const std::string& name) {
    const std::pair<const char*, function> all[] = {
        {"serve", p.serve},   {"pingpong", p.pingpong}, {"connect", p.connect},
        {"timers", p.timers}, {"post", p.post},         {"spawn", p.spawn}};
    for (const auto& [word, run] : all) {
        if (name == word) {
            return run;
        }
    }
    return nullptr;
}

// Exit 3: this peer lacks the workload (or its variant); the table shows a dash.
[[noreturn]] inline void lacks(const char* peer_name, const std::string& what) {
    std::fprintf(stderr, "%s: no workload %s\n", peer_name, what.c_str());
    std::exit(3);
}

// `peer_x echo|accept|stream|idle|connect …` goes to the load generator beside it, which comes
// back with `serve`, or with `connect port=…`.
inline int peer_main(int count, char** words, const peer& p) {
    signal(SIGPIPE, SIG_IGN);
    const std::string workload = count > 1 ? words[1] : "";
    const arguments given(count, words, 2);
    const bool by_load = workload == "echo" || workload == "accept" || workload == "stream" ||
                         workload == "idle" ||
                         (workload == "connect" && given.number("port", 0) == 0);
    if (by_load) {
        const std::string self = words[0];
        std::string load = self.substr(0, self.find_last_of('/') + 1) + "load";
        std::string by = "peer=" + self;
        std::vector<char*> line{load.data(), words[1], by.data()};
        line.insert(line.end(), words + 2, words + count);
        line.push_back(nullptr);
        execv(load.c_str(), line.data());
        die("exec load");
    }
    const function run = find_workload(p, workload);
    if (run == nullptr) {
        lacks(p.name, workload);
    }
    raise_descriptors();
    result r;
    r.peer = given.text("name", p.name);
    r.workload = workload;
    if (workload != "serve" && workload != "post") {
        pin(static_cast<int>(given.number("core", 0)));
    }
    run(given, r);
    if (workload != "serve") {
        r.print();
    }
    return 0;
}

}  // namespace bench
