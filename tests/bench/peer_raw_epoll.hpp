// SPDX-License-Identifier: BSL-1.0
// The hand-written limit of readiness: one thread, edge-triggered, one epoll_ctl a socket, no
// locks, no allocation a request, an intrusive timing wheel, a ring a posting thread.
#pragma once

#include <sys/epoll.h>

#include "bench.hpp"
#include "network.hpp"

namespace bench::raw_epoll {

constexpr int batch = 256;

inline int make_poller() {
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) {
        die("epoll_create1");
    }
    return poller;
}
inline void add(int poller, int fd, std::uint32_t events, std::uint64_t number) {
    epoll_event e{};
    e.events = events;
    e.data.u64 = number;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) != 0) {
        die("epoll_ctl");
    }
}
inline std::uint64_t now_ms() { return now_ns() / 1'000'000; }

void serve(const arguments& a, result& r);
void pingpong(const arguments& a, result& r);
void connect(const arguments& a, result& r);
void timers(const arguments& a, result& r);
void post(const arguments& a, result& r);

}  // namespace bench::raw_epoll
