// SPDX-License-Identifier: BSL-1.0
// The load generator's parts: the process under load, and a workload each.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench.hpp"
#include "network.hpp"

namespace bench {

// cores=same: this process and its child on core 0, and batches: no wake-up preempts.
// cores=split: the child on core 0, this one on core 1. cores=free: as the system likes.
enum class place { child, here };
void settle_down(const std::string& cores, place where);

// The peer, started as a child so that its CPU clock and memory can be read from outside.
class process {
public:
    // The words of wrap= stand before the peer's command line; s.key=value goes to it as key=value.
    process(const arguments& a, const std::string& workload,
            std::initializer_list<std::pair<const char*, std::string>> words);
    ~process();
    process(const process&) = delete;
    process& operator=(const process&) = delete;

    [[nodiscard]] std::uint64_t cpu() const { return wrapped_ ? 0 : read_clock(clock_); }
    [[nodiscard]] long field(const char* file, const char* key) const;
    // The next line that it wrote; empty at its end.
    [[nodiscard]] std::string line();
    // True: it ended by itself, and well.
    [[nodiscard]] bool finish();
    [[nodiscard]] int status() const { return status_; }

private:
    pid_t pid_ = 0;
    clockid_t clock_ = 0;
    FILE* output_ = nullptr;
    int status_ = 0;
    bool wrapped_ = false;
};

// One that listens. A first connection is kept until finish(), and ends the server then.
class server : public process {
public:
    server(const arguments& a, const std::string& kind, long closes, long chunk);

    [[nodiscard]] int port() const { return port_; }
    [[nodiscard]] int first() const { return first_; }
    [[nodiscard]] bool finish();

private:
    int port_;
    int first_;
};

[[nodiscard]] int dial(int port, int host, bool non_blocking);
void watch(int poller, int fd, std::uint64_t number, std::uint32_t events);

// What the server used from its making to stop(), and this process beside it.
class server_watch {
public:
    explicit server_watch(const server& s) : server_(s) {}
    // cpu_ns_per_op is the server's, load_cpu_ns_per_op ours.
    void stop(result& r, std::uint64_t ops) const;

private:
    const server& server_;
    std::uint64_t cpu_ = server_.cpu();
    stopwatch own_;
};

// Each is true if the peer ended well.
bool load_echo(const arguments& a, result& r);
bool load_accept(const arguments& a, result& r);
bool load_stream(const arguments& a, result& r);
bool load_idle(const arguments& a, result& r);
// The peer connects, to a listener that this process forks; it prints its own line.
int load_connect(const arguments& a);

}  // namespace bench
