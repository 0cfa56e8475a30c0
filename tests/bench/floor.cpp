// SPDX-License-Identifier: BSL-1.0
// What one kernel crossing of each kind costs on this machine: the price list that the limits are
// made of. The median of 9 batches, CPU time, one JSON line an item.
#include <liburing.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <poll.h>

#include "bench.hpp"
#include "network.hpp"

namespace {

template <class Work>
void item(const char* name, long n, Work&& work) {
    std::vector<double> batches;
    for (int batch = 0; batch < 9; ++batch) {
        const std::uint64_t begun = bench::cpu_ns();
        for (long i = 0; i < n; ++i) {
            work();
        }
        batches.push_back(static_cast<double>(bench::cpu_ns() - begun) / static_cast<double>(n));
    }
    std::sort(batches.begin(), batches.end());
    std::printf("{\"workload\":\"%s\",\"ns\":%.1f,\"min_ns\":%.1f}\n", name, batches[4],
                batches[0]);
}

constexpr long many = 20'000;

void expect(bool fine) {
    if (!fine) {
        bench::die("floor");
    }
}

void process_items() {
    item("getppid", many, [] { syscall(SYS_getppid); });
    item("clock_gettime", many, [] { bench::now_ns(); });
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    item("mutex, lock and unlock", many, [&] {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    });
    item("malloc and free of 96", many, [] {
        void* memory = std::malloc(96);
        asm volatile("" ::"r"(memory) : "memory");
        std::free(memory);
    });
}

class pair_items {
public:
    pair_items() {
        bench::never_block(near_);
        bench::never_block(far_);
    }
    void transfers() {
        item("recv that would block", many, [&] { recv(near_, small_, sizeof small_, 0); });
        item("send and recv of 64", many, [&] { cross(near_, far_); });
        item("echo of 64: two sends, two recvs", many, [&] {
            cross(near_, far_);
            cross(far_, near_);
        });
        item("send and recv of 4K", 5000, [&] { move(4096); });
        item("send and recv of 64K", 2000, [&] { move(65536); });
    }
    void options() {
        item("ioctl FIONBIO", many, [&] {
            int on = 1;
            ioctl(near_, FIONBIO, &on);
        });
        item("setsockopt SO_LINGER", many, [&] { bench::reset_on_close(near_, false); });
        item("poll of one", many, [&] {
            pollfd one{near_, POLLOUT, 0};
            poll(&one, 1, 0);
        });
    }
    void readiness() {
        const int poller = epoll_create1(EPOLL_CLOEXEC), event = eventfd(0, EFD_NONBLOCK);
        epoll_event e{}, ready[8];
        e.events = EPOLLIN | EPOLLET;
        item("epoll_wait(0)", many, [&] { epoll_wait(poller, ready, 8, 0); });
        item("epoll_ctl ADD and DEL", many, [&] {
            epoll_ctl(poller, EPOLL_CTL_ADD, near_, &e);
            epoll_ctl(poller, EPOLL_CTL_DEL, near_, &e);
        });
        epoll_ctl(poller, EPOLL_CTL_ADD, near_, &e);
        item("epoll_ctl MOD", many, [&] { epoll_ctl(poller, EPOLL_CTL_MOD, near_, &e); });
        item("epoll echo round trip", many, [&] {
            expect(send(far_, small_, sizeof small_, 0) > 0);
            expect(epoll_wait(poller, ready, 8, -1) == 1);
            expect(recv(near_, small_, sizeof small_, 0) > 0);
            cross(near_, far_);
        });
        epoll_ctl(poller, EPOLL_CTL_ADD, event, &e);
        const std::uint64_t one = 1;
        item("eventfd write and epoll_wait", many, [&] {
            expect(write(event, &one, sizeof one) == sizeof one);
            epoll_wait(poller, ready, 8, 0);
        });
        const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        item("timerfd_settime", many, [&] {
            const itimerspec later{{0, 0}, {5, 0}};
            timerfd_settime(timer, 0, &later, nullptr);
        });
    }
    void ring() {
        io_uring on;
        expect(io_uring_queue_init(256, &on,
                                   IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) == 0);
        const auto wait = [&](unsigned count) {
            io_uring_submit_and_wait(&on, count);
            io_uring_cq_advance(&on, io_uring_cq_ready(&on));
        };
        item("io_uring_enter with a nop", many, [&] {
            io_uring_prep_nop(io_uring_get_sqe(&on));
            wait(1);
        });
        item("io_uring_enter with 64 nops", many / 20, [&] {
            for (int i = 0; i < 64; ++i) {
                io_uring_prep_nop(io_uring_get_sqe(&on));
            }
            wait(64);
        });
        expect(io_uring_register_files(&on, pair_.fd, 2) == 0);
        item("io_uring_enter with a send and a recv of 64", many, [&] {
            io_uring_sqe* s = io_uring_get_sqe(&on);
            io_uring_prep_send(s, 0, small_, sizeof small_, MSG_WAITALL);
            s->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
            s = io_uring_get_sqe(&on);
            io_uring_prep_recv(s, 1, small_, sizeof small_, 0);
            s->flags |= IOSQE_FIXED_FILE;
            wait(1);
        });
        io_uring_queue_exit(&on);
    }

private:
    void cross(int from, int to) {
        expect(send(from, small_, sizeof small_, 0) > 0 && recv(to, small_, sizeof small_, 0) > 0);
    }
    void move(std::size_t size) {
        const ssize_t sent = send(near_, large_.data(), size, 0);
        expect(sent > 0);
        for (ssize_t got = 0; got < sent;) {
            const ssize_t n = recv(far_, large_.data(), large_.size(), 0);
            expect(n > 0);
            got += n;
        }
    }

    bench::tcp_pair pair_;
    int near_ = pair_.fd[0], far_ = pair_.fd[1];
    char small_[64] = {};
    std::vector<char> large_ = std::vector<char>(65536);
};

void connection_items() {
    constexpr int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    item("socket and close", 5000, [] { close(socket(AF_INET, type, 0)); });
    const int door = bench::listen_anywhere(true);
    bench::reset_on_close(door);
    const sockaddr_in to = bench::loopback(bench::port_of(door));
    item("socket, connect, accept4, two closes", 2000, [&] {
        const int fd = socket(AF_INET, type, 0);
        bench::reset_on_close(fd);
        connect(fd, bench::generic(to), sizeof to);
        const int accepted = accept4(door, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        expect(accepted >= 0);
        close(fd);
        close(accepted);
    });
}

}  // namespace

int main() {
    bench::pin(0);
    process_items();
    pair_items pair;
    pair.transfers();
    pair.options();
    pair.readiness();
    connection_items();
    pair.ring();
}
