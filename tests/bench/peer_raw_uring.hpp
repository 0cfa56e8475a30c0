// SPDX-License-Identifier: BSL-1.0
// The hand-written limit of completion: one ring (DEFER_TASKRUN, SINGLE_ISSUER, its descriptor
// registered), direct descriptors, multishot accept and receive, one ring of provided buffers,
// sends straight out of the received buffer, one enter a turn.
#pragma once

#include <liburing.h>
#include <sys/mman.h>

#include "bench.hpp"
#include "network.hpp"

namespace bench::raw_uring {

enum class kind : std::uint8_t { accept = 1, receive, answer, rest, pour, close, connect, message };

struct tag {
    kind what;
    std::uint32_t fd;  // or another number

    static std::uint64_t pack(kind what, std::uint32_t fd) {
        return std::uint64_t{static_cast<std::uint8_t>(what)} << 56 | fd;
    }
    explicit tag(std::uint64_t packed)
        : what(static_cast<kind>(packed >> 56)), fd(static_cast<std::uint32_t>(packed)) {}
};

class ring {
public:
    explicit ring(unsigned entries = 4096, unsigned completions = 16384) {
        io_uring_params how{};
        how.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
        how.cq_entries = completions;
        check(io_uring_queue_init_params(entries, &ring_, &how), "io_uring_queue_init");
        io_uring_register_ring_fd(&ring_);
    }
    ~ring() { io_uring_queue_exit(&ring_); }
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;

    [[nodiscard]] int fd() const { return ring_.ring_fd; }

    void sparse_files(unsigned count) {
        check(io_uring_register_files_sparse(&ring_, count), "register_files_sparse");
    }
    void provide_buffers(unsigned count, std::size_t size) {
        count_ = count;
        size_ = size;
        buffers_ = static_cast<io_uring_buf_ring*>(map(count * sizeof(io_uring_buf)));
        memory_ = static_cast<char*>(map(count * size));
        io_uring_buf_reg how{};
        how.ring_addr = reinterpret_cast<std::uint64_t>(buffers_);
        how.ring_entries = count;
        check(io_uring_register_buf_ring(&ring_, &how, 0), "register_buf_ring");
        io_uring_buf_ring_init(buffers_);
        for (unsigned i = 0; i < count; ++i) {
            give_back(i);
        }
        publish_buffers();
    }
    [[nodiscard]] char* buffer(unsigned number) const { return memory_ + number * size_; }
    // The kernel sees it at the next publish_buffers(): one a turn.
    void give_back(unsigned number) {
        io_uring_buf_ring_add(buffers_, buffer(number), static_cast<unsigned>(size_),
                              static_cast<unsigned short>(number), static_cast<int>(count_ - 1),
                              given_++);
    }
    void publish_buffers() {
        if (given_ != 0) {
            io_uring_buf_ring_advance(buffers_, given_);
            given_ = 0;
        }
    }

    io_uring_sqe* entry() {
        io_uring_sqe* s = io_uring_get_sqe(&ring_);
        if (s == nullptr) {
            io_uring_submit(&ring_);
            s = io_uring_get_sqe(&ring_);
        }
        return s;
    }
    // A chain of links must not be cut by a submit in between.
    void room_for(unsigned entries) {
        if (io_uring_sq_space_left(&ring_) < entries) {
            io_uring_submit(&ring_);
        }
    }
    void receive_all(std::uint32_t fd) { receive(fd, IORING_RECV_MULTISHOT); }
    void receive_once(std::uint32_t fd) { receive(fd, 0); }
    void receive(std::uint32_t fd, std::uint16_t how) {
        io_uring_sqe* s = entry();
        io_uring_prep_recv(s, static_cast<int>(fd), nullptr, 0, 0);
        s->ioprio |= how;
        io_uring_sqe_set_flags(s, IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE);
        s->buf_group = 0;
        s->user_data = tag::pack(kind::receive, fd);
    }
    void submit() { io_uring_submit(&ring_); }
    void submit_and_look() { io_uring_submit_and_get_events(&ring_); }
    // ms < 0: for ever.
    void submit_and_wait(int ms = -1) {
        if (ms < 0) {
            io_uring_submit_and_wait(&ring_, 1);
            return;
        }
        __kernel_timespec until{ms / 1000, ms % 1000 * 1'000'000LL};
        io_uring_cqe* first = nullptr;
        io_uring_submit_and_wait_timeout(&ring_, &first, 1, &until, nullptr);
    }
    // Asks again for so long, and only then waits.
    void submit_and_spin(std::uint64_t ns, int ms) {
        const std::uint64_t begun = now_ns();
        do {
            submit_and_look();
            if (io_uring_cq_ready(&ring_) != 0) {
                return;
            }
        } while (now_ns() - begun < ns);
        submit_and_wait(ms);
    }
    template <class Each>
    void completions(Each&& each) {
        unsigned head = 0, count = 0;
        io_uring_cqe* c = nullptr;
        io_uring_for_each_cqe(&ring_, head, c) {
            each(tag(c->user_data), c->res, c->flags);
            ++count;
        }
        io_uring_cq_advance(&ring_, count);
    }

private:
    static void check(int error, const char* what) {
        if (error < 0) {
            errno = -error;
            die(what);
        }
    }
    static void* map(std::size_t bytes) {
        return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    }

    io_uring ring_{};
    io_uring_buf_ring* buffers_ = nullptr;
    char* memory_ = nullptr;
    unsigned count_ = 0;
    std::size_t size_ = 0;
    int given_ = 0;
};

void serve(const arguments& a, result& r);
void pingpong(const arguments& a, result& r);
void connect(const arguments& a, result& r);
void post(const arguments& a, result& r);

}  // namespace bench::raw_uring
